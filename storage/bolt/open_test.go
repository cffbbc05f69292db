package bolt

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"halley/storage"
	"halley/storage/storagetest"
)

func TestOpenMakesTheFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	openStore(t, dir, Config{})
	for path, want := range map[string]os.FileMode{dir: 0o700 | os.ModeDir, filepath.Join(dir, FileName): 0o600} {
		info, err := os.Stat(path)
		if err != nil || info.Mode() != want {
			t.Errorf("mode of %s is %v, %v, want %v", path, info.Mode(), err, want)
		}
	}
}

// TestOpenAfterAnUnfinishedMake: a power cut while the store was made leaves no
// file that the next start stumbles over.
func TestOpenAfterAnUnfinishedMake(t *testing.T) {
	for name, left := range map[string][]byte{"zeros": make([]byte, 4*4096), "one page": make([]byte, 4096), "a part": []byte("halley"), "nothing yet": nil} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, FileName+".new"), left, 0o600); err != nil {
			t.Fatal(err)
		}
		mustAppend(t, openStore(t, dir, Config{}), "page", 0, changeOf("client", 1))
		if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
			t.Errorf("%s: the folder holds %v (%v), want the store's file alone", name, files, err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	stored := func(dir string) string { return filepath.Join(dir, FileName) }
	isNoStore := func(err error) bool { return errors.Is(err, ErrNotStore) }
	says := func(text string) func(error) bool {
		return func(err error) bool { return strings.Contains(err.Error(), text) }
	}
	for _, c := range []struct {
		name    string
		prepare func(dir string) error
		want    func(error) bool
	}{
		{"a short file", func(dir string) error { return os.WriteFile(stored(dir), []byte("hello"), 0o600) }, isNoStore},
		{"a long file", func(dir string) error { return os.WriteFile(stored(dir), make([]byte, 1<<16), 0o600) }, isNoStore},
		{"another program's", func(dir string) error {
			return edit(dir, func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("theirs")); return err })
		}, isNoStore},
		{"a store without its log", func(dir string) error {
			return edit(dir, func(tx *bbolt.Tx) error { return tx.DeleteBucket(bucketPages) })
		}, isNoStore},
		{"one that is cut off", func(dir string) error { return os.Truncate(stored(dir), 3*4096) }, isNoStore},
		{"a newer format", func(dir string) error {
			return edit(dir, func(tx *bbolt.Tx) error { return tx.Bucket(bucketMeta).Put(keyFormat, []byte("7")) })
		}, says("was written by a newer Halley (format 7; this one knows up to 3)")},
		{"a file in the folder's place", func(dir string) error {
			return errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o600))
		}, says("is a file, not a folder")},
		{"a folder in the file's place", func(dir string) error {
			return errors.Join(os.Remove(stored(dir)), os.Mkdir(stored(dir), 0o700))
		}, says("open the store")},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			s := openStore(t, dir, Config{})
			for n := range uint64(20) {
				mustAppend(t, s, "page", n, changeOf("client", n+1))
			}
			s.Close()
			if c.name == "another program's" {
				os.Remove(stored(dir))
			}
			if err := c.prepare(dir); err != nil {
				t.Fatal(err)
			}
			s, err := Open(dir, Config{})
			if err == nil {
				s.Close()
				t.Fatal("Open() succeeded")
			}
			if !c.want(err) || strings.Contains(err.Error(), "\n") {
				t.Errorf("Open() = %v", err)
			}
		})
	}
}

func TestOpenRefusesAFolderThatCannotBeWritten(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may write everywhere")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	_, err := Open(dir, Config{})
	if err == nil || !strings.Contains(err.Error(), "cannot be written") {
		t.Errorf("Open() = %v, want that the folder cannot be written", err)
	}
	_, err = Open(filepath.Join(dir, "data"), Config{})
	if err == nil || !strings.Contains(err.Error(), "cannot be made") {
		t.Errorf("Open() = %v, want that the folder cannot be made", err)
	}
}

func TestOpenInUse(t *testing.T) {
	dir := t.TempDir()
	openStore(t, dir, Config{})
	// The lock belongs to an open file, so this process is as good as another.
	_, err := Open(dir, Config{LockWait: time.Millisecond})
	if !errors.Is(err, ErrInUse) {
		t.Errorf("Open() = %v, want ErrInUse", err)
	}
}

