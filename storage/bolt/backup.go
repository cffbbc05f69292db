package bolt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"go.etcd.io/bbolt"

	"halley/storage"
)

// ErrNotEmpty: a backup is restored into an empty folder only.
var ErrNotEmpty = errors.New("the folder is not empty")

// copies are the backups under way. Each reads one transaction for as long as
// it takes, which the file cannot be closed under.
type copies struct {
	running sync.WaitGroup

	mu     sync.Mutex
	ctx    context.Context         // guarded by mu
	cancel context.CancelCauseFunc // guarded by mu
}

func newCopies() *copies {
	c := &copies{}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	return c
}

// begin returns a context that ends when the copy must.
func (c *copies) begin() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running.Add(1)
	return c.ctx
}

// stop ends the copies under way, because of why, and returns when they have
// let go of the file. The caller sees to it that none begins meanwhile.
func (c *copies) stop(why error) {
	c.mu.Lock()
	c.cancel(why)
	c.mu.Unlock()
	c.running.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
}

// Backup writes a copy of the store, as it is at one moment after the call, to
// the writer that start returns for its size in bytes. Readers and writers go
// on meanwhile, and have the disk to themselves most of the time. The copy is a store's file itself, with the blobs behind it;
// [Restore] gives it a folder and an epoch. Each Write to the writer should end
// in bounded time: if the disk fails, the store waits for it before it recovers,
// and the backup fails.
func (s *Store) Backup(ctx context.Context, start func(size int64) io.Writer) error {
	s.guards.copying.RLock() // before the state is fixed: its blobs then stay
	defer s.guards.copying.RUnlock()
	if err := s.backup(ctx, start); err != nil {
		return fmt.Errorf("back up the store %s: %w", s.path, err)
	}
	return nil
}

func (s *Store) backup(ctx context.Context, start func(size int64) io.Writer) error {
	tx, stopped, err := s.beginCopy(ctx)
	if err != nil {
		return err
	}
	to, blobs, err := s.copyRows(ctx, stopped, tx, start)
	// Rows that are freed while blobs are copied, which may take long, are free
	// to be used again.
	err = errors.Join(err, tx.Rollback())
	s.copies.running.Done()
	if err != nil || blobs == nil {
		return err
	}
	return s.copyBlobs(&copyWriter{to: s.pace(s.closing, to), ctx: ctx, stopped: s.closing}, blobs)
}

// copyRows copies what tx shows, and returns what goes behind it.
func (s *Store) copyRows(ctx, stopped context.Context, tx *bbolt.Tx, start func(size int64) io.Writer) (to io.Writer, blobs *blobSection, err error) {
	guardErr := guard(func() { blobs, err = s.blobSection(tx) })
	if err = cmp.Or(guardErr, err); err != nil {
		return nil, nil, err
	}
	to = start(tx.Size() + blobs.size())
	w := &copyWriter{to: s.pace(stopped, to), ctx: ctx, stopped: stopped}
	if _, err := tx.WriteTo(w); errors.Is(err, io.EOF) {
		return nil, nil, fmt.Errorf("its file is cut off: %w", io.ErrUnexpectedEOF)
	} else if err != nil {
		return nil, nil, cmp.Or(w.err, err) // bbolt's keeps its text alone
	}
	return to, blobs, nil
}

// pace has a copy leave writers the disk, until ctx ends.
func (s *Store) pace(ctx context.Context, to io.Writer) io.Writer {
	return &paced{ctx: ctx, to: to, gate: s.gate}
}

