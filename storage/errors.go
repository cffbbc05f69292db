package storage

import (
	"errors"
	"fmt"
)

var (
	ErrNotFound = errors.New("not found")
	// ErrDiskFull: the disk is full or refuses writes; nothing was stored.
	ErrDiskFull = errors.New("the disk is full or refuses writes")
	// ErrUnknown: the disk failed midway; the data may or may not be stored. A
	// read of the pages and keys of such a write returns it too, until the store
	// knows the outcome.
	ErrUnknown = errors.New("the disk failed; it is not known whether this was stored")
	// ErrClosed: the store was closed; nothing was stored.
	ErrClosed = errors.New("the store is closed")
	// ErrInvalid: the caller broke the store's rules; nothing was stored.
	ErrInvalid = errors.New("not storable")
)

// A ConflictError reports a head or version other than the expected one.
type ConflictError struct{ Expected, Actual uint64 }

func (e *ConflictError) Error() string {
	return fmt.Sprintf("expected %d but found %d", e.Expected, e.Actual)
}

// A CorruptError names a damaged change (Page and Seq) or row (Key, with an empty
// Page).
type CorruptError struct {
	Page   PageID
	Seq    uint64
	Key    string
	Reason string
}

func (e *CorruptError) Error() string {
	if e.Page == "" {
		return fmt.Sprintf("%q: %s", e.Key, e.Reason)
	}
	return fmt.Sprintf("page %s, change %d: %s", e.Page, e.Seq, e.Reason)
}
