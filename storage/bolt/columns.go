package bolt

import (
	"bytes"
	"encoding/binary"
	"sync"

	"github.com/klauspost/compress/huff0"

	"halley/storage/encoding"
)

// How a column is stored: in the way that takes the fewest bytes.
const (
	columnPlain = iota // as it is
	columnRun          // one byte, again and again
	columnHuff         // by huff0: the shortest header, for columns of a kilobyte
	columnZstd
)

// appendColumn appends a column: how it is stored, how long it is, and its bytes.
func appendColumn(b, column []byte) []byte {
	how, packed := byte(columnPlain), column
	if len(column) > 1 && bytes.Count(column, column[:1]) == len(column) {
		how, packed = columnRun, column[:1]
	} else if len(column) > 1 {
		if p := huffPack(column); p != nil && len(p) < len(packed) {
			how, packed = columnHuff, p
		}
		if p := encoding.Pack(nil, column); len(p) < len(packed) {
			how, packed = columnZstd, p
		}
	}
	b = append(b, how)
	b = binary.AppendUvarint(b, uint64(len(column)))
	return encoding.AppendBytes(b, packed)
}

// takeColumn takes a column off d. It fails where it would be longer than
// *room bytes, and takes its length off that.
func takeColumn(d *encoding.Reader, room *int) []byte {
	how, size, packed := d.Byte(), d.Uvarint(), d.Bytes()
	if d.Err != nil || size > uint64(*room) {
		d.Fail()
		return nil
	}
	*room -= int(size)
	column, ok := unpackColumn(how, packed, int(size))
	if !ok || len(column) != int(size) {
		d.Fail()
		return nil
	}
	return column
}

func unpackColumn(how byte, packed []byte, size int) (column []byte, ok bool) {
	switch {
	case how == columnPlain:
		return packed, true
	case how == columnRun && len(packed) == 1:
		return bytes.Repeat(packed, size), true
	case how == columnHuff && size <= huff0.BlockSizeMax:
		column, err := huffUnpack(packed, size)
		return column, err == nil
	case how == columnZstd:
		if said, known := encoding.UnpackedSize(packed); !known || said != uint64(size) {
			return nil, false
		}
		column, err := encoding.Unpack(packed, size)
		return column, err == nil
	}
	return nil, false
}

// huffPack is nil where there is nothing to gain.
func huffPack(column []byte) []byte {
	if len(column) > huff0.BlockSizeMax {
		return nil
	}
	s := scratches.Get().(*huff0.Scratch)
	defer scratches.Put(s)
	s.Reuse = huff0.ReusePolicyNone
	packed, _, err := huff0.Compress1X(column, s)
	if err != nil {
		return nil
	}
	return bytes.Clone(packed)
}

func huffUnpack(packed []byte, size int) ([]byte, error) {
	s := scratches.Get().(*huff0.Scratch)
	defer scratches.Put(s)
	s.MaxDecodedSize = size
	s, rest, err := huff0.ReadTable(packed, s)
	if err != nil {
		return nil, err
	}
	return s.Decoder().Decompress1X(make([]byte, 0, size), rest)
}

// scratches are what huff0 works in.
var scratches = sync.Pool{New: func() any { return &huff0.Scratch{} }}
