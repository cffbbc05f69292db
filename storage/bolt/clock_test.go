package bolt

import (
	"errors"
	"strings"
	"testing"
	"time"

	"halley/storage"
)

// TestClockAheadDeletesNothing: a store that is opened while the clock is 40
// days ahead keeps what expires by then, and lets it go once that has lasted.
func TestClockAheadDeletesNothing(t *testing.T) {
	const leap = 40 * 24 * time.Hour
	dir, start := t.TempDir(), time.UnixMilli(1_700_000_000_000)
	now := start
	open := func() *Store { return openStore(t, dir, Config{now: func() time.Time { return now }}) }
	use := func(s *Store, sweep bool) (recordErr, blobErr error) {
		t.Helper()
		if sweep {
			if err := s.sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, err := s.SweepBlobs(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		_, recordErr = s.Get(t.Context(), "session")
		blobErr = s.Blobs(t.Context(), func(storage.Blob) error { return errBlobFound })
		return recordErr, blobErr
	}
	wantKept := func(s *Store, sweep bool) {
		t.Helper()
		if recordErr, blobErr := use(s, sweep); recordErr != nil || blobErr != errBlobFound {
			t.Errorf("after %v: the record %v, the upload %v; want both kept", now.Sub(start), recordErr, blobErr)
		}
	}

	s := open()
	expires := start.Add(30 * 24 * time.Hour)
	if _, err := s.Put(t.Context(), storage.Record{Key: "session", Expires: expires}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutBlob(t.Context(), "page", start.Add(24*time.Hour), strings.NewReader("picture")); err != nil {
		t.Fatal(err)
	}
	if err := s.saveClock(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Close()

	now = start.Add(leap)
	s = open()
	wantKept(s, true)
	now = now.Add(20 * time.Hour)
	wantKept(s, true)
	if err := s.saveClock(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Close()

	now = start.Add(21 * time.Hour) // the clock is right again
	s = open()
	wantKept(s, true)
	now = now.Add(leap)
	s.Close()

	s = open()
	wantKept(s, true)
	now = now.Add(26 * time.Hour) // of running: it was right after all
	if recordErr, blobErr := use(s, true); !errors.Is(recordErr, storage.ErrNotFound) || blobErr != nil {
		t.Errorf("after a day of running: the record %v, the upload %v; want neither kept", recordErr, blobErr)
	}
}

var errBlobFound = errors.New("found")
