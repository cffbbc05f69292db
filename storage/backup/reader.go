package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"halley/storage/encoding"
	"io"
	"slices"
	"time"
)

// A File is a backup that is being read.
type File struct {
	Header Header
	Counts Counts   // of what the footer says; zero in a file that was cut off
	Parts  []Part   // of data, in the order in which they are in the file
	Made   []string // what was damaged in the workspace when the backup was made
	// Damage is what is damaged in the file's own structure: it is cut off, or an
	// index does not hold. Damage within parts is found when they are read.
	Damage []string

	// Cut: the file does not end as a backup ends.
	Cut bool

	r    io.ReaderAt
	size int64
	salt salt
}

const cutOff = "the backup is cut off, or its end is damaged: what came behind is missing"

// Is reports whether r begins or ends as a backup of version 2 does.
func Is(r io.ReaderAt, size int64) bool {
	_, ok := saltOf(r, size)
	return ok
}

// saltOf returns the salt of the first or the last frame.
func saltOf(r io.ReaderAt, size int64) (salt, bool) {
	w := &window{r: r, size: size}
	h, ok := parseHeader(w.bytes(0, headerBytes))
	if !ok {
		h, ok = parseHeader(w.bytes(size-footerBytes, headerBytes))
	}
	return h.salt, ok
}

// Open reads the footer and the index of a backup of size bytes, or finds its
// parts by their headers where these are damaged. ErrNotBackup, a
// *NewerError.
func Open(r io.ReaderAt, size int64) (*File, error) {
	salt, ok := saltOf(r, size)
	if !ok {
		return nil, ErrNotBackup
	}
	f := &File{r: r, size: size, salt: salt}
	indexes, ok := f.readFooter()
	if f.Cut = !ok; f.Cut {
		f.Damage = append(f.Damage, cutOff)
	}
	if !f.Cut && len(indexes) < 2 {
		f.Damage = append(f.Damage, "the footer of the backup names an index that lies outside of it")
	}
	found := false
	for i, at := range indexes {
		parts, made, err := f.readIndex(at)
		if err != nil {
			f.Damage = append(f.Damage, fmt.Sprintf("index %d of the backup: %v", i+1, err))
		} else if !found {
			f.Parts, f.Made, found = parts, made, true
		}
	}
	if !found {
		f.scan()
	}
	if err := f.readAbout(); err != nil {
		return nil, err
	}
	f.Parts = slices.DeleteFunc(f.Parts, func(p Part) bool { return p.Kind == KindHeader || p.Kind == KindIndex })
	return f, nil
}

func (f *File) readFooter() (indexes []int64, ok bool) {
	w := f.window(f.size)
	at := f.size - footerBytes
	h, ok := w.header(at)
	if !ok || h.typ != typeFooter || h.length != footerBytes-headerBytes {
		return nil, false
	}
	b := w.bytes(at+headerBytes, int(h.length))
	if len(b) != int(h.length) || sumOf(b) != h.sum {
		return nil, false
	}
	u64 := func(i int) uint64 { return binary.BigEndian.Uint64(b[1+8*i:]) }
	f.Header.Made = time.UnixMilli(int64(u64(2))).UTC()
	for i, n := range f.Counts.fields() {
		*n = u64(4 + i)
	}
	for i := range 2 {
		if at := u64(i); at < uint64(f.size) { // else it lies outside of the file
			indexes = append(indexes, int64(at))
		}
	}
	return indexes, true
}

// readIndex reads one of the indexes.
func (f *File) readIndex(at int64) (parts []Part, made []string, err error) {
	var bad error
	payloads, want := 0, ""
	end := f.walk(at, f.size, func(h frameHeader, _ int64, payload []byte) bool {
		switch h.typ {
		case typeBegin:
			want = nameIn(payload)
		case typeIndex:
			payloads++
			d := encoding.Reader{Rest: payload}
			for range d.Uvarint() {
				p := Part{
					Kind: Kind(d.Uvarint()), Name: d.String(),
					number: uint32(d.Uvarint()), at: int64(d.Uvarint()), length: int64(d.Uvarint()),
				}
				if d.Err != nil || p.at < 0 || p.length < 0 || p.at > f.size || p.length > f.size-p.at {
					bad = encoding.ErrInvalid
					return false
				}
				parts = append(parts, p)
			}
			for range d.Uvarint() {
				if made = append(made, d.String()); d.Err != nil {
					break
				}
			}
			bad = d.Err
		case typeEnd:
			return false
		}
		return bad == nil
	}, func(_ int64, why string) { bad = errors.New(why) })
	if bad == nil && (!end || fmt.Sprint(payloads) != want) {
		bad = errors.New("it is not complete")
	}
	return parts, made, bad
}

