package bolt

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"halley/storage"
)

func whole(*Store) error { return nil }

// backUp is a copy of s.
func backUp(t *testing.T, s *Store) []byte {
	t.Helper()
	var b bytes.Buffer
	size := int64(-1)
	err := s.Backup(t.Context(), func(n int64) io.Writer {
		size = n
		return &b
	})
	if err != nil || size <= 0 {
		t.Fatalf("Backup() = %v, of about %d bytes", err, size)
	}
	return b.Bytes()
}

// TestBackupUnderLoad: a copy holds all that was acknowledged before it was
// asked for, and of everything else a beginning; it can be restored and used.
func TestBackupUnderLoad(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Config{})
	pages := []storage.PageID{"a", "b", "c"}
	var acked [3]atomic.Uint64
	load, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for i, page := range pages {
		writers.Go(func() {
			for n := uint64(1); load.Err() == nil; n++ {
				c := changeOf("client", n)
				c.Payload = append(c.Payload, make([]byte, n%3000)...)
				if err := s.Append(t.Context(), page, n-1, []storage.Change{c}); err != nil {
					t.Error(err)
					return
				}
				acked[i].Store(n)
			}
		})
	}
	for range 5 {
		var before [3]uint64
		for i := range acked {
			before[i] = acked[i].Load()
		}
		dir := filepath.Join(t.TempDir(), "restored")
		if err := Restore(dir, Config{}, bytes.NewReader(backUp(t, s)), Restoring{Check: whole}); err != nil {
			t.Fatal(err)
		}
		copied := openStore(t, dir, Config{})
		if copied.Epoch() == s.Epoch() {
			t.Error("a restored store has the epoch of the one before")
		}
		for i, page := range pages {
			head := uint64(0)
			err := copied.Read(t.Context(), page, 0, ^uint64(0), func(c storage.Change) error {
				head = c.Seq
				return nil
			})
			if err != nil || head < before[i] {
				t.Errorf("the copy's page %s ends at %d, %v; %d was acknowledged before", page, head, err, before[i])
			}
			mustAppend(t, copied, page, head, changeOf("another-client", 1))
		}
		copied.Close()
	}
	stop()
	writers.Wait()
}

func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Config{})
	for n := range uint64(50) {
		mustAppend(t, s, "page", n, changeOf("client", n+1))
	}
	good := backUp(t, s)
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "notes.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Restore(full, Config{}, bytes.NewReader(good), Restoring{Check: whole}); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("Restore into a full folder = %v", err)
	}
	noise := make([]byte, 1<<16)
	for i := range noise {
		noise[i] = byte(rand.NewPCG(7, uint64(i)).Uint64())
	}
	bad := errors.New("it does not hold")
	for name, c := range map[string]struct {
		backup []byte
		check  func(*Store) error
		want   error
	}{
		"nothing":              {nil, whole, ErrNotStore},
		"noise":                {noise, whole, ErrNotStore},
		"one that fails check": {good, func(*Store) error { return bad }, bad},
	} {
		dir := filepath.Join(t.TempDir(), "data")
		if err := Restore(dir, Config{}, bytes.NewReader(c.backup), Restoring{Check: c.check}); !errors.Is(err, c.want) {
			t.Errorf("Restore of %s = %v, want %v", name, err, c.want)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("Restore of %s leaves %v, %v", name, left, err)
		}
	}
	dir := t.TempDir()
	if err := Restore(dir, Config{}, bytes.NewReader(good), Restoring{Check: whole}); err != nil {
		t.Fatal(err)
	}
	restored := openStore(t, dir, Config{})
	wantHead(t, restored, "page", 50)
}

// TestRestoreAfterACrash: what a restore leaves that is killed in the middle
// is no reason to refuse the next one.
func TestRestoreAfterACrash(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Config{})
	mustAppend(t, s, "page", 0, changeOf("client", 1))
	good, dir := backUp(t, s), t.TempDir()
	left := filepath.Join(dir, restoring+"123")
	if err := errors.Join(os.Mkdir(left, 0o700), os.Mkdir(filepath.Join(dir, BlobFolder), 0o700), os.WriteFile(filepath.Join(left, FileName), good[:len(good)/2], 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := Restore(dir, Config{}, bytes.NewReader(good), Restoring{Check: whole}); err != nil {
		t.Fatal(err)
	}
	if there, err := os.ReadDir(dir); err != nil || len(there) != 1 || there[0].Name() != FileName {
		t.Errorf("Restore() leaves %v, %v", there, err)
	}
	wantHead(t, openStore(t, dir, Config{}), "page", 1)
}

// TestBackupEndsWithTheFile: a failing disk, or Close, does not wait for a copy.
func TestBackupEndsWithTheFile(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Config{})
	mustAppend(t, s, "page", 0, bigChange(1))
	begun, proceed := make(chan struct{}), make(chan struct{})
	failed := make(chan error)
	go func() {
		failed <- s.Backup(t.Context(), func(int64) io.Writer {
			close(begun)
			<-proceed
			return io.Discard
		})
	}()
	<-begun
	s.copies.mu.Lock()
	stopped := s.copies.ctx
	s.copies.mu.Unlock()
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	<-stopped.Done() // now Close waits for the copy only
	close(proceed)
	if err := <-closed; err != nil {
		t.Errorf("Close() = %v", err)
	}
	if err := <-failed; err != nil && !errors.Is(err, storage.ErrClosed) {
		t.Errorf("Backup() = %v, want it done or ErrClosed", err)
	}
	if err := s.Backup(t.Context(), func(int64) io.Writer { return io.Discard }); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("Backup() of a closed store = %v", err)
	}
}
