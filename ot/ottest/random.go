package ottest

import (
	"math/rand/v2"
	"slices"
	"strings"
	"unicode/utf16"

	"halley/ot"
)

// Rand returns the source of random numbers for a seed.
func Rand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// Choices returns a source of random numbers that data chooses, so that a fuzzer
// can steer what is made of them. Once data is used up it goes on as Rand does.
func Choices(data []byte) *rand.Rand {
	return rand.New(&choices{data: data, rest: rand.NewPCG(0, 0)})
}

type choices struct {
	data []byte
	rest rand.Source
}

func (c *choices) Uint64() uint64 {
	if len(c.data) == 0 {
		return c.rest.Uint64()
	}
	b := c.data[0]
	c.data = c.data[1:]
	return uint64(b) * 0x0101010101010101
}

// Content returns a random content of about size UTF-16 units that a page may
// hold: it ends in a newline and has only attributes and embeds of a page's schema.
func Content(r *rand.Rand, size int) ot.Delta {
	d := pageVocabulary.content(r, size)
	return d.Insert("\n", some(r, pageVocabulary.line))
}

// FreeContent returns a random content of about size UTF-16 units with whatever
// Quill Delta allows. It need not end in a newline, and may be empty.
func FreeContent(r *rand.Rand, size int) ot.Delta { return freeVocabulary.content(r, size) }

// Change returns a random change that a page with this content accepts: it fits,
// does not delete the last newline nor insert after it, has only attributes and
// embeds of a page's schema, and is not empty. The content must end in a newline.
func Change(r *rand.Rand, content ot.Delta) ot.Delta {
	return pageVocabulary.change(r, content, nil)
}

// Concurrent returns a Change that often cuts where other, another change of the
// same content, does.
func Concurrent(r *rand.Rand, content, other ot.Delta) ot.Delta {
	return pageVocabulary.change(r, content, other)
}

// FreeChange returns a random change that fits the content, with whatever Quill
// Delta allows. It often cuts where other, another change of the same content or
// nil, does.
func FreeChange(r *rand.Rand, content, other ot.Delta) ot.Delta {
	return freeVocabulary.change(r, content, other)
}

func (v *vocabulary) content(r *rand.Rand, size int) ot.Delta {
	var d ot.Delta
	for units := 0; units < size; {
		piece := v.insert(r, nil)
		units += piece[0].Len()
		d = d.Push(piece[0])
	}
	return d
}

// A base is a content as a change sees it.
type base struct {
	units string // one byte a unit: newline, low half of a pair, or other
	end   int    // the last position that may be cut at
}

const (
	newline = '\n'
	lowHalf = 'l'
	other   = 'x'
)

func newBase(content ot.Delta, fixedEnd bool) base {
	var units strings.Builder
	for _, op := range content {
		if op.Insert == "" {
			units.WriteByte(other)
		}
		for _, r := range op.Insert {
			switch {
			case r == '\n':
				units.WriteByte(newline)
			case utf16.RuneLen(r) == 2:
				units.WriteByte(other)
				units.WriteByte(lowHalf)
			default:
				units.WriteByte(other)
			}
		}
	}
	b := base{units: units.String(), end: units.Len()}
	if fixedEnd {
		b.end--
	}
	return b
}

// snap returns the first position from at on that is not inside a pair.
func (b *base) snap(at int) int {
	if at < len(b.units) && b.units[at] == lowHalf {
		return at + 1
	}
	return at
}

// cuts returns n positions in order, some of them from hot.
func (b *base) cuts(r *rand.Rand, n int, hot []int) []int {
	cuts := make([]int, n)
	for i := range cuts {
		if len(hot) > 0 && chance(r, 0.35) {
			cuts[i] = min(pick(r, hot), b.end)
		} else {
			cuts[i] = b.snap(r.IntN(b.end + 1))
		}
	}
	slices.Sort(cuts)
	return cuts
}

// hotSpots returns where d cuts its base.
func hotSpots(d ot.Delta) []int {
	spots, at := []int(nil), 0
	for _, op := range d {
		spots = append(spots, at)
		at += op.Retain + op.Delete
	}
	return append(spots, at)
}

// change returns a change of content, which cuts at some places of concurrent.
func (v *vocabulary) change(r *rand.Rand, content, concurrent ot.Delta) ot.Delta {
	c := changer{vocabulary: v, r: r, base: newBase(content, v.fixedEnd)}
	var hot []int
	if concurrent != nil {
		hot = hotSpots(concurrent)
	}
	cuts := c.base.cuts(r, 2*(1+r.IntN(6)), hot)
	for i := 0; i < len(cuts); i += 2 {
		c.edit(cuts[i], cuts[i+1])
	}
	if d := c.d.Chop(); len(d) > 0 {
		return d
	}
	at := c.base.snap(r.IntN(c.base.end + 1))
	return ot.Delta{}.Retain(at, nil).Insert(pick(r, v.words), nil)
}

// A changer writes one change from left to right.
type changer struct {
	*vocabulary
	r    *rand.Rand
	base base
	d    ot.Delta
	at   int // how far the base is done
}

// to retains up to a position, or nothing where that is behind.
func (c *changer) to(at int) {
	if at > c.at {
		c.d = c.d.Retain(at-c.at, nil)
		c.at = at
	}
}

// edit does something to the base between two positions, as far as it is not
// done with.
func (c *changer) edit(from, to int) {
	c.to(from)
	switch x := c.r.IntN(12); {
	case x < 5 && c.at <= c.base.end: // formatLine may have passed the end
		c.d = c.insert(c.r, c.d)
		if chance(c.r, 0.25) {
			c.delete(to)
		}
	case x < 8:
		c.delete(to)
	case x < 10:
		c.formatLine()
	case to > c.at:
		c.d = c.d.Retain(to-c.at, attributes(c.r, c.inline, true))
		c.at = to
	}
}

func (c *changer) delete(to int) {
	if to > c.at {
		c.d = c.d.Delete(to - c.at)
		c.at = to
	}
}

// formatLine formats the next newline.
func (c *changer) formatLine() {
	if i := strings.IndexByte(c.base.units[c.at:], newline); i >= 0 {
		c.to(c.at + i)
		c.d = c.d.Retain(1, attributes(c.r, c.line, true))
		c.at++
	}
}
