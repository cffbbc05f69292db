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
