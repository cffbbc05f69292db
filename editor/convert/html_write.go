package convert

import (
	"html"
	"slices"
	"strconv"
	"strings"

	"halley/ot"
)

// writeHTML writes a whole document that stands by itself.
func writeHTML(p *page, out *output) {
	w := htmlWriter{out: out, lines: p.lines, notes: p.notes}
	out.write("<!DOCTYPE html>\n<html>\n<head>\n<meta charset=\"utf-8\">\n",
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
		"<title>", html.EscapeString(documentTitle(p.title)), "</title>\n<style>\n", styleSheet, "</style>\n</head>\n<body>\n<main>\n")
	w.blocks(outside)
	out.write("</main>\n</body>\n</html>\n")
}

// documentTitle returns a title that is not empty: HTML asks for one.
func documentTitle(title string) string {
	if title = strings.TrimSpace(title); title == "" {
		return "Untitled"
	}
	return title
}

const styleSheet = `:root { color-scheme: light dark; }
body { margin: 0; padding: 2rem 1rem; font: 1rem/1.6 system-ui, sans-serif; overflow-wrap: break-word; }
main { max-width: 44rem; margin: 0 auto; }
h1, h2, h3, h4, h5, h6 { line-height: 1.25; margin: 1.6em 0 0.5em; }
p, ul, ol, blockquote, pre { margin: 0 0 0.8em; }
li > ul, li > ol { margin: 0; }
li.check { list-style: none; }
li.check > input { margin: 0 0.5em 0 -1.5em; }
a { color: #0b57d0; }
code, pre { font: 0.9em/1.5 ui-monospace, monospace; background: #80808026; border-radius: 4px; }
code { padding: 0.1em 0.3em; }
pre { padding: 0.8em 1em; overflow-x: auto; }
pre code { padding: 0; background: none; font-size: 1em; }
blockquote { padding: 0 0 0 1em; border-inline-start: 3px solid #80808080; }
blockquote p, aside p { margin: 0; }
aside { margin: 0 0 0.8em; padding: 0.6em 1em; border-inline-start: 4px solid #0b57d0; background: #80808019; }
aside.tip { border-color: #188038; }
aside.warning { border-color: #b06000; }
img { max-width: 100%; height: auto; }
hr { border: 0; border-top: 1px solid #80808080; margin: 1.6em 0; }
@media (prefers-color-scheme: dark) { a { color: #8ab4f8; } aside { border-color: #8ab4f8; } }
`

type htmlWriter struct {
	out    *output
	lines  *lineReader
	notes  *notes
	inCode bool
}

// outside is the style of what is around the page's blocks. It stands one
// level above them, as an item does above what is nested in it.
var outside = style{indent: noParent}

// blocks writes the blocks nested in an item of style around.
func (w *htmlWriter) blocks(around style) {
	for w.lines.inside(around.indent) {
		if _, s, _ := w.lines.peek(); s.kind == listItem {
			w.list(s.ordered(), around)
		} else {
			w.block(w.lines.block(0), around)
		}
	}
}

// list writes the items that come next and make one list: all numbered, or all
// not.
func (w *htmlWriter) list(ordered bool, around style) {
	name := "ul"
	if ordered {
		name = "ol"
	}
	w.out.write("<", name, ">\n")
	for w.lines.inside(around.indent) {
		if _, s, _ := w.lines.peek(); s.kind != listItem || s.ordered() != ordered {
			break
		}
		w.item(w.lines.block(0), around)
	}
	w.out.write("</", name, ">\n")
}

func (w *htmlWriter) item(b block, around style) {
	w.noteLines(b)
	attrs := look(b.style, around)
	box := ""
	switch b.style.list {
	case "checked":
		attrs = ` class="check"` + attrs
		box = `<input type="checkbox" disabled checked> `
	case "unchecked":
		attrs = ` class="check"` + attrs
		box = `<input type="checkbox" disabled> `
	case "bullet", "ordered":
	default:
		attrs += attribute("data-list", b.style.list)
	}
	if b.style.callout != "" {
		attrs += attribute("data-callout", b.style.callout)
	}
	w.out.write("<li", attrs, ">", box, w.inline(b.line.ops))
	if w.lines.inside(b.style.indent) {
		if len(b.line.ops) == 0 {
			w.out.write("<br>") // else what follows would be the item's text
		}
		w.out.write("\n")
		w.blocks(b.style)
	}
	w.out.write("</li>\n")
}

