package bolt

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"halley/storage"
)

// TestUploadsFillTheDisk fills a real file system with uploads: what does not
// fit is refused and leaves nothing, edits go on, and a sweep makes room again.
func TestUploadsFillTheDisk(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("mounting a small file system takes root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=12m"); err != nil {
		t.Skipf("a small file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, 0) })
	data := filepath.Join(dir, "data")
	s := openStore(t, data, Config{RetryFirst: time.Millisecond, RetryLast: time.Millisecond})
	mustAppend(t, s, "page", 0, changeOf("client", 1))

	upload := func(n uint64, until time.Time, size int) error {
		_, err := s.PutBlob(t.Context(), "page", until, bytes.NewReader(someBytes(n, size)))
		return err
	}
	err := upload(0, stays(), 20<<20)
	wantIs(t, "an upload larger than the disk", err, storage.ErrDiskFull)
	wantIs(t, "an upload larger than the disk", err, syscall.ENOSPC)
	wantOnly(t, s, data)

	count := 0
	for err = nil; err == nil; count++ {
		err = upload(uint64(1+count), over(), 1<<20)
	}
	wantIs(t, "an upload to a disk that uploads have filled", err, storage.ErrDiskFull)
	if files := filesIn(t, data); len(files) != count-1 {
		t.Errorf("%d files are there, %d were acknowledged", len(files), count-1)
	}
	mustAppend(t, s, "page", 1, changeOf("client", 2))
	if n, err := s.SweepBlobs(t.Context()); n != count-1 || err != nil {
		t.Errorf("SweepBlobs() = %d, %v, want %d", n, err, count-1)
	}
	if err := upload(1000, stays(), 1<<20); err != nil {
		t.Errorf("an upload after the sweep = %v", err)
	}
	s.Close()
}
