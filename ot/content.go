package ot

import (
	"errors"
	"iter"
	"math"
	"strings"
	"sync/atomic"
	"unicode/utf8"
)

// A Content is the live document: text and embeds with their attributes, changed
// in place. An edit takes time logarithmic in the length, where composing Deltas
// would copy the whole document.
//
// It is a B+tree of runs (see DESIGN.md). One goroutine at a time may use a
// Content. Any number may read a snapshot that is not changed, while the Content
// that it was taken from goes on changing.
type Content struct {
	root    node
	sum     sum
	formats formats
	styles  *styles
	authors *authors
	// owner marks the nodes that only this Content refers to, and so may be
	// changed in place. It is 0 while there are none: for a snapshot nobody
	// has changed yet, taking another one then writes nothing.
	owner  owner
	finger finger
}

// lastOwner is the newest owner; each is given out once.
var lastOwner atomic.Uint64

// NewContent returns a Content that holds d, which may have inserts only and
// need not end in a newline. The text has no author (see [Content.ApplyBy]). The
// error is an *InvalidError.
func NewContent(d Delta) (*Content, error) {
	return newContent(d, newAuthors(), nil)
}

// NewContentBy is NewContent for a content whose authors are known. authors
// yields them as [Content.Authors] does, from the beginning on. The error is an
// *InvalidError too if their lengths do not add up to the content's, or cut a
// surrogate pair.
func NewContentBy(d Delta, authors iter.Seq2[string, int]) (*Content, error) {
	known := newAuthors()
	b := &byline{}
	for name, length := range authors {
		if length <= 0 {
			return nil, invalid("the content has a stretch of %d units by an author", length)
		}
		b.stretches = append(b.stretches, stretch{known.id(name), length})
	}
	c, err := newContent(d, known, b)
	if err == nil && !b.over() {
		err = invalid("the content is not as long as what its authors wrote")
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// newContent takes the authors from by; nil means no author.
func newContent(d Delta, authors *authors, by *byline) (*Content, error) {
	if err := d.Validate(); err != nil {
		return nil, err
	}
	for i := range d {
		if !d[i].IsInsert() {
			return nil, invalidOp(i, "is not an insert: a content has nothing else")
		}
	}
	c := &Content{styles: newStyles(), authors: authors, owner: owner(lastOwner.Add(1))}
	c.root = load(d, c.styles, c.owner, by)
	c.sum, c.formats = c.root.total(), c.root.formats()
	return c, nil
}

// Snapshot returns a copy that later changes of either do not affect. It takes
// constant time: both share their nodes until one changes them (copy-on-write).
func (c *Content) Snapshot() *Content {
	if c.owner != 0 {
		c.owner = 0
	}
	return &Content{root: c.root, sum: c.sum, formats: c.formats, styles: c.styles, authors: c.authors}
}

// Len returns the length in UTF-16 code units; an embed counts 1.
func (c *Content) Len() int { return c.sum.units }

// Size returns the size in bytes, for limits: that of the text as UTF-8, plus
// for each op of [Content.Delta] its attributes and embed as JSON. Equal contents
// have the same size.
func (c *Content) Size() int { return c.sum.bytes + c.formats.extra }

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

// Slice returns the content between two positions, in UTF-16 code units, as
// normalised inserts. Positions outside the content are clamped to its ends, and
// one inside a surrogate pair moves behind the pair.
func (c *Content) Slice(from, to int) Delta {
	var g gatherer
	for piece, r := range c.pieces(from, to) {
		g.add(piece, r.style)
	}
	return g.take()
}

// A gatherer makes normalised inserts of pieces. The zero value is ready.
type gatherer struct {
	d     Delta
	text  []byte // since the last op, all of one style
	style *style
}

func (g *gatherer) add(piece []byte, s *style) {
	if g.style != s {
		g.close()
		g.style = s
	}
	if s.isEmbed() {
		g.d = append(g.d, Op{Embed: s.embed, Attributes: s.attributes})
	} else {
		g.text = append(g.text, piece...)
	}
}

// close makes an op of the text gathered.
func (g *gatherer) close() {
	if len(g.text) > 0 {
		g.d = append(g.d, Op{Insert: string(g.text), Attributes: g.style.attributes})
		g.text = g.text[:0]
	}
}

// take returns the inserts gathered so far, and empties the gatherer.
func (g *gatherer) take() Delta {
	g.close()
	d := g.d
	g.d = nil
	return d
}

// pieces yields the runs between two positions. A run may come in several
// pieces; an embed's text is U+FFFC.
func (c *Content) pieces(from, to int) iter.Seq2[[]byte, *run] {
	return func(yield func([]byte, *run) bool) {
		from, to := max(from, 0), min(to, c.sum.units)
		if from < to {
			c.root.walk(from, to, yield)
		}
	}
}

// Apply applies d, which must be valid (see [Parse] and [Delta.Validate]), to c.
// The inserted text has no author. If d reaches past the end, cuts a surrogate
// pair or is malformed, the error is an *InvalidError and c is unchanged.
func (c *Content) Apply(d Delta) error { return c.ApplyBy("", d) }

// ApplyBy is Apply for a change by author, whom [Content.Authors] then reports
// for the inserted text. Formatting text does not change its author.
func (c *Content) ApplyBy(author string, d Delta) error {
	if err := c.check(d); err != nil {
		return err
	}
	c.apply(c.authors.id(author), d, math.MaxInt)
	return nil
}

// ErrTooLarge is returned by ApplyWithin for a change that makes a content too
// large.
var ErrTooLarge = errors.New("content too large")

// A Limit bounds a content.
type Limit struct {
	Bytes int // as counted by [Content.Size]
	Lines int // newlines; 0: any number
}

// ApplyWithin is ApplyBy for a change that must not make c larger than limit. It
// returns ErrTooLarge, and leaves c unchanged, if the change would. A content
// that exceeds the limit already may still shrink; bytes and lines are judged
// separately. Memory stays proportional to the limit and to c's size, however
// many runs the change formats.
func (c *Content) ApplyWithin(limit Limit, author string, d Delta) error {
	size, lines := c.Size(), c.sum.lines
	if limit.Lines == 0 {
		limit.Lines = math.MaxInt
	}
	if size+c.mostAdded(d) <= limit.Bytes && lines+newlines(d) <= limit.Lines {
		return c.ApplyBy(author, d)
	}
	if err := c.check(d); err != nil {
		return err
	}
	before := c.Snapshot()
	// Later deletions remove at most size bytes. So a change that grows the
	// content by more than that on the way ends too large.
	fits := c.apply(c.authors.id(author), d, max(limit.Bytes, size)+size)
	if !fits || c.Size() > max(limit.Bytes, size) || c.sum.lines > max(limit.Lines, lines) {
		*c = *before
		return ErrTooLarge
	}
	return nil
}

// newlines counts the newlines that d inserts.
func newlines(d Delta) int {
	n := 0
	for i := range d {
		n += strings.Count(d[i].Insert, "\n")
	}
	return n
}

// mostAdded returns an upper bound, in bytes, of how much d, which may be
// malformed, makes c grow. It is at most half of the range of int, so that the
// caller can add to it safely.
func (c *Content) mostAdded(d Delta) int {
	const (
		unknown  = math.MaxInt / 2
		escapes  = 6 // bytes that a byte of a name takes in JSON, at most
		brackets = 8
	)
	most := 0
	for i := range d {
		op := &d[i]
		switch {
		case op.IsInsert():
			// Text in the middle of a run makes its attributes count twice.
			most += c.styles.mostExtra() + len(op.Insert) + escapes*len(op.Embed.Type) + len(op.Embed.Value) + brackets
			for _, a := range op.Attributes {
				most += escapes*len(a.Name) + len(a.Value) + brackets
			}
		case len(op.Attributes) > 0:
			return unknown // it may touch any number of runs
		}
	}
	return min(most, unknown)
}

// apply applies d, which has been checked, to c. It stops and returns false when
// formats make c larger than ceiling bytes; c is then unusable.
func (c *Content) apply(by author, d Delta, ceiling int) bool {
	if c.owner == 0 {
		c.owner = owner(lastOwner.Add(1))
	}
	at := 0
	for i := range d {
		switch op := &d[i]; {
		case op.Insert != "":
			at += c.insertText(at, op.Insert, c.styles.of(op.Attributes), by)
		case op.Embed.Type != "":
			c.insert(at, fragment{embedText, 1, c.styles.ofEmbed(op.Embed, op.Attributes), by})
			at++
		case op.Delete > 0:
			c.remove(at, op.Delete)
		default:
			if len(op.Attributes) > 0 && !c.restyle(at, op.Retain, op.Attributes, ceiling) {
				return false
			}
			at += op.Retain
		}
	}
	return true
}

// check returns why d cannot be applied.
func (c *Content) check(d Delta) error {
	at, ascii := 0, c.sum.units == c.sum.bytes
	for i := range d {
		op := &d[i]
		if err := op.validateShape(i); err != nil {
			return err
		}
		n := op.Retain + op.Delete
		if n > c.sum.units-at {
			return invalidOp(i, "reaches past the end of the content, which is %d long", c.sum.units)
		}
		if at += n; n == 0 || ascii || c.between(at) {
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

// between reports whether a position is not inside a surrogate pair.
func (c *Content) between(at int) bool {
	if f := &c.finger; f.before(at, c.owner) {
		return f.leaf.between(at - f.start)
	}
	return c.root.between(at)
}

// insertText inserts text in parts that fit into a leaf, and returns its length.
func (c *Content) insertText(at int, text string, s *style, by author) int {
	start := at
	for text != "" {
		part := prefix(text, maxInsert)
		units := LenUTF16(part)
		c.insert(at, fragment{part, units, s, by})
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
