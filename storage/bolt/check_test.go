package bolt

import (
	"bytes"
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

// checked is what Check and CheckLog of every page say is bad.
func checked(t *testing.T, s *Store) (bad []string) {
	t.Helper()
	say := func(err error) { bad = append(bad, err.Error()) }
	if err := s.Check(t.Context(), say); err != nil {
		t.Fatal(err)
	}
	err := s.Logs(t.Context(), func(l storage.LogInfo) error { return s.CheckLog(t.Context(), l.Page, say) })
	if err != nil {
		t.Fatal(err)
	}
	return bad
}

// variedStore fills a store with all kinds of rows, some of them large, removes
// some again, and folds some.
func variedStore(t *testing.T, dir string, seed uint64) *Store {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 0))
	s := openStore(t, dir, folds(Config{}))
	counts := map[string]uint64{}
	for round := range 30 {
		page := storage.PageID(fmt.Sprintf("page-%d", round%3))
		head := mustHead(t, s, page)
		var changes []storage.Change
		for range 20 + rng.IntN(40) {
			client := fmt.Sprintf("client-%d", rng.IntN(4))
			key := string(page) + client
			counts[key]++
			c := changeOf(client, counts[key])
			c.Payload = make([]byte, rng.IntN(300)+rng.IntN(2)*rng.IntN(9000))
			changes = append(changes, c)
		}
		mustAppend(t, s, page, head, changes...)
		data := make([]byte, rng.IntN(200<<10))
		if err := s.PutCheckpoint(t.Context(), page, storage.Checkpoint{Seq: head + 5, Data: data}); err != nil {
			t.Fatal(err)
		}
		r := storage.Record{Key: fmt.Sprintf("record/%d", round), Value: make([]byte, rng.IntN(5000))}
		if round%2 == 0 {
			r.Expires = time.Now().Add(time.Hour)
		}
		if _, err := s.Put(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if round%3 == 2 {
			if err := s.Delete(t.Context(), fmt.Sprintf("record/%d", round-1), 1); err != nil {
				t.Fatal(err)
			}
		}
	}
	mustFold(t, s, "page-0", 20)
	mustFold(t, s, "page-1", 0)
	return s
}

func mustHead(t *testing.T, s *Store, page storage.PageID) uint64 {
	t.Helper()
	head, err := s.Head(t.Context(), page)
	if err != nil {
		t.Fatal(err)
	}
	return head
}

