package encoding

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// window is how far back an encoder looks. Texts seldom repeat themselves from
// further away, and an encoder holds about as much memory.
const window = 1 << 20

// large is from how many bytes on speed counts for more than size: a checkpoint of
// 10 MB takes half the time at the lower level, and 2 % more bytes.
const large = 1 << 20

// Pack appends plain to dst as one zstd frame, which holds its unpacked size
// but no checksum.
//
// There is one encoder of a level in the process, so that calls take turns. The
// higher level is SpeedBetterCompression: SpeedBestCompression makes a folded
// history 1.3 to 3 % smaller, but takes several times the processor time, and an
// encoder holds 34 MB of tables instead of 4 MB for as long as the process runs.
func Pack(dst, plain []byte) []byte {
	encoder := denseEncoder
	if len(plain) > large {
		encoder = fastEncoder
	}
	return encoder().EncodeAll(plain, dst)
}

// maxUnsized is the most that a frame unpacks to that does not say its size. The
// encoder leaves the size out of frames below 256 bytes only, and Pack never does.
const maxUnsized = 64 << 10

// Unpack returns what the frame packed was made of, at most most bytes of it.
// Its memory is bounded by most, whatever packed holds. An error wraps ErrInvalid.
func Unpack(packed []byte, most int) ([]byte, error) {
	size, known := UnpackedSize(packed)
	if !known {
		size = uint64(min(most, maxUnsized))
	}
	if size > uint64(most) {
		return nil, fmt.Errorf("%w: %d bytes are more than %d", ErrInvalid, size, most)
	}
	plain, err := decoder().DecodeAll(packed, make([]byte, 0, size))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return plain, nil
}

// UnpackedSize returns the size that the frame at the beginning of packed says
// it has unpacked; false if it is no frame, or does not say.
func UnpackedSize(packed []byte) (size uint64, known bool) {
	var h zstd.Header
	if h.Decode(packed) != nil || !h.HasFCS {
		return 0, false
	}
	return h.FrameContentSize, true
}

// Warm makes the encoders and the decoder, which Pack and Unpack otherwise do at
// their first call. A test that runs in a synctest bubble needs it before the
// bubble: what is made inside one cannot be used outside.
func Warm() {
	for _, encoder := range []func() *zstd.Encoder{denseEncoder, fastEncoder} {
		if _, err := Unpack(encoder().EncodeAll([]byte("warm"), nil), 4); err != nil {
			panic(err) // our own options
		}
	}
}

var (
	denseEncoder = newEncoder(zstd.SpeedBetterCompression)
	fastEncoder  = newEncoder(zstd.SpeedDefault)
)

func newEncoder(level zstd.EncoderLevel) func() *zstd.Encoder {
	return sync.OnceValue(func() *zstd.Encoder {
		e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(1),
			zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true), zstd.WithWindowSize(window), zstd.WithLowerEncoderMem(true))
		if err != nil {
			panic(err) // our own options
		}
		return e
	})
}

var decoder = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderLowmem(true), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		panic(err) // our own options
	}
	return d
})
