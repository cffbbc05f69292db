package backup

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"
)

// Version is the version of the format.
const Version = 2

const (
	magic       = "\x89hly\r\n\x1a2"
	headerBytes = 40
	// maxPayload bounds the payload of a frame: the largest block, or the
	// largest change with what belongs to it.
	maxPayload = 128 << 20
)

// ErrNotBackup: the file is not a backup of version 2, or nothing is left of it.
var ErrNotBackup = errors.New("not a backup")

// A NewerError says that a backup was written by a newer version.
type NewerError struct{ Version int }

func (e *NewerError) Error() string {
	return fmt.Sprintf("the backup was written by a newer Halley (version %d; this one knows up to %d)", e.Version, Version)
}

// A Kind says what a part holds.
type Kind byte

// The kinds of parts.
const (
	KindHeader Kind = 1 + iota
	KindRecords
	KindPage // name: its id
	KindUses
	KindBlob // name: its hash
	KindIndex
)

func (k Kind) String() string {
	names := []string{
		KindHeader: "header", KindRecords: "records", KindPage: "page",
		KindUses: "uses of files", KindBlob: "blob", KindIndex: "index",
	}
	if int(k) >= len(names) || k == 0 {
		return fmt.Sprintf("kind %d", byte(k))
	}
	return names[k]
}

// A Type says what the payload of a frame is.
type Type byte

const (
	typeBegin Type = 1 + iota
	typeEnd
	typeIndex
	typeFooter
	typeAbout
)

// The types of the frames that hold data; the driver writes their payloads.
const (
	TypeSettings       Type = 16 + iota // a page's record
	TypeHead                            // a page's newest seq, with its link
	TypeClients                         // the newest edit of clients
	TypeChanges                         // a run of changes
	TypeBlock                           // a run of changes, folded
	TypeCheckpointPart                  // some bytes of a checkpoint
	TypeCheckpoint                      // makes the parts before it valid
	TypeRecords
	TypeUses
	TypeBytes    // of a blob
	TypeDoubtful // a change whose checksum does not hold, as it was found
)

// A Header says which store a backup is of, and when it was made.
type Header struct {
	Epoch string
	Made  time.Time // UTC, whole milliseconds
}

// Counts are how much a backup holds. What was damaged is not counted.
type Counts struct {
	Pages, Changes, Checkpoints, Records, Blobs, BlobBytes uint64
}

func (c *Counts) fields() []*uint64 {
	return []*uint64{&c.Pages, &c.Changes, &c.Checkpoints, &c.Records, &c.Blobs, &c.BlobBytes}
}

// A Part is one part of a file.
type Part struct {
	Kind   Kind
	Name   string
	number uint32
	at     int64 // where its first frame begins
	length int64 // of its frames
}

// A Frame is one frame of a part. The payload is valid during the call only.
type Frame struct {
	Type    Type
	Payload []byte
}

// A salt is the same in all frames of a file, and random.
type salt [8]byte

// A frameHeader is the header of a frame.
type frameHeader struct {
	salt         salt
	typ          Type
	part, number uint32
	length, sum  uint32
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func sumOf(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

func (h frameHeader) append(b []byte) []byte {
	from := len(b)
	b = append(b, magic...)
	b = append(b, h.salt[:]...)
	b = append(b, byte(h.typ), 0, 0, 0)
	for _, v := range []uint32{h.part, h.number, h.length, h.sum} {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return binary.BigEndian.AppendUint32(b, sumOf(b[from:]))
}

func parseHeader(b []byte) (h frameHeader, ok bool) {
	if len(b) < headerBytes || !bytes.HasPrefix(b, []byte(magic)) || sumOf(b[:36]) != binary.BigEndian.Uint32(b[36:]) {
		return h, false
	}
	u32 := binary.BigEndian.Uint32
	h = frameHeader{salt: salt(b[8:16]), typ: Type(b[16]), part: u32(b[20:]), number: u32(b[24:]), length: u32(b[28:]), sum: u32(b[32:])}
	return h, h.length <= maxPayload
}

// An Encoder appends values to a payload.
type Encoder struct{ B []byte }

func (e *Encoder) Uvarint(v uint64) { e.B = binary.AppendUvarint(e.B, v) }
func (e *Encoder) Varint(v int64)   { e.B = binary.AppendVarint(e.B, v) }
func (e *Encoder) String(s string)  { e.Uvarint(uint64(len(s))); e.B = append(e.B, s...) }
func (e *Encoder) Bytes(b []byte)   { e.Uvarint(uint64(len(b))); e.B = append(e.B, b...) }
func (e *Encoder) Fixed(b []byte)   { e.B = append(e.B, b...) }
