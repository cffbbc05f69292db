package bolt

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"halley/storage"
)

// checkedInSlices is what CheckSlice finds in a whole pass, and in how many slices.
func checkedInSlices(t *testing.T, s *Store, size int) (bad []string, slices, read int) {
	t.Helper()
	var from []byte
	for {
		next, n, err := s.CheckSlice(t.Context(), from, size, func(err error) { bad = append(bad, err.Error()) })
		if err != nil {
			t.Fatalf("CheckSlice(%q): %v", from, err)
		}
		if slices, read = slices+1, read+n; slices > 100_000 {
			t.Fatalf("no end in sight at %q", from)
		}
		if next == nil {
			return bad, slices, read
		}
		from = next
	}
}

// TestCheckSlice: slices of every size add up to the whole, which is sound.
func TestCheckSlice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := variedStore(t, dir, 3)
	used := usedUpTo(t, s)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { // the tree changes between slices
		for n := uint64(1); ; n++ {
			if err := s.Append(ctx, "busy", n-1, []storage.Change{changeOf("client", n)}); err != nil {
				ended <- err
				return
			}
		}
	}()
	count := map[int]int{}
	for _, size := range []int{1, 64 << 10, 1 << 30} {
		bad, slices, read := checkedInSlices(t, s, size)
		if len(bad) > 0 {
			t.Errorf("in slices of %d bytes a sound store is said to be bad: %q", size, bad)
		}
		if int64(read) < used/4 { // much of the file is free
			t.Errorf("slices of %d bytes read %d bytes in all, of a file that uses %d", size, read, used)
		}
		count[size] = slices
	}
	stop()
	<-ended
	if !(count[1] > count[64<<10] && count[64<<10] > count[1<<30]) {
		t.Errorf("slices by size: %v; want fewer of larger ones", count)
	}
}

// TestCheckSliceFindsDamagedPages harms the head of pages of the file that are
// in use, one at a time: that is found, or the file does not open.
func TestCheckSliceFindsDamagedPages(t *testing.T) {
	t.Parallel()
	const seed = 12
	dir := t.TempDir()
	variedStore(t, dir, seed).Close()
	path := filepath.Join(dir, FileName)
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	pages, pageSize := usedPages(t, path)
	rng := rand.New(rand.NewPCG(seed, 1))
	for i := rng.IntN(9); i < len(pages); i += 9 {
		at := int64(pages[i])*pageSize + rng.Int64N(10) // its number or its kind
		var was [1]byte
		if _, err := file.ReadAt(was[:], at); err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteAt([]byte{was[0] ^ 1<<rng.IntN(8)}, at); err != nil {
			t.Fatal(err)
		}
		if s, err := Open(dir, Config{SweepEvery: time.Hour}); err == nil {
			if found, err := damageInSlices(t.Context(), s); err == nil && found == 0 {
				t.Errorf("byte %d of page %d is harmed and not found (seed %d)", at%pageSize, pages[i], seed)
			}
			s.Close()
		}
		if _, err := file.WriteAt(was[:], at); err != nil {
			t.Fatal(err)
		}
	}
}

func damageInSlices(ctx context.Context, s *Store) (found int, err error) {
	var from []byte
	for {
		if from, _, err = s.CheckSlice(ctx, from, 32<<10, func(error) { found++ }); err != nil || from == nil {
			return found, err
		}
	}
}

// TestCheckSliceFindsFreePagesInUse: the next write would overwrite such a page.
func TestCheckSliceFindsFreePagesInUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := variedStore(t, dir, 5)
	s.Close()
	path := filepath.Join(dir, FileName)
	pages, pageSize := usedPages(t, path)
	db, err := openFile(path, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	err = db.View(func(tx *bbolt.Tx) error {
		m, ok := findMeta(file, pageSize, tx.ID())
		if !ok {
			return fmt.Errorf("no meta of transaction %d", tx.ID())
		}
		first := native.AppendUint64(nil, uint64(pages[len(pages)/2]))
		_, err := file.WriteAt(first, int64(m.freelist)*pageSize+pageHeadBytes)
		return err
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir, Config{SweepEvery: time.Hour})
	if found, err := damageInSlices(t.Context(), s); err != nil || found == 0 {
		t.Errorf("%d things are found, %v; want a page that is in use and free", found, err)
	}
}

// TestCheckSliceFindsRows: what is wrong in rows is found too.
func TestCheckSliceFindsRows(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, Config{})
	for i := range 600 {
		if _, err := s.Put(t.Context(), storage.Record{Key: fmt.Sprintf("record/%03d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	err := edit(dir, func(tx *bbolt.Tx) error {
		rows := tablesOf(tx)
		rows.put(rows.records, []byte("record/599"), []byte("garbage"))
		rows.put(rows.expiry, expiryKey(5, "record/001"), nil)
		rows.put(rows.blobs, []byte{kindBlob}, nil)
		return rows.err
	})
	if err != nil {
		t.Fatal(err)
	}
	bad, _, _ := checkedInSlices(t, openStore(t, dir, Config{SweepEvery: time.Hour}), 1<<20)
	for _, want := range []string{`"record/599"`, `"record/001"`, `"blobs"`} {
		if !slices.ContainsFunc(bad, func(said string) bool { return strings.HasPrefix(said, want) }) {
			t.Errorf("the slices say %q, and nothing of %s", bad, want)
		}
	}
	if _, _, err := openStore(t, t.TempDir(), Config{}).CheckSlice(t.Context(), []byte("zz"), 1, nil); err == nil {
		t.Error("a slice that begins nowhere is taken")
	}
}
