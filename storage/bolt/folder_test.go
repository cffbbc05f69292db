package bolt

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// snapshot is what a folder holds: names, modes, bytes, and when each was changed.
func snapshot(t testing.TB, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		var data []byte
		if info.Mode().IsRegular() {
			if data, err = os.ReadFile(path); err != nil {
				return err
			}
		}
		fmt.Fprintf(&all, "%s %v %d %d bytes %x\n", path, info.Mode(), info.ModTime().UnixNano(), len(data), sha256.Sum256(data))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// makeOld sets back when everything in dir was changed: so a change shows, also
// one within the same tick of the file system's clock.
func makeOld(t testing.TB, dir string) {
	t.Helper()
	then := time.Now().Add(-48 * time.Hour)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink != 0 {
			return err
		}
		return os.Chtimes(path, then, then)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// damages are what may become of the folder of a store that has a blob.
var damages = map[string]func(dir string) error{
	"an empty file": func(dir string) error { return os.Truncate(filepath.Join(dir, FileName), 0) },
	"a file of zeros": func(dir string) error {
		return os.WriteFile(filepath.Join(dir, FileName), make([]byte, 1<<16), 0o600)
	},
	"a file that is cut off": func(dir string) error { return os.Truncate(filepath.Join(dir, FileName), 5*4096) },
	"a file of one page":     func(dir string) error { return os.Truncate(filepath.Join(dir, FileName), 4096) },
	"metas of zeros": func(dir string) error {
		f, err := os.OpenFile(filepath.Join(dir, FileName), os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteAt(make([]byte, 2*os.Getpagesize()), 0)
		return errors.Join(err, f.Close())
	},
	"a file without buckets": func(dir string) error {
		path := filepath.Join(dir, FileName)
		if err := os.Remove(path); err != nil {
			return err
		}
		db, err := bbolt.Open(path, 0o600, nil)
		if err != nil {
			return err
		}
		return db.Close()
	},
	"a file without its meta": func(dir string) error {
		return edit(dir, func(tx *bbolt.Tx) error { return tx.DeleteBucket(bucketMeta) })
	},
	"a file that is missing beside blobs": func(dir string) error { return os.Remove(filepath.Join(dir, FileName)) },
	"a file that is missing beside an empty folder of blobs": func(dir string) error {
		err := errors.Join(os.Remove(filepath.Join(dir, FileName)), os.RemoveAll(filepath.Join(dir, BlobFolder)))
		return errors.Join(err, os.Mkdir(filepath.Join(dir, BlobFolder), 0o700))
	},
	"a file that is missing beside a socket": func(dir string) error {
		err := errors.Join(os.Remove(filepath.Join(dir, FileName)), os.RemoveAll(filepath.Join(dir, BlobFolder)))
		return errors.Join(err, os.WriteFile(filepath.Join(dir, SocketName), nil, 0o600))
	},
	"a file that is missing beside a compaction": func(dir string) error {
		err := os.RemoveAll(filepath.Join(dir, BlobFolder))
		return errors.Join(err, os.Rename(filepath.Join(dir, FileName), filepath.Join(dir, compacting)))
	},
	"a link to nothing": func(dir string) error {
		err := errors.Join(os.RemoveAll(filepath.Join(dir, BlobFolder)), os.Remove(filepath.Join(dir, FileName)))
		return errors.Join(err, os.Symlink(filepath.Join(dir, "no disk"), filepath.Join(dir, FileName)))
	},
}

// TestDamagedFolders: whatever is damaged is refused, stays as it was, and the
// error says what to do.
func TestDamagedFolders(t *testing.T) {
	t.Parallel()
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := openStore(t, dir, Config{})
			mustAppend(t, s, "page", 0, changeOf("client", 1))
			mustUpload(t, s, stays(), []byte("a picture"))
			backup := backUp(t, s)
			s.Close()
			if err := damage(dir); err != nil {
				t.Fatal(err)
			}
			makeOld(t, dir)
			before := snapshot(t, dir)
			for what, use := range map[string]func() error{
				"Open":               func() error { _, err := Open(dir, Config{}); return err },
				"Open that compacts": func() error { _, err := Open(dir, Config{Compact: true, compactFrom: 1}); return err },
				"Compact":            func() error { _, err := Compact(t.Context(), dir, func(int64, int64) {}); return err },
			} {
				err := use()
				var damaged *DamagedError
				if !errors.As(err, &damaged) || damaged.Dir != dir || !errors.Is(err, ErrNotStore) {
					t.Errorf("%s = %v, want a *DamagedError", what, err)
				} else if text := err.Error(); !strings.Contains(text, "halley restore FILE --data "+dir) || strings.Contains(text, "\n") {
					t.Errorf("%s = %v, want one line that says how to restore", what, err)
				}
			}
			if err := Restore(dir, Config{}, bytes.NewReader(backup), Restoring{Check: whole}); !errors.Is(err, ErrNotEmpty) {
				t.Errorf("Restore() = %v, want ErrNotEmpty", err)
			}
			if after := snapshot(t, dir); after != before {
				t.Errorf("the folder was\n%s\nand is\n%s", before, after)
			}
		})
	}
}

