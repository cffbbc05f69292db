package ot

// Invert returns the change that undoes d, which was made on content:
// content∘d∘Invert(d, content) = content. Neither argument is modified.
func Invert(d, content Delta) Delta {
	out := newBuilder(len(d))
	base := newIterator(content)
	for i := range d {
		op := &d[i]
		switch {
		case op.IsInsert():
			out.push(Op{Delete: op.Len()})
		case op.Delete > 0:
			eachPiece(&base, op.Delete, func(was Op, _ int) { out.push(was) })
		case len(op.Attributes) == 0:
			out.retain(op.Retain)
			eachPiece(&base, op.Retain, func(Op, int) {})
		default:
			eachPiece(&base, op.Retain, func(was Op, n int) {
				out.push(Op{Retain: n, Attributes: invertAttributes(op.Attributes, was.Attributes)})
			})
		}
	}
	return out.chopped()
}

// eachPiece takes up to n units of it, op by op, and calls do with each piece and
// its length.
func eachPiece(it *iterator, n int, do func(piece Op, length int)) {
	for n > 0 && it.more() {
		length := min(n, it.left)
		n -= length
		do(it.take(length), length)
	}
}
