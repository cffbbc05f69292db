package bolt

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"halley/storage"
	"halley/storage/encoding"
)

// A swellingCodec makes columns that are too large to be read again.
type swellingCodec struct{ plainCodec }

func (swellingCodec) Split(changes []storage.Change) [][]byte {
	return append(plainCodec{}.Split(changes), make([]byte, 4<<20))
}

// A lyingCodec loses what it is given.
type lyingCodec struct{ plainCodec }

func (lyingCodec) Join(changes []storage.Change, columns [][]byte, size int) error {
	err := plainCodec{}.Join(changes, columns, size)
	changes[len(changes)/2].Payload = []byte("another")
	return err
}

func TestBlockComesBack(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, count := range []int{1, 2, 1000} {
		changes := make([]storage.Change, count)
		for i := range changes {
			changes[i] = storage.Change{Seq: uint64(i) + 7, Time: time.UnixMilli(1_700_000_000_000 + rng.Int64N(5000)).UTC(), Payload: []byte(strings.Repeat("x", rng.IntN(40)))}
			if i%3 > 0 {
				changes[i].Client, changes[i].N, changes[i].Author = fmt.Sprint("client-", i%3), rng.Uint64N(1<<40)+1, fmt.Sprint("author-", rng.IntN(3))
			}
		}
		for name, f := range map[string]folding{
			"no codec": {}, "a codec": {plainCodec{}}, "one that loses": {lyingCodec{}}, "one that swells": {swellingCodec{}},
		} {
			b := f.pack(changes, name == "one that loses")
			if back, err := f.unpack(b, 7, count); err != nil || !sameChanges(back, changes) {
				t.Errorf("%d changes, with %s: unpack() gives others, %v", count, name, err)
			}
			if name == "a codec" {
				if _, err := (folding{}).unpack(b, 7, count); err != errCodec {
					t.Errorf("unpack() without the codec = %v, want %v", err, errCodec)
				}
			}
		}
	}
}

func TestColumnsComeBack(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	noise := make([]byte, 3000)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	for name, c := range map[string]struct {
		column []byte
		how    byte
	}{
		"nothing":      {nil, columnPlain},
		"a byte":       {[]byte{7}, columnPlain},
		"one byte":     {bytes.Repeat([]byte{0}, 5000), columnRun},
		"noise":        {noise, columnPlain},
		"few letters":  {mapped(noise, "eeetaoin"), columnHuff},
		"a refrain":    {bytes.Repeat(noise[:500], 6), columnZstd},
		"a long tale":  {bytes.Repeat([]byte("every comet comes back "), 20_000), columnZstd},
		"just too big": {mapped(bytes.Repeat(noise, 100), "ab"), columnZstd},
	} {
		b := appendColumn(nil, c.column)
		if b[0] != c.how {
			t.Errorf("%s is stored in way %d, want %d", name, b[0], c.how)
		}
		d, room := encoding.Reader{Rest: b}, len(c.column)
		if back := takeColumn(&d, &room); d.End() != nil || room != 0 || !bytes.Equal(back, c.column) {
			t.Errorf("%s comes back as %d bytes of %d, %v", name, len(back), len(c.column), d.Err)
		}
		if d, room := (encoding.Reader{Rest: b}), len(c.column)-1; len(c.column) > 0 && (takeColumn(&d, &room) != nil || d.Err == nil) {
			t.Errorf("%s comes back where there is no room for it", name)
		}
	}
}

func mapped(noise []byte, letters string) []byte {
	out := make([]byte, len(noise))
	for i, b := range noise {
		out[i] = letters[int(b)%len(letters)]
	}
	return out
}

// FuzzBlock: no bytes make a block's decoder panic, or give more than they say;
// and what they are as changes comes back from a block.
func FuzzBlock(f *testing.F) {
	f.Add(folding{}.pack(batchFrom(1, 20), false), 20)
	f.Add(folding{}.pack([]storage.Change{{Author: "a", Time: time.UnixMilli(5)}}, false), 1)
	f.Add([]byte("ann\nwrote [{\"insert\":\"x\"}]\nand more"), 3)
	f.Fuzz(func(t *testing.T, b []byte, count int) {
		if changes, err := (folding{}).unpack(b, 1, count); err == nil {
			again := folding{}.pack(changes, false)
			if back, err := (folding{}).unpack(again, 1, count); err != nil || !sameChanges(back, changes) {
				t.Errorf("%x: its changes do not come back from a block of their own: %v", b, err)
			}
		}
		var changes []storage.Change
		for i, line := range bytes.Split(b, []byte("\n")) {
			if i == maxBlockChanges {
				break
			}
			changes = append(changes, storage.Change{Seq: uint64(i) + 1, Time: time.UnixMilli(int64(len(line))).UTC(), Payload: line})
		}
		packed := folding{plainCodec{}}.pack(changes, false)
		if back, err := (folding{plainCodec{}}).unpack(packed, 1, len(changes)); err != nil || !sameChanges(back, changes) {
			t.Errorf("%x as lines does not come back: %v", b, err)
		}
	})
}