// TestForeignFolders: what is no part of a store does not keep one from being
// made, and neither does what a first start has left that was killed.
func TestForeignFolders(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(dir string) error{
		"missing":  os.Remove,
		"empty":    func(string) error { return nil },
		"a README": func(dir string) error { return os.WriteFile(filepath.Join(dir, "README"), []byte("ours"), 0o600) },
		"a file system's": func(dir string) error {
			return os.Mkdir(filepath.Join(dir, "lost+found"), 0o700)
		},
		"a link by a socket's name": func(dir string) error {
			return os.Symlink(os.DevNull, filepath.Join(dir, SocketName))
		},
		"a first start": func(dir string) error {
			return makeAside(filepath.Join(dir, FileName+making), Config{}.withDefaults())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := prepare(dir); err != nil {
				t.Fatal(err)
			}
			if there, err := Inspect(dir); there || err != nil {
				t.Errorf("Inspect() = %v, %v before the store is made", there, err)
			}
			mustAppend(t, openStore(t, dir, Config{}), "page", 0, changeOf("client", 1))
			if there, err := Inspect(dir); !there || err != nil {
				t.Errorf("Inspect() = %v, %v of a store", there, err)
			}
			if _, err := os.Stat(filepath.Join(dir, FileName+making)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the file's other name is left: %v", err)
			}
		})
	}
}

// TestFirstStartWasUsed: a start was killed between giving the file its name and
// taking the other one, the store was used, and its name is lost. Under the
// other one everything is there: it is neither taken as new nor removed.
func TestFirstStartWasUsed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, Config{})
	mustAppend(t, s, "page", 0, changeOf("client", 1))
	s.Close()
	path := filepath.Join(dir, FileName)
	if err := os.Rename(path, path+making); err != nil {
		t.Fatal(err)
	}
	_, err := Open(dir, Config{})
	wantIs(t, "Open()", err, errHoldsRows)
	if err := os.Rename(path+making, path); err != nil {
		t.Fatal(err)
	}
	wantHead(t, openStore(t, dir, Config{}), "page", 1)
}

// TestOpenRemovesTheOtherName: a start was killed between giving the file its
// name and taking the other one.
func TestOpenRemovesTheOtherName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	openStore(t, dir, Config{}).Close()
	path := filepath.Join(dir, FileName)
	if err := os.Link(path, path+making); err != nil {
		t.Skip("a file system without links")
	}
	mustAppend(t, openStore(t, dir, Config{}), "page", 0, changeOf("client", 1))
	if _, err := os.Stat(path + making); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the other name is left: %v", err)
	}
}

// brokenOffRestores are the states in which a restore that is killed leaves a
// folder, made of one that is whole.
var brokenOffRestores = map[string]func(dir, aside string) error{
	"before anything is whole": func(dir, aside string) error {
		return errors.Join(os.RemoveAll(filepath.Join(dir, BlobFolder)), os.Remove(filepath.Join(dir, FileName)))
	},
	"before the blobs are moved": func(dir, aside string) error {
		return errors.Join(os.Rename(filepath.Join(dir, BlobFolder), filepath.Join(aside, BlobFolder)),
			os.Rename(filepath.Join(dir, FileName), filepath.Join(aside, FileName)))
	},
	"between the blobs and the file": func(dir, aside string) error {
		return os.Rename(filepath.Join(dir, FileName), filepath.Join(aside, FileName))
	},
}

