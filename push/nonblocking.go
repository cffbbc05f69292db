package push

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"
)

// A nonblocking driver needs no goroutine while its stream is idle. The handler
// takes the connection from net/http, sends what there is and returns. From then
// on a shard drives the stream whenever it is woken, and never blocks. When only
// the Source knows what comes next, a goroutine takes over until the reader has
// caught up or takes no more.
type nonblocking struct {
	stream
	shard *shard

	// One goroutine at a time uses the following: the handler, then the shard, and
	// while away is set a goroutine that gives the stream back by the back bit.
	// Once the stream is open, only the shard uses away.
	sock    socket // nil once the stream has ended
	away    bool
	parting bool   // the bye is gathered
	failed  bool   // nothing more can be written
	later   uint32 // signals that were taken during a stall, for after it
	stall   *stall
}

// nonblockingBytes is what an open stream without a goroutine counts for, with
// its connection.
const nonblockingBytes = 4 << 10

// A stall is a write of which the connection has taken only a part. The stream's
// batch holds the rest.
type stall struct {
	rest   [][]byte
	since  time.Time // of the last progress
	queued int       // bytes that had not reached the peer then
	held   int64     // bytes of rest
	timer  *time.Timer
}

func newNonblocking(h *Hub, asked Line, sock socket, sh *shard) *nonblocking {
	n := &nonblocking{sock: sock, shard: sh, away: true}
	n.init(h, asked, n)
	return n
}

func (n *nonblocking) memory() int64 { return nonblockingBytes }

// wake has no effect until the stream is open, when its shard first has it.
func (n *nonblocking) wake() { n.shard.add(n) }

// interrupt has nothing to do: no write blocks.
func (n *nonblocking) interrupt() {}

func (n *nonblocking) release() { n.sock.release() }

// serve sends the head of the response and what there is, and hands the stream to
// its shard.
func (n *nonblocking) serve(
	ctx context.Context, w http.ResponseWriter, r *http.Request, starts map[string]uint64,
) (goesOn bool, err error) {
	n.openBatch()
	n.batch.buf = appendHead(n.batch.buf, r, w.Header(), n.enc.contentType)
	n.greet(starts)
	rest := n.collect(ctx, true)
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		n.discard()
		return false, fmt.Errorf("open stream: %w", err)
	}
	_ = conn.Close() // the socket holds the connection
	n.asked = nil
	if n.sock.watch(&n.stream) == nil {
		n.push()
	} else {
		n.failed = true
		n.discard()
	}
	bits := back
	if rest != nothing {
		bits |= news
	}
	n.giveBack(bits)
	return true, nil
}

// appendHead is the response's status line and headers. The body ends with the
// connection.
func appendHead(dst []byte, r *http.Request, h http.Header, contentType string) []byte {
	streamHeader(h, contentType)
	h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	h.Set("Connection", "close")
	head := bytes.NewBuffer(dst)
	fmt.Fprintf(head, "HTTP/1.%d 200 OK\r\n", r.ProtoMinor)
	_ = h.Write(head) // a buffer returns no errors
	head.WriteString("\r\n")
	return head.Bytes()
}

// giveBack lets the shard drive the stream again.
func (n *nonblocking) giveBack(bits uint32) {
	n.bits.Or(bits)
	n.shard.add(n)
}

// drive is called by the shard when the stream was woken.
func (n *nonblocking) drive() {
	if n.away && !n.raised(back) {
		return // what was raised waits until the stream is back
	}
	n.away = false
	bits := n.later | n.take()&^back
	n.later = 0
	switch {
	case n.sock == nil: // woken once more when it ended
	case n.failed || bits&(cut|hungUp) != 0:
		n.hangUp(true)
	case n.stall != nil && n.large != nil:
		n.resumeLarge(bits)
	case n.stall != nil && !n.resume(bits):
		if n.failed {
			n.hangUp(true)
		}
		n.later = bits & (bye | over)
	case n.parting:
		n.hangUp(false)
	case bits != 0:
		n.send(bits)
	}
}

// send gathers and writes what there is without asking the Source.
func (n *nonblocking) send(bits uint32) {
	n.openBatch()
	rest := nothing
	switch {
	case bits&(over|bye) != 0:
		n.addFarewell(n.hub.ctx, bits&over != 0, false)
		n.parting = true
	default:
		if bits&beat != 0 {
			n.addHeartbeat()
		}
		rest = n.collect(n.hub.ctx, false)
	}
	done := n.push()
	switch {
	case n.failed:
		n.hangUp(true)
	case !done:
	case n.parting:
		n.hangUp(false)
	case rest == asks:
		n.away = true
		go n.pull()
	case rest == more:
		n.raise(news)
	}
}

// pullsPerProcessor bounds how many streams are caught up at the same moment,
// and so the memory for it: enough to keep a disk busy, few enough to leave the
// processors to those who follow live.
const pullsPerProcessor = 2

// pull gathers with the Source's help until the reader has what there is, takes
// no more, or an urgent signal is raised.
func (n *nonblocking) pull() {
	defer n.giveBack(back)
	defer n.survive()
	for n.pullPiece() {
	}
}

// pullPiece reports whether pull continues.
func (n *nonblocking) pullPiece() bool {
	if n.large != nil {
		return n.sendLarge()
	}
	n.hub.pulls <- struct{}{}
	defer func() { <-n.hub.pulls }()
	n.openBatch()
	rest := n.collect(n.hub.ctx, true)
	return n.push() && !n.failed && rest != nothing && !n.raised(urgent)
}

