package bolt

import (
	"context"
	"time"
)

// sweepStep is how many expired records one write removes at most, so that no
// edit waits for long behind a sweep.
const sweepStep = 64

// sweepAll frees the space of expired records, and of blobs that are kept for
// nothing, until ctx ends. Nothing depends on it: they are invisible anyway.
func (s *Store) sweepAll(ctx context.Context) {
	warn := func(what string, err error) {
		if err != nil && ctx.Err() == nil && s.Healthy() == nil { // else it is told already
			s.cfg.Logger.Warn(what, "path", s.path, "error", err)
		}
	}
	found := s.findStrays(ctx)
	warn("looking for files that a crash has left", found)
	ticker := time.NewTicker(s.cfg.SweepEvery)
	defer ticker.Stop()
	var saved time.Time // when the clock was stored; the first time soon, as little may be known of it
	for {
		select {
		case <-ticker.C:
			if time.Since(saved) >= saveClockEvery {
				err := s.saveClock(ctx)
				warn("storing the clock", err)
				if err == nil {
					saved = time.Now()
				}
			}
			warn("sweeping expired records", s.sweep(ctx))
			if found != nil {
				found = s.findStrays(ctx)
			}
			if found == nil { // it is known whether the store belongs to the files
				_, err := s.SweepBlobs(ctx)
				warn("sweeping blobs", err)
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
		if err := s.queue.do(ctx, &write{apply: expired.remove, touches: expired.keys(), behind: true}); err != nil {
			return err
		}
	}
}

// expiries are keys of the expiry bucket.
type expiries [][]byte

func (s *Store) someExpired(ctx context.Context) (expired expiries, err error) {
	now := s.clock.Now().UnixMilli()
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

func (e expiries) keys() (all []touched) {
	for _, k := range e {
		_, key := splitExpiryKey(k)
		all = append(all, touched{key: key})
	}
	return all
}

// remove removes the records that still expire when their key says so: one
// that was put again meanwhile has left the bucket, or moved in it.
func (e expiries) remove(t *tables) error {
	for _, k := range e {
		at, key := splitExpiryKey(k)
		row, _, err := t.record(key, func(recordRow) bool { return true })
		if err == nil && row.expires == at {
			t.remove(t.records, []byte(key))
			t.changed = append(t.changed, gone(key))
		}
		t.remove(t.expiry, k)
	}
	return nil
}
