package push

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"
)

// A light line has no goroutine: its handler hijacks the connection, sends what
// there is and returns. From then on a shard drives the line when it is woken,
// without ever blocking. For what only the Source can tell it is handed to a
// goroutine, which ends once the reader has caught up or takes no more.
type light struct {
	shard *shard

	// The following belong to whoever has the line in hand: its handler, then its
	// shard; while away is set, a goroutine that gives it back with the back bit.
	// Only the shard looks at away once the line is open.
	sock    socket // nil once the line has ended
	away    bool
	parting bool   // the line's bye is gathered
	failed  bool   // nothing more can be written
	heard   uint32 // raised, and to be answered once the stall is over
	stall   *stall
}

// A stall is a write of which the connection has not taken all yet: the batch
// that the line holds, of which rest is left.
type stall struct {
	rest   [][]byte
	since  time.Time // the last progress
	queued int       // what had not reached the peer then
	held   int64     // bytes of rest
	timer  *time.Timer
}

// open sends the head of the response and what there is to say, and hands the
// line to its shard. An error means that nothing was written.
func (l *line) open(ctx context.Context, w http.ResponseWriter, r *http.Request, starts map[string]uint64) error {
	t := &l.light
	l.gather()
	l.batch.buf = appendHead(l.batch.buf, r, w.Header(), l.enc.contentType)
	l.greet(starts)
	rest := l.collect(ctx, true)
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		l.discard()
		return fmt.Errorf("open line: %w", err)
	}
	_ = conn.Close() // the socket holds the connection
	l.asked = nil
	if t.sock.watch(l) == nil {
		l.push()
	} else {
		t.failed = true
		l.discard()
	}
	bits := back
	if rest != nothing {
		bits |= news
	}
	l.giveBack(bits)
	return nil
}

// appendHead is the response's status line and headers. The body ends with the
// connection.
func appendHead(dst []byte, r *http.Request, h http.Header, contentType string) []byte {
	streamHeader(h, contentType)
	h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	h.Set("Connection", "close")
	head := bytes.NewBuffer(dst)
	fmt.Fprintf(head, "HTTP/1.%d 200 OK\r\n", r.ProtoMinor)
	_ = h.Write(head) // memory fails no write
	head.WriteString("\r\n")
	return head.Bytes()
}

// giveBack puts the line into its shard's hands.
func (l *line) giveBack(bits uint32) {
	l.bits.Or(bits)
	l.light.shard.add(l)
}

// drive is the shard's turn with a line that was woken.
func (l *line) drive() {
	t := &l.light
	if t.away && l.bits.Load()&back == 0 {
		return // what was raised is kept until the line is back
	}
	t.away = false
	heard := t.heard | l.take()&^back
	t.heard = 0
	switch {
	case t.sock == nil: // woken once more at its end
	case t.failed || heard&(cut|hungUp) != 0:
		l.hangUp(true)
	case t.stall != nil && l.large != nil:
		l.resumeLarge(heard)
	case t.stall != nil && !l.resume(heard):
		if t.failed {
			l.hangUp(true)
		}
		t.heard = heard & (bye | over)
	case t.parting:
		l.hangUp(false)
	case heard != 0:
		l.advanceLight(heard)
	}
}

// advanceLight gathers and writes what there is without asking the Source.
func (l *line) advanceLight(heard uint32) {
	t := &l.light
	l.gather()
	rest := nothing
	switch {
	case heard&over != 0:
		l.addFarewell(l.hub.ctx, sessionOver, false)
		t.parting = true
	case heard&bye != 0:
		l.addFarewell(l.hub.ctx, draining, false)
		t.parting = true
	default:
		if heard&beat != 0 {
			l.addHeartbeat()
		}
		rest = l.collect(l.hub.ctx, false)
	}
	done := l.push()
	switch {
	case t.failed:
		l.hangUp(true)
	case !done:
	case t.parting:
		l.hangUp(false)
	case rest == asks:
		t.away = true
		go l.pull()
	case rest == more:
		l.raise(news)
	}
}

