package storage

import "context"

// Checker verifies the data that a driver stores beyond what the other calls
// return. Each call reports damage to bad and goes on. It returns ctx.Err(), or an
// error if the store cannot be read.
type Checker interface {
	// Check verifies the store's own structure and every record.
	Check(ctx context.Context, bad func(error)) error
	// CheckSlice does a part of Check, about bytes bytes of it, so that a pass in
	// the background delays nobody and can go on after a restart. It begins at
	// from, the next of an earlier call (nil: at the beginning). next is nil when
	// the pass is complete; read is the number of bytes read. It checks whether
	// the space of what it reads is marked as used; it does not find lost space.
	CheckSlice(ctx context.Context, from []byte, bytes int, bad func(error)) (next []byte, read int, err error)
	// CheckLog verifies the index of a page's clients and their edits, for a log
	// that [Log.Read] reads without an error.
	CheckLog(ctx context.Context, page PageID, bad func(error)) error
}
