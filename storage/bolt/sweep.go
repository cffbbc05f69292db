package bolt

import (
	"context"
	"time"
)

// sweepStep is how many expired records one write removes at most, so that no
// edit waits for long behind a sweep.
const sweepStep = 64

// sweepAll frees the space of expired records until ctx ends. Nothing depends
// on it: an expired record is invisible anyway.
func (s *Store) sweepAll(ctx context.Context) {
	ticker := time.NewTicker(s.cfg.SweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
				s.cfg.Logger.Warn("sweeping expired records", "path", s.path, "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// sweep removes what has expired by now, step by step.
func (s *Store) sweep(ctx context.Context) error {
	for {
		expired, err := s.someExpired(ctx)
		if err != nil || len(expired) == 0 {
			return err
		}
		if err := s.queue.do(ctx, &write{apply: expired.remove, behind: true}); err != nil {
			return err
		}
	}
}

// expiries are keys of the expiry bucket.
type expiries [][]byte

func (s *Store) someExpired(ctx context.Context) (expired expiries, err error) {
	now := s.cfg.now().UnixMilli()
	err = s.view(ctx, func(t *tables) error {
		c := t.expiry.Cursor()
		for k, _ := c.First(); k != nil && len(expired) < sweepStep; k, _ = c.Next() {
			if at, _ := splitExpiryKey(k); at > now {
				break
			}
			expired = append(expired, append([]byte(nil), k...))
		}
		return nil
	})
	return expired, err
}

// remove removes the records that still expire when their key says so: one
// that was put again meanwhile has left the bucket, or moved in it.
func (e expiries) remove(t *tables) error {
	for _, k := range e {
		at, key := splitExpiryKey(k)
		row, _, err := t.record(key, func(recordRow) bool { return true })
		if err == nil && row.expires == at {
			t.remove(t.records, []byte(key))
		}
		t.remove(t.expiry, k)
	}
	return nil
}
