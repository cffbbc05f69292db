package bolt

import (
	"fmt"
	"os"
	"time"

	"go.etcd.io/bbolt"

	"halley/storage"
)

// After a failed write or sync nothing in memory can be trusted: bbolt's
// mapping may show the refused transaction, and a sync that failed once may
// return success the next time without having written anything. So the file is
// closed and opened again, and the number of its newest transaction says
// whether the refused one is in it: numbers go up by one, and nobody else
// writes. One that is in it has its pages on the disk, for they are synced
// before the meta page is written; only that meta page is in doubt. The probe
// settles it: it writes that page once more and syncs, and only then a whole
// further transaction, which stands on it.

// A fate is what became of a transaction whose commit failed.
type fate int

const (
	absent  fate = iota // it is not in the file, and never will be
	stored              // it is in the file and synced
	unknown             // it cannot be told
)

// A doubt is a transaction of unknown fate and what it wrote to.
type doubt struct {
	tx      int
	touched map[touched]bool
}

func newDoubt(tx int, batch []*write) *doubt {
	d := &doubt{tx: tx, touched: make(map[touched]bool, len(batch))}
	for _, w := range batch {
		for _, what := range w.touches {
			d.touched[what] = true
		}
	}
	return d
}

// about returns storage.ErrUnknown where what is in doubt. A nil doubt has none.
func (d *doubt) about(what touched) error {
	if d != nil && d.touched[what] {
		return storage.ErrUnknown
	}
	return nil
}

// recovery is what the committer knows of a failure that lasts.
type recovery struct {
	timer       *time.Timer // fires when it is time to try again
	wait        time.Duration
	first, last time.Duration
	cause       error     // of the failure
	told        time.Time // when the log was told of one
}

func newRecovery(cfg Config) recovery {
	timer := time.NewTimer(0)
	timer.Stop()
	return recovery{timer: timer, wait: cfg.RetryFirst, first: cfg.RetryFirst, last: cfg.RetryLast}
}

// settle finds out what became of the transaction tx, which wrote batch and
// failed of cause. Unless it returns with the store healthy, the store takes
// no writes until retry succeeds.
func (s *Store) settle(cause error, tx int, batch []*write) fate {
	s.tellFailure(cause)
	s.setDoubt(newDoubt(tx, batch))
	if err := s.reopen(); err != nil {
		s.fail(storage.ErrUnknown, fmt.Errorf("%w; then %w", cause, err))
		return unknown
	}
	found := s.doubt != nil // the committer alone sets it
	if err := s.probe(); err != nil {
		if !found {
			s.fail(storage.ErrDiskFull, cause)
			return absent
		}
		s.fail(storage.ErrUnknown, cause)
		return unknown
	}
	s.setDoubt(nil)
	if found {
		return stored
	}
	return absent
}

// tellEvery is how often the log is told that writes fail: who has no room gets
// many, and one line says as much as all.
const tellEvery = time.Minute

func (s *Store) tellFailure(cause error) {
	now := s.cfg.now()
	if now.Sub(s.recovery.told) < tellEvery {
		return
	}
	s.recovery.told = now
	s.cfg.Logger.Error("a write to the store failed; edits are refused until one succeeds", "path", s.path, "error", cause)
}

// retry tries to take writes again.
func (s *Store) retry() {
	if s.db == nil {
		if err := s.reopen(); err != nil {
			s.fail(storage.ErrUnknown, err)
			return
		}
	}
	if err := s.probe(); err != nil {
		s.fail(storage.ErrDiskFull, err)
		return
	}
	s.setDoubt(nil)
	s.recovery.wait = s.recovery.first
	s.health.Store(nil)
	s.cfg.health(nil)
	s.recovery.told = time.Time{}
	s.cfg.Logger.Info("the store takes writes again", "path", s.path)
}

// fail makes the store take no writes, and sets the time of the next try.
func (s *Store) fail(kind, cause error) {
	err := fmt.Errorf("%w: %w", kind, cause)
	s.recovery.cause = cause
	s.recovery.timer.Reset(s.recovery.wait)
	s.recovery.wait = min(2*s.recovery.wait, s.recovery.last)
	s.health.Store(&err)
	s.cfg.health(err)
}

func (s *Store) setDoubt(d *doubt) {
	s.mu.Lock()
	before := s.doubt
	s.doubt = d
	s.mu.Unlock()
	if d == nil {
		s.watchers.recovered(before)
	}
}

// reopen closes the file, opens it again, and drops a doubt that turns out to
// be none. Meanwhile readers wait; if it fails, they get an error.
func (s *Store) reopen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db != nil {
		s.copies.stop(errFileReplaced)
		if err := s.db.Close(); err != nil {
			s.cfg.Logger.Warn("closing the store to open it again", "path", s.path, "error", err)
		}
	}
	db, newest, err := s.openAgain()
	s.db = db
	s.gate.set(newest)
	if err != nil {
		s.gone = fmt.Errorf("%w: %w", storage.ErrUnknown, err)
		return err
	}
	if s.doubt != nil && newest < s.doubt.tx {
		s.watchers.recovered(s.doubt)
		s.doubt = nil
	}
	return nil
}

// openAgain opens the file that the store had open, and no other.
func (s *Store) openAgain() (db *bbolt.DB, newest int, err error) {
	if err := s.cfg.open(); err != nil {
		return nil, 0, err
	}
	if _, err := os.Stat(s.path); err != nil {
		return nil, 0, fmt.Errorf("open the store again: %w", err)
	}
	if db, err = openFile(s.path, s.cfg.LockWait); err != nil {
		return nil, 0, err
	}
	id, newest, err := examine(db, s.path, s.cfg)
	if err == nil && id != s.id {
		err = fmt.Errorf("%s: another store has taken its place", s.path)
	}
	if err != nil {
		db.Close()
		return nil, 0, err
	}
	return db, newest, nil
}

var keyProbe = []byte("probe")

// probeBytes is what a probe asks for: more than an edit dirties, most often, so
// that a store that takes the one takes the other. It is free again afterwards,
// inside the file, so that the next edits find room even if the disk has no more.
const probeBytes = 512 << 10

// probe tries whether the disk takes a transaction. If not, the file has been
// opened again.
func (s *Store) probe() error {
	if err := confirm(s.db); err != nil {
		return err
	}
	_, err := s.transact(func(t *tables) bool {
		t.put(t.meta, keyProbe, make([]byte, probeBytes))
		return true
	})
	if err == nil {
		_, err = s.transact(func(t *tables) bool {
			t.remove(t.meta, keyProbe)
			return true
		})
	}
	if err == nil {
		return nil
	}
	if again := s.reopen(); again != nil {
		return fmt.Errorf("%w; then %w", err, again)
	}
	return err
}
