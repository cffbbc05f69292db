package storage

import (
	"context"
	"crypto/rand"
	"errors"
)

// Secret returns the 32 random bytes stored under key, and creates them on first
// use. Concurrent callers all get the same bytes.
func Secret(ctx context.Context, records Records, key string) ([]byte, error) {
	for {
		r, err := records.Get(ctx, key)
		if !errors.Is(err, ErrNotFound) {
			return r.Value, err
		}
		fresh := make([]byte, 32)
		rand.Read(fresh)
		_, err = records.Put(ctx, Record{Key: key, Value: fresh})
		var taken *ConflictError
		if !errors.As(err, &taken) {
			return fresh, err
		}
	}
}
