package convert

import "halley/ot"

// A block is what stands together in a file: a paragraph, a heading, all lines
// of a code block, quote or callout, or a list item with what is nested in it.
// Items that follow each other make a list.
type block struct {
	style    style // of the first line
	lines    []line
	first    int // index of the first line
	children []block
	// shift is how much more indent the lines have than their nesting says.
	shift int
}

// outline groups lines into blocks. A line with indent n belongs to the list
// item before it with indent n-1, if there is one.
func outline(lines []line) []block {
	o := outliner{lines: lines}
	return o.blocks(-1, 0)
}

type outliner struct {
	lines []line
	next  int
}

// blocks reads what is nested in an item of indent parent (-1: the page
// itself), at that depth of nesting.
func (o *outliner) blocks(parent, depth int) []block {
	var list []block
	for o.next < len(o.lines) {
		s, _ := styleOf(o.lines[o.next].attrs)
		inside := s.indent > parent && (s.kind == listItem || s.indent == parent+1)
		if parent >= 0 && !inside {
			break
		}
		b := block{style: s, first: o.next, lines: o.lines[o.next : o.next+1], shift: s.indent - depth}
		o.next++
		if s.kind == listItem {
			b.children = o.blocks(s.indent, depth+1)
		} else {
			o.takeRest(&b)
		}
		list = append(list, b)
	}
	return list
}

// takeRest adds the lines that go on b.
func (o *outliner) takeRest(b *block) {
	for o.next < len(o.lines) {
		s, _ := styleOf(o.lines[o.next].attrs)
		if !b.style.joins(s) {
			return
		}
		o.next++
		b.lines = o.lines[b.first:o.next]
	}
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

// runEnd returns the end of the run of list items that starts at blocks[i] and
// makes one list: all numbered, or all not.
func runEnd(blocks []block, i int) int {
	end := i + 1
	for end < len(blocks) && blocks[end].style.kind == listItem &&
		blocks[end].style.ordered() == blocks[i].style.ordered() {
		end++
	}
	return end
}
