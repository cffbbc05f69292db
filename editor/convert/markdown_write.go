package convert

import (
	"strconv"
	"strings"
)

// writeMarkdown writes CommonMark with GitHub's extensions. Every line of the
// page becomes a paragraph, heading, list item or the like; an empty line is
// written as <br>, which Markdown shows as an empty line and Read reads back.
// What Markdown has no signs for (underline, color, alignment, …) is written
// as inline HTML, which Read reads back too.
//
// Bold, italic and strike are moved off the white space at their ends, where
// Markdown cannot have them.
func writeMarkdown(p *page) []byte {
	w := newMarkdownWriter(p)
	if p.source != nil && p.source.Format == "md" {
		return w.keepSource(p.lines, p.source)
	}
	return []byte(w.document(p.lines))
}

type markdownWriter struct {
	schema Schema
	notes  *notes
	// references is whether the file has link definitions, so that any
	// [text] may be a link.
	references bool
	// first is the index in the page of the first of the lines being written.
	first int
}

func newMarkdownWriter(p *page) *markdownWriter {
	return &markdownWriter{schema: p.schema, notes: p.notes}
}

// document writes a whole file.
func (w *markdownWriter) document(lines []line) string {
	if isBlankPage(lines) {
		return ""
	}
	return strings.Join(w.blocks(outline(lines), 0, canonicalList), "\n") + "\n"
}

// isBlankPage reports whether lines are what an empty file gives.
func isBlankPage(lines []line) bool {
	return len(lines) == 1 && len(lines[0].ops) == 0 && len(lines[0].attrs) == 0
}

// A listForm says how the items of a list are written.
type listForm struct {
	bullet byte // '-', '*' or '+'
	point  byte // '.' or ')', behind a number
	number int  // of the first item
	loose  bool // blank lines between the items
}

var canonicalList = listForm{bullet: '-', point: '.', number: 1}

// blocks returns the lines of text that blocks at that depth of nesting make.
func (w *markdownWriter) blocks(blocks []block, depth int, form listForm) []string {
	var out []string
	number := form.number
	for i, b := range blocks {
		joined := i > 0 && listGoesOn(blocks[i-1], b)
		if !joined {
			number = form.number
		}
		if i > 0 && (!joined || form.loose || endsLoose(blocks[i-1])) {
			out = append(out, "")
		}
		w.noteBlock(b)
		if b.style.kind == listItem {
			// A bare marker at the end of a nested list would end the lists around.
			bare := depth == 0 || i+1 < len(blocks) && listGoesOn(b, blocks[i+1])
			out = append(out, w.item(b, depth, form, number, bare)...)
			number++
		} else {
			out = append(out, w.block(b)...)
		}
		form.number = 1
	}
	return out
}

// listGoesOn reports whether two blocks are items of one list.
func listGoesOn(a, b block) bool {
	return a.style.kind == listItem && b.style.kind == listItem && a.style.ordered() == b.style.ordered()
}

// endsLoose reports whether an item ends in a paragraph of its own, behind
// which a blank line reads better.
func endsLoose(b block) bool {
	if len(b.children) == 0 {
		return false
	}
	last := b.children[len(b.children)-1]
	return last.style.kind != listItem || endsLoose(last)
}

func (w *markdownWriter) noteBlock(b block) {
	where := w.first + b.first + 1
	for i, l := range b.lines {
		_, rest := styleOf(l.attrs)
		w.notes.noteRest(rest, where+i)
	}
	if b.shift != 0 {
		w.notes.addMany("indent", len(b.lines), where, "Markdown has no indent without a list around it.")
	}
	if b.style.callout != "" && (b.style.kind == codeBlock || b.style.kind == heading || b.style.kind == listItem) {
		w.notes.addMany("callout", len(b.lines), where, "Markdown has no callouts of headings, lists or code.")
	}
	if b.style.kind == codeBlock || b.style.kind == listItem {
		for i, l := range b.lines {
			if s, _ := styleOf(l.attrs); s.align != "" || s.direction != "" {
				w.notes.add("align", where+i, "Markdown does not align lists and code.")
			}
		}
	}
}

// item writes a list item and what is nested in it. An empty item may be
// nothing but its marker if bare.
func (w *markdownWriter) item(b block, depth int, form listForm, number int, bare bool) []string {
	marker := string(form.bullet)
	task := ""
	switch {
	case b.style.ordered():
		marker = strconv.Itoa(number) + string(form.point)
	case b.style.list == "checked":
		task = "[x] "
	case b.style.list == "unchecked":
		task = "[ ] "
	}
	text := w.inline(b.lines[0].ops, inItem, b.first)
	nested := w.blocks(b.children, depth+1, canonicalList)
	if text == "" && (!bare || task != "" || len(b.children) > 0 && !form.holdsEmpty(b)) {
		text = "<br>"
	}
	out := []string{strings.TrimRight(marker+" "+task+text, " ")}
	if len(nested) > 0 && text != "" && (strings.HasPrefix(text, "<") || !followsTightly(b.children[0])) {
		out = append(out, "")
	}
	indent := strings.Repeat(" ", len(marker)+1)
	for _, l := range nested {
		if l != "" {
			l = indent + l
		}
		out = append(out, l)
	}
	return out
}

