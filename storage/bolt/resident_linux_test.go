package bolt

import (
	"context"
	"strings"
	"testing"

	"halley/storage"
)

// What reads have brought in of the file can be let go, and is read again.
func TestReleaseResident(t *testing.T) {
	s, err := Open(t.TempDir(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx := t.Context()
	const rows, size = 64, 1 << 20
	value := []byte(strings.Repeat("x", size))
	for i := range rows {
		r := storage.Record{Key: string(rune('A' + i)), Value: value}
		if _, err := s.Put(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	touch := func() int64 {
		n := 0
		if err := s.List(ctx, "", "", func(r storage.Record) error { n += len(r.Value); return nil }); err != nil || n < rows*size {
			t.Fatalf("read %d bytes and error %v, want at least %d", n, err, rows*size)
		}
		return resident(t)
	}
	full := touch()
	if err := s.releaseResident(); err != nil {
		t.Fatal(err)
	}
	if now := resident(t); now > full-rows*size/2 {
		t.Errorf("%d bytes are resident after the release, and %d before it; want %d fewer", now, full, rows*size)
	}
	touch()
}

func resident(t *testing.T) int64 {
	t.Helper()
	n, err := residentFileBytes()
	if err != nil {
		t.Skip("the system does not say what is resident: ", err)
	}
	return n
}

// The bound ends with its context.
func TestBoundResidentEnds(t *testing.T) {
	s, err := Open(t.TempDir(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.boundResident(ctx, 1)
}
