package bolt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"

	"go.etcd.io/bbolt"

	"halley/storage"
	"halley/storage/durable"
)

// A Store is a storage.Store in one bbolt file.
type Store struct {
	cfg  Config
	path string
	id   fileID

	clock *storage.Clock // by which records and uploads expire

	queue  *queue
	gate   *gate
	health atomic.Pointer[error] // nil: well

	readers chan struct{} // has room for the reads that may run at a time

	mu    sync.RWMutex // held for reading during each read; for writing while db changes
	db    *bbolt.DB    // guarded by mu, set by the committer alone; nil: see gone
	file  *os.File     // the committer's own: what db has open
	stale bool         // the committer's own: db is good for reading alone
	gone  error        // guarded by mu: why db is nil
	doubt *doubt       // guarded by mu: the write whose fate cannot be told; else nil

	recovery recovery // the committer's own

	files    *blobFiles
	guards   blobGuards
	watchers *watchers
	bus      *bus

	copies     *copies       // begun under mu
	background chan struct{} // held by who writes what goes behind edits

	folds *foldSchedule

	closing    context.Context // ended by Close, because of ErrClosed
	beginClose context.CancelCauseFunc
	goroutines sync.WaitGroup
}

var _ storage.Store = (*Store)(nil)

// Open opens the store in dir, which is made if it is missing (mode 0700, the
// file 0600). A store is made only in a folder that holds nothing of one; what
// is damaged stays as it is. Its errors are sentences for the person who runs
// Halley: they wrap ErrInUse, a *DamagedError, a *RestoreCutOffError or a
// *NewerError, or say what the system said. Close the store when done.
func Open(dir string, cfg Config) (*Store, error) {
	s, err := open(dir, cfg)
	return s, damaged(dir, err)
}

func open(dir string, cfg Config) (*Store, error) {
	cfg = cfg.withDefaults()
	if _, err := Inspect(dir); err != nil {
		return nil, err
	}
	if err := makeFolder(dir); err != nil {
		return nil, err
	}
	if cfg.Compact {
		compactIfItPays(dir, cfg)
	}
	path := filepath.Join(dir, FileName)
	if err := makeFile(path, cfg); err != nil {
		return nil, err
	}
	db, file, err := openWith(path, cfg.LockWait, openWhole)
	if err != nil {
		return nil, err
	}
	if err := checkMetas(file, int64(db.Info().PageSize)); err != nil {
		cfg.Logger.Error("the store's file is damaged; `halley verify` lists what, and a backup may hold what is lost",
			"path", path, "error", err)
	}
	id, newest, err := admit(db, path)
	if err != nil {
		db.Close()
		return nil, err
	}
	err = errors.Join(removeCompacting(path), removeMade(path))
	if err == nil {
		err = durable.SyncFolder(dir) // a compaction may have been killed after it renamed the file
	}
	if err != nil {
		db.Close()
		return nil, err
	}
	s := &Store{
		cfg: cfg, path: path, id: id, queue: newQueue(), readers: make(chan struct{}, maxReaders()), gate: newGate(newest), db: db, file: file,
		copies: newCopies(), background: make(chan struct{}, 1), folds: newFoldSchedule(cfg),
	}
	s.clock = storage.NewClock(cfg.now, savedClock(db))
	s.files, s.guards.strays = newBlobFiles(dir), map[storage.Hash]bool{}
	if err := s.files.clear(); err != nil {
		cfg.Logger.Warn("removing uploads that were cut off", "path", dir, "error", err)
	}
	s.watchers, s.bus = newWatchers(), newBus()
	s.recovery = newRecovery(cfg)
	s.closing, s.beginClose = context.WithCancelCause(context.Background())
	s.goroutines.Go(s.commitAll)
	s.goroutines.Go(func() { s.sweepAll(s.closing) })
	s.goroutines.Go(func() { s.foldAll(s.closing) })
	if cfg.MaxResident > 0 {
		s.goroutines.Go(func() { s.boundResident(s.closing, cfg.MaxResident) })
	}
	return s, nil
}

