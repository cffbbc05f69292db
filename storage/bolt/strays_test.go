package bolt

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"halley/storage"
)

// inTwoDays is the clock of a store that is old enough for strays to go.
func inTwoDays() time.Time { return time.Now().Add(48 * time.Hour) }

// leaveStray leaves a file without a row, as a process that is killed does.
func leaveStray(t *testing.T, dir, content string, noted bool) storage.Hash {
	t.Helper()
	files, h := newBlobFiles(dir), storage.Hash(sha256.Sum256([]byte(content)))
	if noted {
		if err := files.intend(h); err != nil {
			t.Fatal(err)
		}
	}
	path := files.path(h)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(content), 0o600)); err != nil {
		t.Fatal(err)
	}
	return h
}

func TestStrays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		now   func() time.Time
		noted []string // contents of files that a killed process left
		other []string // of files that nobody knows
		goes  bool
		logs  string
		bad   bool // Check says so
	}{
		"none":                         {now: inTwoDays, goes: true},
		"left by a killed process":     {now: inTwoDays, noted: []string{"x", "y"}, goes: true},
		"the same, in a young store":   {now: time.Now, noted: []string{"x"}, logs: "a day old"},
		"before the store was made":    {now: func() time.Time { return time.Now().Add(-time.Hour) }, noted: []string{"x"}, logs: "a day old"},
		"of another store":             {now: inTwoDays, other: []string{"x"}, logs: "may be older", bad: true},
		"of both":                      {now: inTwoDays, noted: []string{"x"}, other: []string{"y"}, logs: "may be older", bad: true},
		"of another, to a young store": {now: time.Now, other: []string{"x"}, logs: "may be older", bad: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := openStore(t, dir, Config{})
			want := []storage.Hash{mustUpload(t, s, stays(), []byte("kept"))}
			s.Close()
			var strays []storage.Hash
			for _, content := range c.noted {
				strays = append(strays, leaveStray(t, dir, content, true))
			}
			for _, content := range c.other {
				strays = append(strays, leaveStray(t, dir, content, false))
			}
			if err := os.WriteFile(filepath.Join(dir, BlobFolder, incoming, "half"), []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
			var logged bytes.Buffer
			s = openStore(t, dir, Config{now: c.now, Logger: slog.New(slog.NewTextHandler(&logged, nil))})
			if err := s.findStrays(t.Context()); err != nil { // as the sweeper does, which may still be at it
				t.Fatal(err)
			}
			bad := checked(t, s)
			if c.bad != slices.ContainsFunc(bad, func(b string) bool { return strings.Contains(b, "the store does not know it") }) {
				t.Errorf("Check says %q", bad)
			}
			if !c.goes {
				for _, h := range strays {
					if !s.files.has(h) {
						t.Errorf("the file of %v is gone", h)
					}
				}
			} else if wantOnly(t, s, dir, want...); len(strays) != len(c.noted) {
				t.Error("the case is wrong")
			}
			s.Close()
			if text := logged.String(); (c.logs == "") != (text == "") || !strings.Contains(text, c.logs) {
				t.Errorf("the log says %q, want %q", text, c.logs)
			}
		})
	}
}

// TestOlderStoreBesideNewerBlobs: an older halley.db is put beside newer blobs.
// No picture that came later is removed, and Check names them. An upload with the
// same bytes as such a picture, which fails, does not remove it either.
func TestOlderStoreBesideNewerBlobs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, Config{})
	early := mustUpload(t, s, over(), []byte("early"))
	s.Close()
	path := filepath.Join(dir, FileName)
	older, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir, Config{})
	late := mustUpload(t, s, stays(), []byte("late"))
	if err := s.Append(t.Context(), "page", 0, []storage.Change{{Author: "a", Blobs: []storage.Hash{early}}}); err != nil {
		t.Fatal(err) // of which the older store knows only that its upload is over
	}
	s.Close()
	if err := os.WriteFile(path, older, 0o600); err != nil {
		t.Fatal(err)
	}
	d := newDisk()
	cfg := d.config()
	cfg.now = inTwoDays
	s = openStore(t, dir, cfg)
	wantSpared := func(when string) {
		t.Helper()
		if err := s.findStrays(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := s.SweepBlobs(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !s.files.has(late) || !s.files.has(early) {
			t.Fatalf("a picture is gone %s", when)
		}
		if bad := checked(t, s); !slices.ContainsFunc(bad, func(b string) bool { return strings.Contains(b, late.String()) }) {
			t.Errorf("Check says %q %s, want it to name the later picture", bad, when)
		}
	}
	wantSpared("at once")
	d.set(func() { d.before = ignoringTx(once(syscall.ENOSPC)) })
	_, err = s.PutBlob(t.Context(), "page", inTwoDays().Add(time.Hour), strings.NewReader("late"))
	wantIs(t, "an upload to a full disk", err, storage.ErrDiskFull)
	wantSpared("after an upload of it failed")
	d.set(func() { d.before = ignoringTx(once(syscall.ENOSPC)) })
	_, err = s.PutBlob(t.Context(), "page", inTwoDays().Add(time.Hour), strings.NewReader("new"))
	wantIs(t, "an upload to a full disk", err, storage.ErrDiskFull)
	if s.files.has(sha256.Sum256([]byte("new"))) {
		t.Error("an upload that failed leaves its file")
	}
	mustUpload(t, s, inTwoDays().Add(time.Hour), []byte("late"))
	if bad := checked(t, s); len(bad) > 0 {
		t.Errorf("Check says %q, when the picture was uploaded again", bad)
	}
}
