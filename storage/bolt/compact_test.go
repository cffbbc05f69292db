package bolt

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"halley/storage"
)

func init() { children["compact"] = compactChild }

// holeyStore is a store's folder in whose file most pages are free.
func holeyStore(t *testing.T, seed uint64) (dir string) {
	t.Helper()
	dir = t.TempDir()
	s := variedStore(t, dir, seed)
	for i := range 6 {
		r := storage.Record{Key: fmt.Sprintf("large/%d", i), Value: make([]byte, storage.MaxValueBytes)}
		if _, err := s.Put(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 6 {
		if err := s.Delete(t.Context(), fmt.Sprintf("large/%d", i), 1); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	return dir
}

// rowsOf is a digest of all rows of a store's file but which compaction made it.
func rowsOf(t *testing.T, dir string) string {
	t.Helper()
	sum := sha256.New()
	err := edit(dir, func(tx *bbolt.Tx) error {
		if err := tx.Bucket(bucketMeta).Delete(keyCopied); err != nil {
			return err
		}
		err := tx.ForEach(func(name []byte, rows *bbolt.Bucket) error {
			return rows.ForEach(func(k, v []byte) error {
				for _, b := range [][]byte{name, k, v} {
					sum.Write(binary.AppendUvarint(nil, uint64(len(b))))
					sum.Write(b)
				}
				return nil
			})
		})
		return errors.Join(err, errNotWorth) // nothing is to change
	})
	if !errors.Is(err, errNotWorth) {
		t.Fatal(err)
	}
	return string(sum.Sum(nil))
}

func fileSize(t *testing.T, dir string) int64 {
	t.Helper()
	info, err := os.Stat(filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func wantOnlyTheFile(t *testing.T, dir string) {
	t.Helper()
	if there, err := os.ReadDir(dir); err != nil || len(there) != 1 || there[0].Name() != FileName {
		t.Errorf("the folder holds %v, %v; want %s alone", there, err, FileName)
	}
}

func TestCompact(t *testing.T) {
	t.Parallel()
	dir := holeyStore(t, 1)
	path := filepath.Join(dir, FileName)
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, compacting), []byte("half of one"), 0o600); err != nil {
		t.Fatal(err)
	}
	before, rows := fileSize(t, dir), rowsOf(t, dir)
	last := [2]int64{}
	got, err := Compact(t.Context(), dir, func(done, total int64) {
		if done < last[0] || done > total {
			t.Errorf("progress goes from %d to %d of %d", last[0], done, total)
		}
		last = [2]int64{done, total}
	})
	if after := fileSize(t, dir); err != nil || got != (Compacted{before, after}) || after > before/2 {
		t.Errorf("Compact() = %+v, %v; the file had %d bytes and has %d", got, err, before, after)
	}
	if last[0] != last[1] || last[0] == 0 {
		t.Errorf("progress ends with %d of %d", last[0], last[1])
	}
	if rowsOf(t, dir) != rows {
		t.Error("the compacted store holds other rows")
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the compacted file's mode is %v, %v", info.Mode(), err)
	}
	wantOnlyTheFile(t, dir)
	again, err := Compact(t.Context(), dir, func(int64, int64) {})
	if err != nil || again.After > again.Before+1<<14 {
		t.Errorf("Compact() of a compact store = %+v, %v", again, err)
	}
	s := openStore(t, dir, Config{})
	if bad := checked(t, s); len(bad) > 0 {
		t.Errorf("the compacted store is bad: %q", bad)
	}
	mustAppend(t, s, "page-0", mustHead(t, s, "page-0"), changeOf("new-client", 1))
	if _, err := Compact(t.Context(), dir, func(int64, int64) {}); !errors.Is(err, ErrInUse) {
		t.Errorf("Compact() of an open store = %v", err)
	}
}

// TestCompactFails: a compaction that fails leaves the store as it was.
func TestCompactFails(t *testing.T) {
	t.Parallel()
	dir := holeyStore(t, 2)
	rows, size := rowsOf(t, dir), fileSize(t, dir)
	wantUntouched := func(what string) {
		t.Helper()
		wantOnlyTheFile(t, dir)
		if rowsOf(t, dir) != rows || fileSize(t, dir) != size {
			t.Errorf("%s: the store is another one", what)
		}
	}
	for _, at := range []float64{0, 0.2, 0.7} {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := Compact(ctx, dir, func(done, total int64) {
			if float64(done) >= at*float64(total) {
				cancel()
			}
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Compact() that is stopped at %v = %v", at, err)
		}
		wantUntouched("stopped")
	}
	pages, pageSize := usedPages(t, filepath.Join(dir, FileName))
	file, err := os.OpenFile(filepath.Join(dir, FileName), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	at, was := int64(pages[len(pages)/2])*pageSize, make([]byte, pageHeadBytes)
	if _, err := file.ReadAt(was, at); err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt(make([]byte, pageHeadBytes), at); err != nil {
		t.Fatal(err)
	}
	if _, err := Compact(t.Context(), dir, func(int64, int64) {}); err == nil {
		t.Error("Compact() of a damaged store succeeds")
	}
	if _, err := file.WriteAt(was, at); err != nil {
		t.Fatal(err)
	}
	wantUntouched("damaged")
	if _, err := Compact(t.Context(), t.TempDir(), func(int64, int64) {}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Compact() of nothing = %v", err)
	}
}

// TestCompactAtStart: Open compacts what has much free space, and nothing else.
func TestCompactAtStart(t *testing.T) {
	t.Parallel()
	dir := holeyStore(t, 3)
	rows, size := rowsOf(t, dir), fileSize(t, dir)
	for _, cfg := range []Config{{}, {compactFrom: 1}, {Compact: true}} {
		openStore(t, dir, cfg).Close()
		if got := fileSize(t, dir); got < size {
			t.Errorf("opened with %+v the file of %d bytes has %d", cfg, size, got)
		}
	}
	cfg := Config{Compact: true, compactFrom: 1}
	openStore(t, dir, cfg).Close()
	after := fileSize(t, dir)
	if after > size/2 || rowsOf(t, dir) != rows {
		t.Errorf("the file of %d bytes has %d after it was compacted", size, after)
	}
	copied := fileIDOf(t, dir)
	openStore(t, dir, cfg).Close()
	if fileIDOf(t, dir) != copied {
		t.Error("a compact store is compacted again")
	}
	wantOnlyTheFile(t, dir)
}

func fileIDOf(t *testing.T, dir string) fileID {
	t.Helper()
	s := openStore(t, dir, Config{})
	defer s.Close()
	return s.id
}

// TestOpenWaitsForCompaction: who waits for the lock of a file that is replaced
// meanwhile gets the one in its place.
func TestOpenWaitsForCompaction(t *testing.T) {
	t.Parallel()
	dir := holeyStore(t, 4)
	opened, began := make(chan *Store, 1), false
	_, err := Compact(t.Context(), dir, func(done, total int64) {
		if began || done < total/2 {
			return
		}
		began = true
		go func() {
			s, err := Open(dir, Config{LockWait: time.Minute})
			if err != nil {
				t.Error(err)
			}
			opened <- s
		}()
	})
	if err != nil {
		t.Fatal(err)
	}
	s := <-opened
	mustAppend(t, s, "late", 0, changeOf("client", 1))
	s.Close()
	wantHead(t, openStore(t, dir, Config{}), "late", 1)
}

// compactChild compacts its store, and prints a line at each of steps.
func compactChild() {
	const steps = 40
	said := int64(-1)
	s, err := Compact(context.Background(), os.Getenv(dirEnv), func(done, total int64) {
		if step := done * steps / max(total, 1); step > said {
			said = step
			fmt.Println("step", step)
		}
	})
	if err != nil {
		fail(err)
	}
	fmt.Println("done", s.After)
}

// TestKillWhileCompacting kills a process that compacts, at each stage: the
// store then holds what it did, and can be compacted, opened and used.
func TestKillWhileCompacting(t *testing.T) {
	t.Parallel()
	rounds := 20
	if soaking() {
		rounds = 300
	}
	const seed = 8
	rng := rand.New(rand.NewPCG(seed, 0))
	dir := holeyStore(t, seed)
	rows, killed := rowsOf(t, dir), 0
	for round := range rounds {
		after := 1 + rng.IntN(42)
		cmd := child(t, "compact", dir, round)
		lines := scanLines(t, cmd)
		for said := 0; said < after && lines.Scan(); said++ {
			if strings.HasPrefix(lines.Text(), "done") {
				killed--
			}
		}
		cmd.Process.Kill()
		cmd.Wait()
		killed++
		s := openStore(t, dir, Config{})
		wantOnlyTheFile(t, dir)
		if bad := checked(t, s); len(bad) > 0 {
			t.Fatalf("after kill %d the store is bad (seed %d): %q", round, seed, bad)
		}
		s.Close()
		if rowsOf(t, dir) != rows {
			t.Fatalf("after kill %d the store holds other rows (seed %d)", round, seed)
		}
	}
	if killed < rounds/2 {
		t.Errorf("only %d of %d were killed before they ended", killed, rounds)
	}
}

// TestSpaceIsUsedAgain: what is deleted makes room for what comes.
func TestSpaceIsUsedAgain(t *testing.T) {
	t.Parallel()
	const seed = 6
	rng := rand.New(rand.NewPCG(seed, 0))
	s := openStore(t, t.TempDir(), Config{})
	size := int64(0)
	for round := range 30 {
		for i := range 12 {
			r := storage.Record{Key: fmt.Sprintf("round/%d/%d", round, i), Value: make([]byte, 1+rng.IntN(40<<10))}
			if _, err := s.Put(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 12 {
			if err := s.Delete(t.Context(), fmt.Sprintf("round/%d/%d", round, i), 1); err != nil {
				t.Fatal(err)
			}
		}
		if round == 4 {
			size = usedUpTo(t, s)
		}
	}
	if got := usedUpTo(t, s); got > 2*size {
		t.Errorf("the file grows from %d to %d bytes, in 30 rounds in each of which all is deleted (seed %d)", size, got, seed)
	}
}

// usedUpTo is where the last page lies that was ever used.
func usedUpTo(t *testing.T, s *Store) (size int64) {
	t.Helper()
	if err := s.db.View(func(tx *bbolt.Tx) error { size = tx.Size(); return nil }); err != nil {
		t.Fatal(err)
	}
	return size
}
