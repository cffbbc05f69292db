package editor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"halley/ot"
	"halley/storage"
)

// keepUploads is how long an upload is kept that no change names.
const keepUploads = 24 * time.Hour

const filePrefix = "/files/"

// ErrNoSuchFile: there is no such file, or it is not the caller's to read.
var ErrNoSuchFile = errors.New("no such file")

// A FileTooLargeError says how large a file may be, in bytes.
type FileTooLargeError struct{ Limit int64 }

func (e *FileTooLargeError) Error() string {
	return fmt.Sprintf("the file is larger than the %s that this server takes", mebibytes(e.Limit))
}

func mebibytes(n int64) string {
	if n%(1<<20) == 0 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d bytes", n)
}

// FilePath is the path that an embed and a browser name a file by.
func FilePath(h storage.Hash) string { return filePrefix + h.String() }

// MaxFileBytes is how large a file may be.
func (ps *Pages) MaxFileBytes() int64 { return ps.cfg.MaxFileBytes }

// Upload keeps what r holds, for the page to name within 24 hours. The errors
// are those of an edit, a *FileTooLargeError, a *QuotaError, or r's. r is not read where p may
// not upload.
func (ps *Pages) Upload(ctx context.Context, p Principal, id PageID, r io.Reader) (storage.Blob, error) {
	set, role, err := ps.see(ctx, p, id)
	switch {
	case err != nil:
		return storage.Blob{}, err
	case !set.Trashed.IsZero():
		return storage.Blob{}, ErrTrashed
	case role < RoleEdit:
		return storage.Blob{}, ErrForbidden
	case ps.Draining():
		return storage.Blob{}, ErrDraining
	}
	return ps.keepUpload(ctx, p, id, r)
}

// UploadAhead is Upload for a page that p is about to create with that id, which
// NewID has returned: its content can name the file then. The errors are those
// of Create, a *FileTooLargeError, or r's.
func (ps *Pages) UploadAhead(ctx context.Context, p Principal, id PageID, r io.Reader) (storage.Blob, error) {
	if p.Nobody() {
		return storage.Blob{}, ErrSignedOut
	}
	if ok, err := ps.auth.MayCreate(ctx, p); err != nil {
		return storage.Blob{}, err
	} else if !ok {
		return storage.Blob{}, ErrForbidden
	}
	if ps.Draining() {
		return storage.Blob{}, ErrDraining
	}
	return ps.keepUpload(ctx, p, id, r)
}

func (ps *Pages) keepUpload(ctx context.Context, p Principal, id PageID, r io.Reader) (storage.Blob, error) {
	limit := ps.cfg.MaxFileBytes
	in := ps.quota.receive(ctx, p, &limited{r, limit, limit})
	defer in.end()
	if err := in.add(0); err != nil { // before anything is read in vain
		return storage.Blob{}, err
	}
	b, err := ps.store.PutBlob(ctx, id, ps.cfg.Now().Add(keepUploads), in)
	var large *FileTooLargeError
	var full *QuotaError
	switch {
	case errors.As(err, &large):
		return b, large
	case errors.As(err, &full):
		return b, full
	case err != nil:
		return b, err
	}
	ps.damage.Sound(DamagedFile, b.Hash.String()) // its bytes are on the disk as they came
	return b, in.keep(ctx, b)
}

// limited reads so many bytes, and fails where there are more.
type limited struct {
	from        io.Reader
	rest, limit int64
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.from.Read(p[:min(int64(len(p)), l.rest+1)])
	if l.rest -= int64(n); l.rest < 0 {
		return 0, &FileTooLargeError{l.limit}
	}
	return n, err
}

// OpenFile opens a file for who may view some page that names it, now or in its
// history, or that it was uploaded to within 24 hours; ErrNoSuchFile. One that
// is known to be damaged is a *storage.CorruptError. The reader checks that the
// bytes are the right ones, and calls CheckFile where they are not.
func (ps *Pages) OpenFile(ctx context.Context, p Principal, h storage.Hash) (storage.BlobReader, error) {
	if p.Nobody() {
		return storage.BlobReader{}, ErrSignedOut
	}
	may, err := ps.mayRead(ctx, p, h)
	if err != nil {
		return storage.BlobReader{}, fmt.Errorf("who may read file %v: %w", h, err)
	}
	if !may {
		return storage.BlobReader{}, ErrNoSuchFile
	}
	if err := ps.damage.file(h); err != nil {
		return storage.BlobReader{}, err
	}
	r, err := ps.store.OpenBlob(ctx, h)
	var corrupt *storage.CorruptError
	switch {
	case errors.Is(err, storage.ErrNotFound):
		err = ErrNoSuchFile
	case errors.As(err, &corrupt):
		if again := ps.CheckFile(ctx, h); again != nil {
			err = again
		}
	}
	return r, err
}

