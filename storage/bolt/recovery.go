package bolt

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"time"

	"go.etcd.io/bbolt"

	"halley/storage"
)

// After a failed write or sync what bbolt has in memory cannot be trusted for
// writing, its mapping may show the refused transaction, and a sync that failed
// once may return success the next time without having written anything. So the
// file is opened again, and the number of its newest transaction says whether
// the refused one is in it: numbers go up by one, and nobody else writes. One that
// is in it has its pages on the disk, for they are synced before the meta page is
// written; only that meta page is in doubt. The probe settles it: it writes that
// page once more and syncs, and only then writes a further transaction, which
// builds on it.
//
// Reading goes on, also where the disk takes nothing for hours,
// or the file cannot be opened again: then from the file as it was open. Either
// shows the same newest transaction. Where that is the refused one, readers get
// an error for everything that it touched, and all else is on the disk.

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
	err := s.reopen()
	found := s.doubt != nil // the committer alone sets it
	if err == nil {
		err = s.probe()
	}
	switch {
	case err == nil:
		s.setDoubt(nil)
		if found {
			return stored
		}
		return absent
	case s.db == nil:
		s.fail(storage.ErrUnknown, fmt.Errorf("%w; then %w", cause, err))
		if found {
			return unknown
		}
		return absent
	case found:
		s.fail(storage.ErrUnknown, cause)
		return unknown
	default:
		s.fail(storage.ErrDiskFull, cause)
		return absent
	}
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
	if s.db == nil || s.stale {
		if err := s.reopen(); err != nil {
			kind := storage.ErrDiskFull
			if s.db == nil {
				kind = storage.ErrUnknown // nothing can be read either
			}
			s.fail(kind, err)
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

// reopen opens the file again, closes it as it was open, and drops a doubt that
// turns out to be none. Readers wait while it runs. Where it fails, they go on
// with the file as it was open, which is not written again.
func (s *Store) reopen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	db, file, newest, err := s.openAgain()
	if errors.Is(err, errNotShared) {
		s.closeFile() // one handle excludes the other
		db, file, newest, err = s.openAgain()
	}
	if err == nil {
		if err = s.takeOver(db, file); err == nil {
			s.shows(newest)
			return nil
		}
	}
	if keepErr := s.keepReading(); keepErr != nil {
		err = fmt.Errorf("%w; then %w", err, keepErr)
		s.closeFile()
		s.gone = fmt.Errorf("%w: %w", storage.ErrUnknown, err)
	}
	return err
}

// keepReading goes on with the file as it was open, for readers alone. The
// caller holds mu.
func (s *Store) keepReading() error {
	if s.db == nil {
		return errors.New("it is not open")
	}
	s.stale = true
	if err := lock(s.file); err != nil { // a handle that shared it and was closed has let go of it
		return err
	}
	newest, err := newestOf(s.db)
	if err == nil {
		s.shows(newest)
	}
	return err
}

// shows says which transaction readers get to see from now on. The caller holds mu.
func (s *Store) shows(newest int) {
	s.gate.set(newest)
	if s.doubt != nil && newest < s.doubt.tx {
		s.watchers.recovered(s.doubt)
		s.doubt = nil
	}
}

// takeOver puts a handle in the place of the one that is open. The caller holds mu.
func (s *Store) takeOver(db *bbolt.DB, file *os.File) error {
	s.closeFile()
	if err := lock(file); err != nil { // which the one that was closed let go of
		return errors.Join(fmt.Errorf("open the store again: %w", err), db.Close())
	}
	s.db, s.file, s.stale = db, file, false
	return nil
}

// closeFile closes the file, if it is open. The caller holds mu.
func (s *Store) closeFile() {
	if s.db == nil {
		return
	}
	s.copies.stop(errFileReplaced)
	if err := s.db.Close(); err != nil {
		s.cfg.Logger.Warn("closing the store to open it again", "path", s.path, "error", err)
	}
	s.db, s.file = nil, nil
}

// newestOf is the newest transaction that db shows.
func newestOf(db *bbolt.DB) (newest int, err error) {
	guardErr := guard(func() {
		err = db.View(func(tx *bbolt.Tx) error {
			newest = tx.ID()
			return nil
		})
	})
	return newest, cmp.Or(guardErr, err)
}

// openAgain opens the file that the store had open, and no other.
func (s *Store) openAgain() (db *bbolt.DB, file *os.File, newest int, err error) {
	if err := s.cfg.open(); err != nil {
		return nil, nil, 0, err
	}
	if db, file, err = openWith(s.path, s.cfg.LockWait, s.openShared); err != nil {
		return nil, nil, 0, err
	}
	id, newest, err := examine(db, s.path)
	if err == nil && id != s.id {
		err = fmt.Errorf("%s: another store has taken its place", s.path)
	}
	if err != nil {
		return nil, nil, 0, errors.Join(err, db.Close())
	}
	return db, file, newest, nil
}

// errNotShared: this system gives a file that is open twice two locks.
var errNotShared = errors.New("a file's lock cannot be shared")

// openShared opens the file beside the handle that is open, as another
// descriptor of it: so its lock is never let go of, and neither a full table of
// files nor a file system that opens nothing any more is in the way.
func (s *Store) openShared(path string, flag int, mode os.FileMode) (*os.File, error) {
	if s.file != nil && isAt(s.file, path) {
		return share(s.file)
	}
	return openWhole(path, flag, mode)
}

var keyProbe = []byte("probe")

// probeBytes is what a probe asks for: more than an edit dirties, most often, so
// that a store that takes the one takes the other. It is free again afterwards,
// inside the file, so that the next edits find room even if the disk has no more.
const probeBytes = 512 << 10

// probe tries whether the disk takes a transaction. If not, the file has been
// opened again.
func (s *Store) probe() error {
	if !isAt(s.file, s.path) {
		return fmt.Errorf("%s: another file has taken its place, or it is gone", s.path)
	}
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
