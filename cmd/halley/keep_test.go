package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
	if left, err := os.ReadDir(fresh); h.status != 1 || err != nil || len(left) > 0 {
		t.Errorf("halley restore of a bad backup ends with %+v and leaves %v, %v", h, left, err)
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
	run(folder).wantOneLine(t, 1, "no file")
	for _, args := range [][]string{{filepath.Join(dir, bolt.FileName)}, {filepath.Join(dir, bolt.FileName), "--force"}} {
		run(args...).wantOneLine(t, 1, "is the workspace itself")
	}
	if h := run(other, "--force"); h.status != 0 || !bolt.IsBackup(other) {
		t.Errorf("halley backup --force ends with %+v", h)
	}
	run(filepath.Join(folder, "no", "folder")).wantOneLine(t, 1, "no such file or directory")
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