// nameIn is the name in a Begin frame.
func nameIn(payload []byte) string {
	if len(payload) == 0 {
		return ""
	}
	d := encoding.Reader{Rest: payload[1:]}
	return d.String()
}

// scan finds the parts by the headers of all frames.
func (f *File) scan() {
	at := map[uint32]int{}
	f.walk(0, f.size, func(h frameHeader, from int64, payload []byte) bool {
		i, known := at[h.part]
		if !known {
			i = len(f.Parts)
			at[h.part] = i
			f.Parts = append(f.Parts, Part{number: h.part, at: from})
		}
		p := &f.Parts[i]
		p.length = from + headerBytes + int64(h.length) - p.at
		if (h.typ == typeBegin || h.typ == typeEnd) && len(payload) > 0 {
			d := encoding.Reader{Rest: payload[1:]}
			if name := d.String(); d.Err == nil {
				p.Kind, p.Name = Kind(payload[0]), name
			}
		}
		return true
	}, func(int64, string) {})
	known := func(p Part) bool { return p.Kind != 0 }
	for _, p := range f.Parts {
		if !known(p) {
			f.Damage = append(f.Damage, fmt.Sprintf("part %d of the backup has lost its name, and is left out", p.number))
		}
	}
	f.Parts = slices.DeleteFunc(f.Parts, func(p Part) bool { return !known(p) })
}

// readAbout reads the part that says what the backup is of.
func (f *File) readAbout() error {
	p, ok := f.Find(KindHeader, "")
	if !ok {
		f.Damage = append(f.Damage, "the beginning of the backup is missing")
		return nil
	}
	return f.Read(p, func(frame Frame) error {
		if frame.Type != typeAbout || len(frame.Payload) == 0 {
			return nil
		}
		if v := int(frame.Payload[0]); v > Version {
			return &NewerError{v}
		}
		d := encoding.Reader{Rest: frame.Payload[1:]}
		f.Header = Header{Epoch: d.String(), Made: time.UnixMilli(d.Varint()).UTC()}
		return d.Err
	}, func(why string) { f.Damage = append(f.Damage, "the beginning of the backup: "+why) })
}

// Find returns the part of a kind and name.
func (f *File) Find(kind Kind, name string) (Part, bool) {
	i := slices.IndexFunc(f.Parts, func(p Part) bool { return p.Kind == kind && p.Name == name })
	if i < 0 {
		return Part{}, false
	}
	return f.Parts[i], true
}

// Read calls fn with each sound frame of a part that holds data, in order, until
// fn returns an error, which Read returns. It calls gap where frames are missing
// or damaged, between the calls of fn that these would have been among.
func (f *File) Read(p Part, fn func(Frame) error, gap func(why string)) error {
	var err error
	sum := sha256.New()
	next, gaps, ended := uint32(0), 0, false
	tell := func(why string) {
		gaps++
		gap(why)
	}
	f.walk(p.at, p.at+p.length, func(h frameHeader, _ int64, payload []byte) bool {
		if h.part != p.number {
			return true // foreign; its own frames are missing then
		}
		if h.number > next && gaps == 0 {
			tell("some of it is missing in the backup")
		}
		next = h.number + 1
		switch h.typ {
		case typeBegin:
		case typeEnd:
			ended = true
			d := encoding.Reader{}
			if len(payload) > 0 {
				d.Rest = payload[1:]
			}
			var want [sha256.Size]byte
			d.Bytes()
			if d.Fixed(want[:]); gaps == 0 && !bytes.Equal(sum.Sum(nil), want[:]) {
				tell("its checksum in the backup does not hold")
			}
		default:
			sum.Write(payload)
			err = fn(Frame{h.typ, payload})
		}
		return err == nil
	}, func(_ int64, why string) { tell(why) })
	if err == nil && !ended && gaps == 0 {
		tell("its end is missing in the backup")
	}
	return err
}

