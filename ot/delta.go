package ot

import (
	"math"
	"slices"
)

// maxLength bounds each length in a Delta and their sum: 2^53-1, the largest
// whole number that JavaScript counts to by ones.
const maxLength = min(1<<53-1, math.MaxInt)

// An Embed is an object in the text, such as a picture: {Type: Value} in JSON.
// Its length is 1.
type Embed struct {
	Type  string
	Value Value
}

// An Op is one of: insert text (Insert != ""), insert an embed
// (Embed.Type != ""), retain (Retain > 0) or delete (Delete > 0). Exactly one
// of the four is set. Lengths count UTF-16 code units; Insert itself is
// well-formed UTF-8. A delete has no attributes.
type Op struct {
	Insert     string
	Embed      Embed
	Retain     int
	Delete     int
	Attributes Attributes
}

// A Delta is a list of ops: a change of a content, or (inserts only) a content.
// Nil and empty both mean a change without effect.
type Delta []Op

// Len returns how many UTF-16 code units op inserts, retains or deletes.
func (op *Op) Len() int {
	switch {
	case op.Retain > 0:
		return op.Retain
	case op.Delete > 0:
		return op.Delete
	case op.Insert != "":
		return LenUTF16(op.Insert)
	case op.Embed.Type != "":
		return 1
	}
	return 0
}

// IsInsert reports whether op inserts text or an embed.
func (op *Op) IsInsert() bool { return op.Insert != "" || op.Embed.Type != "" }

// Equal reports whether op and o have the same effect.
func (op *Op) Equal(o *Op) bool {
	return op.Retain == o.Retain && op.Delete == o.Delete && op.Insert == o.Insert &&
		op.Embed == o.Embed && op.Attributes.Equal(o.Attributes)
}

// Insert appends an insert of text to d; see [Delta.Push].
func (d Delta) Insert(text string, attributes Attributes) Delta {
	return d.Push(Op{Insert: text, Attributes: attributes})
}

// InsertEmbed appends an insert of an embed to d; see [Delta.Push].
func (d Delta) InsertEmbed(embed Embed, attributes Attributes) Delta {
	return d.Push(Op{Embed: embed, Attributes: attributes})
}

// Retain appends a retain of n units to d; see [Delta.Push].
func (d Delta) Retain(n int, attributes Attributes) Delta {
	return d.Push(Op{Retain: n, Attributes: attributes})
}

// Delete appends a delete of n units to d; see [Delta.Push].
func (d Delta) Delete(n int) Delta { return d.Push(Op{Delete: n}) }

// Push appends op to d as quill-delta's push does: it joins op to an equal
// neighbour, and puts an insert before a delete at the same place. An op of no
// length is dropped. Like append, it may reuse d's memory: use only the
// result afterwards.
func (d Delta) Push(op Op) Delta {
	b := builder{ops: d}
	b.push(op)
	return b.delta()
}

// Chop returns d without a plain retain at its end, which changes nothing.
// Compose, Transform and Invert return chopped Deltas; Parse keeps the retain,
// so that its caller can check that the change does not reach past the end of the
// content.
func (d Delta) Chop() Delta {
	if n := len(d); n > 0 && d[n-1].Retain > 0 && len(d[n-1].Attributes) == 0 {
		return d[:n-1]
	}
	return d
}

// Normalize returns d with ops of no length dropped, equal neighbours joined,
// inserts before deletes at the same place, and no null among an insert's
// attributes. A plain retain at the end stays; see [Delta.Chop].
func (d Delta) Normalize() Delta {
	b := builder{ops: make(Delta, 0, len(d))} // never more ops than d has
	for _, op := range d {
		if op.IsInsert() {
			op.Attributes = op.Attributes.withoutNulls()
		}
		b.push(op)
	}
	return b.delta()
}

// InsertsOnly reports whether d is a content: every op inserts.
func (d Delta) InsertsOnly() bool {
	for i := range d {
		if !d[i].IsInsert() {
			return false
		}
	}
	return true
}

// Equal reports whether d and o are equal op by op. Two Deltas with the same
// effect are Equal once both are normalised.
func (d Delta) Equal(o Delta) bool {
	return slices.EqualFunc(d, o, func(x, y Op) bool { return x.Equal(&y) })
}

// A builder makes a Delta by pushing ops. Unlike repeated Push it joins texts
// in time that is linear in their length. The zero builder is ready to use.
type builder struct {
	ops Delta
	// text, while open, collects the pieces that become the Insert of ops[at].
	text []byte
	at   int
	open bool
}

// builderCapacity bounds the capacity that a builder reserves up front: it fits
// nearly every edit, and is negligible for a large one.
const builderCapacity = 16

// newBuilder returns a builder with capacity for about n ops.
func newBuilder(n int) builder {
	return builder{ops: make(Delta, 0, min(n, builderCapacity))}
}

// push appends op as [Delta.Push] does.
func (b *builder) push(op Op) {
	if op.Len() == 0 {
		return
	}
	at := len(b.ops) // where op belongs
	if at > 0 && b.ops[at-1].Delete > 0 {
		if op.Delete > 0 {
			b.ops[at-1].Delete += op.Delete
			return
		}
		// An insert before or after a delete at the same place is the same
		// change: it always comes first.
		if op.IsInsert() {
			at--
		}
	}
	if at > 0 && b.join(at-1, &op) {
		return
	}
	if op.Delete == 0 {
		b.close()
	}
	if at == len(b.ops) {
		b.ops = append(b.ops, op)
	} else {
		b.ops = slices.Insert(b.ops, at, op)
	}
}

// retain appends a plain retain of n units.
func (b *builder) retain(n int) { b.push(Op{Retain: n}) }

// join merges op into the op at i. It returns false if the two cannot be one op.
func (b *builder) join(i int, op *Op) bool {
	last := &b.ops[i]
	switch {
	case op.Retain > 0 && last.Retain > 0:
		if !op.Attributes.Equal(last.Attributes) {
			return false
		}
		last.Retain += op.Retain
	case op.Insert != "" && last.Insert != "":
		if !op.Attributes.Equal(last.Attributes) {
			return false
		}
		if !b.open || b.at != i {
			b.close()
			b.open, b.at = true, i
			b.text = append(b.text[:0], last.Insert...)
		}
		b.text = append(b.text, op.Insert...)
	default:
		return false
	}
	return true
}

// close turns the joined pieces of the open insert into its text.
func (b *builder) close() {
	if b.open {
		b.ops[b.at].Insert = string(b.text)
		b.open = false
	}
}

// delta returns the ops pushed so far. More may be pushed afterwards.
func (b *builder) delta() Delta {
	b.close()
	return b.ops
}

// chopped returns the ops pushed so far without a plain retain at their end.
func (b *builder) chopped() Delta { return b.delta().Chop() }
