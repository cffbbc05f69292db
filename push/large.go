package push

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

const (
	// largeBytes is the size above which an event is large: neither rings nor
	// batches keep it.
	largeBytes = 64 << 10

	// largeTurn is how long a stream may hold a large event in memory while others
	// wait for a turn.
	largeTurn = 2 * time.Second
)

// A large is the large event that a stream is sending. It is written alone, in
// pieces, and is in memory only during the stream's turns. Between two turns the
// stream keeps the event's number and how much of it was sent, and then reads it
// from the Source again. So however many readers are slow, the hub holds about
// Config.LargeBytes of such events.
type large struct {
	sub    *subscription
	seq    uint64
	before []byte // what the encoding puts before the data, the id in it
	after  string // and behind it
	size   int    // of the data, bytes
	sent   int    // bytes that were written, of before, data and after

	mu      sync.Mutex // guards the fields below
	data    []byte     // nil outside a turn
	timer   *time.Timer
	release func()
}

// turns hands out memory for large events, first come, first served.
type turns struct {
	bytes  int64
	places *semaphore.Weighted
	memory Memory
}

func newTurns(bytes int64, memory Memory) *turns {
	return &turns{bytes, semaphore.NewWeighted(bytes), memory}
}

// weight is what an event counts for. One that is larger than the whole memory
// takes all of it.
func (t *turns) weight(size int) int64 { return min(int64(size), t.bytes) }

// releaser counts size bytes as held, until the function that it returns is called.
func (t *turns) releaser(size int) (release func()) {
	t.memory.Add(int64(size))
	return func() {
		t.memory.Add(-int64(size))
		t.places.Release(t.weight(size))
	}
}

// total is how many bytes the event has on the wire.
func (g *large) total() int { return len(g.before) + g.size + len(g.after) }

// begin begins a turn with the event's data.
func (g *large) begin(data []byte, release func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.data, g.release = data, release
	g.timer = time.AfterFunc(largeTurn, g.end)
}

// end ends the turn, if there is one. Safe from any goroutine.
func (g *large) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.data != nil {
		g.timer.Stop()
		g.release()
		g.data, g.release = nil, nil
	}
}

// rest returns what is left to be sent; false outside a turn. The caller holds mu.
func (g *large) rest() ([][]byte, bool) {
	if g.data == nil {
		return nil, false
	}
	skip := g.sent
	var left [][]byte
	for _, part := range [][]byte{g.before, g.data, []byte(g.after)} {
		n := min(skip, len(part))
		skip -= n
		if n < len(part) {
			left = append(left, part[n:])
		}
	}
	return left, true
}

// write writes what the socket takes at once; false outside a turn.
func (g *large) write(to socket) (inTurn bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	rest, inTurn := g.rest()
	if !inTurn {
		return false, nil
	}
	_, n, err := writeSome(to, rest)
	g.sent += n
	return true, err
}

// piece copies the next bytes into buf, so that a write that blocks does not
// hold the event; false outside a turn.
func (g *large) piece(buf []byte) (piece []byte, inTurn bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	rest, inTurn := g.rest()
	piece = buf[:0]
	for _, part := range rest {
		piece = append(piece, part[:min(len(part), cap(buf)-len(piece))]...)
	}
	return piece, inTurn
}

// beginLarge makes e, the next event of sub, the stream's large event. If there is
// no memory for it now, its data is dropped until the stream has a turn.
func (s *stream) beginLarge(sub *subscription, e Event) {
	data, turns := oneLine(e.Data), s.hub.turns
	before := s.enc.appendBody(s.enc.appendOpening(nil, s.id()), Event{Type: e.Type})
	s.large = &large{
		sub: sub, seq: e.Seq, size: len(data),
		before: before[:len(before)-len(s.enc.closing)], after: s.enc.closing,
	}
	if turns.places.TryAcquire(turns.weight(len(data))) {
		s.large.begin(data, turns.releaser(len(data)))
	}
}

var errChanged = errors.New("the event has changed since it was first read")

// takeTurn waits for the stream's turn and reads the event again, unless the turn
// has begun already. It fails when the stream is to end.
func (s *stream) takeTurn(ctx context.Context) error {
	g, turns := s.large, s.hub.turns
	g.mu.Lock()
	inTurn := g.data != nil
	g.mu.Unlock()
	if inTurn {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	waiting := func() {
		if s.raised(final) {
			cancel()
		}
	}
	s.waiting.Store(&waiting)
	defer s.waiting.Store(nil)
	waiting() // for what was raised before
	weight := turns.weight(g.size)
	if err := turns.places.Acquire(ctx, weight); err != nil {
		return err
	}
	var data []byte
	err := s.hub.src.Replay(ctx, g.sub.topic.name, g.seq-1, g.seq, func(e Event) error {
		data = oneLine(e.Data)
		return nil
	})
	if err == nil && len(data) != g.size {
		err = errChanged
	}
	if err != nil {
		turns.places.Release(weight)
		return fmt.Errorf("read event %d of %d bytes again: %w", g.seq, g.size, err)
	}
	g.begin(data, turns.releaser(g.size))
	return nil
}

// giveUpLarge is called when takeTurn failed, and reports whether the stream goes
// on. After a part of an event only its rest may follow: the stream ends, and its
// reader comes back. Otherwise the event stays the next one; if it cannot be
// read, the reader is reset to it.
func (s *stream) giveUpLarge(ctx context.Context, err error) bool {
	g := s.large
	s.dropLarge()
	if g.sent > 0 {
		return false
	}
	g.sub.seq = g.seq - 1
	if ctx.Err() == nil && !s.raised(final) {
		s.warn(ctx, "large event of topic", g.sub, err)
		s.openBatch()
		s.reset(g.sub, g.seq)
	}
	return true
}

// dropLarge forgets the stream's large event.
func (s *stream) dropLarge() {
	if s.large != nil {
		s.large.end()
		s.large = nil
	}
}
