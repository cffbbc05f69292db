package storage

import (
	"context"
	"fmt"
	"time"
)

// Limits of records. A driver refuses what exceeds them with ErrInvalid.
const (
	MaxKeyBytes   = 512
	MaxValueBytes = 1 << 20
)

// A Record is one small value under a key, for everything but the text of pages.
type Record struct {
	Key     string // 1 to 512 bytes
	Value   []byte // at most 1 MiB
	Version uint64 // 1 when made, one higher with each Put
	// Expires is when the record expires, truncated to milliseconds; zero: never.
	Expires time.Time
}

// Validate returns an error wrapping ErrInvalid if r cannot be stored.
func (r *Record) Validate() error {
	switch {
	case len(r.Key) == 0 || len(r.Key) > MaxKeyBytes:
		return fmt.Errorf("a key of %d bytes; 1 to %d are allowed: %w", len(r.Key), MaxKeyBytes, ErrInvalid)
	case len(r.Value) > MaxValueBytes:
		return fmt.Errorf("record %q of %d bytes; at most %d are kept: %w", r.Key, len(r.Value), MaxValueBytes, ErrInvalid)
	}
	return nil
}

// Records stores small values (at most 1 MiB) under keys such as "page/ID". No
// call returns a record that has expired, even before its space is freed. The
// caller owns returned values.
type Records interface {
	// Get returns the record under key, or ErrNotFound if there is none or it has
	// expired.
	Get(ctx context.Context, key string) (Record, error)
	// Put stores r.Value durably if the key's version is r.Version (0: no record,
	// or an expired one), and returns the new version. Otherwise it returns a
	// *ConflictError. The other errors and ctx are as for Log.Append.
	Put(ctx context.Context, r Record) (uint64, error)
	// Delete removes the record durably if its version is version. Errors:
	// *ConflictError, ErrNotFound, and those of Log.Append.
	Delete(ctx context.Context, key string, version uint64) error
	// List calls fn for each live record whose key starts with prefix and sorts
	// after `after`, in byte order of keys, until fn returns an error, which List
	// returns. It is not a snapshot: fn may get the old or the new state of a
	// record that changes during the call, and gets each key at most once.
	List(ctx context.Context, prefix, after string, fn func(Record) error) error
	// Watch calls fn for each live record under prefix, in key order, then once
	// with the zero RecordChange, and from then on for each change as it becomes
	// durable. The changes of one key come in order, and each comes once unless
	// the disk has failed. A watcher that is more than WatchBacklog changes
	// behind may miss changes of a key, but never its last one; it delays no
	// writer. Watch returns fn's first error, ctx.Err(), or ErrClosed.
	Watch(ctx context.Context, prefix string, fn func(RecordChange) error) error
}

// WatchBacklog is how many changes a watcher may be behind before it misses some.
const WatchBacklog = 256

// A RecordChange is the new state of one key.
type RecordChange struct {
	Record // if Gone, only its key is set
	// Gone: the record was deleted, or has expired; an expiry may be reported late.
	Gone bool
}
