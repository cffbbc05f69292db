package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"halley/storage"
	"halley/storage/bolt"
)

// listing is all that a folder holds, and when each was changed.
func listing(t *testing.T, dir string) string {
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
			data, err = os.ReadFile(path)
		}
		fmt.Fprintf(&all, "%s %v %v %x\n", path, info.Mode(), info.ModTime().UnixNano(), sha256.Sum256(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// wholeFolder is a folder with a page and an attachment, and a backup elsewhere.
func wholeFolder(t *testing.T) (dir, page, backup string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "data")
	document := filepath.Join(t.TempDir(), "note.md")
	if err := os.WriteFile(document, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	h := halley(context.Background(), io.Discard, nil, "import", "--data", dir, document)
	_, page, _ = strings.Cut(strings.TrimSpace(h.stdout), " as page ")
	if h.status != 0 || page == "" {
		t.Fatalf("halley import ends with %+v", h)
	}
	s, err := bolt.Open(dir, storeConfig(nil))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutBlob(t.Context(), storage.PageID(page), time.Now().Add(time.Hour), strings.NewReader("a picture")); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	backup = filepath.Join(t.TempDir(), "backup")
	if h := halley(context.Background(), io.Discard, nil, "backup", "--data", dir, backup); h.status != 0 {
		t.Fatalf("halley backup ends with %+v", h)
	}
	return dir, page, backup
}

// TestNoCommandTouchesDamage: where a workspace is damaged each command ends
// with an error that says how to restore it, changes nothing, and leaves the
// backup alone.
func TestNoCommandTouchesDamage(t *testing.T) {
	document := filepath.Join(t.TempDir(), "note.md")
	if err := os.WriteFile(document, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<16)
	for name, damage := range map[string]func(store, dir string) error{
		"empty":          func(store, _ string) error { return os.Truncate(store, 0) },
		"cut off":        func(store, _ string) error { return os.Truncate(store, 20_000) },
		"zeros":          func(store, _ string) error { return os.WriteFile(store, zeros, 0o600) },
		"missing":        func(store, _ string) error { return os.Remove(store) },
		"a socket alone": func(store, dir string) error { return onlySocket(store, dir) },
		"cut-off restore": func(store, dir string) error {
			return errors.Join(os.Remove(store), os.Mkdir(filepath.Join(dir, "restoring-123"), 0o700))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, page, backup := wholeFolder(t)
			if err := damage(filepath.Join(dir, bolt.FileName), dir); err != nil {
				t.Fatal(err)
			}
			before, copied := listing(t, dir), listing(t, backup)
			ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
			defer stop()
			for _, args := range [][]string{
				serveArgs(dir),
				append(serveArgs(dir), "--acme", "halley.example", "--open", "--http-listen", "127.0.0.1:0"),
				{"import", "--data", dir, document}, {"export", "--data", dir, "--to", t.TempDir()}, {"backup", "--data", dir, backup},
				{"backup", "--force", "--data", dir, backup}, {"verify", "--data", dir}, {"compact", "--data", dir},
				{"restore", "--data", dir, "--page", page, backup},
			} {
				h := halley(ctx, io.Discard, nil, args...)
				if h.status != 1 || !strings.Contains(h.stderr, "halley restore FILE --data "+dir) {
					t.Errorf("halley %q ends with %+v, want an error that says how to restore", args, h)
				}
			}
			if name != "cut-off restore" {
				h := halley(ctx, io.Discard, nil, "restore", "--data", dir, backup)
				h.wantOneLine(t, 1, "move that elsewhere first")
			}
			if after := listing(t, dir); after != before {
				t.Errorf("the folder was\n%s\nand is\n%s", before, after)
			}
			if after := listing(t, backup); after != copied {
				t.Errorf("the backup was\n%s\nand is\n%s", copied, after)
			}
		})
	}
}

func onlySocket(store, dir string) error {
	err := errors.Join(os.Remove(store), os.RemoveAll(filepath.Join(dir, bolt.BlobFolder)))
	return errors.Join(err, os.WriteFile(filepath.Join(dir, bolt.SocketName), nil, 0o600))
}

// TestCutOffRestoreCanBeStartedAgain: as the error says.
func TestCutOffRestoreCanBeStartedAgain(t *testing.T) {
	_, _, backup := wholeFolder(t)
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.MkdirAll(filepath.Join(dir, "restoring-123", bolt.BlobFolder), 0o700); err != nil {
		t.Fatal(err)
	}
	halley(t.Context(), io.Discard, nil, serveArgs(dir)...).wantOneLine(t, 1, "a restore into "+dir+" was cut off")
	if h := halley(t.Context(), io.Discard, nil, "restore", "--data", dir, backup); h.status != 0 {
		t.Fatalf("halley restore ends with %+v", h)
	}
	if h := halley(t.Context(), io.Discard, nil, "verify", "--data", dir); h.status != 0 {
		t.Errorf("halley verify ends with %+v", h)
	}
}

// TestVerifyCountsPages: a log that no page has is counted by itself.
func TestVerifyCountsPages(t *testing.T) {
	dir := keptFolder(t, `[{"insert":"hello"}]`)
	h := halley(t.Context(), io.Discard, nil, "verify", "--data", dir)
	counted := strings.Contains(h.stdout, "0 pages with 1 changes") && strings.Contains(h.stdout, "1 of the logs belong to no page")
	if h.status != 0 || !counted {
		t.Errorf("halley verify of a log without a page ends with %+v", h)
	}
	document := filepath.Join(t.TempDir(), "note.md")
	if err := os.WriteFile(document, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	if h := halley(t.Context(), io.Discard, nil, "import", "--data", dir, document); h.status != 0 {
		t.Fatalf("halley import ends with %+v", h)
	}
	h = halley(t.Context(), io.Discard, nil, "verify", "--data", dir)
	if h.status != 0 || !strings.Contains(h.stdout, "1 pages with 2 changes") {
		t.Errorf("halley verify of a page and a log without one ends with %+v", h)
	}
}
