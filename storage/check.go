package storage

import "context"

// Checker looks through what a driver keeps beyond what the other calls
// return. Both calls go on after damage, of which they tell bad; their error is
// of ctx, or of a store that cannot be read.
type Checker interface {
	// Check looks through the store's own structure and every record.
	Check(ctx context.Context, bad func(error)) error
	// CheckLog looks through that by which a page's clients and their edits are
	// found, for a log that [Log.Read] finds whole.
	CheckLog(ctx context.Context, page PageID, bad func(error)) error
}
