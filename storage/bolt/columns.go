package bolt

import (
	"bytes"
	"encoding/binary"
	"sync"

	"github.com/klauspost/compress/huff0"
	"github.com/klauspost/compress/zstd"

	"halley/storage"
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
		if p := packerOf(len(column)).EncodeAll(column, nil); len(p) < len(packed) {
			how, packed = columnZstd, p
		}
	}
	b = append(b, how)
	b = binary.AppendUvarint(b, uint64(len(column)))
	return appendBytes(b, packed)
}

// takeColumn takes a column off d. It fails where it would be longer than
// *room bytes, and takes its length off that.
func takeColumn(d *decoder, room *int) []byte {
	how, size, packed := d.byte(), d.uvarint(), d.bytes()
	if d.err != nil || size > uint64(*room) {
		d.fail()
		return nil
	}
	*room -= int(size)
	column, ok := unpackColumn(how, packed, int(size))
	if !ok || len(column) != int(size) {
		d.fail()
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
		var h zstd.Header
		if h.Decode(packed) != nil || !h.HasFCS || h.FrameContentSize != uint64(size) {
			return nil, false
		}
		column, err := unpacker().DecodeAll(packed, make([]byte, 0, size))
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

// small is up to where a column is compressed as well as can be; of a larger one
// that would take a core for too long.
const small = 1 << 20

func packerOf(size int) *zstd.Encoder {
	if size <= small {
		return packBest()
	}
	return packFast()
}

var (
	packFast = newPacker(zstd.SpeedDefault)
	packBest = newPacker(zstd.SpeedBestCompression)
)

func newPacker(level zstd.EncoderLevel) func() *zstd.Encoder {
	return sync.OnceValue(func() *zstd.Encoder {
		// It lives as long as the process, so it keeps little to look back on.
		z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false),
			zstd.WithSingleSegment(true), zstd.WithWindowSize(small), zstd.WithLowerEncoderMem(true))
		if err != nil {
			panic(err) // our own options
		}
		return z
	})
}

var unpacker = sync.OnceValue(func() *zstd.Decoder {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(2*storage.MaxPayloadBytes))
	if err != nil {
		panic(err) // our own options
	}
	return z
})