// Verify reads the whole file and calls bad with a sentence for each thing that
// is damaged, in the file or in the workspace when the backup was made.
func (f *File) Verify(progress func(done, total uint64), bad func(string)) {
	for _, list := range [][]string{f.Damage, f.Made} {
		for _, s := range list {
			bad(s)
		}
	}
	for i, p := range f.Parts {
		_ = f.Read(p, func(Frame) error { return nil }, func(why string) { bad(p.String() + ": " + why) })
		progress(uint64(i+1), uint64(len(f.Parts)))
	}
}

// String names a part for people.
func (p Part) String() string {
	if p.Name == "" {
		return "the " + p.Kind.String()
	}
	return fmt.Sprintf("%s %q", p.Kind, p.Name)
}

// walk calls fn with each frame in [at, end) until it returns false, and bad with
// what lies between. It reports whether fn ended it.
func (f *File) walk(at, end int64, fn func(h frameHeader, at int64, payload []byte) bool, bad func(at int64, why string)) (ended bool) {
	w := f.window(min(end, f.size))
	for at < w.size {
		h, ok := w.header(at)
		if !ok {
			bad(at, fmt.Sprintf("the backup is damaged at byte %d", at))
			at = w.find(at + 1)
			continue
		}
		payload := w.bytes(at+headerBytes, int(h.length))
		switch {
		case len(payload) < int(h.length):
			bad(at, fmt.Sprintf("the backup is cut off at byte %d", w.size))
			at = w.find(at + 1)
			continue
		case sumOf(payload) != h.sum:
			bad(at, fmt.Sprintf("the backup is damaged at byte %d", at))
			// The length may be of a frame that was overwritten: look inside too.
			at = w.find(at + 1)
			continue
		}
		if !fn(h, at, payload) {
			return true
		}
		at += headerBytes + int64(h.length)
	}
	return false
}

// A window reads a file piece by piece. What the disk cannot read is zeros.
type window struct {
	r    io.ReaderAt
	size int64
	salt salt
	from int64
	b    []byte
}

const (
	windowBytes = 256 << 10
	sectorBytes = 4096
)

func (f *File) window(size int64) *window { return &window{r: f.r, size: size, salt: f.salt} }

// header is that of the frame at at, if a frame of this file begins there.
func (w *window) header(at int64) (frameHeader, bool) {
	h, ok := parseHeader(w.bytes(at, headerBytes))
	return h, ok && h.salt == w.salt
}

// bytes are those at [at, at+n), fewer at the end of the file; valid until the
// next call.
func (w *window) bytes(at int64, n int) []byte {
	if at < 0 || at >= w.size {
		return nil
	}
	n = int(min(int64(n), w.size-at))
	if at < w.from || at+int64(n) > w.from+int64(len(w.b)) {
		w.fill(at, int(min(int64(max(n, windowBytes)), w.size-at)))
	}
	return w.b[at-w.from:][:n]
}

func (w *window) fill(at int64, n int) {
	w.from, w.b = at, slices.Grow(w.b[:0], n)[:n]
	if got, _ := w.r.ReadAt(w.b, at); got == n {
		return
	}
	for from := 0; from < n; from += sectorBytes {
		sector := w.b[from:min(from+sectorBytes, n)]
		if got, _ := w.r.ReadAt(sector, at+int64(from)); got < len(sector) {
			clear(sector[got:])
		}
	}
}

// find is where the next frame begins, at or after at; the end where there is
// none.
func (w *window) find(at int64) int64 {
	for at < w.size {
		b := w.bytes(at, windowBytes)
		i := bytes.Index(b, []byte(magic))
		switch {
		case i < 0:
			at += int64(max(len(b)-len(magic)+1, 1))
			continue
		case i > 0:
			at += int64(i)
		}
		if _, ok := w.header(at); ok {
			return at
		}
		at++
	}
	return w.size
}
