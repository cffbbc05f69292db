package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"halley/storage"
	"halley/storage/encoding"
)

// A blob is a file, and rows that say what it is kept for. The file comes first
// and goes last, so whatever a crash cuts short, no row is without its file. A
// file without a row is a stray (see strays.go). Uploads place a file and write
// its row as one, side by side; nobody removes a file while they do.

// blobGuards keep files from being removed under those who count on them.
type blobGuards struct {
	// placing is held for reading from before a file is in its place until its
	// row is known to be written or not; for writing by who removes files.
	placing sync.RWMutex
	// copying is held for reading while a backup is written: the blobs that the
	// copied state names must be there till its end. Who would hold it for
	// writing does not wait, but leaves everything as it is.
	copying sync.RWMutex

	// keepAll: the store may be older than the files are, so that it does not
	// know what they are kept for, and no sweep removes any.
	keepAll atomic.Bool

	mu     sync.Mutex
	strays map[storage.Hash]bool // guarded by mu: files that may have no row
}

// PutBlob keeps what r holds, as storage.Blobs says.
func (s *Store) PutBlob(ctx context.Context, page storage.PageID, until time.Time, r io.Reader) (storage.Blob, error) {
	b, err := s.putBlob(ctx, page, max(until.UnixMilli(), 1), r)
	if err != nil {
		return storage.Blob{}, fmt.Errorf("keep an upload to page %s: %w", page, err)
	}
	return b, nil
}

func (s *Store) putBlob(ctx context.Context, page storage.PageID, until int64, r io.Reader) (storage.Blob, error) {
	if err := page.Validate(); err != nil {
		return storage.Blob{}, err
	}
	if err := s.Healthy(); err != nil {
		return storage.Blob{}, err // before a large body is read in vain
	}
	in, err := s.files.receive(ctx, s.closing, r)
	if err != nil {
		return storage.Blob{}, err
	}
	placed, err := s.placeBlob(ctx, in, page, until)
	if err == nil {
		return in.Blob, nil
	}
	if removeErr := os.Remove(in.path); removeErr != nil && !errors.Is(removeErr, fs.ErrNotExist) {
		s.cfg.Logger.Warn("an upload that failed stays on the disk until the next start", "path", in.path, "error", removeErr)
	}
	if placed {
		s.addStrays(in.Hash)
	}
	if clearErr := s.clearStrays(context.WithoutCancel(ctx)); clearErr != nil {
		s.cfg.Logger.Warn("removing what is left of an upload", "error", clearErr)
	}
	return storage.Blob{}, err
}

// placeBlob gives a file its name and writes its row. The file is always put in
// place, also over one that is there: that one may be damaged. placed: after an
// error there may be a file that was not there before.
func (s *Store) placeBlob(ctx context.Context, in received, page storage.PageID, until int64) (placed bool, err error) {
	s.guards.placing.RLock()
	defer s.guards.placing.RUnlock()
	if s.closing.Err() != nil {
		return false, storage.ErrClosed
	}
	if placed = !s.files.has(in.Hash); placed {
		if err := s.files.intend(in.Hash); err != nil {
			return false, diskFull(err)
		}
	}
	if err := s.files.place(in); err != nil {
		return placed, err
	}
	err = s.queue.do(ctx, &write{
		apply:   func(t *tables) error { return t.putUpload(in.Blob, page, until) },
		touches: []touched{{blob: in.Hash}},
	})
	if err == nil && placed {
		s.settleIntents(in.Hash)
	}
	return placed, err
}

// OpenBlob opens the blob h.
func (s *Store) OpenBlob(ctx context.Context, h storage.Hash) (storage.BlobReader, error) {
	b, err := s.keptBlob(ctx, h)
	if err != nil {
		return storage.BlobReader{}, err
	}
	file, err := s.files.open(b)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := s.keptBlob(ctx, h); err != nil {
			return storage.BlobReader{}, err // it was swept just now
		}
		return storage.BlobReader{}, corruptRow(blobName(h), errors.New("its file is missing"))
	}
	if err != nil {
		return storage.BlobReader{}, fmt.Errorf("open %s: %w", blobName(h), err)
	}
	return storage.BlobReader{Blob: b, ReadSeekCloser: file}, nil
}

func (s *Store) keptBlob(ctx context.Context, h storage.Hash) (storage.Blob, error) {
	b := storage.Blob{Hash: h}
	err := s.view(ctx, func(t *tables) error {
		size, kept, err := t.blob(h)
		if err == nil && !kept {
			err = storage.ErrNotFound
		}
		b.Size = size
		return err
	})
	return b, err
}

// BlobUse is why h is kept for page.
func (s *Store) BlobUse(ctx context.Context, h storage.Hash, page storage.PageID) (use storage.BlobUse, err error) {
	err = s.view(ctx, func(t *tables) error {
		u, err := t.use(h, page)
		use = u.now(s.clock.Now()).of(page)
		return err
	})
	return use, err
}

