package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"halley/editor"
	"halley/editor/account"
	"halley/editor/control"
	"halley/editor/httpapi"
	"halley/ot"
	"halley/storage"
	"halley/storage/bolt"
)

// keptFolder is a folder with one page of a single change.
func keptFolder(t *testing.T, payload string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	s, err := bolt.Open(dir, bolt.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Append(t.Context(), "page", 0, []storage.Change{{Author: "ann", Payload: []byte(payload)}}); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestBackupAndRestore(t *testing.T) {
	dir := keptFolder(t, `[{"insert":"hello"}]`)
	file, fresh := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "fresh")
	for _, args := range [][]string{
		{"verify", "--data", dir}, {"backup", "--data", dir, file},
		{"restore", "--data", fresh, file}, {"verify", "--data", fresh},
	} {
		if h := halley(context.Background(), io.Discard, nil, args...); h.status != 0 || !strings.Contains(h.stdout, fresh) && !strings.Contains(h.stdout, dir) {
			t.Fatalf("halley %q ends with %+v", args, h)
		}
	}
	h := halley(context.Background(), io.Discard, nil, "restore", "--data", dir, file)
	h.wantOneLine(t, 1, "not empty")
	h = halley(context.Background(), io.Discard, nil, "backup", "--data", filepath.Join(t.TempDir(), "none"), file)
	h.wantOneLine(t, 1, "no workspace")
}

func TestVerifySaysWhatIsBad(t *testing.T) {
	dir := keptFolder(t, `[{"delete":7}]`)
	h := halley(context.Background(), io.Discard, nil, "verify", "--data", dir)
	if h.status != 1 || !strings.Contains(h.stderr, "page page, change 1:") {
		t.Errorf("halley verify of a bad log ends with %+v", h)
	}
	file, fresh := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "fresh")
	halley(context.Background(), io.Discard, nil, "backup", "--data", dir, file)
	h = halley(context.Background(), io.Discard, nil, "restore", "--data", fresh, file)
	if h.status != 1 || !strings.Contains(h.stderr, "page page is restored up to change 0 of 1: change 1 does not fit") {
		t.Errorf("halley restore of a bad backup ends with %+v", h)
	}
	if h := halley(context.Background(), io.Discard, nil, "verify", "--data", fresh); h.status != 0 {
		t.Errorf("halley verify of what could be restored ends with %+v", h)
	}
}

// TestServedFolderIsKeptThroughItsSocket backs up and verifies what a server
// has open.
func TestServedFolderIsKeptThroughItsSocket(t *testing.T) {
	dir := keptFolder(t, `[{"insert":"hello"}]`)
	ctx, stop := context.WithCancel(context.Background())
	ready, out := io.Pipe()
	ended := make(chan heard, 1)
	go func() {
		ended <- halley(ctx, out, nil, "serve", "--listen", "127.0.0.1:0", "--data", dir)
	}()
	if _, err := ready.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, ready)
	file := filepath.Join(t.TempDir(), "backup")
	for _, args := range [][]string{
		{"backup", "--data", dir, file}, {"verify", "--data", dir},
		{"restore", "--data", filepath.Join(t.TempDir(), "fresh"), file},
	} {
		if h := halley(context.Background(), io.Discard, nil, args...); h.status != 0 {
			t.Errorf("halley %q ends with %+v", args, h)
		}
	}
	stop()
	if h := <-ended; h.status != 0 {
		t.Errorf("halley serve ends with %+v", h)
	}
}

// TestBackupReplaces: a backup takes the place of an earlier one, and of
// nothing else unless told.
func TestBackupReplaces(t *testing.T) {
	dir := keptFolder(t, `[{"insert":"hello"}]`)
	run := func(args ...string) heard {
		return halley(context.Background(), io.Discard, nil, append([]string{"backup", "--data", dir}, args...)...)
	}
	folder := t.TempDir()
	file, other, empty := filepath.Join(folder, "backup"), filepath.Join(folder, "other"), filepath.Join(folder, "empty")
	for path, content := range map[string]string{other: "a diary", empty: ""} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{file, file, empty} {
		if h := run(path); h.status != 0 {
			t.Errorf("halley backup to %s ends with %+v", path, h)
		}
	}
	run(other).wantOneLine(t, 1, "other is there already")
	if said, err := os.ReadFile(other); err != nil || string(said) != "a diary" {
		t.Errorf("what stood in the backup's place is now %q, %v", said, err)
	}
	run(folder).wantOneLine(t, 1, "not a regular file")
	for _, args := range [][]string{{filepath.Join(dir, bolt.FileName)}, {filepath.Join(dir, bolt.FileName), "--force"}} {
		run(args...).wantOneLine(t, 1, "is the workspace itself")
	}
	h := halley(context.Background(), io.Discard, nil, "restore", empty, "--data", filepath.Join(t.TempDir(), "fresh"))
	if h.status != 0 {
		t.Errorf("halley restore of what an empty file became ends with %+v", h)
	}
	for _, args := range [][]string{{}, {"--page", "page", "--data", dir}} {
		h := halley(context.Background(), io.Discard, nil, append([]string{"restore", other, "--data", filepath.Join(t.TempDir(), "fresh")}, args...)...)
		h.wantOneLine(t, 1, "this is no backup, or one that is damaged")
	}
	if h := run(other, "--force"); h.status != 0 || !bolt.IsBackup(other) {
		t.Errorf("halley backup --force ends with %+v", h)
	}
	run(filepath.Join(folder, "no", "folder")).wantOneLine(t, 1, "the folder "+filepath.Join(folder, "no")+" cannot be written: no such file")
	if there, err := os.ReadDir(folder); err != nil || len(there) != 3 {
		t.Errorf("the folder holds %v, %v; want three backups", there, err)
	}
}