// holdsEmpty reports whether what is nested in b can follow its bare marker.
// A paragraph would become its text, and a list with other markers would end
// the list that b is in.
func (f listForm) holdsEmpty(b block) bool {
	child := b.children[0]
	if child.style.kind != listItem {
		return !child.isPlain()
	}
	if child.style.ordered() != b.style.ordered() {
		return false
	}
	return child.style.ordered() && f.point == canonicalList.point || !child.style.ordered() && f.bullet == canonicalList.bullet
}

// isPlain reports whether b is written as a paragraph.
func (b block) isPlain() bool {
	return b.style.kind == paragraph && b.style.callout == "" && !b.lines[0].isDivider()
}

// followsTightly reports whether b may stand right below an item's text. An
// empty item would make a heading of it, or go on it.
func followsTightly(b block) bool {
	return b.style.kind == codeBlock || b.style.kind == listItem && len(b.lines[0].ops) > 0
}

func (w *markdownWriter) block(b block) []string {
	switch {
	case b.style.kind == codeBlock:
		return w.code(b)
	case b.style.kind == heading:
		return []string{w.heading(b)}
	case b.style.callout != "":
		return w.callout(b)
	case b.style.kind == quote:
		return w.quote(b, nil)
	case b.lines[0].isDivider():
		w.notes.noteRest(b.lines[0].ops[0].Attributes, w.first+b.first+1)
		return []string{"---"}
	}
	return []string{w.paragraph(b.lines[0], inParagraph, b.first)}
}

// paragraph writes a line of text. Markdown cannot align it; HTML can.
func (w *markdownWriter) paragraph(l line, at position, index int) string {
	s, _ := styleOf(l.attrs)
	if s.align != "" || s.direction != "" {
		return w.htmlLine("p", s, l)
	}
	if text := w.inline(l.ops, at, index); text != "" {
		return text
	}
	return "<br>"
}

func (w *markdownWriter) htmlLine(name string, s style, l line) string {
	attrs := ""
	if s.align != "" {
		attrs += attribute("align", s.align)
	}
	if s.direction != "" {
		attrs += attribute("dir", s.direction)
	}
	h := htmlWriter{notes: w.notes}
	h.element(name, attrs, l)
	return strings.TrimSuffix(h.out.String(), "\n")
}

func (w *markdownWriter) heading(b block) string {
	if b.style.align != "" || b.style.direction != "" {
		return w.htmlLine("h"+strconv.Itoa(b.style.level), b.style, b.lines[0])
	}
	return strings.TrimRight(strings.Repeat("#", b.style.level)+" "+w.inline(b.lines[0].ops, inHeading, b.first), " ")
}

// quote writes lines as a quote; before stands right before the first one.
func (w *markdownWriter) quote(b block, before []string) []string {
	text := before
	for i, l := range b.lines {
		if i > 0 {
			text = append(text, "")
		}
		at := inQuote
		if i == 0 && len(before) > 0 {
			at = inAlert
		}
		text = append(text, w.paragraph(l, at, b.first+i))
	}
	for i, l := range text {
		text[i] = strings.TrimRight("> "+l, " ")
	}
	return text
}

// alerts are GitHub's names for callouts.
var alerts = map[string]string{"info": "[!NOTE]", "tip": "[!TIP]", "warning": "[!WARNING]"}

func (w *markdownWriter) callout(b block) []string {
	alert, ok := alerts[b.style.callout]
	if !ok {
		w.notes.addMany("callout", len(b.lines), w.first+b.first+1, "Markdown has no such callout; it became a quote.")
		return w.quote(b, nil)
	}
	if b.style.kind == quote {
		w.notes.addMany("blockquote", len(b.lines), w.first+b.first+1, "Of several formats on one line only the one that is shown was written.")
	}
	return w.quote(b, []string{alert})
}

// code writes lines between fences that are longer than any in them.
func (w *markdownWriter) code(b block) []string {
	fence := "```"
	var out []string
	for i, l := range b.lines {
		text := w.codeText(l, b.first+i)
		if nested := b.style.indent > b.shift; nested && text != "" && strings.TrimSpace(text) == "" {
			// Readers take it for the blank line that may stand in a list.
			w.notes.add("white space", w.first+b.first+i+1, "Lines of nothing but spaces, in code in a list, became empty.")
			text = ""
		}
		for strings.Contains(text, fence) {
			fence += "`"
		}
		out = append(out, text)
	}
	out = append([]string{fence + b.style.language}, out...)
	return append(out, fence)
}

func (w *markdownWriter) codeText(l line, index int) string {
	var text strings.Builder
	for _, op := range l.ops {
		for _, a := range op.Attributes {
			w.notes.add(a.Name, w.first+index+1, "Markdown has no formats within code.")
		}
		if op.Embed.Type != "" {
			w.notes.add(op.Embed.Type, w.first+index+1, "Pictures, files and the like became text.")
			text.WriteString(embedText(op.Embed, op.Attributes))
		} else {
			text.WriteString(op.Insert)
		}
	}
	return text.String()
}
