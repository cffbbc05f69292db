// Package storage says what Halley keeps and how: small interfaces, one file
// per concern, and the errors that every driver answers with.
//
// Payloads are opaque bytes here. Everything is safe for concurrent use. What
// a write has returned for is synced to disk, and what a read returns is too:
// no reader ever sees a change that a power cut could still take back. What it
// does not promise: any meaning of what it stores, or order between different
// pages.
package storage

// A Store is everything that one driver keeps.
type Store interface {
	Log
	Checkpoints
	Records
	Blobs
	Bus
	Checker
	// Epoch is the store's random id, new after every restore.
	Epoch() string
	// Healthy says why the store takes no writes now (wrapping ErrDiskFull,
	// ErrUnknown or ErrClosed); nil if it does. It does no I/O.
	Healthy() error
	// Close answers every write that was called before it, then closes. Later
	// calls get ErrClosed; closing again does nothing.
	Close() error
}
