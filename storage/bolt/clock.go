package bolt

import (
	"bytes"
	"context"
	"time"

	"go.etcd.io/bbolt"
)

// keyClock is the row of meta that lets the store's clock go on after a restart.
var keyClock = []byte("clock")

// saveClockEvery is how often the clock is stored while the store is open.
const saveClockEvery = time.Hour

// Now is the clock by which the store's records and uploads expire. It is not
// ahead of the wall clock, and does not follow one that is wrong for some hours:
// see storage.Clock.
func (s *Store) Now() time.Time { return s.clock.Now() }

// savedClock returns what an earlier process stored of its clock; nil where none did.
func savedClock(db *bbolt.DB) (saved []byte) {
	_ = guard(func() { // damage is found, and told, by whoever reads more
		_ = db.View(func(tx *bbolt.Tx) error {
			saved = bytes.Clone(tx.Bucket(bucketMeta).Get(keyClock))
			return nil
		})
	})
	return saved
}

func (s *Store) saveClock(ctx context.Context) error {
	saved := s.clock.Saved()
	return s.queue.do(ctx, &write{behind: true, apply: func(t *tables) error {
		t.put(t.meta, keyClock, saved)
		return nil
	}})
}
