package bolt

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"halley/storage"
	"halley/storage/encoding"
)

// Get returns the live record under key.
func (s *Store) Get(ctx context.Context, key string) (r storage.Record, err error) {
	err = s.view(ctx, func(t *tables) error {
		row, live, err := t.record(key, s.expired)
		if err != nil {
			return err
		}
		if !live {
			return storage.ErrNotFound
		}
		r = recordOf(key, row)
		return nil
	})
	return r, err
}

func (s *Store) expired(r recordRow) bool { return r.expired(s.clock.Now()) }

func recordOf(key string, row recordRow) storage.Record {
	return storage.Record{
		Key: key, Value: slices.Clone(row.value), Version: row.version, Expires: encoding.FromMillis(row.expires),
	}
}

// Put stores r as storage.Records says.
func (s *Store) Put(ctx context.Context, r storage.Record) (version uint64, err error) {
	if err := r.Validate(); err != nil {
		return 0, err
	}
	key := []byte(r.Key)
	apply := func(t *tables) error {
		old, live, err := t.record(r.Key, s.expired)
		if err != nil {
			return err
		}
		if actual := versionOf(old, live); actual != r.Version {
			return &storage.ConflictError{Expected: r.Version, Actual: actual}
		}
		t.forgetExpiry(old, r.Key)
		row := recordRow{version: r.Version + 1, expires: encoding.Millis(r.Expires), value: r.Value}
		t.put(t.records, key, row.encode(key))
		if row.expires != 0 {
			t.put(t.expiry, expiryKey(row.expires, r.Key), nil)
		}
		c := storage.RecordChange{Record: r}
		if c.Version, c.Expires = row.version, encoding.FromMillis(row.expires); s.expired(row) {
			c = gone(r.Key)
		}
		t.changed = append(t.changed, c)
		return nil
	}
	err = s.queue.do(ctx, &write{apply: apply, touches: []touched{{key: r.Key}}, size: len(key) + len(r.Value)})
	if err != nil {
		return 0, fmt.Errorf("put %q: %w", r.Key, err)
	}
	return r.Version + 1, nil
}

func versionOf(r recordRow, live bool) uint64 {
	if !live {
		return 0
	}
	return r.version
}

func (t *tables) forgetExpiry(r recordRow, key string) {
	if r.expires != 0 {
		t.remove(t.expiry, expiryKey(r.expires, key))
	}
}

// Delete removes the record under key, if its version is version.
func (s *Store) Delete(ctx context.Context, key string, version uint64) error {
	apply := func(t *tables) error {
		row, live, err := t.record(key, s.expired)
		switch {
		case err != nil:
			return err
		case !live:
			return storage.ErrNotFound
		case row.version != version:
			return &storage.ConflictError{Expected: version, Actual: row.version}
		}
		t.forgetExpiry(row, key)
		t.remove(t.records, []byte(key))
		t.changed = append(t.changed, gone(key))
		return nil
	}
	err := s.queue.do(ctx, &write{apply: apply, touches: []touched{{key: key}}, size: len(key)})
	if err != nil {
		return fmt.Errorf("delete %q: %w", key, err)
	}
	return nil
}

// List calls fn for each live record under prefix after a key, in key order.
func (s *Store) List(ctx context.Context, prefix, after string, fn func(storage.Record) error) error {
	for at := after; ; {
		part, err := s.someRecords(ctx, prefix, at)
		for _, r := range part.records {
			if err := fn(r); err != nil {
				return err
			}
		}
		if err != nil || part.last == "" {
			return err
		}
		at = part.last
	}
}

// A listPart is some of the records under a prefix.
type listPart struct {
	records []storage.Record // live ones
	last    string           // the last key that was looked at; "" where nothing can come after it
	tx      int              // the transaction that they were read in
}

// someRecords returns the next records after a key.
func (s *Store) someRecords(ctx context.Context, prefix, after string) (part listPart, err error) {
	err = s.view(ctx, func(t *tables) error {
		part = listPart{tx: t.tx}
		c := t.records.Cursor()
		k, v := c.Seek([]byte(prefix))
		if after >= prefix {
			k, v = seekAfter(c, []byte(after))
		}
		for seen, size := 0, 0; k != nil && bytes.HasPrefix(k, []byte(prefix)); k, v = c.Next() {
			if seen == chunkRows || size > chunkBytes {
				return nil
			}
			part.last = string(k)
			row, err := t.recordIn(part.last, k, v)
			if err != nil {
				return err
			}
			if !s.expired(row) {
				part.records = append(part.records, recordOf(part.last, row))
			}
			seen, size = seen+1, size+len(row.value)
		}
		part.last = ""
		return nil
	})
	return part, err
}
