// Package ot is the algebra of changes: what it means to apply one change
// after another, to carry a change over another made at the same time, and to
// undo one.
//
// A change is a [Delta], in the format of Quill Delta (MIT licence,
// https://github.com/slab/delta): a list of inserts, retains and deletes with
// formats, its lengths counted in UTF-16 code units. A content is a Delta of
// inserts only. quill-delta 5.1.0 is the reference: for input that is valid
// here, Compose, Transform, TransformPosition and Invert give what it gives, op
// for op.
//
// [Parse] reads a Delta from JSON and refuses malformed ones; [Delta.Validate]
// checks one built by hand. Functions on valid Deltas never fail, so they
// return no error. They also never fail on Deltas that are valid but do not fit
// each other, for example when one deletes half of a surrogate pair that the
// other inserts: the pair then stays whole, in the piece in which it begins.
// [Content.Apply] checks whether a change fits a content.
//
// Deltas are values: no function here modifies its arguments, and results may
// share their immutable parts (strings, [Attributes]). They are safe for
// concurrent use as long as nobody writes to them. Only one goroutine at a time
// may use a [Content], the live document; any may read its snapshots.
//
// The package does not know pages, people, time or storage, nor which formats a
// page may hold. A line's format is an attribute of its newline like any other.
//
// The laws that hold, for all changes a and b made on content c, with ∘ for
// Compose (package ottest has them as checks):
//
//	c∘a∘Transform(a, b, true) = c∘b∘Transform(b, a, false)   convergence
//	(c∘a)∘d = c∘(a∘d)                                        for d made on c∘a
//	c∘a∘Invert(a, c) = c                                     inverse
//	Parse(d.AppendJSON(nil)) = d                             codec
//
// DESIGN.md describes where each is tested, and the data structure of Content.
package ot
