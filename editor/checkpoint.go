package editor

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"halley/ot"
	"halley/storage"
)

// checkpointEvery is after how many changes a page's next checkpoint is due:
// early enough that it is written before the head is 1,000 changes ahead.
const checkpointEvery = 750

// checkpointVersion is the first byte of a checkpoint as it is stored; the rest
// is compressed with zstd. Inside, with integers as varints and a string behind
// its length: the time of the newest change in milliseconds, how many authors
// there are, their ids in order; the content as JSON; then, in stretches by one
// author each, the author counted from 1 (0: nobody) and the length in UTF-16 units.
const checkpointVersion = 1

var errCheckpoint = errors.New("it is no checkpoint that this version can read")

// A past is a page as it was at a seq.
type past struct {
	*state
	authors map[string]bool // everybody who made a change up to then
	time    time.Time       // of its newest change; zero where there is none
}

// encodeCheckpoint makes a checkpoint of v.
func encodeCheckpoint(v *view) []byte {
	plain := plainCheckpoint(v.content, v.authors, v.time)
	encoder := zstdFast()
	if len(plain) <= small {
		encoder = zstdBest()
	}
	return encoder.EncodeAll(plain, []byte{checkpointVersion})
}

// plainCheckpoint is a checkpoint before it is compressed: equal for equal
// contents by the same authors.
func plainCheckpoint(content *ot.Content, authors map[string]bool, at time.Time) []byte {
	b := binary.AppendVarint(nil, millis(at))
	names := slices.Sorted(maps.Keys(authors))
	b = binary.AppendUvarint(b, uint64(len(names)))
	for _, name := range names {
		b = appendSized(b, name)
	}
	b = appendSized(b, content.Delta().AppendJSON(nil))
	for author, length := range content.Authors(0, content.Len()) {
		i, known := slices.BinarySearch(names, author)
		if known {
			i++
		} else {
			i = 0
		}
		b = binary.AppendUvarint(b, uint64(i))
		b = binary.AppendUvarint(b, uint64(length))
	}
	return b
}

func appendSized[T string | []byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// millis is t in milliseconds since 1970, 0 for none.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// openCheckpoint unpacks c.
func openCheckpoint(c storage.Checkpoint) (reading, error) {
	if len(c.Data) == 0 || c.Data[0] != checkpointVersion {
		return reading{}, errCheckpoint
	}
	plain, err := zstdDecoder().DecodeAll(c.Data[1:], nil)
	if err != nil {
		return reading{}, fmt.Errorf("%w: %w", errCheckpoint, err)
	}
	return reading{rest: plain}, nil
}

// decodeCheckpoint returns the page that c was made of.
func decodeCheckpoint(c storage.Checkpoint) (past, error) {
	r, err := openCheckpoint(c)
	if err != nil {
		return past{}, err
	}
	p := past{state: newState("", 0), authors: map[string]bool{}}
	p.seq = c.Seq
	if ms := r.varint(); ms != 0 {
		p.time = time.UnixMilli(ms).UTC()
	}
	names := []string{""}
	for range r.uvarint() {
		if r.failed {
			break
		}
		name := string(r.bytes())
		names = append(names, name)
		p.authors[name] = true
	}
	if p.content, err = r.content(names); err != nil {
		return past{}, err
	}
	return p, nil
}

// A reading takes values off the front of rest, until one does not fit.
type reading struct {
	rest   []byte
	failed bool
}

func (r *reading) took(n int) {
	if n <= 0 {
		r.rest, r.failed = nil, true
		return
	}
	r.rest = r.rest[n:]
}

func (r *reading) varint() int64 {
	v, n := binary.Varint(r.rest)
	r.took(n)
	return v
}

func (r *reading) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	r.took(n)
	return v
}

func (r *reading) bytes() []byte {
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.rest, r.failed = nil, true
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

// content builds the content, with who wrote it.
func (r *reading) content(names []string) (*ot.Content, error) {
	inserts, err := ot.Parse(r.bytes())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errCheckpoint, err)
	}
	content, err := ot.NewContentBy(inserts, func(yield func(string, int) bool) {
		for len(r.rest) > 0 {
			author, length := r.uvarint(), r.uvarint()
			if author >= uint64(len(names)) || length > math.MaxInt32 {
				r.failed = true
				return
			}
			if !yield(names[author], int(length)) {
				return
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errCheckpoint, err)
	}
	if r.failed {
		return nil, errCheckpoint
	}
	return content, nil
}

// small is up to where a checkpoint is compressed as well as can be; of a larger
// one that would take a core for too long.
const small = 1 << 20

var (
	zstdFast = newEncoder(zstd.SpeedDefault)
	zstdBest = newEncoder(zstd.SpeedBestCompression)
)

func newEncoder(level zstd.EncoderLevel) func() *zstd.Encoder {
	return sync.OnceValue(func() *zstd.Encoder {
		// It lives as long as the process, so it keeps little to look back on: texts
		// seldom repeat themselves from further away.
		z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(level),
			zstd.WithWindowSize(small), zstd.WithLowerEncoderMem(true))
		if err != nil {
			panic(err) // our own options
		}
		return z
	})
}

