package bolt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"halley/storage"
)

func init() { children["file-size"] = fileSizeChild }

// bigChange makes a disk full soon.
func bigChange(n uint64) storage.Change {
	c := changeOf("client", n)
	c.Payload = make([]byte, 200<<10)
	return c
}

// TestFullFileSystem fills a real file system and makes room again.
func TestFullFileSystem(t *testing.T) {
	t.Parallel()
	dir := smallFileSystem(t)
	d := newDisk()
	s := openStore(t, filepath.Join(dir, "data"), d.config())
	head := uint64(0)
	ballast := func(round int) string { return filepath.Join(dir, "ballast-"+strconv.Itoa(round)) }
	for round := range 3 {
		if err := os.WriteFile(ballast(round), make([]byte, 1<<20), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for round := range 3 {
		head = fill(t, s, head)
		wantHead(t, s, "page", head)
		if err := os.Remove(ballast(round)); err != nil {
			t.Fatal(err)
		}
		if s.Healthy() != nil {
			d.awaitHealth()
		}
		for range 3 {
			mustAppend(t, s, "page", head, changeOf("client", head+1))
			head++
		}
		wantHead(t, s, "page", head)
		t.Logf("round %d: %d changes", round, head)
	}
	s.Close()
	again := openStore(t, filepath.Join(dir, "data"), Config{})
	wantHead(t, again, "page", head)
	again.Close()
}

// smallFileSystem is a folder with room for 9 MB.
func smallFileSystem(t *testing.T) (dir string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("mounting a small file system takes root")
	}
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=9m"); err != nil {
		t.Skipf("a small file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, 0) })
	return dir
}

// TestCompactWithoutRoom: a compaction that has no room does not begin.
func TestCompactWithoutRoom(t *testing.T) {
	t.Parallel()
	dir := smallFileSystem(t)
	s := openStore(t, dir, Config{})
	for head := range uint64(25) {
		mustAppend(t, s, "page", head, bigChange(head+1))
	}
	s.Close()
	_, err := Compact(t.Context(), dir, func(int64, int64) { t.Error("it begins") })
	if !errors.Is(err, ErrNoRoom) || !strings.Contains(err.Error(), "MiB are left") {
		t.Errorf("Compact() = %v, want ErrNoRoom", err)
	}
	wantHead(t, openStore(t, dir, Config{}), "page", 25)
}

// fill appends until the disk is full.
func fill(t *testing.T, s *Store, head uint64) uint64 {
	t.Helper()
	for range 100 {
		err := s.Append(t.Context(), "page", head, []storage.Change{bigChange(head + 1)})
		if err != nil {
			wantIs(t, "an append on a full disk", err, storage.ErrDiskFull)
			wantIs(t, "an append on a full disk", err, syscall.ENOSPC)
			return head
		}
		head++
	}
	t.Fatal("the disk does not get full")
	return head
}

// fileSizeChild runs into a limit on the file's size, lifts it, and goes on.
func fileSizeChild() {
	health := make(chan error, 1000)
	limit := syscall.Rlimit{Cur: 20 << 20, Max: 1 << 40}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		fail(err)
	}
	s := childStore(Config{RetryFirst: time.Millisecond, RetryLast: time.Millisecond, health: func(err error) { health <- err }})
	appendBig := func(head uint64) error {
		return s.Append(context.Background(), "page", head, []storage.Change{bigChange(head + 1)})
	}
	head, refused := uint64(0), 0
	for refused < 5 {
		err := appendBig(head)
		switch {
		case err == nil:
			head++
		case errors.Is(err, storage.ErrDiskFull):
			refused++
		default:
			fail(err)
		}
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		fail(err)
	}
	for s.Healthy() != nil {
		<-health
	}
	if err := appendBig(head); err != nil {
		fail(err)
	}
	if err := s.Close(); err != nil {
		fail(err)
	}
	fmt.Println("head", head+1)
}

func TestFileSizeLimit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	wantChildsHead(t, dir, run(t, child(t, "file-size", dir, 0)))
}

// wantChildsHead wants the store to hold what the child said last.
func wantChildsHead(t *testing.T, dir string, lines []string) uint64 {
	t.Helper()
	if len(lines) == 0 {
		t.Fatal("the child said nothing")
	}
	said, ok := strings.CutPrefix(lines[len(lines)-1], "head ")
	head, err := strconv.ParseUint(said, 10, 64)
	if !ok || err != nil {
		t.Fatalf("the child said %q last", lines[len(lines)-1])
	}
	s := openStore(t, dir, Config{})
	defer s.Close()
	wantHead(t, s, "page", head)
	return head
}

// TestSyncFails lets the kernel refuse one sync of a real process, each of
// several transactions' first and second: a refused edit is absent, a stored
// one is there, and the process goes on.
func TestSyncFails(t *testing.T) {
	t.Parallel()
	strace := straceFor(t)
	outcomes := map[string]int{}
	for sync := 20; sync < 26; sync++ {
		dir := t.TempDir()
		inject := fmt.Sprintf("inject=fdatasync:error=EIO:when=%d", sync)
		lines := run(t, child(t, "one-by-one", dir, 0, strace, "-f", "-o", os.DevNull, "-e", "trace=fdatasync", "-e", inject))
		head := wantChildsHead(t, dir, lines)
		stored := uint64(0)
		for _, line := range lines {
			what, _, _ := strings.Cut(line, " ")
			outcomes[what]++
			if what == "stored" {
				stored++
			}
		}
		if stored != head {
			t.Errorf("sync %d refused: %d changes were acknowledged, %d are there: %q", sync, stored, head, lines)
		}
	}
	if outcomes["refused"] == 0 || outcomes["unknown"] != 0 {
		t.Errorf("outcomes are %v, want some refused and none unknown", outcomes)
	}
}

// TestLittleAddressSpace opens a store where 64 GiB cannot be mapped.
func TestLittleAddressSpace(t *testing.T) {
	dir := t.TempDir()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no shell to set a limit with")
	}
	if raceEnabled {
		t.Skip("the race detector itself takes more address space than the limit")
	}
	lines := run(t, child(t, "one-by-one", dir, 0, sh, "-c", `ulimit -v 3000000 && exec "$0"`))
	if head := wantChildsHead(t, dir, lines); head != oneByOneChanges {
		t.Errorf("the child stored %d changes, want %d", head, oneByOneChanges)
	}
}