func TestDamage(t *testing.T) {
	open := func(t testing.TB, dir string) storage.Store { return openStore(t, dir, Config{}) }
	storagetest.RunDamage(t, open, func(t testing.TB, dir string, page storage.PageID, seq uint64, h storagetest.Harm) {
		err := edit(dir, func(tx *bbolt.Tx) error {
			log, key := tx.Bucket(bucketPages), changeKey(page, seq)
			switch h {
			case storagetest.Flip:
				row := slices.Clone(log.Get(key))
				row[int(seq)%len(row)] ^= 1 << (seq % 8)
				return log.Put(key, row)
			case storagetest.Drop:
				return log.Delete(key)
			default:
				return log.Put(key, slices.Clone(log.Get(changeKey(page, seq-1))))
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// TestDamageOfTheHead: a log whose head is lost, or lags behind, is not taken
// for a shorter one, and nothing is written over its changes.
func TestDamageOfTheHead(t *testing.T) {
	for name, harm := range map[string]func(pages *bbolt.Bucket) error{
		"lost": func(pages *bbolt.Bucket) error { return pages.Delete(pageKey("page", kindHead)) },
		"of another page": func(pages *bbolt.Bucket) error {
			return pages.Put(pageKey("page", kindHead), slices.Clone(pages.Get(pageKey("other", kindHead))))
		},
		"lagging": func(pages *bbolt.Bucket) error {
			_, l, _ := splitLink(pages.Get(changeKey("page", 2)))
			key := pageKey("page", kindHead)
			return pages.Put(key, headRow{seq: 2, link: l}.encode(key))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openStore(t, dir, Config{})
			mustAppend(t, s, "page", 0, changeOf("client", 1), changeOf("client", 2), changeOf("client", 3))
			mustAppend(t, s, "other", 0, changeOf("client", 1), changeOf("client", 2))
			s.Close()
			if err := edit(dir, func(tx *bbolt.Tx) error { return harm(tx.Bucket(bucketPages)) }); err != nil {
				t.Fatal(err)
			}
			s = openStore(t, dir, Config{})
			for _, expect := range []uint64{0, 2, 3} {
				err := s.Append(t.Context(), "page", expect, []storage.Change{{Author: "a"}})
				var conflict *storage.ConflictError
				var corrupt *storage.CorruptError
				if !errors.As(err, &corrupt) && !errors.As(err, &conflict) {
					t.Errorf("Append() at %d = %v, want a *CorruptError", expect, err)
				}
			}
			wantHead(t, s, "other", 2)
		})
	}
}

// TestDamageOfAnyByte flips one byte of the file after another: what is read
// then is right or an error, never something else.
func TestDamageOfAnyByte(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, Config{})
	for n := range uint64(40) {
		mustAppend(t, s, "page", n, changeOf("client", n+1))
	}
	s.Close()
	path := filepath.Join(dir, FileName)
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file = file[:min(len(file), 1<<17)]
	step := 97
	if soaking() {
		step = 7
	}
	found := 0
	for at := 0; at < len(file); at += step {
		file[at] ^= 0x10
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		if !holds(t, dir, 40) {
			found++
		}
		file[at] ^= 0x10
	}
	if found == 0 {
		t.Error("no damage was found anywhere")
	}
}

// holds reports whether the store in dir can be read; what it reads must be right.
func holds(t *testing.T, dir string, length uint64) bool {
	s, err := Open(dir, Config{})
	if errors.Is(err, ErrInUse) {
		t.Fatal("a store that could not be opened is still locked")
	}
	if err != nil {
		return false
	}
	defer s.Close()
	var seen uint64
	err = s.Read(t.Context(), "page", 0, length, func(c storage.Change) error {
		seen++
		want := changeOf("client", seen)
		if c.Seq != seen || c.N != want.N || c.Client != want.Client || c.Author != want.Author ||
			!c.Time.Equal(want.Time) || string(c.Payload) != string(want.Payload) {
			t.Errorf("change %d is %+v, want %+v", seen, c, want)
		}
		return nil
	})
	return err == nil && seen == length
}

// edit changes the closed store in dir behind its back.
func edit(dir string, fn func(*bbolt.Tx) error) error {
	db, err := bbolt.Open(filepath.Join(dir, FileName), 0o600, nil)
	if err != nil {
		return err
	}
	return errors.Join(db.Update(fn), db.Close())
}

func mustAppend(t testing.TB, s *Store, page storage.PageID, expect uint64, changes ...storage.Change) {
	t.Helper()
	if err := s.Append(t.Context(), page, expect, changes); err != nil {
		t.Fatalf("Append(%s, %d) = %v", page, expect, err)
	}
}

// changeOf is client's n-th change.
func changeOf(client string, n uint64) storage.Change {
	return storage.Change{
		Client: client, N: n, Author: "author", Time: time.UnixMilli(1_700_000_000_000 + int64(n)).UTC(),
		Digest: [16]byte{1, byte(n)}, Payload: []byte(`[{"retain":17},{"insert":"x"}]`),
	}
}

func soaking() bool { return os.Getenv("HALLEY_SOAK") != "" }

// TestFileGrowsInSteps: a new store is a small file, and a growing one is made
// larger ahead of need, so that few commits pay for it.
func TestFileGrowsInSteps(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, Config{})
	size := func() int64 {
		info, err := os.Stat(filepath.Join(dir, FileName))
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	before := size()
	if before == 0 || before > 160<<10 {
		t.Errorf("a new store has %d bytes", before)
	}
	const appends, bytes = 400, 128 << 10
	grew := 0
	for n := range uint64(appends) {
		c := changeOf("client", n+1)
		c.Payload = make([]byte, bytes)
		mustAppend(t, s, "page", n, c)
		if now := size(); now != before {
			if now-before > 2*mostGrowth {
				t.Errorf("append %d made the file grow from %d bytes to %d", n+1, before, now)
			}
			grew, before = grew+1, now
		}
	}
	if most := 2*appends*bytes/mostGrowth + 10; grew > most {
		t.Errorf("the file grew %d times for %d bytes, want at most %d", grew, appends*bytes, most)
	}
}
