package editor

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"halley/storage"
)

// A place is a change of a page.
type place struct {
	page PageID
	seq  uint64
}

// tallies say how many of one page's changes name each file, and the first one.
type tallies map[storage.Hash]tally

type tally struct{ changes, first uint64 }

// name counts the files that a change names.
func (v *verifying) name(page PageID, files tallies, c Change) {
	for _, h := range FilesIn(c.Delta) {
		files[h] = tally{files[h].changes + 1, cmp.Or(files[h].first, c.Seq)}
		if _, known := v.named[h]; !known {
			v.named[h] = place{page, c.Seq}
		}
	}
}

// uses compares what a page's files are kept for with the changes that name
// them. There may be more of these by now.
func (v *verifying) uses(page PageID, files tallies) error {
	for h, n := range files {
		use, err := v.store.BlobUse(v.ctx, h, page)
		if err != nil {
			if err = v.tell(err); err != nil {
				return err
			}
			continue
		}
		if use.Changes < n.changes {
			v.damaged(page, n.first, "it is the first of %d that name the file %v, which is kept for %d", n.changes, h, use.Changes)
		}
	}
	return nil
}

// files reads every file, and looks for those that are named and not there.
func (v *verifying) files(files []storage.Blob) error {
	there := make(map[storage.Hash]bool, len(files))
	for _, b := range files {
		there[b.Hash] = true
		err := v.file(b.Hash)
		at, named := v.named[b.Hash]
		var damage *storage.CorruptError
		switch {
		case errors.Is(err, storage.ErrNotFound) && !named: // it was swept just now
		case errors.As(err, &damage) && named:
			v.damaged(at.page, at.seq, "the file that it names, %v: %s", b.Hash, damage.Reason)
		case errors.As(err, &damage):
			v.bad(damage)
		case err != nil:
			return fmt.Errorf("read file %v: %w", b.Hash, err)
		}
		v.Files++
		v.done++
		v.progress(v.done, v.total)
	}
	for h, at := range v.named {
		if there[h] {
			continue
		}
		switch err := v.file(h); { // it may have come since they were listed
		case errors.Is(err, storage.ErrNotFound):
			v.damaged(at.page, at.seq, "the file that it names, %v, is not kept", h)
		case err != nil:
			if err = v.tell(err); err != nil {
				return err
			}
		}
	}
	return nil
}

// file reads a file to its end.
func (v *verifying) file(h storage.Hash) error { return VerifyFile(v.ctx, v.store, h) }

// VerifyFile reads a file to its end and compares its hash. The error is a
// *storage.CorruptError where it does not hold, or storage.ErrNotFound.
func VerifyFile(ctx context.Context, store storage.Blobs, h storage.Hash) error {
	r, err := store.OpenBlob(ctx, h)
	if err != nil {
		return err
	}
	defer r.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, r); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &storage.CorruptError{Key: "blob " + h.String(), Reason: err.Error()}
	}
	if storage.Hash(sum.Sum(nil)) != h {
		return &storage.CorruptError{Key: "blob " + h.String(), Reason: "its bytes are not those that it is named after"}
	}
	return ctx.Err()
}