// TestRestoreThatWasBrokenOff: nothing is opened or made where a restore was
// broken off, and it can be started again.
func TestRestoreThatWasBrokenOff(t *testing.T) {
	t.Parallel()
	for name, breakOff := range brokenOffRestores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := openStore(t, dir, Config{})
			mustAppend(t, s, "page", 0, changeOf("client", 1))
			picture := mustUpload(t, s, stays(), []byte("a picture"))
			backup := backUp(t, s)
			s.Close()
			aside := filepath.Join(dir, restoring+"1234")
			if err := errors.Join(os.Mkdir(aside, 0o700), breakOff(dir, aside)); err != nil {
				t.Fatal(err)
			}
			makeOld(t, dir)
			before := snapshot(t, dir)
			_, openErr := Open(dir, Config{})
			_, compactErr := Compact(t.Context(), dir, func(int64, int64) {})
			for _, err := range []error{openErr, compactErr} {
				var cutOff *RestoreCutOffError
				if !errors.As(err, &cutOff) || !strings.Contains(err.Error(), "halley restore FILE --data "+dir) {
					t.Errorf("the folder is used with %v, want a *RestoreCutOffError", err)
				}
			}
			if after := snapshot(t, dir); after != before {
				t.Errorf("the folder was\n%s\nand is\n%s", before, after)
			}
			if err := Restore(dir, Config{}, bytes.NewReader(backup), Restoring{Check: whole}); err != nil {
				t.Fatalf("Restore() = %v", err)
			}
			s = openStore(t, dir, Config{})
			wantHead(t, s, "page", 1)
			wantOnly(t, s, dir, picture)
			if _, err := os.Stat(aside); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("what the first restore left is still there: %v", err)
			}
		})
	}
}

// TestRestoreSparesBlobs: a restore was killed when it had only its empty folder
// left to remove, and the store's file was lost later. The blobs are not the
// restore's any more, and no other takes them for it.
func TestRestoreSparesBlobs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, Config{})
	mustUpload(t, s, stays(), []byte("a picture"))
	backup := backUp(t, s)
	s.Close()
	err := errors.Join(os.Mkdir(filepath.Join(dir, restoring+"1234"), 0o700), os.Remove(filepath.Join(dir, FileName)))
	if err != nil {
		t.Fatal(err)
	}
	err = Restore(dir, Config{}, bytes.NewReader(backup), Restoring{Check: whole})
	wantIs(t, "Restore()", err, ErrNotEmpty)
	if files := filesIn(t, dir); len(files) != 1 {
		t.Errorf("the blobs' files are %v, want the one that was there", files)
	}
	_, err = Open(dir, Config{})
	if err == nil {
		t.Error("Open() makes a store beside blobs")
	}
}

// TestCompactALink: the store lies on another disk, and a link leads there.
func TestCompactALink(t *testing.T) {
	t.Parallel()
	for name, use := range map[string]func(dir string) error{
		"Compact": func(dir string) error {
			_, err := Compact(context.Background(), dir, func(int64, int64) {})
			return err
		},
		"Open that compacts": func(dir string) error {
			s, err := Open(dir, Config{Compact: true, compactFrom: 1})
			if err != nil {
				return err
			}
			return s.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, disk := t.TempDir(), t.TempDir()
			s := openStore(t, dir, Config{})
			mustAppend(t, s, "page", 0, changeOf("client", 1))
			for range 2 { // so that most of it is free
				if _, err := s.transact(func(tb *tables) bool {
					tb.put(tb.meta, keyProbe, make([]byte, 4<<20))
					return true
				}); err != nil {
					t.Fatal(err)
				}
				if _, err := s.transact(func(tb *tables) bool { tb.remove(tb.meta, keyProbe); return true }); err != nil {
					t.Fatal(err)
				}
			}
			s.Close()
			link, target := filepath.Join(dir, FileName), filepath.Join(disk, "store")
			err := errors.Join(os.Rename(link, target), os.Symlink(target, link),
				os.WriteFile(filepath.Join(disk, compacting), []byte("left"), 0o600))
			if err != nil {
				t.Fatal(err)
			}
			was, err := os.Stat(target)
			if err != nil {
				t.Fatal(err)
			}
			if err := use(dir); err != nil {
				t.Fatal(err)
			}
			info, err := os.Lstat(link)
			if err != nil || info.Mode()&fs.ModeSymlink == 0 {
				t.Errorf("%s is %v (%v), want a link still", link, info.Mode(), err)
			}
			if is, err := os.Stat(target); err != nil || is.Size() > was.Size()/2 {
				t.Errorf("the file has %v bytes (%v) after %d, want it compacted", is.Size(), err, was.Size())
			}
			for _, d := range []string{dir, disk} {
				if there, err := os.ReadDir(d); err != nil || len(there) != 1 {
					t.Errorf("%s holds %v (%v), want one file", d, there, err)
				}
			}
			wantHead(t, openStore(t, dir, Config{}), "page", 1)
		})
	}
}
