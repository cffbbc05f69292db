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
	// largeBytes is the size from which on an event is large: no ring keeps it,
	// and no batch.
	largeBytes = 64 << 10

	// largeTurn is how long a line may hold a large event in memory while others
	// wait for a turn.
	largeTurn = 2 * time.Second
)

// A large is the large event that a line is sending. It goes out alone, in
// pieces, and is in memory only during the line's turns: between two of them
// the line keeps its number and how much of it has gone out, and reads it from
// the Source again. So however many readers are slow, the hub holds about
// Config.LargeBytes of such events.
type large struct {
	sub    *subscription
	seq    uint64
	before []byte // what the encoding puts before the data, the id in it
	after  string // and behind it
	size   int    // of the data, bytes
	sent   int    // bytes that have gone out, of before, data and after

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

// weight is what an event counts for. One that is larger than all there is has
// it all.
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

// beginLarge makes e, which is s's next, the line's large event. Where there is
// no place for it now, its data is let go.
func (l *line) beginLarge(s *subscription, e Event) {
	data, turns := oneLine(e.Data), l.hub.turns
	before := l.enc.appendBody(l.enc.appendOpening(nil, l.id()), Event{Type: e.Type})
	l.large = &large{
		sub: s, seq: e.Seq, size: len(data),
		before: before[:len(before)-len(l.enc.closing)], after: l.enc.closing,
	}
	if turns.places.TryAcquire(turns.weight(len(data))) {
		l.large.begin(data, turns.releaser(len(data)))
	}
}

var errChanged = errors.New("the event is not what it was")

// takeTurn waits for the line's turn and reads the event again, unless the line
// has its turn already. It gives up when the line is to end.
func (l *line) takeTurn(ctx context.Context) error {
	g, turns := l.large, l.hub.turns
	g.mu.Lock()
	inTurn := g.data != nil
	g.mu.Unlock()
	if inTurn {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	poked := func() {
		if l.bits.Load()&final != 0 {
			cancel()
		}
	}
	l.poked.Store(&poked)
	defer l.poked.Store(nil)
	poked() // for what was raised before
	weight := turns.weight(g.size)
	if err := turns.places.Acquire(ctx, weight); err != nil {
		return err
	}
	var data []byte
	err := l.hub.src.Replay(ctx, g.sub.topic.name, g.seq-1, g.seq, func(e Event) error {
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

// giveUpLarge is what happens where the line gets no turn. Of an event that has
// begun to go out nothing else can follow, so the line ends, and its reader
// comes back. Otherwise the event is the next one still; where it cannot be
// read, the reader is reset to it. It reports whether the line goes on.
func (l *line) giveUpLarge(ctx context.Context, err error) bool {
	g := l.large
	l.dropLarge()
	if g.sent > 0 {
		return false
	}
	g.sub.seq = g.seq - 1
	if ctx.Err() == nil && l.bits.Load()&final == 0 {
		l.complain(ctx, "large event of topic", g.sub, err)
		l.gather()
		l.reset(g.sub, g.seq)
	}
	return true
}

// dropLarge forgets the line's large event.
func (l *line) dropLarge() {
	if l.large != nil {
		l.large.end()
		l.large = nil
	}
}

// sendLarge sends the large event of a line with a goroutine of its own; false
// when the line has ended.
func (l *line) sendLarge(ctx context.Context) bool {
	g, buf := l.large, make([]byte, 0, maxPiece)
	defer g.end()
	for g.sent < g.total() {
		err := l.takeTurn(ctx)
		if err != nil || l.bits.Load()&over != 0 {
			return l.giveUpLarge(ctx, err)
		}
		piece, inTurn := g.piece(buf)
		if !inTurn {
			continue
		}
		if !l.writeOut([][]byte{piece}) {
			return false
		}
		g.sent += len(piece)
	}
	l.large = nil
	l.sentEvents(1)
	return true
}

// sendLargeLight is sendLarge on the light path, in the goroutine that catches
// the line up. It reports whether there is a reason to go on.
func (l *line) sendLargeLight() bool {
	t, g := &l.light, l.large
	defer g.end()
	for {
		if err := l.takeTurn(l.hub.ctx); err != nil {
			t.failed = !l.giveUpLarge(l.hub.ctx, err)
			return !t.failed && l.bits.Load()&urgent == 0
		}
		inTurn, err := g.write(t.sock)
		switch {
		case err != nil:
			t.failed = true
			return false
		case !inTurn:
			continue
		case g.sent == g.total():
			l.large = nil
			l.sentEvents(1)
			return l.bits.Load()&urgent == 0
		}
		if !l.awaitWritable() {
			return false
		}
	}
}

// awaitWritable waits, within the turn, until the connection takes more. When
// the turn ends first, or the line is to end, it leaves the line stalled: its
// shard goes on with it.
func (l *line) awaitWritable() bool {
	start, wake := time.Now(), make(chan struct{}, 1)
	poked := func() {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
	l.poked.Store(&poked)
	defer l.poked.Store(nil)
	over := time.NewTimer(largeTurn)
	defer over.Stop()
	for inTurn := true; inTurn && l.bits.Load()&final == 0; {
		if l.bits.And(^writable)&writable != 0 {
			return true
		}
		select {
		case <-wake:
		case <-over.C:
			inTurn = false
		}
	}
	t := &l.light
	t.stall = &stall{since: start, queued: t.sock.queued()}
	t.stall.timer = time.AfterFunc(l.hub.cfg.WriteTimeout-time.Since(start), func() { l.raise(lapse) })
	return false
}

// resumeLarge is the shard's turn with a line that stalled in a large event.
func (l *line) resumeLarge(heard uint32) {
	t := &l.light
	t.heard = heard & bye
	switch {
	case heard&over != 0: // within an event there is no place for a bye
		l.hangUp(true)
	case heard&writable != 0:
		t.stall.timer.Stop()
		t.stall = nil
		t.away = true
		go l.pull()
	case heard&lapse != 0 && !l.alive(0):
		l.hangUp(true)
	}
}
