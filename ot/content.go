package ot

import (
	"iter"
	"sync/atomic"
	"unicode/utf8"
)

// A Content is the live document: text and embeds with their attributes, to be
// changed in place. An edit costs time that is logarithmic in the length; a
// Delta composed with it would be copied as a whole.
//
// It is a B+tree of runs (see DESIGN.md). One goroutine at a time may use a
// Content; a snapshot that nobody changes may be read by any number, while the
// Content it was taken from goes on changing.
type Content struct {
	root   node
	sum    sum
	styles *styles
	// owner marks the nodes that only this Content refers to, and so may be
	// changed in place. It is 0 while there are none: for a snapshot nobody
	// has changed yet, taking another one then writes nothing.
	owner owner
}

// lastOwner is the newest owner; each is given out once.
var lastOwner atomic.Uint64

// NewContent returns a Content that holds d, which may have inserts only and
// need not end in a newline. The error is an *InvalidError.
func NewContent(d Delta) (*Content, error) {
	if err := d.Validate(); err != nil {
		return nil, err
	}
	for i := range d {
		if !d[i].IsInsert() {
			return nil, invalidOp(i, "is not an insert: a content has nothing else")
		}
	}
	c := &Content{styles: newStyles(), owner: owner(lastOwner.Add(1))}
	c.root = load(d, c.styles, c.owner)
	c.sum = c.root.total()
	return c, nil
}

// Snapshot returns a copy that later changes of either do not touch. It costs
// the same for any length: the two share what they hold until they change it.
func (c *Content) Snapshot() *Content {
	if c.owner != 0 {
		c.owner = 0
	}
	return &Content{root: c.root, sum: c.sum, styles: c.styles}
}

// Len returns the length in UTF-16 code units; an embed counts 1.
func (c *Content) Len() int { return c.sum.units }

// Size returns the size in bytes, for limits: that of the text as UTF-8, plus
// for each run its attributes and embed as JSON. A run longer than about 1 KB
// may count its attributes more than once.
func (c *Content) Size() int { return c.sum.bytes + c.sum.extra }

// Text returns the plain text, with U+FFFC for each embed.
func (c *Content) Text() string {
	text := make([]byte, 0, c.sum.bytes)
	for piece := range c.pieces(0, c.sum.units) {
		text = append(text, piece...)
	}
	return string(text)
}

// Delta returns the whole content as normalised inserts.
func (c *Content) Delta() Delta { return c.Slice(0, c.sum.units) }

// Slice returns what lies between two positions, in UTF-16 code units, as
// normalised inserts. Positions outside of the content are moved to its ends,
// one inside a surrogate pair behind the pair.
func (c *Content) Slice(from, to int) Delta {
	var d Delta
	var text []byte // since the last op, all of one style
	style := plain
	closeText := func() {
		if len(text) > 0 {
			d = append(d, Op{Insert: string(text), Attributes: style.attributes})
			text = text[:0]
		}
	}
	for piece, s := range c.pieces(from, to) {
		if s != style {
			closeText()
			style = s
		}
		if s.isEmbed() {
			d = append(d, Op{Embed: s.embed, Attributes: s.attributes})
		} else {
			text = append(text, piece...)
		}
	}
	closeText()
	return d
}

// pieces goes through the runs between two positions, each with its style. A
// run may come in several pieces; an embed's text is U+FFFC.
func (c *Content) pieces(from, to int) iter.Seq2[[]byte, *style] {
	return func(yield func([]byte, *style) bool) {
		from, to := max(from, 0), min(to, c.sum.units)
		if from < to {
			c.root.walk(from, to, yield)
		}
	}
}

// Apply changes c by d, which must be valid as Parse and Validate make sure.
// The error is an *InvalidError, and c is as it was, where d reaches past the
// end, cuts a surrogate pair or is malformed.
func (c *Content) Apply(d Delta) error {
	if err := c.check(d); err != nil {
		return err
	}
	if c.owner == 0 {
		c.owner = owner(lastOwner.Add(1))
	}
	at := 0
	for i := range d {
		switch op := &d[i]; {
		case op.Insert != "":
			at += c.insertText(at, op.Insert, c.styles.of(op.Attributes))
		case op.Embed.Type != "":
			c.insert(at, fragment{embedText, 1, newStyle(op.Embed, op.Attributes)})
			at++
		case op.Delete > 0:
			c.remove(at, op.Delete)
		default:
			if len(op.Attributes) > 0 {
				c.restyle(at, op.Retain, op.Attributes)
			}
			at += op.Retain
		}
	}
	return nil
}

// check returns why d cannot be applied.
func (c *Content) check(d Delta) error {
	at := 0
	for i := range d {
		op := &d[i]
		if err := op.validateShape(i); err != nil {
			return err
		}
		n := op.Retain + op.Delete
		if n > c.sum.units-at {
			return invalidOp(i, "reaches past the end of the content, which is %d long", c.sum.units)
		}
		if at += n; n == 0 || c.root.between(at) {
			continue
		}
		if op.Delete > 0 || len(op.Attributes) > 0 {
			return invalidOp(i, "ends inside a surrogate pair, at %d", at)
		}
		if i+1 < len(d) {
			return invalidOp(i+1, "begins inside a surrogate pair, at %d", at)
		}
	}
	return nil
}

// insertText inserts text in parts that fit into a leaf, and returns its length.
func (c *Content) insertText(at int, text string, s *style) int {
	start := at
	for text != "" {
		part := prefix(text, maxInsert)
		units := LenUTF16(part)
		c.insert(at, fragment{part, units, s})
		at += units
		text = text[len(part):]
	}
	return at - start
}

// prefix returns the first characters of text, at most n bytes of them.
func prefix(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

func (c *Content) insert(at int, f fragment) {
	c.root = c.root.owned(c.owner)
	c.sum.add(c.root.insert(at, f))
	c.mendRoot()
}

func (c *Content) remove(at, n int) {
	for n > 0 {
		c.root = c.root.owned(c.owner)
		change := c.root.remove(at, n)
		c.sum.add(change)
		n += change.units
		c.mendRoot()
	}
}

func (c *Content) restyle(at, n int, attributes Attributes) {
	r := restyling{styles: c.styles, attributes: attributes}
	for n > 0 {
		c.root = c.root.owned(c.owner)
		done, extra := c.root.restyle(at, n, &r)
		c.sum.extra += extra
		at += done
		n -= done
		c.mendRoot()
	}
}

// mendRoot adds a level where the root has grown too large, and drops one where
// the root has a single child.
func (c *Content) mendRoot() {
	if c.root.overfull() {
		left := c.root
		right := left.halve()
		root := &branch{owner: c.owner}
		root.push(left)
		root.push(right)
		c.root, c.sum = root, root.total()
	}
	for {
		b, ok := c.root.(*branch)
		if !ok || b.n > 1 {
			return
		}
		c.root = b.kids[0]
	}
}
