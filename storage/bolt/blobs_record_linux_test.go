package bolt

import (
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"halley/storage"
)

// An uploadRecord is the calls of a process that uploads, into the store in dir.
type uploadRecord struct {
	dir   string
	files *blobFiles
	calls []*call
}

// has reports whether a call that fits ended well before a place.
func (r *uploadRecord) has(before int, fits func(*call) bool) bool {
	return slices.ContainsFunc(r.calls, func(c *call) bool { return !c.failed && c.ended < before && fits(c) })
}

// synced reports whether a sync of path began after one place and ended before another.
func (r *uploadRecord) synced(path string, after, before int) bool {
	return r.has(before, func(c *call) bool {
		return (c.name == "fsync" || c.name == "fdatasync") && c.path == path && c.began > after
	})
}

// follows returns an error unless everything that an upload's acknowledgement
// promises was on the disk when it was said: the bytes before the file got its
// name, then the name, then the row.
func (r *uploadRecord) follows(ack *call) error {
	var what string
	var n uint64
	if _, err := fmt.Sscan(string(ack.data), &what, &n); err != nil {
		return err
	}
	to := r.files.path(storage.Hash(sha256.Sum256(uploadBytes(n))))
	i := slices.IndexFunc(r.calls, func(c *call) bool { return c.to == to && !c.failed && c.ended < ack.began })
	if i < 0 {
		return fmt.Errorf("upload %x was acknowledged before its file got its name", n)
	}
	named := r.calls[i]
	last := 0
	for _, c := range r.calls {
		if c.path == named.path && c.name == "write" {
			last = max(last, c.ended)
		}
	}
	folder := filepath.Dir(to)
	switch {
	case !r.synced(named.path, last, named.began):
		return fmt.Errorf("upload %x got its name before its bytes were synced", n)
	case !r.synced(folder, named.ended, ack.began):
		return fmt.Errorf("upload %x was acknowledged before its name was synced", n)
	case !r.synced(r.files.root, 0, ack.began) || !r.synced(r.dir, 0, ack.began):
		return fmt.Errorf("upload %x was acknowledged before its folders' names were synced", n)
	case !r.synced(filepath.Join(r.dir, FileName), named.ended, ack.began):
		return fmt.Errorf("upload %x was acknowledged before its row was synced", n)
	}
	return nil
}

// firstWrong is the first acknowledgement that came too soon.
func (r *uploadRecord) firstWrong() (acks int, err error) {
	for _, c := range r.calls {
		if c.said {
			acks++
			if err := r.follows(c); err != nil {
				return acks, err
			}
		}
	}
	return acks, nil
}

// TestAcksOfUploadsFollowSyncs records a process that uploads, and finds each
// acknowledgement behind its syncs; without any one kind of them it does not.
func TestAcksOfUploadsFollowSyncs(t *testing.T) {
	t.Parallel()
	const most = 40
	dir := filepath.Join(t.TempDir(), "data")
	whole := &uploadRecord{dir: dir, files: newBlobFiles(dir), calls: record(t, "uploaders", dir, 0, most)}
	if acks, err := whole.firstWrong(); err != nil || acks < most {
		t.Fatalf("of %d acknowledgements: %v", acks, err)
	}
	for name, kind := range map[string]func(path string) bool{
		"files being written": func(path string) bool { return filepath.Base(filepath.Dir(path)) == incoming },
		"folders of files": func(path string) bool {
			return filepath.Dir(path) == whole.files.root && filepath.Base(path) != incoming
		},
		"the blobs' folder": func(path string) bool { return path == whole.files.root },
		"the store's file":  func(path string) bool { return path == filepath.Join(dir, FileName) },
	} {
		without := *whole
		without.calls = slices.DeleteFunc(slices.Clone(whole.calls), func(c *call) bool { return c.to == "" && c.name != "write" && c.name != "openat" && kind(c.path) })
		if len(without.calls) == len(whole.calls) {
			t.Errorf("there is no sync of %s", name)
		}
		if _, err := without.firstWrong(); err == nil {
			t.Errorf("without the syncs of %s nothing is missed", name)
		}
	}
}