func TestCompact(t *testing.T) {
	dir := keptFolder(t, `[{"insert":"hello"}]`)
	h := halley(context.Background(), io.Discard, nil, "compact", "--data", dir)
	if h.status != 0 || !strings.HasPrefix(h.stdout, "compacted "+dir) {
		t.Errorf("halley compact ends with %+v", h)
	}
	halley(context.Background(), io.Discard, nil, "compact", "--data", t.TempDir()).wantOneLine(t, 1, "no workspace")
	s, err := bolt.Open(dir, bolt.Config{})
	if err != nil {
		t.Fatal(err)
	}
	halley(context.Background(), io.Discard, nil, "compact", "--data", dir).wantOneLine(t, 1, "is in use; stop the server")
	s.Close()
	if h := halley(context.Background(), io.Discard, nil, "verify", "--data", dir); h.status != 0 {
		t.Errorf("halley verify of a compacted folder ends with %+v", h)
	}
}

// pageWithFile makes a workspace with a page that shows a file.
func pageWithFile(t *testing.T, dir string) (id string, file storage.Hash) {
	t.Helper()
	w, err := openWorkspace(t.Context(), dir, nil, account.Config{}, editor.Config{}, httpapi.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	ann, _, err := w.accounts.SignInGuest(t.Context(), "Ann")
	if err != nil {
		t.Fatal(err)
	}
	page, err := w.pages.Create(t.Context(), ann, editor.NewPage{Title: "The plan", Content: ot.Delta{{Insert: "Write it down.\n"}}})
	if err != nil {
		t.Fatal(err)
	}
	blob, err := w.pages.Upload(t.Context(), ann, page.ID, bytes.NewReader(make([]byte, 3*256<<10)))
	if err != nil {
		t.Fatal(err)
	}
	shown, err := ot.Parse(fmt.Appendf(nil, `[{"insert":{"file":{"path":%q,"name":"zeros","size":%d}}}]`, editor.FilePath(blob.Hash), blob.Size))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.pages.Submit(t.Context(), ann, page.ID, editor.Edit{Client: "some-client", N: 1, Base: 1, Delta: shown}); err != nil {
		t.Fatal(err)
	}
	return string(page.ID), blob.Hash
}

// TestRestorePage brings a page of a backup back, into a folder that nobody
// has open and into one that is served.
func TestRestorePage(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	id, blob := pageWithFile(t, dir)
	file := filepath.Join(t.TempDir(), "backup")
	if h := halley(context.Background(), io.Discard, nil, "backup", "--data", dir, file); h.status != 0 {
		t.Fatalf("halley backup ends with %+v", h)
	}
	restorePage := func(page, dir string) heard {
		return halley(context.Background(), io.Discard, nil, "restore", file, "--page", page, "--data", dir)
	}
	wantExported := func(h heard, prefix string) {
		t.Helper()
		at := strings.LastIndex(h.stdout, "/p/")
		if h.status != 0 || at < 0 || !strings.HasPrefix(h.stdout, "restored page "+id+" with 2 changes as "+prefix) {
			t.Fatalf("halley restore --page ends with %+v", h)
		}
		to := t.TempDir()
		address := strings.TrimSpace(h.stdout[strings.LastIndex(h.stdout, " ")+1:])
		if h := halley(context.Background(), io.Discard, nil, "export", "--data", dir, "--to", to, address); h.status != 0 {
			t.Fatalf("halley export %s ends with %+v", address, h)
		}
		files, err := filepath.Glob(filepath.Join(to, "*.md"))
		if err != nil || len(files) != 1 {
			t.Fatalf("exported are %v, %v", files, err)
		}
		if text, err := os.ReadFile(files[0]); err != nil || !strings.Contains(string(text), "Write it down.") {
			t.Errorf("the restored page is %q, %v", text, err)
		}
	}
	wantExported(restorePage(id, dir), `"The plan (restored)": /p/`)
	s, err := bolt.Open(dir, bolt.Config{})
	if err != nil {
		t.Fatal(err)
	}
	shows := 0
	err = s.BlobUses(t.Context(), blob, func(use storage.BlobUse) error {
		shows += int(use.Changes)
		return nil
	})
	if s.Close(); err != nil || shows != 2 {
		t.Errorf("the file is shown by %d pages, %v; want the old one and the new one", shows, err)
	}
	restorePage(id[:8], dir).wantOneLine(t, 1, "there is no page "+id[:8]+"; was it "+id+` ("The plan")?`)
	restorePage(id, t.TempDir()).wantOneLine(t, 1, "no workspace")

	ctx, stop := context.WithCancel(context.Background())
	ready, out := io.Pipe()
	ended := make(chan heard, 1)
	go func() { ended <- halley(ctx, out, nil, serveArgs(dir)...) }()
	if _, err := ready.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, ready)
	wantExported(restorePage("https://example.org/p/"+id, dir), `"The plan (restored)": http://127.0.0.1:`)
	if h := halley(context.Background(), io.Discard, nil, "verify", "--data", dir); h.status != 0 {
		t.Errorf("halley verify ends with %+v", h)
	}
	stop()
	if h := <-ended; h.status != 0 {
		t.Errorf("halley serve ends with %+v", h)
	}
}

