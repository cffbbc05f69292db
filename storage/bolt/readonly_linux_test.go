package bolt

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"halley/storage"
)

// readOnlyDisk mounts a small file system, and returns what makes it read-only
// for good, as the kernel does when the disk fails.
func readOnlyDisk(t *testing.T) (dir string, fail func()) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("mounting a file system takes root")
	}
	image, dir := filepath.Join(t.TempDir(), "image"), t.TempDir()
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 64<<20); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"mkfs.ext4", "-qF", image}, {"mount", "-o", "loop,errors=remount-ro", image, dir}} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Skipf("a file system cannot be mounted here: %v: %s", err, out)
		}
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return dir, func() {
		if out, err := exec.Command("mount", "-o", "remount,abort", dir).CombinedOutput(); err != nil {
			t.Fatalf("make the file system read-only: %v: %s", err, out)
		}
	}
}

// TestReadOnlyFileSystem: a file system turns read-only. Everything that was
// acknowledged can be read, checked and copied from then on, writes are refused,
// and other processes find that the folder is in use, not that it is damaged.
func TestReadOnlyFileSystem(t *testing.T) {
	t.Parallel()
	disk, fail := readOnlyDisk(t)
	d, dir := newDisk(), filepath.Join(disk, "data")
	s := openStore(t, dir, d.config())
	mustAppend(t, s, "page", 0, changeOf("client", 1))
	picture := mustUpload(t, s, stays(), []byte("a picture"))
	fail()
	for range 3 {
		wantIs(t, "an append", appendOne(s, "page", 1), storage.ErrDiskFull)
		_, err := s.PutBlob(t.Context(), "page", stays(), bytes.NewReader([]byte("another")))
		wantIs(t, "an upload", err, storage.ErrDiskFull)
		wantHead(t, s, "page", 1)
		if err := readBlob(t.Context(), s, picture); err != nil {
			t.Errorf("a blob reads with %v", err)
		}
		if err := <-d.health; err == nil {
			t.Fatal("the store takes writes again")
		}
	}
	if bad := checked(t, s); len(bad) > 0 {
		t.Errorf("Check says %q", bad)
	}
	var copied bytes.Buffer
	if err := s.Backup(t.Context(), func(int64) io.Writer { return &copied }); err != nil {
		t.Errorf("Backup() = %v", err)
	}
	_, err := Open(dir, Config{LockWait: time.Millisecond})
	wantIs(t, "Open() by another", err, ErrInUse)
	s.Close()
	if _, err := Open(dir, Config{}); !errors.Is(err, syscall.EROFS) {
		t.Errorf("Open() of a folder that cannot be written = %v", err)
	}
	fresh := t.TempDir()
	if err := Restore(fresh, Config{}, bytes.NewReader(copied.Bytes()), Restoring{Check: whole}); err != nil {
		t.Fatal(err)
	}
	wantHead(t, openStore(t, fresh, Config{}), "page", 1)
}