// survive ends this stream alone if the Source panics, as net/http ends the
// request of a handler that panics.
func (n *nonblocking) survive() {
	if r := recover(); r != nil {
		n.hub.cfg.Logger.Error("panic while a stream was caught up", "panic", r, "stack", string(debug.Stack()))
		n.failed = true
	}
}

// push writes what is gathered. It reports false if the connection does not take
// all of it; then the stream keeps the rest and writes it when there is room.
func (n *nonblocking) push() bool {
	b := n.batch
	if b.size() == 0 {
		n.discard()
		return true
	}
	rest, _, err := writeSome(n.sock, b.take())
	if err == nil && len(rest) > 0 {
		rest = b.shrink(rest)
		n.beginStall(&stall{rest: rest, since: time.Now(), queued: n.sock.queued(), held: sizeOf(rest)}, n.hub.cfg.WriteTimeout)
		return false
	}
	n.settle(err)
	return true
}

// settle ends a write that was taken as a whole, or failed.
func (n *nonblocking) settle(err error) {
	if n.failed = err != nil; !n.failed {
		n.sentEvents(n.batch.events)
	}
	n.endStall()
	n.discard()
}

// beginStall notes a stall, and raises lapse after the timeout.
func (n *nonblocking) beginStall(st *stall, timeout time.Duration) {
	n.hub.cfg.Streams.Add(st.held)
	st.timer = time.AfterFunc(timeout, func() { n.raise(lapse) })
	n.stall = st
}

// endStall forgets the stall, if there is one.
func (n *nonblocking) endStall() {
	if st := n.stall; st != nil {
		st.timer.Stop()
		n.hub.cfg.Streams.Add(-st.held)
		n.stall = nil
	}
}

// resume continues a stalled write and reports whether it is complete.
func (n *nonblocking) resume(bits uint32) bool {
	if bits&(writable|lapse) == 0 {
		return false
	}
	rest, written, err := writeSome(n.sock, n.stall.rest)
	if err != nil || len(rest) == 0 {
		n.settle(err)
		return err == nil
	}
	n.stall.rest = rest
	n.failed = !n.alive(written)
	return false
}

// alive reports, after some bytes were written, whether the peer has taken
// anything within the timeout.
func (n *nonblocking) alive(written int) bool {
	st, now, timeout := n.stall, time.Now(), n.hub.cfg.WriteTimeout
	queued := n.sock.queued()
	switch quiet := now.Sub(st.since); {
	case written > 0 || queued < st.queued:
		st.since, st.queued = now, queued
		st.timer.Reset(timeout)
	case quiet >= timeout:
		n.hub.stats.dead.Add(1)
		return false
	default:
		st.timer.Reset(timeout - quiet)
	}
	return true
}

// hangUp ends the stream.
func (n *nonblocking) hangUp(reset bool) {
	n.endStall()
	n.dropLarge()
	n.discard()
	n.sock.close(reset)
	n.sock = nil
	n.unsubscribe()
	go func() { // OnEnd is the caller's code, which may block: it must not run in the shard
		n.closed()
		n.hub.deregister(&n.stream)
	}()
}

// sendLarge sends the stream's large event, in the goroutine of pull. It reports
// whether pull continues.
func (n *nonblocking) sendLarge() bool {
	g := n.large
	defer g.end()
	for {
		if err := n.takeTurn(n.hub.ctx); err != nil {
			n.failed = !n.giveUpLarge(n.hub.ctx, err)
			return !n.failed && !n.raised(urgent)
		}
		inTurn, err := g.write(n.sock)
		switch {
		case err != nil:
			n.failed = true
			return false
		case !inTurn:
			continue
		case g.sent == g.total():
			n.large = nil
			n.sentEvents(1)
			return !n.raised(urgent)
		}
		if !n.awaitWritable() {
			return false
		}
	}
}

// awaitWritable waits, within the turn, until the connection takes more. When
// the turn ends first, or the stream is to end, it leaves the stream stalled and
// its shard continues with it.
func (n *nonblocking) awaitWritable() bool {
	start, wake := time.Now(), make(chan struct{}, 1)
	waiting := func() {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
	n.waiting.Store(&waiting)
	defer n.waiting.Store(nil)
	over := time.NewTimer(largeTurn)
	defer over.Stop()
	for inTurn := true; inTurn && !n.raised(final); {
		if n.bits.And(^writable)&writable != 0 {
			return true
		}
		select {
		case <-wake:
		case <-over.C:
			inTurn = false
		}
	}
	n.beginStall(&stall{since: start, queued: n.sock.queued()}, n.hub.cfg.WriteTimeout-time.Since(start))
	return false
}

// resumeLarge is drive for a stream that stalled within a large event.
func (n *nonblocking) resumeLarge(bits uint32) {
	n.later = bits & bye
	switch {
	case bits&over != 0: // a bye cannot stand within an event
		n.hangUp(true)
	case bits&writable != 0:
		n.endStall()
		n.away = true
		go n.pull()
	case bits&lapse != 0 && !n.alive(0):
		n.hangUp(true)
	}
}

// writeSome writes what the socket takes of segments.
func writeSome(s socket, segments [][]byte) (rest [][]byte, written int, err error) {
	for i, segment := range segments {
		n, err := s.write(segment)
		written += n
		if err != nil {
			return nil, written, err
		}
		if n < len(segment) {
			segments[i] = segment[n:]
			return segments[i:], written, nil
		}
	}
	return nil, written, nil
}

func sizeOf(segments [][]byte) (bytes int64) {
	for _, segment := range segments {
		bytes += int64(len(segment))
	}
	return bytes
}