// manyPages makes a workspace of some pages.
func manyPages(t *testing.T, pages int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	s, err := bolt.Open(dir, bolt.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i := range pages {
		c := []storage.Change{{Author: "ann", Payload: []byte(`[{"insert":"hello"}]`)}}
		if err := s.Append(t.Context(), storage.PageID(fmt.Sprintf("page-%d", i)), 0, c); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestBackupOfFarLess: a backup that has far less than the one before does not
// replace it without a question, which needs a terminal.
func TestBackupOfFarLess(t *testing.T) {
	many, half, few := manyPages(t, 12), manyPages(t, 6), manyPages(t, 5)
	file := filepath.Join(t.TempDir(), "backup")
	run := func(args ...string) heard {
		return halley(context.Background(), io.Discard, nil, append([]string{"backup", file, "--data"}, args...)...)
	}
	pages := func() uint64 {
		t.Helper()
		counts, ok := bolt.BackupCounts(file)
		if !ok {
			t.Fatal("it cannot be told what the backup holds")
		}
		return counts.Pages
	}
	if h := run(many); h.status != 0 {
		t.Fatalf("halley backup ends with %+v", h)
	}
	run(few).wantOneLine(t, 1, "5 pages instead of 12, 5 changes instead of 12; give it another name, or --force")
	if pages() != 12 {
		t.Errorf("the backup has %d pages", pages())
	}
	if h := run(half); h.status != 0 || pages() != 6 {
		t.Errorf("halley backup of half as much ends with %+v, and has %d pages", h, pages())
	}
	if h := run(manyPages(t, 1)); h.status != 0 || pages() != 1 { // fewer than ten before are no sign
		t.Errorf("halley backup of little instead of little ends with %+v, and has %d pages", h, pages())
	}
	run(many)
	if h := run(few, "--force"); h.status != 0 || pages() != 5 {
		t.Errorf("halley backup --force ends with %+v, and has %d pages", h, pages())
	}
}

// TestBackupOfDamage: what is damaged is named, a complete earlier backup stays,
// and without one what is sound is written.
func TestBackupOfDamage(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	id, blob := pageWithFile(t, dir)
	folder := t.TempDir()
	kept, fresh := filepath.Join(folder, "kept"), filepath.Join(folder, "fresh")
	run := func(args ...string) heard {
		return halley(context.Background(), io.Discard, nil, args...)
	}
	if h := run("backup", "--data", dir, kept); h.status != 0 {
		t.Fatalf("halley backup ends with %+v", h)
	}
	good, err := os.ReadFile(kept)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, bolt.BlobFolder, blob.String()[:2], blob.String())
	if err := os.Truncate(path, 100); err != nil {
		t.Fatal(err)
	}
	for _, served := range []bool{false, true} {
		stop := func() {}
		if served {
			stop = serveInBackground(t, dir)
		}
		h := run("backup", "--data", dir, kept)
		if after, err := os.ReadFile(kept); h.status != 1 || !strings.Contains(h.stderr, blob.String()) || err != nil || !bytes.Equal(after, good) {
			t.Errorf("served %v: halley backup ends with %+v", served, h)
		}
		h = run("backup", "--data", dir, fresh)
		if h.status != 1 || !strings.Contains(h.stderr, "the backup is not complete: 1 thing is damaged") {
			t.Errorf("served %v: halley backup to a new name ends with %+v", served, h)
		}
		h = run("verify", fresh)
		if h.status != 1 || !strings.Contains(h.stderr, blob.String()) {
			t.Errorf("served %v: halley verify of the backup ends with %+v", served, h)
		}
		stop()
	}
	h := run("restore", fresh, "--data", filepath.Join(t.TempDir(), "data"))
	if h.status != 1 || !strings.Contains(h.stderr, blob.String()) || !strings.Contains(h.stdout, "1 pages with 2 changes") {
		t.Errorf("halley restore ends with %+v", h)
	}
	if h := run("restore", kept, "--page", id, "--data", dir); h.status != 0 {
		t.Errorf("halley restore --page ends with %+v", h)
	}
	if h := run("backup", "--force", "--data", dir, fresh); h.status != 0 { // the page that came back has its file
		t.Errorf("halley backup of the mended workspace ends with %+v", h)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 2 {
		t.Errorf("the folder holds %v, %v", left, err)
	}
}

// serveInBackground serves a folder until stop.
func serveInBackground(t *testing.T, dir string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready := &firstLine{seen: make(chan struct{})}
	ended := make(chan heard, 1)
	go func() { ended <- halley(ctx, ready, nil, serveArgs(dir)...) }()
	<-ready.seen
	return func() {
		cancel()
		if h := <-ended; h.status != 0 {
			t.Errorf("halley serve ends with %+v", h)
		}
	}
}

// TestPartialBackups: what a killed backup has left goes, and what another one
// is writing stays. No backup is readable for others.
func TestPartialBackups(t *testing.T) {
	dir, folder := keptFolder(t, `[{"insert":"hello"}]`), t.TempDir()
	file := filepath.Join(folder, "backup")
	running, err := createPartial(file)
	if err != nil {
		t.Fatal(err)
	}
	defer running.Close()
	others := map[string]bool{ // whether they stay
		partialPrefix(file) + "123": false,
		".halley-456":               false, // as an earlier version named them
		".halley-789":               true,  // but this one is young
		partialPrefix(filepath.Join(folder, "backup-two")) + "1": true,
		filepath.Base(running.Name()):                            true,
		".halley-notes":                                          true,
	}
	for name := range others {
		path := filepath.Join(folder, name)
		if path == running.Name() {
			continue
		}
		if err := os.WriteFile(path, []byte("part"), 0o600); err != nil {
			t.Fatal(err)
		}
		if name != ".halley-789" {
			long := time.Now().Add(-2 * partialAge)
			if err := os.Chtimes(path, long, long); err != nil {
				t.Fatal(err)
			}
		}
	}
	if h := halley(context.Background(), io.Discard, nil, "backup", "--data", dir, file); h.status != 0 {
		t.Fatalf("halley backup ends with %+v", h)
	}
	for name, stays := range others {
		if _, err := os.Stat(filepath.Join(folder, name)); (err == nil) != stays {
			t.Errorf("%s: %v, want that it stays: %v", name, err, stays)
		}
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the backup is %v, %v", info.Mode(), err)
	}
}

// TestBackupThatIsCutOff: a server that ends in the middle of a backup leaves
// none, and the earlier one as it was.
func TestBackupThatIsCutOff(t *testing.T) {
	dir := keptFolder(t, `[{"insert":"hello"}]`)
	file := filepath.Join(t.TempDir(), "backup")
	if h := halley(context.Background(), io.Discard, nil, "backup", "--data", dir, file); h.status != 0 {
		t.Fatalf("halley backup ends with %+v", h)
	}
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s, err := bolt.Open(dir, storeConfig(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for name, answer := range map[string]http.HandlerFunc{
		"an end in the middle": func(rw http.ResponseWriter, _ *http.Request) {
			_, _ = rw.Write(good[:len(good)/2])
			_ = http.NewResponseController(rw).Flush()
			panic(http.ErrAbortHandler)
		},
		"an orderly end in the middle": func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(good[:len(good)-10]) },
		"nothing":                      func(http.ResponseWriter, *http.Request) {},
	} {
		l, err := control.Listen(socketIn(dir))
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: answer, ErrorLog: log.New(io.Discard, "", 0)}
		served := make(chan error, 1)
		go func() { served <- server.Serve(l) }()
		h := halley(context.Background(), io.Discard, nil, "backup", "--data", dir, "--force", file)
		server.Close()
		<-served
		if after, err := os.ReadFile(file); h.status != 1 || err != nil || !bytes.Equal(after, good) {
			t.Errorf("after %s halley backup ends with %+v, %v", name, h, err)
		}
	}
}