func (w *htmlWriter) block(b block, around style) {
	w.noteLines(b)
	attrs := look(b.style, around)
	switch {
	case b.style.kind == codeBlock:
		w.code(b, attrs+calloutOf(b.style))
	case b.style.kind == heading:
		name := "h" + strconv.Itoa(b.style.level)
		w.element(name, attrs+calloutOf(b.style), b.line)
	case b.style.kind == quote:
		w.quoted("blockquote", ownLook(b.style, around)+calloutOf(b.style), b, around)
	case b.style.callout != "":
		w.quoted("aside", ` class="`+html.EscapeString(b.style.callout)+`"`+ownLook(b.style, around)+calloutOf(b.style), b, around)
	case b.line.isDivider() && len(b.line.ops[0].Attributes) == 0:
		w.out.write("<hr", attrs, ">\n")
	default:
		w.element("p", attrs, b.line)
	}
}

func calloutOf(s style) string {
	if s.callout == "" {
		return ""
	}
	return attribute("data-callout", s.callout)
}

// quoted writes a quote or callout, each line a paragraph with its own look.
func (w *htmlWriter) quoted(name, attrs string, b block, around style) {
	w.out.write("<", name, attrs, ">\n")
	w.lines.each(b, func(l line, _ int) {
		s, _ := styleOf(l.attrs)
		around.indent = s.indent - 1 // the quote has said it
		w.element("p", look(s, around), l)
	})
	w.out.write("</", name, ">\n")
}

func (w *htmlWriter) element(name, attrs string, l line) {
	text := w.inline(l.ops)
	if text == "" {
		text = "<br>"
	}
	w.out.write("<", name, attrs, ">", text, "</", name, ">\n")
}

func (w *htmlWriter) code(b block, attrs string) {
	class := ""
	if b.style.language != "" {
		class = attribute("class", "language-"+b.style.language)
	}
	w.out.write("<pre", attrs, "><code", class, ">")
	w.inCode = true
	w.lines.each(b, func(l line, _ int) { w.out.write(w.marked(withoutCode(l.ops)), "\n") })
	w.inCode = false
	w.out.write("</code></pre>\n")
}

// withoutCode takes the mark off text that is code anyway.
func withoutCode(ops ot.Delta) ot.Delta {
	var out ot.Delta
	for _, op := range ops {
		op.Attributes = slices.DeleteFunc(slices.Clone(op.Attributes), func(a ot.Attr) bool { return a.Name == "code" })
		out = append(out, op)
	}
	return out
}

func attribute(name, value string) string {
	return " " + name + `="` + html.EscapeString(value) + `"`
}

// look writes alignment and direction where they are others than around, and
// an indent other than the one that the nesting says.
func look(s, around style) string {
	var attrs string
	var css []string
	if nested := around.indent + 1; s.indent != nested {
		attrs += attribute("data-indent", strconv.Itoa(s.indent))
		css = append(css, "margin-inline-start:"+strconv.Itoa(2*max(s.indent-nested, 0))+"em")
	}
	switch {
	case s.direction != "":
		attrs += attribute("dir", s.direction)
	case around.direction != "":
		attrs += ` dir="ltr"`
	}
	switch {
	case s.align != "":
		css = append(css, "text-align:"+s.align)
	case around.align != "":
		css = append(css, "text-align:start")
	}
	if len(css) > 0 {
		attrs += attribute("style", strings.Join(css, ";"))
	}
	return attrs
}

// ownLook is look without what each line says for itself.
func ownLook(s, around style) string {
	return look(style{indent: s.indent}, style{indent: around.indent})
}

func (w *htmlWriter) noteLines(b block) {
	w.lines.eachAhead(b, func(l line, at int) {
		_, rest := styleOf(l.attrs)
		w.notes.noteRest(rest, at+1)
	})
}

// inline writes the ops of a line. Where a browser would collapse white space
// it is told not to.
func (w *htmlWriter) inline(ops ot.Delta) string {
	text := w.marked(ops)
	if collapses(plainText(ops, objectText)) {
		return `<span style="white-space:pre-wrap">` + text + "</span>"
	}
	return text
}

