package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"halley/editor"
	"halley/editor/account"
	"halley/editor/httpapi"
	"halley/ot"
	"halley/storage"
	"halley/storage/bolt"
)

// These tests damage the files of a workspace and of a backup in every way that
// a disk, a person or a power cut does, and run the commands over them. Whatever
// the damage, verify names it or nothing is lost; no command ends with 0 and has
// less than before; no blob is deleted, and a good backup stays.
//
// What cannot be named: a bit that nothing uses (a free page of the file, the
// space between rows), which costs nothing; and a whole backup in place of
// another one. An older halley.db that fits the blobs is a whole workspace, too.

// A rotting is a workspace to damage copies of, and what is to be found in it.
type rotting struct {
	dir, older   string // the workspace, and as it was before
	backup       string
	olderBackup  string
	content      content
	olderContent content
}

// A content is all that a person would miss: each page's log, each file and each
// record, by name.
type content map[string]string

func contentOf(t *testing.T, dir string) content {
	t.Helper()
	s, err := bolt.Open(dir, storeConfig(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	all := content{}
	err = s.Logs(t.Context(), func(l storage.LogInfo) error {
		return s.Read(t.Context(), l.Page, 0, l.Head, func(c storage.Change) error {
			all[fmt.Sprintf("page %s %d", l.Page, c.Seq)] = fmt.Sprintf("%s %d %s %v %s", c.Client, c.N, c.Author, c.Time, c.Payload)
			return nil
		})
	})
	if err == nil {
		err = s.List(t.Context(), "", "", func(r storage.Record) error {
			if strings.HasPrefix(r.Key, "secret/cookie-") || strings.HasPrefix(r.Key, "session/") {
				return nil // a restore ends all sessions and renews what signs them
			}
			all["record "+r.Key] = string(r.Value)
			return nil
		})
	}
	if err == nil {
		err = s.Blobs(t.Context(), func(b storage.Blob) error {
			file, err := s.OpenBlob(t.Context(), b.Hash)
			if err != nil {
				return err
			}
			defer file.Close()
			data, err := io.ReadAll(file)
			all["file "+b.Hash.String()] = string(data)
			return err
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// lacking is what got lacks of want, and what it has instead.
func (want content) lacking(got content) (missing, other []string) {
	for name, value := range want {
		switch have, ok := got[name]; {
		case !ok:
			missing = append(missing, name)
		case have != value:
			other = append(other, name)
		}
	}
	return missing, other
}

// pages is how many pages of want are whole in got.
func (want content) wholePages(got content) (whole, all int) {
	sound := map[string]bool{}
	for name, value := range want {
		if page, ok := strings.CutPrefix(name, "page "); ok {
			id, _, _ := strings.Cut(page, " ")
			if _, met := sound[id]; !met {
				sound[id] = true
			}
			sound[id] = sound[id] && got[name] == value
		}
	}
	for _, ok := range sound {
		if all++; ok {
			whole++
		}
	}
	return whole, all
}

// newRotting makes a workspace of a dozen pages with an attachment each, and
// backups of it.
func newRotting(t *testing.T) *rotting {
	t.Helper()
	at := t.TempDir()
	r := &rotting{
		dir: filepath.Join(at, "data"), older: filepath.Join(at, "older"),
		backup: filepath.Join(at, "backup"), olderBackup: filepath.Join(at, "older-backup"),
	}
	r.write(t, 0, 6)
	copyFolder(t, r.dir, r.older)
	r.run(t, 0, "backup", "--data", r.dir, r.olderBackup)
	r.olderContent = contentOf(t, r.older)
	r.write(t, 6, 12)
	r.content = contentOf(t, r.dir)
	r.run(t, 0, "backup", "--data", r.dir, r.backup)
	return r
}

// write makes pages.
func (r *rotting) write(t *testing.T, from, to int) {
	t.Helper()
	w, err := openWorkspace(t.Context(), r.dir, nil, account.Config{}, editor.Config{}, httpapi.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	ann, _, err := w.accounts.SignInGuest(t.Context(), "Ann")
	if err != nil {
		t.Fatal(err)
	}
	for i := from; i < to; i++ {
		page, err := w.pages.Create(t.Context(), ann, editor.NewPage{Title: fmt.Sprintf("Page %d", i), Content: ot.Delta{{Insert: "Begin.\n"}}})
		if err != nil {
			t.Fatal(err)
		}
		data := bytes.Repeat(fmt.Appendf(nil, "picture %d ", i), 500)
		blob, err := w.pages.Upload(t.Context(), ann, page.ID, bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		for n := range uint64(20) {
			text := fmt.Sprintf(`[{"insert":"Sentence %d of page %d. "}]`, n, i)
			if n == 10 {
				text = fmt.Sprintf(`[{"insert":{"file":{"path":%q,"name":"a file","size":%d}}}]`, editor.FilePath(blob.Hash), blob.Size)
			}
			delta, err := ot.Parse([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			edit := editor.Edit{Client: "some-client", N: n + 1, Base: n + 1, Delta: delta}
			if _, err := w.pages.Submit(t.Context(), ann, page.ID, edit); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// run runs a command, which ends with a status, or with any where that is
// negative; never with a panic.
func (r *rotting) run(t *testing.T, status int, args ...string) heard {
	t.Helper()
	h := halley(context.Background(), io.Discard, nil, args...)
	if status >= 0 && h.status != status || strings.Contains(h.stderr, "goroutine ") || h.status != 0 && h.stderr == "" {
		t.Fatalf("halley %q ends with %+v, want %d", args, h, status)
	}
	return h
}

func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(to, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			err = os.Chmod(path, 0o700)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// filesOf are the contents of the blobs' files in a workspace, by path.
func filesOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	root := filepath.Join(dir, bolt.BlobFolder)
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || len(e.Name()) != 64 {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		all[name] = string(data)
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return all
}

// rounds is how many damages each of the two tests makes.
func rounds() int {
	if os.Getenv("HALLEY_SOAK") != "" {
		return 150
	}
	return 30
}

// damage damages a file in one of the ways of a disk, and says how.
func damage(rng *rand.Rand, how, path, other string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	switch how {
	case "bit":
		data[rng.IntN(len(data))] ^= 1 << rng.IntN(8)
	case "cut":
		data = data[:rng.IntN(len(data))]
	case "empty":
		data = nil
	case "missing":
		return os.Remove(path)
	case "swapped":
		theirs, err := os.ReadFile(other)
		if err != nil {
			return err
		}
		return errors.Join(os.WriteFile(path, theirs, 0o600), os.WriteFile(other, data, 0o600))
	case "older":
		if data, err = os.ReadFile(other); err != nil {
			return err
		}
	}
	return os.WriteFile(path, data, 0o600)
}

// TestDamagedWorkspace damages one file of a workspace at a time.
func TestDamagedWorkspace(t *testing.T) {
	r := newRotting(t)
	seed := rand.Uint64()
	for round := range rounds() {
		rng := rand.New(rand.NewPCG(seed, uint64(round)))
		names := slices.Sorted(maps.Keys(filesOf(t, r.dir)))
		how := []string{"bit", "cut", "empty", "missing", "swapped", "older"}[round%6]
		name := bolt.FileName
		if round/6%2 == 1 && how != "older" {
			name = names[rng.IntN(len(names))]
		}
		t.Run(fmt.Sprintf("%d %s %s", round, how, name), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			copyFolder(t, r.dir, dir)
			other := filepath.Join(dir, names[(slices.Index(names, name)+1)%len(names)])
			if how == "older" {
				other = filepath.Join(r.older, name)
			}
			if err := damage(rng, how, filepath.Join(dir, name), other); err != nil {
				t.Fatal(err)
			}
			r.check(t, seed, dir)
		})
	}
}

// check runs the commands over a damaged workspace.
func (r *rotting) check(t *testing.T, seed uint64, dir string) {
	t.Helper()
	before := filesOf(t, dir)
	kept, fresh := filepath.Join(t.TempDir(), "kept"), filepath.Join(t.TempDir(), "fresh")
	good, err := os.ReadFile(r.backup)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(kept, good, 0o600); err != nil {
		t.Fatal(err)
	}
	verified := r.run(t, -1, "verify", "--data", dir)
	if h := r.run(t, -1, "backup", "--data", dir, kept); h.status != 0 {
		if after, err := os.ReadFile(kept); err != nil || !bytes.Equal(after, good) {
			t.Errorf("seed %d: a backup that ends with %+v has replaced the good one, %v", seed, h, err)
		}
	}
	copied := r.run(t, -1, "backup", "--data", dir, fresh)
	if _, err := os.Stat(fresh); err == nil {
		into := filepath.Join(t.TempDir(), "restored")
		restored := r.run(t, -1, "restore", "--data", into, fresh)
		missing, other := r.content.lacking(contentOf(t, into))
		whole, all := r.content.wholePages(contentOf(t, into))
		switch {
		case len(missing)+len(other) > 0 && (verified.status == 0 || copied.status == 0 || restored.status == 0):
			t.Errorf("seed %d: %q and %q are lost, and verify ends with %+v, backup with %+v, restore with %+v", seed, missing, other, verified, copied, restored)
		case whole < all/2:
			t.Errorf("seed %d: of a damaged workspace %d pages of %d are restored: %+v", seed, whole, all, copied)
		}
	} else if copied.status == 0 || verified.status == 0 {
		t.Errorf("seed %d: backup writes nothing, and ends with %+v, verify with %+v", seed, copied, verified)
	}
	r.serveBriefly(t, dir)
	for name, data := range before {
		if after, ok := filesOf(t, dir)[name]; !ok || after != data {
			t.Errorf("seed %d: the file %s is there: %v; it was not after the commands", seed, name, ok)
		}
	}
}

// serveBriefly serves a folder until it is ready, or refused.
func (r *rotting) serveBriefly(t *testing.T, dir string) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	ready := &firstLine{seen: make(chan struct{})}
	ended := make(chan heard, 1)
	go func() { ended <- halley(ctx, ready, nil, serveArgs(dir)...) }()
	select {
	case <-ready.seen:
		stop()
		<-ended
	case h := <-ended:
		if h.status == 0 || h.stderr == "" {
			t.Errorf("halley serve ends with %+v", h)
		}
	}
}

// TestDamagedBackup damages a backup: verify names it, and a restore brings back
// all but what is damaged, and ends with 0 only where nothing is.
func TestDamagedBackup(t *testing.T) {
	r := newRotting(t)
	seed := rand.Uint64()
	for round := range rounds() {
		rng := rand.New(rand.NewPCG(seed, uint64(round)))
		how := []string{"bit", "cut", "empty", "missing", "swapped", "older", "bit", "bit"}[round%8]
		t.Run(fmt.Sprintf("%d %s", round, how), func(t *testing.T) {
			at := t.TempDir()
			file, older, into := filepath.Join(at, "backup"), filepath.Join(at, "older"), filepath.Join(at, "restored")
			for from, to := range map[string]string{r.backup: file, r.olderBackup: older} {
				data, err := os.ReadFile(from)
				if err == nil {
					err = os.WriteFile(to, data, 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := damage(rng, how, file, older); err != nil {
				t.Fatal(err)
			}
			want := r.content
			if how == "swapped" || how == "older" {
				want = r.olderContent // and nothing says so
			}
			verified, restored := r.run(t, -1, "verify", file), r.run(t, -1, "restore", "--data", into, file)
			if verified.status != restored.status {
				t.Errorf("seed %d: verify ends with %+v, restore with %+v", seed, verified, restored)
			}
			if _, err := os.Stat(into + "/" + bolt.FileName); err != nil {
				if restored.status == 0 || how != "cut" && how != "empty" && how != "missing" {
					t.Errorf("seed %d: nothing is restored: %+v", seed, restored)
				}
				return
			}
			got := contentOf(t, into)
			missing, other := want.lacking(got)
			if restored.status == 0 && len(missing)+len(other) > 0 {
				t.Errorf("seed %d: %q and %q are lost, and restore ends with %+v", seed, missing, other, restored)
			}
			if whole, all := want.wholePages(got); how == "bit" && whole < all-1 {
				t.Errorf("seed %d: one bit costs %d pages of %d: %+v", seed, all-whole, all, restored)
			}
			if h := r.run(t, -1, "verify", "--data", into); h.status != 0 && restored.status == 0 {
				t.Errorf("seed %d: what was restored does not hold: %+v", seed, h)
			}
		})
	}
}