// TestCheck: a sound store is found sound, by us and by bbolt, also while
// others write.
func TestCheck(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		dir := t.TempDir()
		s := variedStore(t, dir, seed)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			for n := uint64(1); ; n++ {
				if err := s.Append(ctx, "busy", n-1, []storage.Change{changeOf("client", n)}); err != nil {
					ended <- err
					return
				}
			}
		}()
		for range 3 {
			if bad := checked(t, s); len(bad) > 0 {
				t.Errorf("a sound store is said to be bad (seed %d): %q", seed, bad)
			}
		}
		stop()
		<-ended
		s.Close()
		err := edit(dir, func(tx *bbolt.Tx) error {
			for err := range tx.Check() {
				t.Errorf("bbolt says (seed %d): %v", seed, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestCheckFindsDamagedPages harms the head of pages of the file that are in
// use, one at a time: that is found, or the file does not open.
func TestCheckFindsDamagedPages(t *testing.T) {
	t.Parallel()
	const seed = 11
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
	step := 5
	if soaking() {
		step = 1
	}
	for i := rng.IntN(step); i < len(pages); i += step {
		id := pages[i]
		at := int64(id)*pageSize + rng.Int64N(10) // its number or its kind
		var was [1]byte
		if _, err := file.ReadAt(was[:], at); err != nil {
			t.Fatal(err)
		}
		harm := []byte{was[0] ^ 1<<rng.IntN(8)}
		if _, err := file.WriteAt(harm, at); err != nil {
			t.Fatal(err)
		}
		if s, err := Open(dir, Config{}); err == nil {
			found := 0
			if err := s.Check(t.Context(), func(error) { found++ }); err == nil && found == 0 {
				t.Errorf("byte %d of page %d is harmed and not found (seed %d)", at%pageSize, id, seed)
			}
			s.Close()
		}
		// Opening may have written, so the one byte alone goes back.
		if _, err := file.WriteAt(was[:], at); err != nil {
			t.Fatal(err)
		}
	}
}

// usedPages are those of a file that are in use, but for the metas and those
// that carry on another one.
func usedPages(t *testing.T, path string) (ids []int, pageSize int64) {
	t.Helper()
	db, err := openFile(path, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.View(func(tx *bbolt.Tx) error {
		for id := firstPage; int64(id)*int64(db.Info().PageSize) < tx.Size(); id++ {
			info, err := tx.Page(id)
			if err != nil {
				return err
			}
			if info.Type == "branch" || info.Type == "leaf" {
				ids = append(ids, id)
			}
			if info.Type != "free" {
				id += info.OverflowCount
			}
		}
		return nil
	})
	if err != nil || len(ids) < 50 {
		t.Fatalf("the file has %d pages in use, %v; want some more", len(ids), err)
	}
	return ids, int64(db.Info().PageSize)
}

// TestCheckFindsWrongRows: rows that are whole in themselves and wrong.
func TestCheckFindsWrongRows(t *testing.T) {
	t.Parallel()
	const second, third, length = 1 + markEvery, 1 + 2*markEvery, 2*markEvery + 150 // the edits that have marks, and the newest
	for name, c := range map[string]struct {
		harm func(t *tables)
		want string
	}{
		"a mark of another change": {func(t *tables) {
			key := markKey("page", "client", second)
			t.put(t.pages, key, encodeMark(key, second-1))
		}, fmt.Sprintf("page page, change %d: a mark says that it is edit %d of client client, and it is not", second-1, second)},
		"a lost first mark": {func(t *tables) { t.remove(t.pages, markKey("page", "client", 1)) },
			fmt.Sprintf("page page, change %d: the first mark of client client is at its edit %[1]d", second)},
		"a lost newest mark": {func(t *tables) { t.remove(t.pages, markKey("page", "client", third)) },
			fmt.Sprintf("client client has its newest mark at edit %d, change %[1]d; it should be at %d, %[2]d", second, third)},
		"a client that lags": {func(t *tables) {
			key := clientKey("page", "client")
			row, _ := t.client("page", "client")
			row.N, row.Seq = length-1, length-1
			t.put(t.pages, key, row.encode(key))
		}, fmt.Sprintf("page page, change %d: it is edit %[1]d of client client", length)},
		"a client of nobody": {func(t *tables) {
			key, mark := clientKey("page", "ghost"), markKey("page", "ghost", 1)
			row := clientRow{ClientState: storage.ClientState{Author: "ann", N: 1, Seq: 3}, markedN: 1, markedSeq: 3}
			t.put(t.pages, key, row.encode(key))
			t.put(t.pages, mark, encodeMark(mark, 3))
		}, "page page, change 3: it should be of client ghost, who sent nothing"},
		"a damaged record": {func(t *tables) { t.put(t.records, []byte("b"), []byte("garbage")) }, `"b": its checksum`},
		"a record that never goes": {func(t *tables) {
			row, _, _ := t.record("c", func(recordRow) bool { return false })
			t.remove(t.expiry, expiryKey(row.expires, "c"))
		}, `"c": it expires, and is not among what does`},
		"a record that goes early": {func(t *tables) { t.put(t.expiry, expiryKey(5, "a"), nil) }, `"a": it is to expire at another time`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openStore(t, dir, Config{})
			mustAppend(t, s, "page", 0, batchFrom(1, length)...)
			for _, r := range []storage.Record{{Key: "a"}, {Key: "b"}, {Key: "c", Expires: time.Now().Add(time.Hour)}} {
				if _, err := s.Put(t.Context(), r); err != nil {
					t.Fatal(err)
				}
			}
			if bad := checked(t, s); len(bad) > 0 {
				t.Fatalf("a sound store is said to be bad: %q", bad)
			}
			s.Close()
			err := edit(dir, func(tx *bbolt.Tx) error {
				rows := tablesOf(tx)
				c.harm(rows)
				return rows.err
			})
			if err != nil {
				t.Fatal(err)
			}
			bad := checked(t, openStore(t, dir, Config{SweepEvery: time.Hour}))
			if !slices.ContainsFunc(bad, func(said string) bool { return strings.Contains(said, c.want) }) {
				t.Errorf("Check says %q, want %q", bad, c.want)
			}
		})
	}
}

// TestCheckFindsAFileThatIsCutOff: also where only free pages are lost. A store
// that is open goes on; it is not opened again, since its next write would make
// the file as long as before, and the damage hard to see.
func TestCheckFindsAFileThatIsCutOff(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, Config{})
	mustAppend(t, s, "page", 0, bigChange(1))
	if err := os.Truncate(filepath.Join(dir, FileName), usedUpTo(t, s)-1); err != nil {
		t.Fatal(err)
	}
	if bad := checked(t, s); len(bad) != 1 || !strings.Contains(bad[0], "it is cut off") {
		t.Errorf("Check says %q", bad)
	}
	if made := opened(t, backUp(t, s)).Made; len(made) == 0 || !strings.Contains(made[0], "cut off") {
		t.Errorf("a backup names %q", made)
	}
	s.Close()
	if _, err := Open(dir, Config{}); !errors.Is(err, ErrNotStore) || !strings.Contains(err.Error(), "it is cut off") {
		t.Errorf("Open() = %v, want that the file is cut off", err)
	}
}

// TestCheckFindsABadMeta: with its newest meta a file loses the newest change,
// and is whole otherwise.
func TestCheckFindsABadMeta(t *testing.T) {
	t.Parallel()
	for _, at := range []int64{0, 8, 16, 40, pageHeadBytes + 48, pageHeadBytes + metaSumAt} {
		for id := range int64(firstPage) {
			dir := t.TempDir()
			s := openStore(t, dir, Config{})
			mustAppend(t, s, "page", 0, changeOf("client", 1))
			copied, pageSize := backUp(t, s), int64(s.db.Info().PageSize)
			s.Close()
			// A copy is sound too, whose next transaction goes where the newest is
			// or where it is not.
			fresh := filepath.Join(t.TempDir(), "fresh")
			if err := Restore(fresh, Config{}, bytes.NewReader(copied), Restoring{Check: whole}); err != nil {
				t.Fatal(err)
			}
			r := openStore(t, fresh, Config{})
			for n := range uint64(3) {
				if bad := checked(t, r); len(bad) > 0 {
					t.Errorf("Check says %q of a restored store", bad)
				}
				mustAppend(t, r, "page", n+1, changeOf("client", n+2))
			}
			flipBit(t, filepath.Join(dir, FileName), id*pageSize+at)
			s = openStore(t, dir, Config{})
			if bad := checked(t, s); len(bad) != 1 || !strings.Contains(bad[0], "first pages") {
				t.Errorf("Check says %q of a flipped bit at %d of meta %d", bad, at, id)
			}
			s.Close()
		}
	}
}

func flipBit(t *testing.T, path string, at int64) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[at] ^= 4
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
