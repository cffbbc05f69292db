package storage

import "context"

// Checker looks through what a driver keeps beyond what the other calls
// return. All calls go on after damage, of which they tell bad; their error is
// of ctx, or of a store that cannot be read.
type Checker interface {
	// Check looks through the store's own structure and every record.
	Check(ctx context.Context, bad func(error)) error
	// CheckSlice does a part of what Check does, about bytes bytes of it, so that
	// a pass in the background holds up nothing and can go on after a restart. It
	// begins at from, which an earlier call returned as next (nil: at the
	// beginning), and next is nil where the pass is complete. read is how many
	// bytes it went through. Whether space is used or free is checked for what
	// the slice holds, and whether space is lost is not checked.
	CheckSlice(ctx context.Context, from []byte, bytes int, bad func(error)) (next []byte, read int, err error)
	// CheckLog looks through that by which a page's clients and their edits are
	// found, for a log that [Log.Read] finds whole.
	CheckLog(ctx context.Context, page PageID, bad func(error)) error
}
