package ot

// Compose returns the change that does what a and then b do. If a is a content,
// so is the result: the content after b.
//
// Lengths are UTF-16 code units. b is made on what a results in. Neither
// argument is modified.
//
// For all c, a on c, and b on c∘a: (c∘a)∘b = c∘(a∘b).
func Compose(a, b Delta) Delta {
	out := newBuilder(len(a) + len(b))
	x, y := newIterator(a), newIterator(b)
	for x.more() || y.more() {
		switch {
		case y.op.IsInsert():
			out.push(y.rest())
		case x.op.Delete > 0:
			out.push(x.rest())
		default:
			composePiece(&out, &x, &y)
		}
	}
	return out.chopped()
}

// composePiece pushes the composition of the next piece of x, an insert or a
// retain, with that of y, a retain or a delete.
func composePiece(out *builder, x, y *iterator) {
	n := min(x.left, y.left)
	if y.op.Delete > 0 {
		// What was inserted and is deleted again has never been there.
		if !x.op.IsInsert() {
			out.push(Op{Delete: n})
		}
		x.skip(n)
		y.skip(n)
		return
	}
	attributes := y.op.Attributes
	y.skip(n)
	if !x.more() {
		out.push(Op{Retain: n, Attributes: attributes})
		return
	}
	op := x.take(n)
	op.Attributes = composeAttributes(op.Attributes, attributes, op.Retain > 0)
	out.push(op)
}