// collapses reports whether text in HTML is not shown as it stands.
func collapses(text string) bool {
	return strings.ContainsAny(text, "\t\f\v") || strings.Contains(text, "  ") ||
		strings.HasPrefix(text, " ") || strings.HasSuffix(text, " ") || text == "\u00a0"
}

// marked writes ops with their marks as elements, none opened more often than
// it must.
func (w *htmlWriter) marked(ops ot.Delta) string {
	var out strings.Builder
	var open []mark
	for _, op := range ops {
		m, rest := marksOf(op.Attributes)
		if op.Embed.Type == "image" {
			rest = withoutPicture(op, rest)
		}
		w.notes.noteRest(rest, 0)
		want := m.each()
		for i := range want {
			// Readers leave the look of code, which highlighters colour, to
			// the page.
			want[i].exact = want[i].exact || w.inCode
		}
		same := 0
		for same < len(open) && same < len(want) && open[same] == want[same] {
			same++
		}
		closeTags(&out, open[same:])
		for _, m := range want[same:] {
			out.WriteString(openTag(m))
		}
		open = want
		if op.Embed.Type != "" {
			out.WriteString(w.embed(op))
		} else {
			out.WriteString(html.EscapeString(op.Insert))
		}
	}
	closeTags(&out, open)
	return out.String()
}

func closeTags(out *strings.Builder, open []mark) {
	for i := len(open) - 1; i >= 0; i-- {
		out.WriteString("</" + elementOf(open[i]) + ">")
	}
}

func elementOf(m mark) string {
	switch m.name {
	case "link":
		return "a"
	case "bold":
		return "strong"
	case "italic":
		return "em"
	case "underline":
		return "u"
	case "strike":
		return "s"
	case "code":
		return "code"
	case "script":
		if m.value == "sub" {
			return "sub"
		}
		return "sup"
	}
	return "span"
}

func openTag(m mark) string {
	switch m.name {
	case "link":
		return "<a" + attribute("href", m.value) + ` rel="noopener noreferrer nofollow">`
	case "color":
		return "<span" + colorAttributes("color", "data-color", m, defaultInk) + ">"
	case "background":
		return "<span" + colorAttributes("background-color", "data-background", m, defaultPaper) + ">"
	}
	return "<" + elementOf(m) + ">"
}

// colorAttributes writes a color as style, and as it is where a reader would
// not take it from the style.
func colorAttributes(property, data string, m mark, ignored string) string {
	attrs := ""
	if m.value == ignored || m.exact || parseColor(m.value) != m.value {
		attrs = attribute(data, m.value)
	}
	if parseColor(m.value) != "" || colorName.MatchString(m.value) {
		attrs += attribute("style", property+":"+m.value)
	}
	return attrs
}

// embed writes an embed as what a browser shows best, with the embed itself
// beside it, so that reading brings it back.
func (w *htmlWriter) embed(op ot.Op) string {
	e := op.Embed
	text := html.EscapeString(embedText(e, op.Attributes))
	self := attribute("data-embed", string(e.AppendJSON(nil)))
	address, _ := e.Value.Text()
	switch e.Type {
	case "image":
		return imageTag(pictureOf(op))
	case "file":
		path := embedField(e, "path")
		if !safeLink(path) {
			break
		}
		if text == "" {
			text = html.EscapeString(path)
		}
		return "<a" + self + attribute("href", path) + attribute("download", embedField(e, "name")) + ">" + text + "</a>"
	case "date":
		return "<time" + self + attribute("datetime", address) + ">" + text + "</time>"
	case "formula":
		return "<code" + self + ` class="math">` + text + "</code>"
	case "mention", "page", "divider":
	default:
		w.notes.add(e.Type, 0, "This cannot be shown in such a file: "+e.Type+".")
	}
	return "<span" + self + attribute("class", e.Type) + ">" + text + "</span>"
}

func imageTag(p picture) string {
	tag := "<img" + attribute("src", p.address) + attribute("alt", p.alt)
	if p.width != "" {
		tag += attribute("width", p.width)
	}
	return tag + ">"
}
