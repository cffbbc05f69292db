package ot

// Transform returns change b rewritten so that it applies after change a, when
// both were made on the same content. If both insert at the same position, a's
// text comes first when priority is true, and b's when it is false. Where both
// set the same attribute, a's value stays when priority is true, and b's
// replaces it when it is false.
//
// Lengths are UTF-16 code units. Neither argument is modified. The caller makes
// sure that both fit the content.
//
// For all a, b made on c: c∘a∘Transform(a,b,true) = c∘b∘Transform(b,a,false).
func Transform(a, b Delta, priority bool) Delta {
	return transform(newBuilder(len(a)+len(b)), a, b, priority)
}

// A Transformer transforms a delta over successive changes, each time as
// Transform(change, delta, priority). For long lists it needs only the memory of
// the last result and of one step, and its caller can watch the cost. It is not
// safe for concurrent use.
type Transformer struct {
	delta    Delta
	spare    [2]Delta // take turns: a step reads one and writes the other
	priority bool
	cost     int
}

// NewTransformer returns a Transformer of b, which it does not modify.
func NewTransformer(b Delta, priority bool) *Transformer {
	return &Transformer{delta: b, priority: priority}
}

// Over transforms the delta over the next change.
func (t *Transformer) Over(a Delta) {
	t.cost += t.StepCost(a)
	out := builder{ops: t.spare[1][:0]}
	if t.spare[1] == nil {
		out = newBuilder(len(a) + len(t.delta))
	}
	t.delta = transform(out, a, t.delta, t.priority)
	t.spare[0], t.spare[1] = t.delta, t.spare[0]
}

// Delta returns the delta as transformed so far. It is valid until the next
// call of Over.
func (t *Transformer) Delta() Delta { return t.delta }

// StepCost returns the number that Over(a) would add to Cost: the ops of both.
func (t *Transformer) StepCost(a Delta) int { return len(a) + len(t.delta) }

// Cost returns an upper bound of the number of ops that all steps went through.
func (t *Transformer) Cost() int { return t.cost }

// transform is Transform into out, which is empty.
func transform(out builder, a, b Delta, priority bool) Delta {
	x, y := newIterator(a), newIterator(b)
	// After the last op of b the rest would be one plain retain.
	for y.more() {
		switch {
		case x.op.IsInsert() && (priority || !y.op.IsInsert()):
			out.retain(x.left)
			x.skip(x.left)
		case y.op.IsInsert():
			out.push(y.rest())
		default:
			transformPiece(&out, &x, &y, priority)
		}
	}
	return out.chopped()
}

// transformPiece pushes what remains of the next piece of y, a retain or a
// delete, after that of x, also a retain or a delete.
func transformPiece(out *builder, x, y *iterator, priority bool) {
	n := min(x.left, y.left)
	switch {
	case x.op.Delete > 0:
		// What a has deleted, b can neither delete nor format.
	case y.op.Delete > 0:
		out.push(Op{Delete: n})
	default:
		out.push(Op{Retain: n, Attributes: transformAttributes(x.op.Attributes, y.op.Attributes, priority)})
	}
	x.skip(n)
	y.skip(n)
}

// TransformPosition returns the position after d of index, a position in the
// content that d was made on. If priority is false, text that d inserts right at
// index goes before it and pushes it to the right; if it is true, index stays.
// index and the result count UTF-16 code units.
func TransformPosition(d Delta, index int, priority bool) int {
	at := 0 // in the result of d, as far as it has been read
	for i := range d {
		if at > index {
			break
		}
		n := d[i].Len()
		switch {
		case d[i].Delete > 0:
			index -= min(n, index-at)
			continue
		case d[i].IsInsert() && (at < index || !priority):
			index += n
		}
		at += n
	}
	return index
}
