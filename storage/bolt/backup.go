package bolt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"go.etcd.io/bbolt"

	"halley/storage"
	"halley/storage/backup"
)

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
// released the file. The caller ensures that none begins until then.
func (c *copies) stop(why error) {
	c.mu.Lock()
	c.cancel(why)
	c.mu.Unlock()
	c.running.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
}

// Backup writes a backup of the store, as it is at one moment after the call, to
// the writer that start returns for about how many bytes it will have. Readers
// and writers go on, and have the disk to themselves most of the time. Package
// backup describes the format; [Restore] makes a store of it.
//
// Everything that is copied is checked. What is damaged is left out and named in
// the backup (backup.File.Made), and is no error. A Backup that returns an error
// leaves a file that is cut off, which its readers notice. Each Write to the
// writer should end in bounded time: if the disk fails, the store waits for it
// before it recovers, and the backup fails.
func (s *Store) Backup(ctx context.Context, start func(size int64) io.Writer) error {
	s.guards.copying.RLock() // before the state is fixed: its blobs then stay
	defer s.guards.copying.RUnlock()
	var err error
	for err = errMetaGone; errors.Is(err, errMetaGone); {
		err = s.backup(ctx, start)
	}
	if err != nil {
		return fmt.Errorf("back up the store %s: %w", s.path, err)
	}
	return nil
}

func (s *Store) backup(ctx context.Context, start func(size int64) io.Writer) error {
	file, err := os.Open(s.path)
	if err != nil {
		return err
	}
	defer file.Close()
	tx, stopped, err := s.beginCopy(ctx)
	if err != nil {
		return err
	}
	d, to, blobs, err := s.dumpRows(ctx, stopped, file, tx, start)
	// Rows that are freed while blobs are copied, which may take long, are free
	// to be used again.
	err = errors.Join(err, tx.Rollback())
	s.copies.running.Done()
	if err != nil {
		return err
	}
	to.stopped, to.to = s.closing, s.pace(s.closing, to.target)
	// A file that no row names may be all that is left of a newer store's.
	if err := s.checkStrays(ctx, func(err error) { d.w.Damage(err.Error()) }); err != nil {
		return err
	}
	return d.finish(ctx, to, blobs)
}

// dumpRows writes what tx shows but for the bytes of blobs.
func (s *Store) dumpRows(
	ctx, stopped context.Context, file *os.File, tx *bbolt.Tx, start func(size int64) io.Writer,
) (*dumper, *backupTarget, []storage.Blob, error) {
	var structure []error
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(stopped, cancel)()
	fail := func(err error) (*dumper, *backupTarget, []storage.Blob, error) {
		return nil, nil, nil, cmp.Or(context.Cause(stopped), err)
	}
	if err := checkStructure(ctx, file, tx, func(err error) { structure = append(structure, err) }); err != nil {
		return fail(err)
	}
	tree, err := newTreeReader(file, tx)
	if err != nil {
		return fail(err)
	}
	size := tx.Size() + tree.blobBytes()
	to := &backupTarget{target: start(size)}
	to.copyWriter = copyWriter{to: s.pace(stopped, to.target), ctx: ctx, stopped: stopped}
	d := &dumper{ctx: ctx, tree: tree, files: s.files}
	d.w = backup.NewWriter(to, backup.Header{Epoch: s.id.epoch, Made: s.cfg.now()})
	for _, err := range structure {
		d.w.Damage(err.Error())
	}
	blobs, err := d.rows()
	if err != nil {
		return fail(cmp.Or(to.err, err))
	}
	return d, to, blobs, nil
}

// A backupTarget is where a backup goes. What limits its Writes changes once the
// transaction is over.
type backupTarget struct {
	copyWriter
	target io.Writer
}

// finish writes the bytes of blobs, and the end. The sweep leaves the files alone
// until then.
func (d *dumper) finish(ctx context.Context, to *backupTarget, blobs []storage.Blob) error {
	d.ctx, to.ctx = ctx, ctx
	for _, b := range blobs {
		if err := d.blob(b); err != nil {
			return fmt.Errorf("copy %s: %w", blobName(b.Hash), cmp.Or(to.err, err))
		}
	}
	return cmp.Or(to.err, d.w.Finish())
}

// blobBytes is how many bytes all blobs have, as far as it is known.
func (r *treeReader) blobBytes() (size int64) {
	_ = r.rows(bucketBlobs, []byte{kindBlob}, []byte{kindUse}, func(k, v []byte) error {
		if n, err := decodeBlob(k, v); err == nil {
			size += n
		}
		return nil
	}, func(lostRange) {})
	return size
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

var errFileReplaced = fmt.Errorf("the store's file had to be opened again: %w", storage.ErrUnknown)
