package ot

// An owner marks nodes of the tree that only one Content refers to. Nodes of
// any other owner are shared and must not be written to.
type owner uint64

// A sum is what a part of the tree adds up to.
type sum struct {
	units int // UTF-16 code units
	bytes int // UTF-8
	extra int // bytes of attributes and embeds as JSON, for each run
}

func (s *sum) add(o sum) {
	s.units += o.units
	s.bytes += o.bytes
	s.extra += o.extra
}

// A fragment is a piece of text, or an embed, that fits into one leaf.
type fragment struct {
	text  string
	units int
	style *style
}

// A node is a leaf or a branch. Positions count UTF-16 units from the node's
// own beginning.
//
// insert, remove, restyle, halve and absorb write to the node: its owner must
// be the caller's (see owned). They leave it overfull or underfull, for the
// parent to mend.
type node interface {
	// owned returns the node, or a copy of it where o is not its owner.
	owned(o owner) node
	// total adds the node up.
	total() sum

	// insert puts f at a position, and returns what was added.
	insert(at int, f fragment) sum
	// remove drops up to n units, at least one, from a position on, and returns
	// the (negative) change. It stops at the end of a leaf.
	remove(at, n int) sum
	// restyle changes the style of up to n units, at least one, from a position
	// on. It stops at the end of a leaf and returns how far it came, and the
	// change of the sum's extra.
	restyle(at, n int, r *restyling) (done, extra int)

	// between reports whether a position is not inside a surrogate pair.
	between(at int) bool
	// walk yields the pieces from one position to another, which is greater,
	// and reports whether to go on.
	walk(from, to int, yield func([]byte, *style) bool) bool

	overfull() bool
	underfull() bool
	// halve cuts the node in the middle and returns its right half.
	halve() node
	// takes reports whether the node has room for all that is in right, a node
	// of the same kind, its neighbour.
	takes(right node) bool
	// absorb appends what is in right.
	absorb(right node)
}

// maxKids bounds a branch's children. More make the tree flatter, but each edit
// behind a snapshot copies a branch of every level.
const maxKids = 16

// A branch is an inner node of the tree. All its children are of one kind.
type branch struct {
	owner owner
	n     int // how many children; one more than maxKids until it is split
	sums  [maxKids + 1]sum
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

// push appends a child.
func (b *branch) push(kid node) {
	b.kids[b.n], b.sums[b.n] = kid, kid.total()
	b.n++
}

// findBefore returns the child that holds the unit before a position, so that
// what is inserted there lengthens it, and the position in that child.
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

// own makes child i one that b's owner may write to, and returns it.
func (b *branch) own(i int) node {
	kid := b.kids[i].owned(b.owner)
	b.kids[i] = kid
	return kid
}

func (b *branch) insert(at int, f fragment) sum {
	i, at := b.findBefore(at)
	kid := b.own(i)
	change := kid.insert(at, f)
	b.sums[i].add(change)
	change.extra += b.mend(i, kid)
	return change
}

func (b *branch) remove(at, n int) sum {
	i, at := b.findAfter(at)
	kid := b.own(i)
	change := kid.remove(at, n)
	b.sums[i].add(change)
	change.extra += b.mend(i, kid)
	return change
}

func (b *branch) restyle(at, n int, r *restyling) (done, extra int) {
	i, at := b.findAfter(at)
	kid := b.own(i)
	done, extra = kid.restyle(at, n, r)
	b.sums[i].extra += extra
	return done, extra + b.mend(i, kid)
}

func (b *branch) between(at int) bool {
	i, at := b.findBefore(at)
	if b.sums[i].units == b.sums[i].bytes {
		return true // ASCII
	}
	return b.kids[i].between(at)
}

func (b *branch) walk(from, to int, yield func([]byte, *style) bool) bool {
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

// mend splits child i if it has become too large, and joins it with a neighbour
// if it has become too small. It returns the change of the sum's extra, for
// either may cut a run in two or make two runs one.
func (b *branch) mend(i int, kid node) (extra int) {
	switch {
	case kid.overfull():
		return b.split(i, kid)
	case kid.underfull():
		if i+1 < b.n {
			if extra, joined := b.join(i); joined {
				return extra
			}
		}
		if i > 0 {
			extra, _ = b.join(i - 1)
		}
	}
	return extra
}

// split makes two of child i.
func (b *branch) split(i int, kid node) (extra int) {
	right := kid.halve()
	copy(b.kids[i+2:b.n+1], b.kids[i+1:b.n])
	copy(b.sums[i+2:b.n+1], b.sums[i+1:b.n])
	b.n++
	extra = -b.sums[i].extra
	b.kids[i+1] = right
	b.sums[i], b.sums[i+1] = kid.total(), right.total()
	return extra + b.sums[i].extra + b.sums[i+1].extra
}

// join makes children i and i+1 one, if they fit into one.
func (b *branch) join(i int) (extra int, joined bool) {
	if !b.kids[i].takes(b.kids[i+1]) {
		return 0, false
	}
	left := b.own(i)
	left.absorb(b.kids[i+1])
	extra = -b.sums[i].extra - b.sums[i+1].extra
	b.sums[i] = left.total()
	b.n--
	copy(b.kids[i+1:b.n], b.kids[i+2:b.n+1])
	copy(b.sums[i+1:b.n], b.sums[i+2:b.n+1])
	b.kids[b.n] = nil
	return extra + b.sums[i].extra, true
}

func (b *branch) overfull() bool  { return b.n > maxKids }
func (b *branch) underfull() bool { return b.n < maxKids/4 }

func (b *branch) halve() node {
	half := b.n / 2
	right := &branch{owner: b.owner, n: b.n - half}
	copy(right.kids[:], b.kids[half:b.n])
	copy(right.sums[:], b.sums[half:b.n])
	clear(b.kids[half:b.n])
	b.n = half
	return right
}

func (b *branch) takes(right node) bool { return b.n+right.(*branch).n <= maxKids }

func (b *branch) absorb(right node) {
	r := right.(*branch)
	copy(b.kids[b.n:], r.kids[:r.n])
	copy(b.sums[b.n:], r.sums[:r.n])
	b.n += r.n
}