// pullsPerProcessor bounds how many lines are caught up at the same moment,
// and so the memory for it: enough to keep a disk busy, few enough to leave the
// processors to those who follow live.
const pullsPerProcessor = 2

// pull gathers with the Source's help until the reader has what there is, takes
// no more, or there is something else to be done for the line.
func (l *line) pull() {
	defer l.giveBack(back)
	defer l.survive()
	for l.pullPiece() {
	}
}

// pullPiece reports whether there is a reason to go on.
func (l *line) pullPiece() bool {
	if l.large != nil {
		return l.sendLargeLight()
	}
	l.hub.pulls <- struct{}{}
	defer func() { <-l.hub.pulls }()
	l.gather()
	rest := l.collect(l.hub.ctx, true)
	return l.push() && !l.light.failed && rest != nothing && l.bits.Load()&urgent == 0
}

// survive ends the line alone where the Source panics, as net/http does for a
// handler's.
func (l *line) survive() {
	if r := recover(); r != nil {
		l.hub.cfg.Logger.Error("panic while a line was caught up", "panic", r, "stack", string(debug.Stack()))
		l.light.failed = true
	}
}

// push writes what is gathered. It reports false where the connection does not
// take all of it: the rest is kept, and written when it takes more.
func (l *line) push() bool {
	t, b := &l.light, l.batch
	if b.size() == 0 {
		l.discard()
		return true
	}
	rest, _, err := writeSome(t.sock, b.take())
	if err == nil && len(rest) > 0 {
		rest = b.shrink(rest)
		t.stall = &stall{rest: rest, since: time.Now(), queued: t.sock.queued(), held: sizeOf(rest)}
		l.hub.cfg.Streams.Add(t.stall.held)
		t.stall.timer = time.AfterFunc(l.hub.cfg.WriteTimeout, func() { l.raise(lapse) })
		return false
	}
	l.settle(err)
	return true
}

// settle ends a write that went through, or failed.
func (l *line) settle(err error) {
	if l.light.failed = err != nil; !l.light.failed {
		l.sentEvents(l.batch.events)
	}
	l.endStall()
	l.discard()
}

// endStall forgets the stall, if there is one.
func (l *line) endStall() {
	if st := l.light.stall; st != nil {
		st.timer.Stop()
		l.hub.cfg.Streams.Add(-st.held)
		l.light.stall = nil
	}
}

func sizeOf(segments [][]byte) (bytes int64) {
	for _, segment := range segments {
		bytes += int64(len(segment))
	}
	return bytes
}

// resume goes on with a stalled write; true when it is through. A peer to whom
// nothing went for the timeout is dead.
func (l *line) resume(heard uint32) bool {
	if heard&(writable|lapse) == 0 {
		return false
	}
	t := &l.light
	rest, n, err := writeSome(t.sock, t.stall.rest)
	if err != nil || len(rest) == 0 {
		l.settle(err)
		return err == nil
	}
	t.stall.rest = rest
	t.failed = !l.alive(n)
	return false
}

// alive reports, after n bytes were written, whether the peer has taken anything
// within the timeout.
func (l *line) alive(n int) bool {
	st, now, timeout := l.light.stall, time.Now(), l.hub.cfg.WriteTimeout
	queued := l.light.sock.queued()
	switch quiet := now.Sub(st.since); {
	case n > 0 || queued < st.queued:
		st.since, st.queued = now, queued
		st.timer.Reset(timeout)
	case quiet >= timeout:
		l.hub.stats.dead.Add(1)
		return false
	default:
		st.timer.Reset(timeout - quiet)
	}
	return true
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

// hangUp ends the line.
func (l *line) hangUp(reset bool) {
	t := &l.light
	l.endStall()
	l.dropLarge()
	l.discard()
	t.sock.close(reset)
	t.sock = nil
	l.unsubscribe()
	go l.ended() // the caller's code: not in the shard
}
