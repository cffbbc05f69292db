package backup

import (
	"bufio"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
)

// indexFrame is about how many bytes a frame of the index has.
const indexFrame = 64 << 10

// maxFindings bounds how many sentences on damage a backup keeps.
const maxFindings = 10_000

// A Writer writes a backup, part by part. The first error of the underlying
// writer sticks: later calls do nothing, and End and Finish return it.
type Writer struct {
	// Counts are written at the end; the caller keeps them up to date.
	Counts Counts

	w        *bufio.Writer
	at       int64
	err      error
	header   Header
	salt     salt
	parts    []Part
	findings []string
	said     map[string]bool

	open    bool // the last of parts
	number  uint32
	sum     hash.Hash
	damaged []string // of the open part
	head    []byte
}

// NewWriter begins a backup.
func NewWriter(w io.Writer, h Header) *Writer {
	b := &Writer{w: bufio.NewWriterSize(w, 256<<10), header: h, said: map[string]bool{}}
	rand.Read(b.salt[:])
	b.Begin(KindHeader, "")
	about := Encoder{B: []byte{Version}}
	about.String(h.Epoch)
	about.Varint(h.Made.UnixMilli())
	b.data(typeAbout, about.B)
	b.err = b.End()
	return b
}

// Begin begins a part; the one before has ended.
func (w *Writer) Begin(kind Kind, name string) {
	w.parts = append(w.parts, Part{Kind: kind, Name: name, number: uint32(len(w.parts)), at: w.at})
	w.open, w.number, w.damaged = true, 0, nil
	w.sum = sha256.New()
	e := Encoder{B: []byte{byte(kind)}}
	e.String(name)
	w.frame(typeBegin, e.B)
}

// Frame writes a frame of the open part. It does not keep payload.
func (w *Writer) Frame(t Type, payload []byte) error {
	w.data(t, payload)
	return w.err
}

func (w *Writer) data(t Type, payload []byte) {
	w.sum.Write(payload)
	w.frame(t, payload)
}

// Sum is the SHA-256 of the data in the open part so far.
func (w *Writer) Sum() (sum [sha256.Size]byte) {
	w.sum.Sum(sum[:0])
	return sum
}

// Damage notes a sentence on what is damaged in the workspace, of the open part
// or of none.
func (w *Writer) Damage(sentence string) {
	if w.open {
		w.damaged = append(w.damaged, sentence)
	}
	if len(w.findings) < maxFindings && !w.said[sentence] {
		w.said[sentence] = true
		w.findings = append(w.findings, sentence)
	}
}

// End ends the open part.
func (w *Writer) End() error {
	p := &w.parts[len(w.parts)-1]
	e := Encoder{B: []byte{byte(p.Kind)}}
	e.String(p.Name)
	sum := w.Sum()
	e.Fixed(sum[:])
	e.Uvarint(uint64(len(w.damaged)))
	w.frame(typeEnd, e.B)
	p.length = w.at - p.at
	w.open = false
	return w.err
}

// Finish writes the indexes and the footer. Without it a backup is cut off.
func (w *Writer) Finish() error {
	frames := w.indexFrames()
	first := w.index(frames)
	second := w.index(frames)
	footer := []byte{Version}
	for _, at := range []int64{first, second, w.header.Made.UnixMilli(), int64(len(w.findings))} {
		footer = binary.BigEndian.AppendUint64(footer, uint64(at))
	}
	for _, n := range w.Counts.fields() {
		footer = binary.BigEndian.AppendUint64(footer, *n)
	}
	w.number = 0
	w.frame(typeFooter, footer)
	if w.err == nil {
		w.err = w.w.Flush()
	}
	return w.err
}

// footerBytes is the length of the footer with its header.
const footerBytes = headerBytes + 1 + 4*8 + 6*8

// indexFrames returns the payloads of the index: a number of parts and then of
// findings in each.
func (w *Writer) indexFrames() (payloads [][]byte) {
	var parts, findings Encoder
	nparts, nfindings := 0, 0
	flush := func() {
		var e Encoder
		e.Uvarint(uint64(nparts))
		e.Fixed(parts.B)
		e.Uvarint(uint64(nfindings))
		e.Fixed(findings.B)
		payloads = append(payloads, e.B)
		parts, findings, nparts, nfindings = Encoder{}, Encoder{}, 0, 0
	}
	for _, p := range w.parts {
		parts.Uvarint(uint64(p.Kind))
		parts.String(p.Name)
		parts.Uvarint(uint64(p.number))
		parts.Uvarint(uint64(p.at))
		parts.Uvarint(uint64(p.length))
		if nparts++; len(parts.B) > indexFrame {
			flush()
		}
	}
	for _, f := range w.findings {
		findings.String(f)
		if nfindings++; len(findings.B) > indexFrame {
			flush()
		}
	}
	flush()
	return payloads
}

// index writes the index and returns where it begins.
func (w *Writer) index(payloads [][]byte) (at int64) {
	at = w.at
	w.Begin(KindIndex, fmt.Sprint(len(payloads)))
	for _, payload := range payloads {
		w.data(typeIndex, payload)
	}
	w.err = w.End()
	return at
}

func (w *Writer) frame(t Type, payload []byte) {
	if w.err != nil {
		return
	}
	if len(payload) > maxPayload {
		w.err = fmt.Errorf("a frame of %d bytes in a backup; at most %d are allowed", len(payload), maxPayload)
		return
	}
	h := frameHeader{w.salt, t, uint32(len(w.parts) - 1), w.number, uint32(len(payload)), sumOf(payload)}
	w.head = h.append(w.head[:0])
	w.number++
	w.at += int64(headerBytes + len(payload))
	if _, w.err = w.w.Write(w.head); w.err == nil {
		_, w.err = w.w.Write(payload)
	}
}
