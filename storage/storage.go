// Package storage defines what Halley stores: small interfaces, one file per
// concern, and the errors that every driver returns.
//
// Payloads are opaque bytes here. Everything is safe for concurrent use. A write
// returns after its data is synced to disk, and a read returns only synced data:
// no reader sees a change that a power cut could still take back. The interfaces
// promise no order between different pages.
package storage

// A Store is everything that one driver stores.
type Store interface {
	Log
	Checkpoints
	Records
	Blobs
	Bus
	Checker
	// Epoch is the store's random id, new after every restore.
	Epoch() string
	// Healthy returns nil if the store accepts writes now, and otherwise the
	// reason (wrapping ErrDiskFull, ErrUnknown or ErrClosed). It does no I/O.
	Healthy() error
	// Close completes the writes that were called before it, then closes the
	// store. Later calls return ErrClosed; closing again does nothing.
	Close() error
}
