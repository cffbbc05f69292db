package ot

// A finger is the path to the leaf of the last change (a finger of a search
// tree). The next change is most often in the same leaf and then needs no search.
type finger struct {
	owner owner  // of all nodes on the path; 0: the finger points nowhere
	path  []step // from the root down
	leaf  *leaf
	start int // position of the leaf
	units int // of the leaf
}

// A step is a branch, and the index of the child that the path goes through.
type step struct {
	branch *branch
	kid    int
}

// before reports whether the finger points to the leaf that holds the unit before a
// position, for this owner.
func (f *finger) before(at int, o owner) bool {
	return f.owner == o && f.start < at && at <= f.start+f.units
}

// after is before for the unit after a position.
func (f *finger) after(at int, o owner) bool {
	return f.owner == o && f.start <= at && at < f.start+f.units
}

// point moves the finger to the leaf that find leads to. It copies the nodes on
// the path that c does not own.
func (c *Content) point(at int, find func(b *branch, at int) (kid, in int)) {
	f := &c.finger
	c.root = c.root.owned(c.owner)
	f.owner, f.path, f.start, f.units = c.owner, f.path[:0], at, c.sum.units
	n := c.root
	for {
		b, ok := n.(*branch)
		if !ok {
			break
		}
		var i int
		i, at = find(b, at)
		f.path = append(f.path, step{b, i})
		f.units = b.sums[i].units
		n = b.own(i)
	}
	f.leaf = n.(*leaf)
	f.start -= at
}

func (c *Content) insert(at int, f fragment) {
	if !c.finger.before(at, c.owner) {
		c.point(at, (*branch).findBefore)
	}
	c.changed(c.finger.leaf.insert(at-c.finger.start, f))
}

func (c *Content) remove(at, n int) {
	for n > 0 {
		if !c.finger.after(at, c.owner) {
			c.point(at, (*branch).findAfter)
		}
		change, reformed := c.finger.leaf.remove(at-c.finger.start, n)
		c.changed(change, reformed)
		n += change.units
	}
}

// restyle stops and returns false when c becomes larger than ceiling bytes.
func (c *Content) restyle(at, n int, attributes Attributes, ceiling int) bool {
	r := restyling{styles: c.styles, attributes: attributes}
	for n > 0 {
		if !c.finger.after(at, c.owner) {
			c.point(at, (*branch).findAfter)
		}
		done := c.finger.leaf.restyle(at-c.finger.start, n, &r)
		c.changed(sum{}, true)
		at += done
		n -= done
		if c.Size() > ceiling {
			return false
		}
	}
	return true
}

// changed updates the sums from the finger's leaf up to the root after a change
// in that leaf.
func (c *Content) changed(change sum, reformed bool) {
	f := &c.finger
	c.sum.add(change)
	f.units += change.units
	for i := range f.path {
		s := &f.path[i]
		s.branch.sums[s.kid].add(change)
	}
	if reformed {
		c.reform()
	}
	if f.leaf.fill() != within {
		c.mend()
	}
}

// reform recomputes the formats along the finger's path.
func (c *Content) reform() {
	f := &c.finger
	c.formats = f.leaf.formats()
	for i := len(f.path) - 1; i >= 0; i-- {
		s := &f.path[i]
		s.branch.forms[s.kid] = c.formats
		c.formats = s.branch.formats()
	}
}

// mend rebalances the nodes along the finger's path. It adds a level if the root
// has grown too large, and removes one if the root has a single child.
func (c *Content) mend() {
	f := &c.finger
	moved := false
	for i := len(f.path) - 1; i >= 0; i-- {
		s := &f.path[i]
		if !s.branch.mend(s.kid) {
			break
		}
		moved = true
	}
	if c.mendRoot() || moved {
		f.owner = 0
	}
}

// mendRoot rebalances the root, and reports whether it replaced it.
func (c *Content) mendRoot() (moved bool) {
	if c.root.fill() == over {
		left := c.root
		right := left.halve()
		root := &branch{owner: c.owner}
		root.push(left)
		root.push(right)
		c.root = root
		return true
	}
	for {
		b, ok := c.root.(*branch)
		if !ok || b.n > 1 {
			return moved
		}
		c.root, moved = b.kids[0], true
	}
}
