package encoding

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// TestReader: what was appended comes back in order, and every cut of it fails
// once and for all.
func TestReader(t *testing.T) {
	b := []byte{7}
	b = binary.AppendUvarint(b, 1<<40)
	b = binary.AppendVarint(b, -300)
	b = AppendBytes(b, []byte{0, 255})
	b = AppendBytes(b, "text")
	b = append(b, "abc"...)
	take := func(r *Reader) string {
		var fixed [3]byte
		got := fmt.Sprint(r.Byte(), r.Uvarint(), r.Varint(), r.Bytes(), r.String())
		r.Fixed(fixed[:])
		return got + string(fixed[:])
	}
	r := Reader{Rest: b}
	if got, want := take(&r), "7 1099511627776 -300 [0 255]textabc"; got != want || r.End() != nil {
		t.Errorf("the values are %q, %v, want %q", got, r.End(), want)
	}
	for cut := range b {
		r := Reader{Rest: b[:cut]}
		if take(&r); !errors.Is(r.Err, ErrInvalid) || len(r.Rest) > 0 || r.Uvarint() != 0 {
			t.Errorf("of the first %d bytes the error is %v", cut, r.Err)
		}
	}
	if r = (Reader{Rest: append(b, 1)}); take(&r) == "" || r.End() == nil || r.Err != nil {
		t.Error("End() finds nothing left of a byte too much")
	}
}

func TestMillis(t *testing.T) {
	at := time.UnixMilli(1_700_000_000_123).UTC()
	for _, want := range []time.Time{{}, at} {
		if got := FromMillis(Millis(want)); !got.Equal(want) {
			t.Errorf("FromMillis(Millis(%v)) = %v", want, got)
		}
	}
	if Millis(time.Time{}) != 0 || Millis(time.UnixMilli(0)) != 1 || Millis(time.UnixMilli(-5)) != 1 {
		t.Error("a time that is set is 0 milliseconds")
	}
}

// TestPack: any bytes come back, from several goroutines at a time; the size is
// known before, and a smaller bound is kept.
func TestPack(t *testing.T) {
	var all sync.WaitGroup
	for seed := range uint64(8) {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(seed, 1))
			for _, size := range []int{0, 1, 255, 1000, 70_000, 3 << 20} {
				plain := make([]byte, size)
				for i := range plain {
					plain[i] = byte(rng.IntN(1 + int(seed)*30))
				}
				packed := Pack([]byte("before"), plain)
				if !bytes.HasPrefix(packed, []byte("before")) {
					t.Errorf("Pack() of %d bytes overwrites what was there", size)
				}
				packed = packed[len("before"):]
				if said, known := UnpackedSize(packed); !known || said != uint64(size) {
					t.Errorf("UnpackedSize() = %d, %v, want %d", said, known, size)
				}
				if got, err := Unpack(packed, size); err != nil || !bytes.Equal(got, plain) {
					t.Errorf("%d bytes do not come back: %v (seed %d)", size, err, seed)
				}
				if _, err := Unpack(packed, size-1); size > 0 && !errors.Is(err, ErrInvalid) {
					t.Errorf("Unpack() of %d bytes bounded by one less = %v", size, err)
				}
			}
		})
	}
	all.Wait()
}

// TestUnpackOlder: frames of encoders that earlier versions used, some of which
// do not say their size.
func TestUnpackOlder(t *testing.T) {
	for _, level := range []zstd.EncoderLevel{zstd.SpeedDefault, zstd.SpeedBestCompression} {
		old, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithWindowSize(1<<20))
		if err != nil {
			t.Fatal(err)
		}
		for _, plain := range []string{"", "short", strings.Repeat("longer ", 100), strings.Repeat("very long ", 1<<18)} {
			packed := old.EncodeAll([]byte(plain), nil)
			if got, err := Unpack(packed, 256<<20); err != nil || string(got) != plain {
				t.Errorf("a frame of %d bytes at level %v does not come back: %v", len(plain), level, err)
			}
		}
	}
}

// TestUnpackIsBounded: a frame that lies about its size, and one with another
// behind it, take no more memory than allowed.
func TestUnpackIsBounded(t *testing.T) {
	bomb := Pack(nil, make([]byte, 8<<20))
	small := Pack(nil, []byte("small"))
	for name, packed := range map[string][]byte{
		"two frames":       append(bytes.Clone(small), bomb...),
		"a frame too many": bytes.Repeat(small, 3),
		"no frame":         []byte("plain text"),
		"a cut":            bomb[:len(bomb)/2],
	} {
		if got, err := Unpack(packed, 1<<20); !errors.Is(err, ErrInvalid) {
			t.Errorf("Unpack() of %s = %d bytes, %v", name, len(got), err)
		}
	}
}
