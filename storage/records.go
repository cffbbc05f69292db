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

// A Record is one small value under a key, for what is no page's text.
type Record struct {
	Key     string // 1 to 512 bytes
	Value   []byte // at most 1 MiB
	Version uint64 // 1 when made, one higher with each Put
	// Expires is when the record ceases to be, in whole milliseconds (a finer
	// time is cut); zero: never.
	Expires time.Time
}

// Validate returns an error wrapping ErrInvalid where r cannot be kept.
func (r *Record) Validate() error {
	switch {
	case len(r.Key) == 0 || len(r.Key) > MaxKeyBytes:
		return fmt.Errorf("a key of %d bytes; 1 to %d are allowed: %w", len(r.Key), MaxKeyBytes, ErrInvalid)
	case len(r.Value) > MaxValueBytes:
		return fmt.Errorf("record %q of %d bytes; at most %d are kept: %w", r.Key, len(r.Value), MaxValueBytes, ErrInvalid)
	}
	return nil
}

// Records keeps small values (at most 1 MiB) under keys such as "page/ID".
// A record that has expired is gone at once for every call, whenever its space
// is freed. Values handed out are the caller's own.
type Records interface {
	// Get: ErrNotFound where there is none or it has expired.
	Get(ctx context.Context, key string) (Record, error)
	// Put stores r.Value durably if the key's version is r.Version (0: there is
	// none, or it has expired) and returns the new version; else *ConflictError.
	// The other errors, and ctx, are as for Log.Append.
	Put(ctx context.Context, r Record) (uint64, error)
	// Delete removes it durably if its version is version; *ConflictError, ErrNotFound.
	Delete(ctx context.Context, key string, version uint64) error
	// List calls fn for each live record whose key starts with prefix and sorts
	// after `after`, in key order (of bytes), until fn returns an error, which
	// List returns. It is no snapshot: records that change meanwhile may be
	// seen before or after, each at most once.
	List(ctx context.Context, prefix, after string, fn func(Record) error) error
	// Watch calls fn for each live record under prefix, in key order, then once
	// with the zero RecordChange, and from then on for each change as it becomes
	// durable: of one key in its order, none told twice but after the disk has
	// failed. A watcher that is more than WatchBacklog changes behind may miss
	// some between, never a key's last one, and holds up nobody. Watch returns
	// fn's first error, ctx's, or ErrClosed.
	Watch(ctx context.Context, prefix string, fn func(RecordChange) error) error
}

// WatchBacklog is how many changes a watcher may be behind before it misses some.
const WatchBacklog = 256

// A RecordChange is what a watcher is told of one key.
type RecordChange struct {
	Record // as it is now; where Gone, its key alone
	// Gone: it was deleted, or has expired, which may be told later than it is so.
	Gone bool
}
