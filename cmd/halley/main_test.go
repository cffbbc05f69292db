package main

import (
	"bytes"
	"context"
	"flag"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"halley/storage/bolt"
)

// A heard is what a command said, and how it ended.
type heard struct {
	status         int
	stdout, stderr string
}

// halley runs a command with an environment of its own: "NAME=value".
func halley(ctx context.Context, stdout io.Writer, variables []string, args ...string) heard {
	var out, errs bytes.Buffer
	env := environ{
		lookup: func(name string) (string, bool) {
			for _, v := range variables {
				if value, ok := strings.CutPrefix(v, name+"="); ok {
					return value, true
				}
			}
			return "", false
		},
		stdin: strings.NewReader(""), stdout: io.MultiWriter(&out, stdout), stderr: &errs,
	}
	return heard{run(ctx, args, env), out.String(), errs.String()}
}

// wantOneLine fails unless a command ended with status and one line that names
// what is wrong.
func (h heard) wantOneLine(t *testing.T, status int, what string) {
	t.Helper()
	if h.status != status || strings.Count(h.stderr, "\n") != 1 || !strings.Contains(h.stderr, what) {
		t.Errorf("ended with %d and said %q, want %d and one line about %q", h.status, h.stderr, status, what)
	}
}

func serveArgs(dir string) []string {
	return []string{"serve", "--listen", "127.0.0.1:0", "--data", dir}
}

// A firstLine closes once somebody has written a line.
type firstLine struct {
	once sync.Once
	seen chan struct{}
}

func (f *firstLine) Write(p []byte) (int, error) {
	f.once.Do(func() { close(f.seen) })
	return len(p), nil
}

// TestServe: a server is ready when it says so, and drains when it is told to.
func TestServe(t *testing.T) {
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	ready := &firstLine{seen: make(chan struct{})}
	go func() {
		<-ready.seen
		stop()
	}()
	dir := filepath.Join(t.TempDir(), "made")
	h := halley(ctx, ready, []string{"HALLEY_DATA=" + dir}, "serve", "--listen", "127.0.0.1:0")
	if h.status != 0 || !strings.HasPrefix(h.stdout, "listening on http://127.0.0.1:") || strings.Count(h.stdout, "\n") != 1 {
		t.Errorf("ended with %d: %s%s", h.status, h.stdout, h.stderr)
	}
	if wantStore(dir) != nil {
		t.Error("HALLEY_DATA names the folder, and there is no store in it")
	}
}

func TestNewerStore(t *testing.T) {
	dir := t.TempDir()
	s, err := bolt.Open(dir, bolt.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(filepath.Join(dir, bolt.FileName), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte("meta")).Put([]byte("format"), []byte("99")) })
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{serveArgs(dir), {"export", "--data", dir}, {"import", "--data", dir, t.TempDir()},
		{"backup", "--data", dir, filepath.Join(t.TempDir(), "backup")}, {"verify", "--data", dir}, {"compact", "--data", dir},
		{"restore", "--data", filepath.Join(t.TempDir(), "fresh"), filepath.Join(dir, bolt.FileName)}} {
		halley(t.Context(), io.Discard, nil, args...).wantOneLine(t, 1, "newer Halley")
	}
}

func TestUnwritableFolder(t *testing.T) {
	dir := t.TempDir()
	if os.Geteuid() != 0 {
		if err := os.Chmod(dir, 0o500); err != nil {
			t.Fatal(err)
		}
	} else if dir = "/sys/kernel"; runtime.GOOS != "linux" {
		t.Skip("there is no folder here that root cannot write to")
	}
	halley(t.Context(), io.Discard, nil, serveArgs(dir)...).wantOneLine(t, 1, "cannot be written")
	halley(t.Context(), io.Discard, nil, serveArgs(filepath.Join(dir, "below"))...).wantOneLine(t, 1, "cannot be made")
}

// TestFlagsBehindArguments: people write the file first and think of flags then.
func TestFlagsBehindArguments(t *testing.T) {
	for _, c := range []struct {
		args, want []string
		data       string
	}{
		{[]string{"a", "--data", "d", "b"}, []string{"a", "b"}, "d"},
		{[]string{"--data=d", "a"}, []string{"a"}, "d"},
		{[]string{"a", "--", "--data", "d"}, []string{"a", "--data", "d"}, ""},
		{[]string{"--", "-a"}, []string{"-a"}, ""},
		{nil, nil, ""},
	} {
		fs := flag.NewFlagSet("test", flag.ContinueOnError)
		data := fs.String("data", "", "")
		err := parseFlags(environ{lookup: func(string) (string, bool) { return "", false }, stderr: io.Discard}, fs, "", c.args)
		if err != nil || !slices.Equal(fs.Args(), c.want) || *data != c.data {
			t.Errorf("%q are arguments %q and --data %q, %v; want %q and %q", c.args, fs.Args(), *data, err, c.want, c.data)
		}
	}
}
