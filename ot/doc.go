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
// [Parse] reads a Delta from JSON and refuses what is malformed; [Delta.Validate]
// does so for one made by hand. Functions on valid Deltas never fail, so they
// return no error. They also never fail on Deltas that are valid but do not fit
// each other (one that deletes half of a surrogate pair that the other inserts,
// say): the pair then stays whole, with the piece in which it begins. Whether a
// change fits a content is checked by [Content.Apply].
//
// Deltas are values: no function here modifies its arguments, and results may
// share their immutable parts (strings, [Attributes]). They are safe for
// concurrent use as long as nobody writes to them. [Content], the live
// document, is for one goroutine at a time; its snapshots may be read by any.
//
// Not here: pages, people, time, storage; which formats a page may hold; and
// what a line is (a format on a newline is an attribute like any other).
//
// The laws that hold, for all changes a and b made on content c, with ∘ for
// Compose (package ottest has them as checks):
//
//	c∘a∘Transform(a, b, true) = c∘b∘Transform(b, a, false)   convergence
//	(c∘a)∘d = c∘(a∘d)                                        for d made on c∘a
//	c∘a∘Invert(a, c) = c                                     inverse
//	Parse(d.AppendJSON(nil)) = d                             codec
//
// DESIGN.md says where each is tested, and how a Content is kept.
package ot
