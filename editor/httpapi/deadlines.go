package httpapi

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// A request's body must arrive, and its answer be read, at a minimum rate in bytes
// a second. Beyond smallBytes the minimum rises with the bytes transferred, up to
// a rate that depends on what waits for the peer: memory, or only a connection. A
// peer may lag behind the minimum rate by the grace period, however fast it was
// before.
const (
	bodyGrace    = 20 * time.Second
	bodyRate     = 512 // bytes a second, at first
	answerGrace  = 30 * time.Second
	answerRate   = 2 << 10
	heldRate     = 128 << 10 // at last, where memory waits
	streamedRate = 16 << 10  // at last, where only a connection does
	rateGrowth   = 128       // the minimum rate would repeat the transfer in that many seconds
	answerPiece  = 64 << 10  // what is written under one deadline
)

// A deadline is how long a request still waits for its peer.
type deadline struct {
	left, grace time.Duration
	least, most int64 // the minimum rate, in bytes a second: at first, and at last
	passed      int64 // bytes
}

// waited records that the peer took this long for n bytes.
func (d *deadline) waited(took time.Duration, n int) {
	d.passed += int64(n)
	rate := min(d.least+max(0, d.passed-smallBytes)/rateGrowth, d.most)
	d.left = min(d.left-took+time.Duration(n)*time.Second/time.Duration(rate), d.grace)
}

// A Peer is notified when a request only waits for the other end of its
// connection, and when it goes on. Both methods are called often and must be cheap.
type Peer interface {
	Begin() // a request begins to work
	Wait()  // it waits for its peer, or ends
}

type peerKey struct{}

// WithPeer returns a connection's context whose requests notify p.
func WithPeer(ctx context.Context, p Peer) context.Context {
	return context.WithValue(ctx, peerKey{}, p)
}

type nobody struct{}

func (nobody) Begin() {}
func (nobody) Wait()  {}

// timed bounds a request and its answer: how long they wait for their peer, and
// the memory that they hold. The caller calls end when the request is over.
func (s *Server) timed(w http.ResponseWriter, r *http.Request) (*timedWriter, *http.Request) {
	peer, ok := r.Context().Value(peerKey{}).(Peer)
	if !ok {
		peer = nobody{}
	}
	peer.Begin()
	out := &timedWriter{
		ResponseWriter: w, control: *http.NewResponseController(w), peer: peer, held: held{memory: s.memory}, turns: s.turns,
		deadline: deadline{left: answerGrace, grace: answerGrace, least: answerRate, most: streamedRate},
	}
	if r.Body != nil && r.Body != http.NoBody {
		var in struct { // one allocation for both
			body    timedBody
			request http.Request
		}
		b := &in.body
		*b = timedBody{
			from: r.Body, control: &out.control, peer: peer,
			deadline: deadline{left: bodyGrace, grace: bodyGrace, least: bodyRate, most: heldRate},
		}
		// From now on, not from the first read: what nobody reads, net/http
		// throws away itself before it answers.
		b.extend(time.Now())
		// A copy, since net/http looks at the body that it made itself to see
		// whether the rest of it is worth waiting for.
		in.request = *r
		r = &in.request
		r.Body, out.body = b, b
	}
	return out, r
}

// A timedBody is a request's body that must arrive in time.
type timedBody struct {
	from     io.ReadCloser
	control  *http.ResponseController
	peer     Peer
	deadline deadline
}

func (b *timedBody) Read(p []byte) (int, error) {
	start := time.Now()
	b.extend(start)
	b.peer.Wait()
	n, err := b.from.Read(p)
	b.peer.Begin()
	b.deadline.waited(time.Since(start), n)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		// From here on net/http watches whether the peer is still there.
		_ = b.control.SetReadDeadline(time.Time{}) // as in extend
	}
	return n, err
}

func (b *timedBody) Close() error { return b.from.Close() }

func (b *timedBody) extend(now time.Time) {
	_ = b.control.SetReadDeadline(now.Add(b.deadline.left)) // a writer without deadlines has no peer that is slow
}

// A timedWriter gives up on a peer that does not read its answer. Streams bypass
// it: they have deadlines of their own.
type timedWriter struct {
	http.ResponseWriter
	control  http.ResponseController
	peer     Peer
	deadline deadline
	body     *timedBody // nil: none
	caller   caller
	held     held
	turns    turns
	turn     bool // that it has a turn
}

// end releases the memory and the turn of the request.
func (w *timedWriter) end() {
	w.endTurn()
	w.held.release()
	w.peer.Wait()
}

func (w *timedWriter) Write(p []byte) (int, error) {
	w.endTurn() // a peer may take long to read
	written := 0
	for {
		piece := p[written:min(written+answerPiece, len(p))]
		start := time.Now()
		_ = w.control.SetWriteDeadline(start.Add(w.deadline.left)) // as in extend
		w.peer.Wait()
		n, err := w.ResponseWriter.Write(piece)
		w.peer.Begin()
		w.deadline.waited(time.Since(start), n)
		written += n
		if err != nil || written >= len(p) {
			return written, err
		}
	}
}

// Flush sends what is written so far. Whether the peer is gone, the next write tells.
func (w *timedWriter) Flush() { _ = w.control.Flush() }

// Hijack is for gin, which does not unwrap.
func (w *timedWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) { return w.control.Hijack() }

func (w *timedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// timedWriterOf finds the request's timedWriter under those that wrap it.
func timedWriterOf(w http.ResponseWriter) *timedWriter {
	for {
		if p, ok := w.(*timedWriter); ok {
			return p
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			panic("httpapi: a request that ServeHTTP has not prepared")
		}
		w = u.Unwrap()
	}
}
