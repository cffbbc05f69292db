// Package diff finds the change between two contents, so that a page edited
// elsewhere, or restored, becomes one small edit that people can read.
//
// It works from coarse to fine, as a careful reader would: whole lines first
// (text and formats together), then words inside the lines that differ, then
// characters inside a word that was clearly only mended. What is left is
// deleted and inserted. Underneath, github.com/sergi/go-diff compares short
// runs of symbols that stand for lines, words and characters; where a run is
// too long for it, sequences that occur once on both sides cut it first.
//
// The package keeps no state: its functions may be called from any goroutine.
// It does not promise the shortest change, and it does not follow moved text:
// that is deleted in one place and inserted in the other.
package diff

import (
	"slices"
	"strings"

	"halley/ot"
)

// Contents returns the change that turns before into after, two contents
// (deltas of inserts only): before ∘ change = after, always.
//
// The same contents always give the same change, whatever the machine's speed:
// work is bounded by counting steps, not by a clock. Where that bound is
// reached the change is coarser.
//
// Inserts and deletes begin and end between grapheme clusters (Unicode UAX #29),
// so never inside a surrogate pair, and a newline or an embed is a unit of its
// own. Text whose formats alone differ is retained with the difference, null
// for a removed attribute. Where both contents end in a newline, the change
// retains the last newline of before and inserts nothing after it, as a page
// demands.
//
// The result shares no memory with the arguments except strings and attributes,
// which are never modified.
func Contents(before, after ot.Delta) ot.Delta { return ContentsWatched(before, after, func() {}) }

// ContentsWatched is Contents, and calls look every few milliseconds. It may
// panic to end the comparison, which leaves nothing behind.
func ContentsWatched(before, after ot.Delta, look func()) ot.Delta {
	a, b := layOut(before), layOut(after)
	a.look, b.look = look, look
	c := comparison{a: a, b: b, budget: maxSteps}
	fixed := 0
	if a.endsInNewline() && b.endsInNewline() {
		fixed = len("\n")
	}
	c.lines(span{0, len(a.text) - fixed}, span{0, len(b.text) - fixed})
	c.keep(len(a.text)-fixed, len(b.text)-fixed, fixed)
	return c.change()
}

// A comparison finds which stretches of text a and b have in common.
type comparison struct {
	a, b   *layout
	kept   []stretch // ascending in both texts
	budget int       // steps that may still be taken
}

// A span is a stretch of one text, in bytes.
type span struct{ from, to int }

func (s span) empty() bool { return s.from == s.to }
func (s span) size() int   { return s.to - s.from }

// A stretch is text that both sides have, perhaps formatted otherwise: n bytes
// from a in the one and from b in the other.
type stretch struct{ a, b, n int }

// keep records a stretch of common text behind those recorded before.
func (c *comparison) keep(a, b, n int) {
	if n == 0 {
		return
	}
	if last := len(c.kept) - 1; last >= 0 {
		p := &c.kept[last]
		if p.a+p.n == a && p.b+p.n == b {
			p.n += n
			return
		}
	}
	c.kept = append(c.kept, stretch{a, b, n})
}

// lines compares two spans line by line, text and formats together, and hands
// what differs to texts.
func (c *comparison) lines(a, b span) {
	names := lineNames{formats: true}
	ta, tb := names.cut(c.a, a), names.cut(c.b, b)
	c.between(c.align(ta.symbols, tb.symbols, byAnchors), ta, tb, c.texts)
}

// texts compares two spans line by line without regard to formats, and hands
// what differs to words.
func (c *comparison) texts(a, b span) {
	var names lineNames
	ta, tb := names.cut(c.a, a), names.cut(c.b, b)
	c.between(c.align(ta.symbols, tb.symbols, byAnchorsThenMost), ta, tb, c.words)
}

// words compares two spans that have no line in common word by word, and hands
// what differs to letters.
func (c *comparison) words(a, b span) {
	names := unitNames{weakBlanks: true}
	ta, tb := names.cut(c.a, a, nextWord), names.cut(c.b, b, nextWord)
	common := c.align(ta.symbols, tb.symbols, byMost)
	c.between(slide(worthKeeping(common, ta, tb), ta, tb), ta, tb, c.letters)
}

