package convert

import "halley/ot"

// A block is what stands together in a file: a paragraph, a heading, all lines
// of a code block, quote or callout, or a list item with what is nested in it.
// Items that follow each other make a list.
//
// A line with indent n belongs to the list item before it with indent n-1, if
// there is one. Blocks are read as they are written: a list may be the whole
// page.
type block struct {
	style style // of the first line
	line  line  // the first
	first int   // index of the first line
	// shift is how much more indent the lines have than their nesting says.
	shift int
}

// noParent is the indent of the page itself, as that of an item.
const noParent = -1

// inside reports whether a block that is nested in an item of indent parent
// comes next.
func (r *lineReader) inside(parent int) bool {
	_, s, ok := r.peek()
	return ok && (parent == noParent || s.indent > parent && (s.kind == listItem || s.indent == parent+1))
}

// block begins to read the next block, at that depth of nesting.
func (r *lineReader) block(depth int) block {
	l, s, i := r.next()
	return block{style: s, line: l, first: i, shift: s.indent - depth}
}

// goesOn reports whether the next line is one of b, which is not an item.
func (r *lineReader) goesOn(b block) bool {
	_, s, ok := r.peek()
	return ok && b.style.joins(s)
}

// each calls f with the lines of b itself, which has just been begun.
func (r *lineReader) each(b block, f func(l line, index int)) {
	f(b.line, b.first)
	for r.goesOn(b) {
		l, _, i := r.next()
		f(l, i)
	}
}

// eachAhead is each, and comes back to where b was begun.
func (r *lineReader) eachAhead(b block, f func(l line, index int)) {
	if !r.goesOn(b) {
		f(b.line, b.first)
		return
	}
	start := r.mark()
	r.each(b, f)
	r.back(start)
}

// skip steps over the rest of b, which has just been begun.
func (r *lineReader) skip(b block) {
	r.each(b, func(line, int) {})
	for b.style.kind == listItem && r.inside(b.style.indent) {
		r.skip(r.block(0))
	}
}

// outline returns the blocks of lines that are nested in nothing.
func outline(lines []line, w *work) []block {
	var blocks []block
	r := readLines(lines, w)
	for r.inside(noParent) {
		b := r.block(0)
		r.skip(b)
		blocks = append(blocks, b)
	}
	return blocks
}

// joins reports whether a line of style next goes on the block of a line of
// style s.
func (s style) joins(next style) bool {
	if s.kind != next.kind || s.indent != next.indent {
		return false
	}
	switch s.kind {
	case codeBlock:
		return s == next
	case quote:
		return s.callout == next.callout
	case paragraph:
		return s.callout != "" && s.callout == next.callout
	}
	return false
}

// ordered reports whether s is an item of a numbered list.
func (s style) ordered() bool { return s.kind == listItem && s.list == "ordered" }

// isDivider reports whether l is nothing but a divider.
func (l line) isDivider() bool {
	return len(l.ops) == 1 && l.ops[0].Embed == dividerEmbed
}

var dividerEmbed = ot.Embed{Type: "divider", Value: ot.True}
