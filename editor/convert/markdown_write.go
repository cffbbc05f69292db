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
func writeMarkdown(p *page, out *output) {
	w := newMarkdownWriter(p, out)
	if p.source != nil && p.source.Format == "md" && w.keepSource(p.source) {
		return
	}
	w.document()
}

type markdownWriter struct {
	work   *work
	schema Schema
	notes  *notes
	out    *output
	lines  *lineReader
	// references is whether the file has link definitions, so that any
	// [text] may be a link.
	references bool
	// first is the index in the page of the first of the lines being written.
	first int
	// indent stands before each line that is not empty: that of the items around.
	indent string
}

func newMarkdownWriter(p *page, out *output) *markdownWriter {
	return &markdownWriter{work: p.work, schema: p.schema, notes: p.notes, lines: p.lines, out: out}
}

// document writes a whole file.
func (w *markdownWriter) document() {
	if !w.isBlank() {
		w.blocks(noParent, 0, canonicalList)
	}
}

// isBlank reports whether the page is what an empty file gives.
func (w *markdownWriter) isBlank() bool {
	start := w.lines.mark()
	defer w.lines.back(start)
	l, _, _ := w.lines.next()
	_, _, more := w.lines.peek()
	return !more && isBlankPage([]line{l})
}

// line writes a line of the file.
func (w *markdownWriter) line(text string) {
	if text == "" {
		w.out.write("\n")
		return
	}
	w.out.write(w.indent, text, "\n")
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

// blocks writes what is nested in an item of indent parent, at that depth of
// nesting, and reports whether it ends in a paragraph, or the like, behind which
// a blank line reads better.
func (w *markdownWriter) blocks(parent, depth int, form listForm) (endsLoose bool) {
	number := form.number
	var before *block
	for w.lines.inside(parent) {
		b := w.lines.block(depth)
		joined := before != nil && listGoesOn(before.style, b.style)
		if !joined {
			number = form.number
		}
		if before != nil && (!joined || form.loose || endsLoose) {
			w.line("")
		}
		w.noteBlock(b)
		if b.style.kind == listItem {
			endsLoose = w.item(b, parent, depth, form, number)
			number++
		} else {
			w.block(b)
			endsLoose = false
		}
		form.number = 1
		before = &b
	}
	return before != nil && (before.style.kind != listItem || endsLoose)
}

// listGoesOn reports whether blocks of two styles are items of one list.
func listGoesOn(a, b style) bool {
	return a.kind == listItem && b.kind == listItem && a.ordered() == b.ordered()
}

func (w *markdownWriter) noteBlock(b block) {
	where, count := w.first+b.first+1, 0
	w.lines.eachAhead(b, func(l line, at int) {
		_, rest := styleOf(l.attrs)
		w.notes.noteRest(rest, w.first+at+1)
		count++
	})
	if b.shift != 0 {
		w.notes.addMany("indent", count, where, "Markdown has no indent without a list around it.")
	}
	if b.style.callout != "" && (b.style.kind == codeBlock || b.style.kind == heading || b.style.kind == listItem) {
		w.notes.addMany("callout", count, where, "Markdown has no callouts of headings, lists or code.")
	}
	if b.style.kind == codeBlock || b.style.kind == listItem {
		w.lines.eachAhead(b, func(l line, at int) {
			if s, _ := styleOf(l.attrs); s.align != "" || s.direction != "" {
				w.notes.add("align", w.first+at+1, "Markdown does not align lists and code.")
			}
		})
	}
}

// item writes a list item and what is nested in it, and reports whether that
// ends in a paragraph of its own.
func (w *markdownWriter) item(b block, parent, depth int, form listForm, number int) (endsLoose bool) {
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
	child, hasChild := w.firstChild(b)
	text := w.inline(b.line.ops, inItem, b.first)
	if text == "" && (task != "" || hasChild && !form.holdsEmpty(b, child) || !w.mayBeBare(b, parent)) {
		text = "<br>"
	}
	w.line(strings.TrimRight(marker+" "+task+text, " "))
	if !hasChild {
		return false
	}
	if text != "" && (strings.HasPrefix(text, "<") || !followsTightly(child)) {
		w.line("")
	}
	indent := w.indent
	w.indent += strings.Repeat(" ", len(marker)+1)
	endsLoose = w.blocks(b.style.indent, depth+1, canonicalList)
	w.indent = indent
	return endsLoose
}

// firstChild returns the first block that is nested in b, if there is one.
func (w *markdownWriter) firstChild(b block) (block, bool) {
	if !w.lines.inside(b.style.indent) {
		return block{}, false
	}
	l, s, _ := w.lines.peek()
	return block{style: s, line: l}, true
}

// mayBeBare reports whether an empty item b, nested in an item of indent parent,
// may be nothing but its marker. At the end of a nested list a bare marker would
// end the lists around.
func (w *markdownWriter) mayBeBare(b block, parent int) bool {
	if parent == noParent {
		return true
	}
	start := w.lines.mark()
	defer w.lines.back(start)
	w.lines.skip(b)
	_, s, _ := w.lines.peek()
	return w.lines.inside(parent) && listGoesOn(b.style, s)
}

// holdsEmpty reports whether child, the first nested in b, can follow its bare
// marker.
// A paragraph would become its text, and a list with other markers would end
// the list that b is in.
func (f listForm) holdsEmpty(b, child block) bool {
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
	return b.style.kind == paragraph && b.style.callout == "" && !b.line.isDivider()
}

// followsTightly reports whether b may stand right below an item's text. An
// empty item would make a heading of it, or go on it.
func followsTightly(b block) bool {
	return b.style.kind == codeBlock || b.style.kind == listItem && len(b.line.ops) > 0
}

func (w *markdownWriter) block(b block) {
	switch {
	case b.style.kind == codeBlock:
		w.code(b)
	case b.style.kind == heading:
		w.line(w.heading(b))
	case b.style.callout != "":
		w.callout(b)
	case b.style.kind == quote:
		w.quote(b, "")
	case b.line.isDivider():
		w.notes.noteRest(b.line.ops[0].Attributes, w.first+b.first+1)
		w.line("---")
	default:
		w.line(w.paragraph(b.line, inParagraph, b.first))
	}
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
	text := written(w.work, func(out *output) {
		h := htmlWriter{out: out, notes: w.notes}
		h.element(name, attrs, l)
	})
	return strings.TrimSuffix(text, "\n")
}

func (w *markdownWriter) heading(b block) string {
	if b.style.align != "" || b.style.direction != "" {
		return w.htmlLine("h"+strconv.Itoa(b.style.level), b.style, b.line)
	}
	return strings.TrimRight(strings.Repeat("#", b.style.level)+" "+w.inline(b.line.ops, inHeading, b.first), " ")
}

// quote writes lines as a quote; alert, where there is one, right before the
// first.
func (w *markdownWriter) quote(b block, alert string) {
	at := inQuote
	if alert != "" {
		w.line("> " + alert)
		at = inAlert
	}
	w.lines.each(b, func(l line, index int) {
		if index > b.first {
			w.line(">")
		}
		w.line(strings.TrimRight("> "+w.paragraph(l, at, index), " "))
		at = inQuote
	})
}

// alerts are GitHub's names for callouts.
var alerts = map[string]string{"info": "[!NOTE]", "tip": "[!TIP]", "warning": "[!WARNING]"}

func (w *markdownWriter) callout(b block) {
	alert, ok := alerts[b.style.callout]
	switch {
	case !ok:
		w.notes.addMany("callout", w.count(b), w.first+b.first+1, "Markdown has no such callout; it became a quote.")
	case b.style.kind == quote:
		w.notes.addMany("blockquote", w.count(b), w.first+b.first+1,
			"Of several formats on one line only the one that is shown was written.")
	}
	w.quote(b, alert)
}

// count returns the number of b's own lines.
func (w *markdownWriter) count(b block) int {
	n := 0
	w.lines.eachAhead(b, func(line, int) { n++ })
	return n
}

// longestRun returns how many c stand side by side in text, at most.
func longestRun(text string, c byte) (longest int) {
	run := 0
	for i := range len(text) {
		if run++; text[i] != c {
			run = 0
		}
		longest = max(longest, run)
	}
	return longest
}

// code writes lines between fences that are longer than any in them.
func (w *markdownWriter) code(b block) {
	longest := 2
	w.lines.eachAhead(b, func(l line, index int) {
		longest = max(longest, longestRun(w.codeText(b, l, index), '`'))
	})
	w.work.spend(longest)
	fence := strings.Repeat("`", longest+1)
	// What is lost in these lines has been noted.
	noted := w.notes
	w.notes = newNotes()
	w.line(fence + b.style.language)
	w.lines.each(b, func(l line, index int) { w.line(w.codeText(b, l, index)) })
	w.line(fence)
	w.notes = noted
}

// codeText returns a line of the code block b.
func (w *markdownWriter) codeText(b block, l line, index int) string {
	text := w.plainCode(l, index)
	if nested := b.style.indent > b.shift; nested && text != "" && strings.TrimSpace(text) == "" {
		// Readers take it for the blank line that may stand in a list.
		w.notes.add("white space", w.first+index+1, "Lines of nothing but spaces, in code in a list, became empty.")
		return ""
	}
	return text
}

func (w *markdownWriter) plainCode(l line, index int) string {
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