func (ps *Pages) mayRead(ctx context.Context, p Principal, h storage.Hash) (bool, error) {
	found := errors.New("found")
	err := ps.store.BlobUses(ctx, h, func(use storage.BlobUse) error {
		_, _, err := ps.see(ctx, p, use.Page)
		switch {
		case errors.Is(err, ErrNotFound):
			return nil
		case err != nil:
			return err
		}
		return found
	})
	if err == found {
		return true, nil
	}
	return false, err
}

// checkFiles refuses, naming the op, a delta that names a file which its author
// may not read: whoever reads the page could then read it.
func (ps *Pages) checkFiles(ctx context.Context, p Principal, id PageID, d ot.Delta) error {
	unknown, err := ps.UnknownFiles(ctx, p, id, d)
	if err != nil || len(unknown) == 0 {
		return err
	}
	path, _ := filePath(d[unknown[0]].Embed)
	return invalid(unknown[0], "names the file %s, which is not there, or not yours to read; upload it to the page first", clip(path))
}

// UnknownFiles are the indexes of the ops of a delta that name a file which is
// not there, or which p may not name on the page. Each file is looked up once.
func (ps *Pages) UnknownFiles(ctx context.Context, p Principal, id PageID, d ot.Delta) (ops []int, err error) {
	var known map[storage.Hash]bool // most deltas name none
	for i, op := range d {
		path, names := filePath(op.Embed)
		if !names {
			continue
		}
		h, err := storage.ParseHash(strings.TrimPrefix(path, filePrefix))
		may, asked := known[h]
		if err == nil && !asked {
			may, err = ps.mayName(ctx, p, id, h)
			if known == nil {
				known = map[storage.Hash]bool{}
			}
			known[h] = may
		}
		if err != nil && !errors.Is(err, storage.ErrInvalid) {
			return nil, fmt.Errorf("who may read file %v: %w", h, err)
		}
		if err != nil || !may {
			ops = append(ops, i)
		}
	}
	return ops, nil
}

// mayName asks after the page itself first: that is where most files are from.
func (ps *Pages) mayName(ctx context.Context, p Principal, id PageID, h storage.Hash) (bool, error) {
	if use, err := ps.store.BlobUse(ctx, h, id); err != nil || use.Changes > 0 || !use.Until.IsZero() {
		return err == nil, err
	}
	return ps.mayRead(ctx, p, h)
}

// FileOf is the file of the workspace that an embed shows, if it shows one.
func FileOf(e ot.Embed) (h storage.Hash, ok bool) {
	path, names := filePath(e)
	if !names {
		return h, false
	}
	h, err := storage.ParseHash(strings.TrimPrefix(path, filePrefix))
	return h, err == nil
}

// filePath is the path of the file that an embed shows, if it shows one.
func filePath(e ot.Embed) (path string, ok bool) {
	switch e.Type {
	case "image":
		path, ok = e.Value.Text()
	case "file":
		members, _ := membersOf(e.Value)
		path, ok = members["path"].Text()
	}
	return path, ok && strings.HasPrefix(path, filePrefix)
}

// FilesIn are the files that a delta names, each once.
func FilesIn(d ot.Delta) (hashes []storage.Hash) {
	var seen map[storage.Hash]bool // most deltas name none
	for _, op := range d {
		path, names := filePath(op.Embed)
		if !names {
			continue
		}
		h, err := storage.ParseHash(strings.TrimPrefix(path, filePrefix))
		if err != nil || seen[h] {
			continue
		}
		if seen == nil {
			seen = map[storage.Hash]bool{}
		}
		seen[h] = true
		hashes = append(hashes, h)
	}
	return hashes
}
