package ot

import "math"

// endless is the iterator's op after the last one: a change implicitly retains
// the rest of the content.
var endless = Op{Retain: math.MaxInt}

// An iterator walks through the ops of a Delta in pieces of any length.
type iterator struct {
	ops  Delta
	op   *Op // the current op, or endless
	left int // UTF-16 units of it that are not taken yet
	at   int // bytes of its Insert that are taken
}

func newIterator(d Delta) iterator {
	it := iterator{ops: d}
	it.load()
	return it
}

// load makes the first remaining op the current one.
func (it *iterator) load() {
	it.op, it.at = &endless, 0
	if len(it.ops) > 0 {
		it.op = &it.ops[0]
	}
	it.left = it.op.Len()
}

// more reports whether there is an op left.
func (it *iterator) more() bool { return len(it.ops) > 0 }

// skip advances by n units, at most to the end of the current op.
func (it *iterator) skip(n int) {
	switch {
	case len(it.ops) == 0:
	case n >= it.left:
		it.ops = it.ops[1:]
		it.load()
	default:
		if it.op.Insert != "" {
			offset, _ := offsetUTF16(it.op.Insert[it.at:], n, it.left)
			it.at += offset
		}
		it.left -= n
	}
}

// take returns the next n units as an op, at most the rest of the current op.
// The iterator must have more.
func (it *iterator) take(n int) Op {
	op, from, n := *it.op, it.at, min(n, it.left)
	whole := n == it.left
	it.skip(n)
	switch {
	case op.Insert != "" && whole:
		op.Insert = op.Insert[from:]
	case op.Insert != "":
		op.Insert = op.Insert[from:it.at]
	case op.Retain > 0:
		op.Retain = n
	case op.Delete > 0:
		op.Delete = n
	}
	return op
}

// rest returns what is left of the current op.
func (it *iterator) rest() Op { return it.take(it.left) }