// BlobUses calls fn for each page that h is kept for, in order of id.
func (s *Store) BlobUses(ctx context.Context, h storage.Hash, fn func(storage.BlobUse) error) error {
	for after := useKey(h, ""); ; {
		uses, last, err := s.someUses(ctx, h, after)
		for _, u := range uses {
			if err := fn(u); err != nil {
				return err
			}
		}
		if err != nil || last == nil {
			return err
		}
		after = last
	}
}

// someUses returns the next uses after a key, and the last key that it looked
// at; nil where nothing can come after it.
func (s *Store) someUses(ctx context.Context, h storage.Hash, after []byte) (uses []storage.BlobUse, last []byte, err error) {
	err = s.view(ctx, func(t *tables) error {
		prefix, c := usePrefix(h), t.blobs.Cursor()
		k, _ := seekAfter(c, after)
		for seen := 0; bytes.HasPrefix(k, prefix); seen++ {
			if seen == chunkRows {
				return nil
			}
			last = bytes.Clone(k)
			page := storage.PageID(k[len(prefix):])
			u, err := t.use(h, page)
			if err != nil {
				return err
			}
			if u = u.now(s.clock.Now()); !u.none() {
				uses = append(uses, u.of(page))
			}
			k, _ = c.Next()
		}
		last = nil
		return nil
	})
	return uses, last, err
}

// Blobs calls fn with each blob, in order of hash.
func (s *Store) Blobs(ctx context.Context, fn func(storage.Blob) error) error {
	for after := []byte{kindBlob}; ; {
		var blobs []storage.Blob
		err := s.view(ctx, func(t *tables) (err error) {
			blobs, err = t.someBlobs(after)
			return err
		})
		for _, b := range blobs {
			if err := fn(b); err != nil {
				return err
			}
			after = blobKey(b.Hash)
		}
		if err != nil || len(blobs) == 0 {
			return err
		}
	}
}

// someBlobs returns the next blobs after a key; none at the end.
func (t *tables) someBlobs(after []byte) (blobs []storage.Blob, err error) {
	c := t.blobs.Cursor()
	for k, _ := seekAfter(c, after); len(k) > 0 && k[0] == kindBlob && len(blobs) < chunkRows; k, _ = c.Next() {
		var b storage.Blob
		if copy(b.Hash[:], k[1:]); len(k) != 1+len(b.Hash) {
			return blobs, corruptRow("blobs", encoding.ErrInvalid)
		}
		if b.Size, _, err = t.blob(b.Hash); err != nil {
			return blobs, err
		}
		blobs = append(blobs, b)
	}
	return blobs, nil
}

// SweepBlobs removes what is kept for nothing any more, step by step; nothing
// while the store does not know some of the files (see strays.go).
func (s *Store) SweepBlobs(ctx context.Context) (removed int, err error) {
	if err := s.clearStrays(ctx); err != nil || s.guards.keepAll.Load() {
		return 0, err
	}
	for {
		n, more, err := s.sweepSomeBlobs(ctx)
		removed += n
		if err != nil || !more {
			return removed, err
		}
	}
}

// sweepSomeBlobs ends the uploads that are over, some of them. The rows go
// first: an append that names a blob is in the file before that, and keeps it,
// or comes after and is refused.
func (s *Store) sweepSomeBlobs(ctx context.Context) (removed int, more bool, err error) {
	if !s.guards.copying.TryLock() {
		return 0, false, nil
	}
	defer s.guards.copying.Unlock()
	s.guards.placing.Lock()
	defer s.guards.placing.Unlock()
	var due [][]byte
	err = s.view(ctx, func(t *tables) error {
		due = t.someDue(s.clock.Now())
		return nil
	})
	if err != nil || len(due) == 0 {
		return 0, false, err
	}
	hashes := hashesOf(due)
	s.intendSweep(hashes)
	var unused []storage.Hash
	err = s.queue.do(ctx, &write{behind: true, touches: blobsOf(hashes), apply: func(t *tables) (err error) {
		unused, err = t.endUploads(due)
		return err
	}})
	if errors.Is(err, storage.ErrUnknown) {
		s.addStrays(unused...)
		return 0, false, fmt.Errorf("sweep blobs: %w", err)
	}
	if err != nil {
		s.settleIntents(hashes...)
		return 0, false, fmt.Errorf("sweep blobs: %w", err)
	}
	for i, h := range unused {
		if err := s.files.remove(h); err != nil {
			s.addStrays(unused[i:]...)
			return i, false, fmt.Errorf("sweep blobs: %w", err)
		}
	}
	s.settleIntents(hashes...)
	return len(unused), true, nil
}

func hashesOf(untilKeys [][]byte) (all []storage.Hash) {
	for _, k := range untilKeys {
		if _, h, _, err := splitUntilKey(k); err == nil {
			all = append(all, h)
		}
	}
	return all
}

func blobsOf(hashes []storage.Hash) (all []touched) {
	for _, h := range hashes {
		all = append(all, touched{blob: h})
	}
	return all
}
