package ot

import (
	"bytes"
	"iter"
)

// LineCount returns the number of lines: one for each newline, and one more if
// text follows the last newline.
func (c *Content) LineCount() int {
	if c.endsInsideLine() {
		return c.sum.lines + 1
	}
	return c.sum.lines
}

// endsInsideLine reports whether text follows the last newline.
func (c *Content) endsInsideLine() bool {
	for piece := range c.pieces(c.sum.units-1, c.sum.units) {
		return piece[len(piece)-1] != '\n'
	}
	return c.sum.units > 0 // it ends in a surrogate pair
}

// LineAt returns the line, from 0, of the unit behind a position: the number of
// newlines before it. Positions outside the content are clamped to its ends.
func (c *Content) LineAt(at int) int {
	return c.root.linesBefore(min(max(at, 0), c.sum.units))
}

// LineStart returns the position at which a line, from 0, begins, or the
// content's length for a line after the last one.
func (c *Content) LineStart(line int) int {
	if line > c.sum.lines {
		return c.sum.units
	}
	return c.root.lineStart(max(line, 0))
}

// Lines yields the lines in [from, to), counted from 0: the text of each without
// its newline, as normalised inserts, and the attributes of its newline. Finding
// the first line takes logarithmic time. A line at the end of the content may
// lack the newline, and then has no attributes. c must not be changed during the
// iteration.
func (c *Content) Lines(from, to int) iter.Seq2[Delta, Attributes] {
	return func(yield func(Delta, Attributes) bool) {
		var g gatherer
		for piece, r := range c.pieces(c.LineStart(from), c.LineStart(to)) {
			for {
				i := bytes.IndexByte(piece, '\n')
				if i < 0 {
					break
				}
				if i > 0 {
					g.add(piece[:i], r.style)
				}
				if !yield(g.take(), r.style.attributes) {
					return
				}
				piece = piece[i+1:]
			}
			if len(piece) > 0 {
				g.add(piece, r.style)
			}
		}
		if d := g.take(); len(d) > 0 {
			yield(d, nil)
		}
	}
}
