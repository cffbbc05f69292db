package ot

import (
	"fmt"
	"unicode/utf8"
)

// CheckTree returns what is wrong inside c, for tests: sums that are not those
// of the parts, leaves at different depths, nodes over their bounds, runs that
// are empty, should be joined or cut a character.
func CheckTree(c *Content) error {
	depth, err := checkNode(c.root)
	if err == nil && c.formats != c.root.formats() {
		err = fmt.Errorf("the content's formats are %v, its parts' %v", c.formats, c.root.formats())
	}
	if err == nil && c.sum != c.root.total() {
		err = fmt.Errorf("the content's sum is %v, its parts' %v", c.sum, c.root.total())
	}
	if err != nil {
		return fmt.Errorf("at depth %d: %w", depth, err)
	}
	return checkFinger(c)
}

// checkFinger follows the finger of c from the root.
func checkFinger(c *Content) error {
	f := &c.finger
	if f.owner == 0 || f.owner != c.owner {
		return nil // it is not used
	}
	n, start := c.root, 0
	for i, s := range f.path {
		if n != node(s.branch) || s.branch.owner != c.owner {
			return fmt.Errorf("step %d of the finger is not on the way, or not the content's own", i)
		}
		for _, before := range s.branch.sums[:s.kid] {
			start += before.units
		}
		n = s.branch.kids[s.kid]
	}
	if n != node(f.leaf) || f.leaf.owner != c.owner || f.start != start || f.units != f.leaf.total().units {
		return fmt.Errorf("the finger says that the leaf at %d is %d long and lies at %d", start, f.units, f.start)
	}
	return nil
}

func checkNode(n node) (depth int, err error) {
	if n.fill() == over {
		return 0, fmt.Errorf("overfull %T", n)
	}
	if l, ok := n.(*leaf); ok {
		return 1, checkLeaf(l)
	}
	b := n.(*branch)
	for i, kid := range b.kids[:b.n] {
		below, err := checkNode(kid)
		if err != nil {
			return below + 1, err
		}
		if i > 0 && below+1 != depth {
			return 0, fmt.Errorf("leaves at depths %d and %d", depth, below+1)
		}
		depth = below + 1
		if b.sums[i] != kid.total() {
			return 0, fmt.Errorf("child %d has sum %v, its parts %v", i, b.sums[i], kid.total())
		}
		if b.forms[i] != kid.formats() {
			return 0, fmt.Errorf("child %d has formats %v, its parts %v", i, b.forms[i], kid.formats())
		}
	}
	return depth, nil
}

func checkLeaf(l *leaf) error {
	text := l.text
	for i, r := range l.runs {
		part := text[:r.bytes]
		text = text[r.bytes:]
		switch {
		case r.units == 0:
			return fmt.Errorf("run %d is empty", i)
		case !utf8.Valid(part):
			return fmt.Errorf("run %d holds %q", i, part)
		case lenUTF16(part) != int(r.units):
			return fmt.Errorf("run %d holds %q of %d units", i, part, r.units)
		case i > 0 && l.runs[i-1].joins(&r):
			return fmt.Errorf("runs %d and %d should be one", i-1, i)
		case r.style.isEmbed() && string(part) != embedText:
			return fmt.Errorf("run %d is an embed but holds %q", i, part)
		}
	}
	if len(text) > 0 {
		return fmt.Errorf("%q is in no run", text)
	}
	return nil
}
