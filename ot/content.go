package ot

import (
	"errors"
	"iter"
	"math"
	"strings"
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
// need not end in a newline. It is by nobody (see [Content.ApplyBy]). The error
// is an *InvalidError.
func NewContent(d Delta) (*Content, error) {
	return newContent(d, newAuthors(), nil)
}

// NewContentBy is NewContent for a content whose authors are known: the lengths
// of stretches by one author each, from the beginning on, as [Content.Authors]
// tells them. It is an *InvalidError too if they are not as long as the content,
// or cut a surrogate pair.
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

// newContent has what by says, nil for nobody, of the authors.
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

// Snapshot returns a copy that later changes of either do not touch. It costs
// the same for any length: the two share what they hold until they change it.
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

// Slice returns what lies between two positions, in UTF-16 code units, as
// normalised inserts. Positions outside of the content are moved to its ends,
// one inside a surrogate pair behind the pair.
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

// take returns what was gathered and begins anew.
func (g *gatherer) take() Delta {
	g.close()
	d := g.d
	g.d = nil
	return d
}

// pieces goes through the runs between two positions. A run may come in several
// pieces; an embed's text is U+FFFC.
func (c *Content) pieces(from, to int) iter.Seq2[[]byte, *run] {
	return func(yield func([]byte, *run) bool) {
		from, to := max(from, 0), min(to, c.sum.units)
		if from < to {
			c.root.walk(from, to, yield)
		}
	}
}

// Apply changes c by d, which must be valid as Parse and Validate make sure.
// What d inserts is by nobody. The error is an *InvalidError, and c is as it
// was, where d reaches past the end, cuts a surrogate pair or is malformed.
func (c *Content) Apply(d Delta) error { return c.ApplyBy("", d) }

// ApplyBy is Apply for a change by somebody, whom [Content.Authors] then names
// for what d inserts. Formats do not change who wrote the text.
func (c *Content) ApplyBy(author string, d Delta) error {
	if err := c.check(d); err != nil {
		return err
	}
	c.apply(c.authors.id(author), d, math.MaxInt)
	return nil
}

// ErrTooLarge is what ApplyWithin returns for a change that makes a content too
// large.
var ErrTooLarge = errors.New("content too large")

// A Limit bounds a content.
type Limit struct {
	Bytes int // as [Content.Size] counts
	Lines int // newlines; 0: any number
}

// ApplyWithin is ApplyBy for a change that must not make c larger than limit; a
// content that is over the limit already may still shrink, in bytes and in lines
// each for itself. The error is ErrTooLarge where it grows, and c is as it was.
// However many runs the change formats, memory stays in proportion to the limit
// and c's size.
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
	// What is deleted further on takes at most size away again. So a change
	// that grows by more on its way ends too large.
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

// mostAdded is at least by how much d, which may be malformed, makes c larger;
// at most half of all numbers, so that adding to it is safe.
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
			return unknown // for it may touch any number of runs
		}
	}
	return min(most, unknown)
}

// apply changes c by d, which has been checked. It gives up, and reports that it
// has, when formats make c larger than ceiling; c is then of no use.
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
