package backup

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// written is a backup of some pages, of 20 frames each.
func written(t *testing.T, pages int) []byte {
	t.Helper()
	var b bytes.Buffer
	w := NewWriter(&b, Header{Epoch: "epoch", Made: time.UnixMilli(1000).UTC()})
	for p := range pages {
		w.Begin(KindPage, fmt.Sprintf("page-%d", p))
		for i := range 20 {
			w.Frame(TypeChanges, fmt.Appendf(nil, "frame %d of page %d", i, p))
		}
		if err := w.End(); err != nil {
			t.Fatal(err)
		}
		w.Counts.Pages++
	}
	w.Damage("a file is missing")
	if err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// read is all that can be read of a backup: its parts with how many frames each
// has, and how many things are named.
func read(t *testing.T, b []byte) (parts []string, named int) {
	t.Helper()
	f, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range f.Parts {
		frames := 0
		if err := f.Read(p, func(Frame) error { frames++; return nil }, func(string) { named++ }); err != nil {
			t.Fatal(err)
		}
		parts = append(parts, fmt.Sprintf("%s %d", p.Name, frames))
	}
	return parts, named + len(f.Damage)
}

func TestFile(t *testing.T) {
	good := written(t, 3)
	f, err := Open(bytes.NewReader(good), int64(len(good)))
	if err != nil {
		t.Fatal(err)
	}
	if f.Cut || len(f.Damage) > 0 || f.Header != (Header{"epoch", time.UnixMilli(1000).UTC()}) ||
		f.Counts != (Counts{Pages: 3}) || !slices.Equal(f.Made, []string{"a file is missing"}) {
		t.Errorf("Open() = %+v", f)
	}
	if parts, named := read(t, good); named > 0 || !slices.Equal(parts, []string{"page-0 20", "page-1 20", "page-2 20"}) {
		t.Errorf("it has %q, and %d things are named", parts, named)
	}
}

// TestEveryBitIsChecked: whichever byte is damaged, it is named, and one frame
// is lost at most.
func TestEveryBitIsChecked(t *testing.T) {
	good := written(t, 3)
	for at := range good {
		bad := slices.Clone(good)
		bad[at] ^= 0x10
		parts, named := read(t, bad)
		frames := 0
		for _, p := range parts {
			var n int
			if _, err := fmt.Sscanf(p[strings.Index(p, " ")+1:], "%d", &n); err != nil {
				t.Fatal(err)
			}
			frames += n
		}
		if named == 0 || len(parts) != 3 || frames < 59 {
			t.Fatalf("with byte %d damaged there are %q, and %d things are named", at, parts, named)
		}
	}
}

// TestEveryCutIsNoticed: no beginning of a backup passes for all of it.
func TestEveryCutIsNoticed(t *testing.T) {
	good := written(t, 2)
	for size := range good {
		f, err := Open(bytes.NewReader(good[:size]), int64(size))
		if size < headerBytes && !errors.Is(err, ErrNotBackup) || size >= headerBytes && (err != nil || !f.Cut || len(f.Damage) == 0) {
			t.Fatalf("cut to %d of %d: %v, %v", size, len(good), f, err)
		}
	}
}

// TestForeignFrames: the frames of a backup that somebody has uploaded are not
// taken for frames of the backup that holds it.
func TestForeignFrames(t *testing.T) {
	inner := written(t, 3)
	var b bytes.Buffer
	w := NewWriter(&b, Header{Epoch: "outer"})
	w.Begin(KindBlob, "blob")
	w.Frame(TypeBytes, inner)
	w.End()
	if err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	bad := b.Bytes()
	bad[bytes.Index(bad, inner)+3] ^= 1            // the payload
	bad[bytes.LastIndex(bad, []byte("blob"))] ^= 1 // an index
	if parts, named := read(t, bad); named == 0 || !slices.Equal(parts, []string{"blob 0"}) {
		t.Errorf("there are %q, and %d things are named", parts, named)
	}
}

// TestFooterNamesNoIndex: a footer whose checksums hold, and which names places
// that are not in the file, has its parts found by their headers.
func TestFooterNamesNoIndex(t *testing.T) {
	for _, at := range []uint64{1 << 63, ^uint64(0), 1 << 40} {
		b := written(t, 2)
		f, err := Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		footer := b[len(b)-footerBytes:]
		h, _ := parseHeader(footer)
		payload := footer[headerBytes:]
		binary.BigEndian.PutUint64(payload[1:], at)
		binary.BigEndian.PutUint64(payload[9:], at)
		h.sum = sumOf(payload)
		copy(footer, h.append(nil))
		got, err := Open(bytes.NewReader(b), int64(len(b)))
		if err != nil || got.Cut || len(got.Damage) == 0 || len(got.Parts) != len(f.Parts) {
			t.Errorf("Open() with the indexes at %d = %+v, %v; want all parts, and damage", at, got, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte(magic))
	var b bytes.Buffer
	w := NewWriter(&b, Header{Epoch: "epoch"})
	w.Begin(KindRecords, "")
	w.Frame(TypeRecords, []byte("record"))
	w.End()
	w.Finish()
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := Open(bytes.NewReader(b), int64(len(b)))
		if err == nil {
			file.Verify(func(_, _ uint64) {}, func(string) {})
		}
	})
}
