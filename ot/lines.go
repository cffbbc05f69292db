package ot

import (
	"bytes"
	"iter"
)

// LineCount returns how many lines there are: one for each newline, and one more
// for what follows the last newline, if anything does.
func (c *Content) LineCount() int {
	if c.endsInsideLine() {
		return c.sum.lines + 1
	}
	return c.sum.lines
}

// endsInsideLine reports whether something follows the last newline.
func (c *Content) endsInsideLine() bool {
	for piece := range c.pieces(c.sum.units-1, c.sum.units) {
		return piece[len(piece)-1] != '\n'
	}
	return c.sum.units > 0 // it ends in a surrogate pair
}

// LineAt returns the line, counted from 0, that the unit behind a position lies
// in: how many newlines stand before it. Positions outside of the content are
// moved to its ends.
func (c *Content) LineAt(at int) int {
	return c.root.linesBefore(min(max(at, 0), c.sum.units))
}

// LineStart returns the position at which a line, counted from 0, begins; the
// content's length for a line behind the last one.
func (c *Content) LineStart(line int) int {
	if line > c.sum.lines {
		return c.sum.units
	}
	return c.root.lineStart(max(line, 0))
}

// Lines goes through the lines from one, counted from 0, up to but without
// another: what is in each, without its newline, as normalised inserts, and the
// attributes of its newline. The first costs a way down the tree, wherever it
// is. A line at the content's end may lack the newline, and then has no
// attributes. c must not be changed meanwhile.
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