// letters compares two spans that have no word in common worth keeping. It keeps
// something only where the one is clearly a correction of the other: three
// quarters of the longer one stay. A word replaced by another reads better, and
// merges better, whole.
func (c *comparison) letters(a, b span) {
	const maxChange = 1024 // bytes: more is no correction
	x, y := c.a.text[a.from:a.to], c.b.text[b.from:b.to]
	longer := max(len(x), len(y))
	if 4*min(len(x), len(y)) < 3*longer || longer-sameEnds(x, y) > maxChange {
		return
	}
	var names unitNames
	ta, tb := names.cut(c.a, a, nextCluster), names.cut(c.b, b, nextCluster)
	common := c.align(ta.symbols, tb.symbols, byMost)
	same := 0
	for _, m := range common {
		same += m.n
	}
	if 4*same < 3*max(ta.len(), tb.len()) {
		return
	}
	c.between(worthKeeping(common, ta, tb), ta, tb, func(span, span) {})
}

// sameEnds returns how many bytes x and y share at the beginning and end.
func sameEnds(x, y string) int {
	shorter := min(len(x), len(y))
	n := 0
	for n < shorter && x[n] == y[n] {
		n++
	}
	for i := 1; n < shorter && x[len(x)-i] == y[len(y)-i]; i++ {
		n++
	}
	return n
}

// between keeps the common tokens and calls finer for each pair of spans before,
// between and after them, where both have something.
func (c *comparison) between(common []match, a, b tokens, finer func(a, b span)) {
	doneA, doneB := 0, 0
	gap := func(toA, toB int) {
		x, y := a.span(doneA, toA), b.span(doneB, toB)
		if !x.empty() && !y.empty() {
			finer(x, y)
		}
	}
	for _, m := range common {
		gap(m.a, m.b)
		from := a.span(m.a, m.a+m.n)
		c.keep(from.from, b.start(m.b), from.size())
		doneA, doneB = m.a+m.n, m.b+m.n
	}
	gap(a.len(), b.len())
}

// change writes down what the comparison found.
func (c *comparison) change() ot.Delta {
	w := writer{a: c.a.reader(), b: c.b.reader()}
	for _, s := range c.kept {
		w.replace(s.a, s.b)
		w.retain(s.n)
	}
	w.replace(len(c.a.text), len(c.b.text))
	return w.out
}

// A writer turns kept and replaced text, told from left to right, into a delta.
type writer struct {
	a, b reader
	out  ot.Delta
	idle int // UTF-16 units of plain retain not written yet: none may end a delta
}

// replace inserts b's text up to toB in place of a's up to toA.
func (w *writer) replace(toA, toB int) {
	for w.b.at < toB {
		text, op := w.b.next(toB - w.b.at)
		insert := ot.Op{Insert: text, Attributes: op.Attributes}
		if op.Embed.Type != "" {
			insert = ot.Op{Embed: op.Embed, Attributes: op.Attributes}
		}
		w.push(insert)
	}
	if w.a.at < toA {
		w.push(ot.Op{Delete: w.a.skip(toA - w.a.at)})
	}
}

// retain goes over n bytes that a and b share, with the change of their formats.
func (w *writer) retain(n int) {
	for n > 0 {
		size := min(n, w.a.left(), w.b.left())
		text, was := w.a.next(size)
		_, is := w.b.next(size)
		units := lengthUTF16(text, was)
		if attrs := attributeChange(was.Attributes, is.Attributes); len(attrs) > 0 {
			w.push(ot.Op{Retain: units, Attributes: attrs})
		} else {
			w.idle += units
		}
		n -= size
	}
}

func (w *writer) push(op ot.Op) {
	if w.idle > 0 {
		w.out = w.out.Push(ot.Op{Retain: w.idle})
		w.idle = 0
	}
	w.out = w.out.Push(op)
}

// attributeChange returns what a retain must carry to turn attributes was into
// is: null for what is gone. Both, and the result, are sorted by name.
func attributeChange(was, is ot.Attributes) ot.Attributes {
	if slices.Equal(was, is) {
		return nil
	}
	var change ot.Attributes
	for len(was) > 0 || len(is) > 0 {
		switch {
		case len(is) == 0 || len(was) > 0 && strings.Compare(was[0].Name, is[0].Name) < 0:
			change = append(change, ot.Attr{Name: was[0].Name, Value: ot.Null})
			was = was[1:]
		case len(was) == 0 || was[0].Name != is[0].Name:
			change = append(change, is[0])
			is = is[1:]
		default:
			if was[0].Value != is[0].Value {
				change = append(change, is[0])
			}
			was, is = was[1:], is[1:]
		}
	}
	return change
}
