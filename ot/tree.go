package ot

import "strings"

// An owner marks nodes of the tree that only one Content refers to. Nodes of
// any other owner are shared and must not be written to.
type owner uint64

// A sum is the size of a part of the tree.
type sum struct {
	units int // UTF-16 code units
	bytes int // UTF-8
	lines int // newlines
}

func (s *sum) add(o sum) {
	s.units += o.units
	s.bytes += o.bytes
	s.lines += o.lines
}

// formats summarise the styles in a part of the tree. Unlike sums they cannot be
// subtracted: a stretch of one style that spans two parts counts once.
type formats struct {
	extra       int    // bytes of attributes and embeds as JSON, once a stretch
	first, last *style // nil if the part is empty
}

// then returns the formats of f's part followed by g's.
func (f formats) then(g formats) formats {
	switch {
	case f.first == nil:
		return g
	case g.first == nil:
		return f
	}
	extra := f.extra + g.extra
	if f.last.continues(g.first) {
		extra -= g.first.extra
	}
	return formats{extra, f.first, g.last}
}

// A fragment is a piece of text, or an embed, that fits into one leaf.
type fragment struct {
	text   string
	units  int
	style  *style
	author author
}

func (f *fragment) sum() sum {
	s := sum{units: f.units, bytes: len(f.text)}
	if len(f.text) > 1 {
		s.lines = strings.Count(f.text, "\n")
	} else if f.text == "\n" {
		s.lines = 1
	}
	return s
}

// A node is a leaf or a branch. Positions count UTF-16 units from the node's
// own beginning.
//
// halve and absorb write to the node: its owner must be the caller's (see
// owned). Text is changed in leaves alone, along a path (see finger).
type node interface {
	// owned returns the node if o is its owner, and otherwise a copy of it.
	owned(o owner) node
	// total adds the node up.
	total() sum
	formats() formats

	// between reports whether a position is not inside a surrogate pair.
	between(at int) bool
	// walk yields the pieces from one position to another, which is greater,
	// each with the run that it is in, and reports whether to go on.
	walk(from, to int, yield func([]byte, *run) bool) bool

	// fill reports whether the node is over or under its bounds.
	fill() fill
	// halve cuts the node in the middle and returns its right half.
	halve() node
	// takes reports whether all of right, its right neighbour of the same kind,
	// fits into the node.
	takes(right node) bool
	// absorb appends the contents of right.
	absorb(right node)
}

type fill int

const (
	within fill = iota
	over        // to be split
	under       // to be joined with a neighbour, if they fit into one node
)

// maxKids bounds a branch's children. More make the tree flatter, but after a
// snapshot each edit copies one branch of every level.
const maxKids = 16

// A branch is an inner node of the tree. All its children are of one kind.
type branch struct {
	owner owner
	n     int // how many children; one more than maxKids until it is split
	sums  [maxKids + 1]sum
	forms [maxKids + 1]formats
	kids  [maxKids + 1]node
}

func (b *branch) owned(o owner) node {
	if b.owner == o {
		return b
	}
	c := *b
	c.owner = o
	return &c
}

func (b *branch) total() sum {
	var total sum
	for _, s := range b.sums[:b.n] {
		total.add(s)
	}
	return total
}

func (b *branch) formats() formats {
	var all formats
	for _, f := range b.forms[:b.n] {
		all = all.then(f)
	}
	return all
}

// push appends a child.
func (b *branch) push(kid node) {
	b.kids[b.n] = kid
	b.n++
	b.count(b.n - 1)
}

// count updates the sum and the formats of child i.
func (b *branch) count(i int) { b.sums[i], b.forms[i] = b.kids[i].total(), b.kids[i].formats() }

// findBefore returns the child that holds the unit before a position, so that an
// insert there extends it, and the position in that child.
func (b *branch) findBefore(at int) (kid, in int) {
	i := 0
	for i < b.n-1 && at > b.sums[i].units {
		at -= b.sums[i].units
		i++
	}
	return i, at
}

// findAfter returns the child that holds the unit after a position, and the
// position in that child.
func (b *branch) findAfter(at int) (kid, in int) {
	i := 0
	for i < b.n-1 && at >= b.sums[i].units {
		at -= b.sums[i].units
		i++
	}
	return i, at
}

// own makes child i writable for b's owner, by copying it if necessary, and
// returns it.
func (b *branch) own(i int) node {
	kid := b.kids[i].owned(b.owner)
	b.kids[i] = kid
	return kid
}

// mend rebalances child i, which b's owner owns, and reports whether anything
// moved.
func (b *branch) mend(i int) bool {
	switch kid := b.kids[i]; kid.fill() {
	case over:
		b.split(i, kid)
		return true
	case under:
		return i+1 < b.n && b.join(i) || i > 0 && b.join(i-1)
	}
	return false
}

func (b *branch) between(at int) bool {
	i, at := b.findBefore(at)
	if b.sums[i].units == b.sums[i].bytes {
		return true // ASCII
	}
	return b.kids[i].between(at)
}

func (b *branch) walk(from, to int, yield func([]byte, *run) bool) bool {
	for i := 0; i < b.n && to > 0; i++ {
		units := b.sums[i].units
		if from < units && !b.kids[i].walk(max(from, 0), min(to, units), yield) {
			return false
		}
		from -= units
		to -= units
	}
	return true
}

// split splits child i in two.
func (b *branch) split(i int, kid node) {
	right := kid.halve()
	copy(b.kids[i+2:b.n+1], b.kids[i+1:b.n])
	copy(b.sums[i+2:b.n+1], b.sums[i+1:b.n])
	copy(b.forms[i+2:b.n+1], b.forms[i+1:b.n])
	b.n++
	b.kids[i+1] = right
	b.count(i)
	b.count(i + 1)
}

// join merges children i and i+1 if they fit into one, and reports whether they
// do.
func (b *branch) join(i int) bool {
	if !b.kids[i].takes(b.kids[i+1]) {
		return false
	}
	b.own(i).absorb(b.kids[i+1])
	b.n--
	copy(b.kids[i+1:b.n], b.kids[i+2:b.n+1])
	copy(b.sums[i+1:b.n], b.sums[i+2:b.n+1])
	copy(b.forms[i+1:b.n], b.forms[i+2:b.n+1])
	b.kids[b.n], b.forms[b.n] = nil, formats{}
	b.count(i)
	return true
}

func (b *branch) fill() fill {
	switch {
	case b.n > maxKids:
		return over
	case b.n < maxKids/4:
		return under
	}
	return within
}

func (b *branch) halve() node {
	half := b.n / 2
	right := &branch{owner: b.owner, n: b.n - half}
	copy(right.kids[:], b.kids[half:b.n])
	copy(right.sums[:], b.sums[half:b.n])
	copy(right.forms[:], b.forms[half:b.n])
	clear(b.kids[half:b.n])
	clear(b.forms[half:b.n])
	b.n = half
	return right
}

func (b *branch) takes(right node) bool { return b.n+right.(*branch).n <= maxKids }

func (b *branch) absorb(right node) {
	r := right.(*branch)
	copy(b.kids[b.n:], r.kids[:r.n])
	copy(b.sums[b.n:], r.sums[:r.n])
	copy(b.forms[b.n:], r.forms[:r.n])
	b.n += r.n
}