// beginCopy begins a transaction over a synced state, for a copy to end.
func (s *Store) beginCopy(ctx context.Context) (tx *bbolt.Tx, stopped context.Context, err error) {
	for {
		tx, stopped, wait, err := s.tryBeginCopy()
		if wait == nil {
			return tx, stopped, err
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

func (s *Store) tryBeginCopy() (tx *bbolt.Tx, stopped context.Context, wait <-chan struct{}, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.db == nil {
		return nil, nil, nil, s.gone
	}
	if tx, err = s.db.Begin(false); err != nil {
		return nil, nil, nil, err
	}
	if ok, wait := s.gate.admit(tx.ID()); !ok {
		return nil, nil, wait, tx.Rollback()
	}
	return tx, s.copies.begin(), nil, nil
}

// A copyWriter ends a copy with the first of two contexts.
type copyWriter struct {
	to           io.Writer
	ctx, stopped context.Context
	err          error // what the first failed Write returned
}

// ended reports whether one of the contexts has ended.
func (w *copyWriter) ended() bool { return w.ctx.Err() != nil || w.stopped.Err() != nil }

func (w *copyWriter) Write(b []byte) (n int, err error) {
	if err = cmp.Or(w.ctx.Err(), context.Cause(w.stopped)); err == nil {
		n, err = w.to.Write(b)
	}
	w.err = cmp.Or(w.err, err)
	return n, err
}

// IsBackup reports whether the file at path is a backup of some store, or the
// file of one that nobody has open.
func IsBackup(path string) bool {
	is := false
	err := guard(func() {
		db, err := bbolt.Open(path, 0, &bbolt.Options{ReadOnly: true, Timeout: defaultLockWait})
		if err != nil {
			return
		}
		defer db.Close()
		err = db.View(func(tx *bbolt.Tx) error {
			_, _, err := readMeta(tx, path)
			return err
		})
		var newer *NewerError
		is = err == nil || errors.As(err, &newer)
	})
	return is && err == nil
}

// restoring begins the name of the folder, in the one that a backup is restored
// into, where the store stands until it is known to be whole.
const restoring = "restoring-"

// Restore makes a store of a backup in dir, which must be empty or missing, with
// an epoch of its own, opened as cfg says. What an earlier one that was broken off has left there
// goes. check is asked whether the store holds; if not, or if anything else
// fails, dir stays empty. ErrNotEmpty, ErrNotStore, a *NewerError.
func Restore(dir string, cfg Config, backup io.ReadSeeker, check func(*Store) error) error {
	if err := makeFolder(dir); err != nil {
		return err
	}
	if err := sweepRestoring(dir); err != nil {
		return err
	}
	aside, err := os.MkdirTemp(dir, restoring)
	if err != nil {
		return sayWhy(filepath.Join(dir, FileName), err)
	}
	err = restoreAside(aside, cfg, backup, check)
	// The store's file comes last: without it there is no store yet.
	for _, name := range []string{BlobFolder, FileName} {
		if err == nil {
			err = moveIn(filepath.Join(aside, name), filepath.Join(dir, name))
		}
		if name == BlobFolder && errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	if removed := os.RemoveAll(aside); err != nil || removed != nil {
		return errors.Join(err, removed)
	}
	return syncFolder(dir)
}

// sweepRestoring removes what a restore that was broken off has left in dir;
// ErrNotEmpty where there is anything else.
func sweepRestoring(dir string) error {
	there, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("the data folder %s cannot be read: %w", dir, err)
	}
	isAside := func(e fs.DirEntry) bool { return e.IsDir() && strings.HasPrefix(e.Name(), restoring) }
	// The blobs are moved before the file. Where no file waits to be moved, they
	// are a store's whose file is lost, and no restore's.
	moving := slices.ContainsFunc(there, func(e fs.DirEntry) bool {
		_, err := os.Stat(filepath.Join(dir, e.Name(), FileName))
		return isAside(e) && err == nil
	})
	for _, e := range there {
		if !isAside(e) && !(moving && e.Name() == BlobFolder) {
			return fmt.Errorf("%s: %w: it holds %s; move that elsewhere first, or restore into another folder", dir, ErrNotEmpty, e.Name())
		}
	}
	for _, e := range there { // in order of name: the blobs before that by which they are known
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("the data folder %s cannot be written: %w", dir, err)
		}
		if err := syncFolder(dir); err != nil {
			return err
		}
	}
	return nil
}

// moveIn renames a file to a name that nobody has taken meanwhile.
func moveIn(from, to string) error {
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", filepath.Dir(to), ErrNotEmpty)
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(to)) // so that a power cut does not move the file alone
}

func restoreAside(dir string, cfg Config, backup io.ReadSeeker, check func(*Store) error) error {
	if err := makeFolder(dir); err != nil {
		return err
	}
	rows, blobs, err := splitBackup(backup)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, FileName)
	size, err := copyFile(path, io.LimitReader(backup, rows))
	if err != nil {
		return err
	}
	if err := renewEpoch(path, size); err != nil {
		return err
	}
	if err := restoreBlobs(dir, io.LimitReader(backup, blobs)); err != nil {
		return err
	}
	s, err := Open(dir, cfg)
	if err != nil {
		return err
	}
	if blobs == 0 {
		err = s.wantNoBlobs()
	}
	if err == nil {
		err = check(s)
	}
	return errors.Join(err, s.Close())
}

func copyFile(path string, from io.Reader) (size int64, err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	size, err = io.Copy(f, from)
	if err == nil && size == 0 {
		err = fmt.Errorf("the backup is empty: %w", ErrNotStore) // bbolt would make a new store of it
	}
	if err == nil {
		err = f.Sync()
	}
	return size, errors.Join(err, f.Close())
}

// renewEpoch gives the store at path, a file of size bytes, another epoch, so
// that no seq from before passes for one of its own.
func renewEpoch(path string, size int64) error {
	db, err := openFile(path, defaultLockWait)
	if err != nil {
		return err
	}
	guardErr := guard(func() {
		err = db.Update(func(tx *bbolt.Tx) error {
			if _, _, err := readMeta(tx, path); err != nil {
				return err
			}
			if tx.Size() > size {
				return fmt.Errorf("%w: it is cut off: %d bytes of %d", ErrNotStore, size, tx.Size())
			}
			return tx.Bucket(bucketMeta).Put(keyEpoch, []byte(newEpoch()))
		})
	})
	if guardErr != nil {
		err = fmt.Errorf("%s: %w (%w)", path, ErrNotStore, guardErr)
	}
	return errors.Join(err, db.Close())
}

var errFileReplaced = fmt.Errorf("the store's file had to be opened again: %w", storage.ErrUnknown)
