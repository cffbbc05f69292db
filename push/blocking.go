package push

import (
	"context"
	"errors"
	"net/http"
	"os"
	"time"
)

// A blocking driver is the goroutine of a stream's handler: it writes to the
// http.ResponseWriter, and waits for the peer to take what it writes. It serves
// long polls, and streams over connections that the nonblocking driver cannot
// take.
type blocking struct {
	stream
	out   *writer
	awake chan struct{} // holds one token while signals are raised and not taken
}

// blockingBytes is what an open stream with a goroutine counts for, with its
// connection and net/http's buffers.
const blockingBytes = 48 << 10

func newBlocking(h *Hub, w http.ResponseWriter, asked Line) *blocking {
	b := &blocking{out: newWriter(w, h.cfg.WriteTimeout), awake: make(chan struct{}, 1)}
	b.init(h, asked, b)
	return b
}

func (b *blocking) memory() int64 { return blockingBytes }

func (b *blocking) wake() {
	select {
	case b.awake <- struct{}{}:
	default:
	}
}

func (b *blocking) interrupt() { b.out.cut() }

func (b *blocking) release() {
	b.dropLarge()
	b.out.finish()
}

func (b *blocking) serve(
	ctx context.Context, _ http.ResponseWriter, r *http.Request, starts map[string]uint64,
) (goesOn bool, err error) {
	if b.transport == LongPoll {
		b.poll(ctx, starts)
		return false, nil
	}
	bound(r, b.hub.silence())
	b.run(ctx, starts)
	return false, nil
}

// run drives a stream of server-sent events or NDJSON: gather, write, wait.
func (b *blocking) run(ctx context.Context, starts map[string]uint64) {
	streamHeader(b.out.w.Header(), b.enc.contentType)
	b.openBatch()
	b.greet(starts)
	if !b.flush() {
		return
	}
	for {
		b.openBatch()
		rest := b.collectAll(ctx)
		if !b.flush() || b.large != nil && !b.sendLarge(ctx) {
			return
		}
		switch why := b.await(ctx, rest, nil); why {
		case gone:
			return
		case sessionOver, draining:
			b.openBatch()
			b.addFarewell(ctx, why == sessionOver, true)
			b.flush()
			return
		case heartbeat:
			b.openBatch()
			b.addHeartbeat()
			if !b.flush() {
				return
			}
		}
	}
}

// collectAll is collect with the Source's help. A bounded number of streams ask
// the Source at the same moment.
func (b *blocking) collectAll(ctx context.Context) left {
	rest := b.collect(ctx, false)
	if rest != asks || b.large != nil {
		return rest
	}
	select {
	case b.hub.pulls <- struct{}{}:
		defer func() { <-b.hub.pulls }()
		return b.collect(ctx, true)
	case <-ctx.Done():
		return more
	}
}

// A wakeUp is why a blocking driver stops waiting.
type wakeUp int

const (
	something   wakeUp = iota // there may be something to gather
	heartbeat                 // the same, and a heartbeat is due
	timedOut                  // the long poll has waited long enough
	gone                      // the reader has gone, or the hub is closed
	sessionOver               // end was called
	draining                  // the hub drains
)

// await waits for a reason to continue, and returns it. It does not wait if there
// is more to gather.
func (b *blocking) await(ctx context.Context, rest left, timeout <-chan time.Time) wakeUp {
	if rest == nothing {
		select {
		case <-b.awake:
		case <-ctx.Done():
		case <-timeout:
			return timedOut
		}
	}
	bits := b.take()
	switch {
	case ctx.Err() != nil, bits&cut != 0:
		return gone
	case bits&over != 0:
		return sessionOver
	case bits&bye != 0:
		return draining
	case bits&beat != 0:
		return heartbeat
	}
	return something
}

// flush writes what is gathered; false when the stream has ended.
func (b *blocking) flush() bool {
	gathered := b.batch
	b.batch = nil
	defer gathered.release()
	if gathered.size() == 0 && b.out.started {
		return true
	}
	if !b.writeOut(gathered.take()) {
		return false
	}
	b.sentEvents(gathered.events)
	return true
}

// writeOut writes segments, which count as held until it returns; false when
// the stream has ended.
func (b *blocking) writeOut(segments [][]byte) bool {
	held := sizeOf(segments)
	b.hub.cfg.Streams.Add(held)
	defer b.hub.cfg.Streams.Add(-held)
	err := b.out.write(segments)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		b.hub.stats.dead.Add(1)
	}
	return err == nil
}

// turnAway answers with a bye. The stream is not registered: the hub drains.
func (b *blocking) turnAway() {
	defer b.out.finish()
	b.openBatch()
	if b.transport == LongPoll {
		b.addBye(returnDelay(0), "")
		b.answer([]byte(b.asked.Cursor.raw)) // it has missed nothing yet
		return
	}
	streamHeader(b.out.w.Header(), b.enc.contentType)
	b.addBye(returnDelay(0), "")
	b.flush()
}

// sendLarge sends the stream's large event; false when the stream has ended.
func (b *blocking) sendLarge(ctx context.Context) bool {
	g, buf := b.large, make([]byte, 0, maxPiece)
	defer g.end()
	for g.sent < g.total() {
		err := b.takeTurn(ctx)
		if err != nil || b.raised(over) {
			return b.giveUpLarge(ctx, err)
		}
		piece, inTurn := g.piece(buf)
		if !inTurn {
			continue
		}
		if !b.writeOut([][]byte{piece}) {
			return false
		}
		g.sent += len(piece)
	}
	b.large = nil
	b.sentEvents(1)
	return true
}