var zstdDecoder = sync.OnceValue(func() *zstd.Decoder {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(1<<30))
	if err != nil {
		panic(err) // our own options
	}
	return z
})

// pastOf reads a page as it was at seq, which must not lie ahead of its head:
// the nearest checkpoint, and what the log has after it. It also returns the
// checkpoint's seq, 0 for none.
func pastOf(ctx context.Context, store storage.Store, logger *slog.Logger, id PageID, seq uint64) (p past, from uint64, err error) {
	return readPast(ctx, store, logger, id, seq, nil)
}

// readPast is pastOf, and counts the memory that it takes; nil counts nothing.
func readPast(
	ctx context.Context, store storage.Store, logger *slog.Logger, id PageID, seq uint64, read *pageRead,
) (p past, from uint64, err error) {
	if p, err = nearestPast(ctx, store, logger, id, seq, read); err != nil {
		return past{}, 0, fmt.Errorf("read page %s at seq %d: %w", id, seq, err)
	}
	from = p.seq
	err = store.Read(ctx, id, from, seq, func(sc storage.Change) error {
		read.grow(contentBytes(p.content) + p.held + decodeFactor*int64(len(sc.Payload)))
		c, err := decodeChange(sc)
		if err != nil {
			return err
		}
		p.authors[c.Author], p.time = true, c.Time
		if err := p.replay(c); err != nil {
			return &storage.CorruptError{Page: id, Seq: c.Seq, Reason: err.Error()}
		}
		return nil
	})
	if err != nil {
		return past{}, 0, fmt.Errorf("read page %s at seq %d: %w", id, seq, err)
	}
	return p, from, nil
}

// decodeFactor is how much memory decoding takes of what is decoded, at most:
// the shortest op, {"delete":1},, becomes one of opBytes.
const decodeFactor = 8

// unpackedSize is how large a checkpoint is before it is compressed, as far as
// it tells.
func unpackedSize(c storage.Checkpoint) int64 {
	var h zstd.Header
	if len(c.Data) == 0 || h.Decode(c.Data[1:]) != nil || !h.HasFCS {
		return int64(len(c.Data))
	}
	return int64(min(h.FrameContentSize, storage.MaxCheckpointBytes))
}

// nearestPast is the newest checkpoint at seq or before that can be read, else
// the page's beginning: the log alone is enough, if slow.
func nearestPast(ctx context.Context, store storage.Store, logger *slog.Logger, id PageID, seq uint64, read *pageRead) (past, error) {
	for seq > 0 {
		c, err := store.Checkpoint(ctx, id, seq)
		var p past
		if err == nil {
			read.grow(decodeFactor * unpackedSize(c))
			if p, err = decodeCheckpoint(c); err == nil {
				return p, nil
			}
		}
		var damaged *storage.CorruptError
		switch {
		case errors.Is(err, storage.ErrNotFound):
			seq = 0
			continue
		case errors.As(err, &damaged) && 0 < damaged.Seq && damaged.Seq <= seq:
			seq = damaged.Seq - 1
		case errors.Is(err, errCheckpoint):
			seq = c.Seq - 1
		default:
			return past{}, err
		}
		logger.Error("a checkpoint cannot be read; an older one takes its place", "page", id, "error", err)
	}
	return past{state: newState("", 0), authors: map[string]bool{}}, nil
}

// A checkpointer writes checkpoints in the background, one at a time. Of a page
// whose turn has not come yet only the newest is written.
type checkpointer struct {
	store  storage.Checkpoints
	logger *slog.Logger
	wake   chan struct{} // has room for one; filled when due is not empty

	mu  sync.Mutex
	due map[PageID]*view // guarded by mu
}

func newCheckpointer(store storage.Checkpoints, logger *slog.Logger) *checkpointer {
	return &checkpointer{store: store, logger: logger, wake: make(chan struct{}, 1), due: map[PageID]*view{}}
}

// keep takes a page's view and returns at once.
func (k *checkpointer) keep(id PageID, v *view) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.due[id] = v
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// run writes what is due until ctx ends. One that fails is left out: the page
// has its next one soon, and loses nothing without.
func (k *checkpointer) run(ctx context.Context) {
	for {
		select {
		case <-k.wake:
		case <-ctx.Done():
			return
		}
		for id, v := range k.next() {
			err := k.store.PutCheckpoint(ctx, id, storage.Checkpoint{Seq: v.seq, Data: encodeCheckpoint(v)})
			if err != nil && ctx.Err() == nil && !errors.Is(err, storage.ErrDiskFull) { // which the store tells
				k.logger.Warn("a checkpoint is left out", "page", id, "seq", v.seq, "error", err)
			}
		}
	}
}

func (k *checkpointer) next() map[PageID]*view {
	k.mu.Lock()
	defer k.mu.Unlock()
	due := k.due
	k.due = map[PageID]*view{}
	return due
}
