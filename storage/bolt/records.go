package bolt

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"halley/storage"
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

func (s *Store) expired(r recordRow) bool { return r.expired(s.cfg.now()) }

func recordOf(key string, row recordRow) storage.Record {
	return storage.Record{
		Key: key, Value: slices.Clone(row.value), Version: row.version, Expires: fromMillis(row.expires),
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
		row := recordRow{version: r.Version + 1, expires: millis(r.Expires), value: r.Value}
		t.put(t.records, key, row.encode(key))
		if row.expires != 0 {
			t.put(t.expiry, expiryKey(row.expires, r.Key), nil)
		}
		return nil
	}
	err = s.queue.do(ctx, &write{apply: apply, touches: touched{key: r.Key}, size: len(key) + len(r.Value)})
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
		return nil
	}
	err := s.queue.do(ctx, &write{apply: apply, touches: touched{key: key}, size: len(key)})
	if err != nil {
		return fmt.Errorf("delete %q: %w", key, err)
	}
	return nil
}

// List calls fn for each live record under prefix after a key, in key order.
func (s *Store) List(ctx context.Context, prefix, after string, fn func(storage.Record) error) error {
	for at := after; ; {
		records, last, err := s.someRecords(ctx, prefix, at)
		for _, r := range records {
			if err := fn(r); err != nil {
				return err
			}
		}
		if err != nil || last == "" {
			return err
		}
		at = last
	}
}

// someRecords returns the next live records, and the last key that it looked
// at; "" where nothing can come after it.
func (s *Store) someRecords(ctx context.Context, prefix, after string) (records []storage.Record, last string, err error) {
	err = s.view(ctx, func(t *tables) error {
		c := t.records.Cursor()
		k, _ := c.Seek([]byte(prefix))
		if after >= prefix {
			k, _ = seekAfter(c, []byte(after))
		}
		for seen, size := 0, 0; bytes.HasPrefix(k, []byte(prefix)); k, _ = c.Next() {
			if seen == chunkRows || size > chunkBytes {
				return nil
			}
			last = string(k)
			row, live, err := t.record(last, s.expired)
			if err != nil {
				return err
			}
			if live {
				records = append(records, recordOf(last, row))
			}
			seen, size = seen+1, size+len(row.value)
		}
		last = ""
		return nil
	})
	return records, last, err
}
