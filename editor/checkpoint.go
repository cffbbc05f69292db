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

	"halley/ot"
	"halley/storage"
	"halley/storage/encoding"
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
	return encoding.Pack([]byte{checkpointVersion}, plain)
}

// plainCheckpoint is a checkpoint before it is compressed: equal for equal
// contents by the same authors.
func plainCheckpoint(content *ot.Content, authors map[string]bool, at time.Time) []byte {
	b := binary.AppendVarint(nil, encoding.Millis(at))
	names := slices.Sorted(maps.Keys(authors))
	b = binary.AppendUvarint(b, uint64(len(names)))
	for _, name := range names {
		b = encoding.AppendBytes(b, name)
	}
	b = encoding.AppendBytes(b, content.Delta().AppendJSON(nil))
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

// openCheckpoint unpacks c.
func openCheckpoint(c storage.Checkpoint) (encoding.Reader, error) {
	if len(c.Data) == 0 || c.Data[0] != checkpointVersion {
		return encoding.Reader{}, errCheckpoint
	}
	plain, err := encoding.Unpack(c.Data[1:], storage.MaxCheckpointBytes)
	if err != nil {
		return encoding.Reader{}, fmt.Errorf("%w: %w", errCheckpoint, err)
	}
	return encoding.Reader{Rest: plain}, nil
}

// decodeCheckpoint returns the page that c was made of.
func decodeCheckpoint(c storage.Checkpoint) (past, error) {
	r, err := openCheckpoint(c)
	if err != nil {
		return past{}, err
	}
	p := past{state: newState("", 0), authors: map[string]bool{}}
	p.seq = c.Seq
	p.time = encoding.FromMillis(r.Varint())
	names := []string{""}
	for range r.Uvarint() {
		if r.Err != nil {
			break
		}
		name := r.String()
		names = append(names, name)
		p.authors[name] = true
	}
	if p.content, err = takeContent(&r, names); err != nil {
		return past{}, err
	}
	return p, nil
}

// takeContent takes a content and its authors off r.
func takeContent(r *encoding.Reader, names []string) (*ot.Content, error) {
	inserts, err := ot.Parse(r.Bytes())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errCheckpoint, err)
	}
	content, err := ot.NewContentBy(inserts, func(yield func(string, int) bool) {
		for len(r.Rest) > 0 {
			author, length := r.Uvarint(), r.Uvarint()
			if author >= uint64(len(names)) || length > math.MaxInt32 {
				r.Fail()
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
	if r.Err != nil {
		return nil, errCheckpoint
	}
	return content, nil
}

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
	if len(c.Data) == 0 {
		return 0
	}
	size, known := encoding.UnpackedSize(c.Data[1:])
	if !known {
		return int64(len(c.Data))
	}
	return int64(min(size, storage.MaxCheckpointBytes))
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