// A fileID tells a store's file from others: the store's epoch, and which of
// its compactions made the file.
type fileID struct{ epoch, copied string }

// admit gets a file that was opened ready to be written: it returns which file
// it is and its newest transaction, which is on the disk then. Unless it is a
// whole store, nothing is written.
func admit(db *bbolt.DB, path string) (id fileID, newest int, err error) {
	if id, newest, err = examine(db, path); err != nil {
		return fileID{}, 0, err
	}
	if err := confirm(db); err != nil {
		return fileID{}, 0, sayWhy(path, err)
	}
	newest, err = migrate(db, path, newest)
	return id, newest, err
}

// examine returns which file db is and its newest transaction. It writes
// nothing.
func examine(db *bbolt.DB, path string) (id fileID, newest int, err error) {
	guardErr := guard(func() {
		if id.epoch, _, err = identify(db, path); err != nil {
			return
		}
		err = db.View(func(tx *bbolt.Tx) error {
			id.copied, newest = string(tx.Bucket(bucketMeta).Get(keyCopied)), tx.ID()
			return nil
		})
	})
	if guardErr != nil {
		return fileID{}, 0, fmt.Errorf("%s: %w (%w)", path, ErrNotStore, guardErr)
	}
	return id, newest, err
}

// Epoch is the store's random id.
func (s *Store) Epoch() string { return s.id.epoch }

// Healthy says why the store takes no writes now; nil if it does.
func (s *Store) Healthy() error {
	if err := s.health.Load(); err != nil {
		return *err
	}
	return nil
}

// Queued is how many writes wait for the committer.
func (s *Store) Queued() int { return s.queue.len() }

// Commits grows with each transaction that is synced: readers in the background
// see by it whether somebody writes.
func (s *Store) Commits() int { return s.gate.newest() }

// Close answers every write that was called before it, then closes the file. An
// upload that is still being read is refused.
func (s *Store) Close() error {
	s.beginClose(storage.ErrClosed)
	s.bus.close()
	s.guards.placing.Lock() // until the uploads that have begun are answered
	s.queue.close()
	s.guards.placing.Unlock()
	s.goroutines.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	closed := error(storage.ErrClosed)
	s.health.Store(&closed)
	s.gone = closed
	if s.db == nil {
		return nil
	}
	db := s.db
	s.db = nil
	s.copies.stop(closed)
	if err := db.Close(); err != nil {
		return fmt.Errorf("close the store %s: %w", s.path, err)
	}
	return nil
}

// view runs fn over a synced state of the store. What fn is given is valid
// only during the call.
func (s *Store) view(ctx context.Context, fn func(*tables) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for {
		select {
		case s.readers <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		wait, err := s.tryView(fn)
		<-s.readers
		if wait == nil {
			return err
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// maxReaders is how many reads run at a time. bbolt takes one mutex, the
// committer's too, at the beginning and the end of each transaction: where
// hundreds queue up for it, Go hands it from one to the next in order, and an
// edit of one byte takes seconds to commit. More readers than processors can
// run read nothing sooner.
func maxReaders() int { return max(4, 2*runtime.GOMAXPROCS(0)) }

// tryView is view, but where the newest transaction is not synced yet, it
// returns a channel that is closed when it is worth trying again.
func (s *Store) tryView(fn func(*tables) error) (wait <-chan struct{}, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.db == nil {
		return nil, s.gone
	}
	tx, err := s.db.Begin(false)
	if err != nil {
		return nil, fmt.Errorf("read the store %s: %w", s.path, err)
	}
	defer tx.Rollback()
	if ok, wait := s.gate.admit(tx.ID()); !ok {
		return wait, nil
	}
	guardErr := guard(func() {
		t := tablesOf(tx)
		t.doubt = s.doubt
		err = fn(t)
	})
	if guardErr != nil {
		return nil, corruptRow(s.path, guardErr)
	}
	return nil, err
}
