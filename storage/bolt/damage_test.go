package bolt

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"halley/storage"
	"halley/storage/backup"
)

// opened is a backup, opened.
func opened(t *testing.T, copied []byte) *backup.File {
	t.Helper()
	f, err := backup.Open(bytes.NewReader(copied), int64(len(copied)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// restored is a store made of a backup, and what the restore named.
func restored(t *testing.T, copied []byte, o Restoring) (*Store, []string) {
	t.Helper()
	var lost []string
	o.Check, o.Lost = whole, func(s string) { lost = append(lost, s) }
	dir := filepath.Join(t.TempDir(), "data")
	if err := Restore(dir, Config{}, bytes.NewReader(copied), o); err != nil {
		t.Fatal(err)
	}
	return openStore(t, dir, Config{}), lost
}

// keptPages are pages of 60 changes each, some of them folded, with a checkpoint
// at 50, and what else a store keeps.
func keptPages(t *testing.T, pages int) *Store {
	t.Helper()
	s := openStore(t, t.TempDir(), Config{foldRows: 10, blockChanges: 25, keepRows: 20})
	for i := range pages {
		page := storage.PageID(fmt.Sprintf("page-%d", i))
		for n := range uint64(60) {
			mustAppend(t, s, page, n, changeOf("client", n+1))
		}
		if err := s.fold(t.Context(), page, 20); err != nil {
			t.Fatal(err)
		}
		if err := s.PutCheckpoint(t.Context(), page, storage.Checkpoint{Seq: 50, Data: fmt.Appendf(nil, "%s at 50", page)}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Put(t.Context(), storage.Record{Key: "page/" + string(page), Value: []byte("settings")}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// dumped is all that a store's log and records amount to, as text.
func dumped(t *testing.T, s *Store, page storage.PageID) (changes []string) {
	t.Helper()
	err := s.Read(t.Context(), page, 0, ^uint64(0), func(c storage.Change) error {
		changes = append(changes, fmt.Sprintf("%d %s %d %s %v %q", c.Seq, c.Client, c.N, c.Author, c.Time, c.Payload))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return changes
}

// TestRestoreIsWhole: a restored store has all that the one before had, blocks as
// blocks, and is sound.
func TestRestoreIsWhole(t *testing.T) {
	t.Parallel()
	s := keptPages(t, 3)
	again, lost := restored(t, backUp(t, s), Restoring{})
	if bad := checked(t, again); len(lost)+len(bad) > 0 {
		t.Errorf("the restore names %q, the check %q", lost, bad)
	}
	for i := range 3 {
		page := storage.PageID(fmt.Sprintf("page-%d", i))
		if got, want := dumped(t, again, page), dumped(t, s, page); !slices.Equal(got, want) {
			t.Errorf("%s has %d changes, want %d", page, len(got), len(want))
		}
		if err := again.CheckLog(t.Context(), page, func(err error) { t.Error(err) }); err != nil {
			t.Error(err)
		}
		got, err := again.Client(t.Context(), page, "client")
		want, _ := s.Client(t.Context(), page, "client")
		if err != nil || got != want || got.Digest == [16]byte{} {
			t.Errorf("the client is %+v, %v, want %+v", got, err, want)
		}
		if c, err := again.Checkpoint(t.Context(), page, 60); err != nil || c.Seq != 50 || string(c.Data) != string(page)+" at 50" {
			t.Errorf("the checkpoint is %v, %v", c, err)
		}
		if r, err := again.Get(t.Context(), "page/"+string(page)); err != nil || r.Version != 1 {
			t.Errorf("the record is %v, %v", r, err)
		}
	}
	if got, want := opened(t, backUp(t, again)).Counts, opened(t, backUp(t, s)).Counts; got != want {
		t.Errorf("a backup of the restored store counts %+v, want %+v", got, want)
	}
	mustAppend(t, again, "page-0", 60, changeOf("client", 61))
}

// TestRotInABackup: a flipped bit anywhere in a backup costs one page at most,
// and is named; so do others.
func TestRotInABackup(t *testing.T) {
	t.Parallel()
	const pages = 5
	s := keptPages(t, pages)
	good := backUp(t, s)
	want := map[storage.PageID][]string{}
	for i := range pages {
		page := storage.PageID(fmt.Sprintf("page-%d", i))
		want[page] = dumped(t, s, page)
	}
	seed := uint64(rand.Uint32())
	rng := rand.New(rand.NewPCG(seed, 1))
	for round := range 100 {
		at := rng.IntN(len(good))
		bad := slices.Clone(good)
		bad[at] ^= 1 << rng.IntN(8)
		named := 0
		opened(t, bad).Verify(func(_, _ uint64) {}, func(string) { named++ })
		again, lost := restored(t, bad, Restoring{})
		if named == 0 || len(lost) == 0 {
			t.Fatalf("seed %d, round %d, byte %d: verify names %d, the restore %q", seed, round, at, named, lost)
		}
		short := 0
		for page, all := range want {
			got := dumped(t, again, page)
			if len(got) < len(all) {
				short++
			}
			if !slices.Equal(got, all[:len(got)]) {
				t.Errorf("seed %d, byte %d: %s is another one", seed, at, page)
			}
		}
		if short > 1 {
			t.Errorf("seed %d, byte %d: %d pages are not whole", seed, at, short)
		}
		if problems := checked(t, again); len(problems) > 0 {
			t.Errorf("seed %d, byte %d: the restored store: %q", seed, at, problems)
		}
		again.Close()
	}
}

// TestCutBackup: what was before the cut is restored, and the cut is named.
func TestCutBackup(t *testing.T) {
	t.Parallel()
	s := keptPages(t, 5)
	good := backUp(t, s)
	whole := 0
	for _, size := range []int{len(good) - 1, len(good) * 3 / 4, len(good) / 2} {
		again, lost := restored(t, good[:size], Restoring{})
		if len(lost) == 0 || !strings.Contains(lost[0], "cut off") {
			t.Errorf("a backup cut to %d of %d: %q", size, len(good), lost)
		}
		for i := range 5 {
			if len(dumped(t, again, storage.PageID(fmt.Sprintf("page-%d", i)))) == 60 {
				whole++
			}
		}
	}
	if whole < 5+1 {
		t.Errorf("%d pages of three backups that were cut are whole", whole)
	}
}

// TestBackupOverDamagedPages: a page of the store's file that is overwritten
// costs the rows on it, and every other page of people is in the backup.
func TestBackupOverDamagedPages(t *testing.T) {
	t.Parallel()
	s := keptPages(t, 40)
	dir := filepath.Dir(s.path)
	want := dumped(t, s, "page-0")
	s.Close()
	leaves := leavesOf(t, s.path)
	good, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	for _, leaf := range leaves {
		bad := slices.Clone(good)
		copy(bad[leaf*int64(os.Getpagesize()):], bytes.Repeat([]byte{0xA5}, os.Getpagesize()))
		if err := os.WriteFile(filepath.Join(dir, FileName), bad, 0o600); err != nil {
			t.Fatal(err)
		}
		s := openStore(t, dir, Config{})
		f := backUp(t, s)
		if made := opened(t, f).Made; len(made) == 0 || !strings.Contains(made[0], fmt.Sprintf("page %d ", leaf)) {
			t.Errorf("with page %d overwritten a backup names %q", leaf, made)
		}
		again, lost := restored(t, f, Restoring{})
		shorter := 0
		for i := range 40 {
			if got := dumped(t, again, storage.PageID(fmt.Sprintf("page-%d", i))); len(got) < len(want) {
				shorter++
			}
		}
		if shorter > 20 || len(lost) == 0 {
			t.Errorf("with page %d overwritten %d of 40 pages are not whole, and %d things are named", leaf, shorter, len(lost))
		}
		again.Close()
		s.Close()
	}
}

// leavesOf are some pages of the file at path that hold rows of logs.
func leavesOf(t *testing.T, path string) (leaves []int64) {
	t.Helper()
	err := readFile(path, func(_ string, tree *treeReader, _ []error) error {
		page, err := tree.page(tree.buckets[string(bucketPages)].root)
		if err != nil || native.Uint16(page[8:]) != kindOfBranch {
			return fmt.Errorf("the bucket of pages has one page: %w", err)
		}
		for i := range int(native.Uint16(page[10:])) {
			if e, ok := elementOf(page, kindOfBranch, i); ok && i%4 == 1 {
				leaves = append(leaves, int64(e.child))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return leaves
}

// TestLaterContentIsSalvaged: of a page whose log is damaged in the middle, the
// newest checkpoint and what follows it are offered.
func TestLaterContentIsSalvaged(t *testing.T) {
	t.Parallel()
	s := keptPages(t, 2)
	s.Close()
	db, err := bbolt.Open(s.path, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		key := changeKey("page-1", 45)
		row := bytes.Clone(tx.Bucket(bucketPages).Get(key))
		row[len(row)-linkBytes-1] ^= 1 // the last byte of its payload
		return tx.Bucket(bucketPages).Put(key, row)
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, filepath.Dir(s.path), Config{})
	var offered []string
	again, lost := restored(t, backUp(t, s), Restoring{Salvage: func(_ *Store, l Later) error {
		last := uint64(0)
		for c, err := range l.Changes {
			if err != nil {
				return err
			}
			last = c.Seq
		}
		offered = append(offered, fmt.Sprintf("%s from %d: %d %s, up to %d", l.Page, l.Kept, l.Checkpoint.Seq, l.Checkpoint.Data, last))
		return nil
	}})
	if want := []string{"page-1 from 44: 50 page-1 at 50, up to 60"}; !slices.Equal(offered, want) {
		t.Errorf("offered are %q, want %q (%q)", offered, want, lost)
	}
	wantHead(t, again, "page-1", 44)
	wantHead(t, again, "page-0", 60)
}

// TestRestoreOnePage: damage elsewhere does not matter, and is not named.
func TestRestoreOnePage(t *testing.T) {
	t.Parallel()
	s := keptPages(t, 3)
	good := backUp(t, s)
	bad := slices.Clone(good)
	p := bytes.Index(bad, append([]byte{byte(backup.KindPage), 6}, "page-2"...)) // where its part begins
	bad[p+300] ^= 1
	bad[bytes.LastIndex(bad, []byte("page-2"))-20] ^= 1 // the second index
	again, lost := restored(t, bad, Restoring{Only: "page-1"})
	if len(lost) > 0 {
		t.Errorf("the restore of one page names %q", lost)
	}
	wantHead(t, again, "page-1", 60)
	wantHead(t, again, "page-0", 0)
}

// TestRestoreVersion1: a backup that an earlier version wrote is restored, and
// one of its blobs that is damaged costs no other.
func TestRestoreVersion1(t *testing.T) {
	t.Parallel()
	file, err := os.Open("testdata/backup-1.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	old, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "old")
	if err := os.WriteFile(path, old, 0o600); err != nil {
		t.Fatal(err)
	}
	if counts, ok := BackupCounts(path); !ok || counts.Pages != 2 || counts.Changes != 120 || counts.Blobs != 1 || !IsBackup(path) {
		t.Errorf("BackupCounts() = %+v, %v", counts, ok)
	}
	s, lost := restored(t, old, Restoring{})
	if bad := checked(t, s); len(lost)+len(bad) > 0 {
		t.Errorf("the restore names %q, the check %q", lost, bad)
	}
	for _, page := range []storage.PageID{"first", "second"} {
		wantHead(t, s, page, 60)
		if c, err := s.Checkpoint(t.Context(), page, 60); err != nil || c.Seq != 50 {
			t.Errorf("the checkpoint of %s is %v, %v", page, c, err)
		}
	}
	if r, err := s.Get(t.Context(), "two"); err != nil || string(r.Value) != "value of two" {
		t.Errorf("the record is %v, %v", r, err)
	}
	blobs := 0
	err = s.Blobs(t.Context(), func(b storage.Blob) error {
		blobs++
		return readBlob(t.Context(), s, b.Hash)
	})
	if err != nil || blobs != 1 {
		t.Errorf("%d blobs, %v", blobs, err)
	}

	at := int(binary.BigEndian.Uint64(old[len(old)-8:]))
	old[at+blobHeadBytes+100] ^= 1
	s, lost = restored(t, old, Restoring{})
	wantHead(t, s, "second", 60)
	if len(lost) == 0 || !strings.Contains(lost[0], "the backup is damaged at blob ") {
		t.Errorf("with a damaged blob the restore names %q", lost)
	}
}
