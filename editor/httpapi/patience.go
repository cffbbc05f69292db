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

// How long a peer is waited for, and how fast it has to be: a body must come,
// and an answer be taken, at a least pace in bytes a second. Beyond smallBytes
// the pace grows with what has passed, up to one that depends on what waits for
// the peer: memory that is held for it, or only a connection. A peer may fall
// behind its pace by the grace, and not more, however fast it was before.
const (
	bodyGrace    = 20 * time.Second
	bodyPace     = 512 // bytes a second, at first
	answerGrace  = 30 * time.Second
	answerPace   = 2 << 10
	heldPace     = 128 << 10 // at last, where memory waits
	streamedPace = 16 << 10  // at last, where only a connection does
	paceGrowth   = 128       // seconds in which what has passed would have to pass again
	answerPiece  = 64 << 10  // what is written under one deadline
)

// A patience is how long a peer is still waited for.
type patience struct {
	left, grace time.Duration
	least, most int64 // the pace, in bytes a second
	passed      int64 // bytes
}

// waited notes how long a peer took for n bytes.
func (p *patience) waited(took time.Duration, n int) {
	p.passed += int64(n)
	pace := min(p.least+max(0, p.passed-smallBytes)/paceGrowth, p.most)
	p.left = min(p.left-took+time.Duration(n)*time.Second/time.Duration(pace), p.grace)
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

// patient puts bounds on a request and its answer: on how long their peer is
// waited for, and on the memory that they hold. The caller calls end when the
// request is over.
func (s *Server) patient(w http.ResponseWriter, r *http.Request) (*patientWriter, *http.Request) {
	peer, ok := r.Context().Value(peerKey{}).(Peer)
	if !ok {
		peer = nobody{}
	}
	peer.Begin()
	out := &patientWriter{
		ResponseWriter: w, control: http.NewResponseController(w), peer: peer, held: held{memory: s.memory}, turns: s.turns,
		patience: patience{left: answerGrace, grace: answerGrace, least: answerPace, most: streamedPace},
	}
	if r.Body != nil && r.Body != http.NoBody {
		b := &patientBody{
			from: r.Body, control: out.control, peer: peer,
			patience: patience{left: bodyGrace, grace: bodyGrace, least: bodyPace, most: heldPace},
		}
		// From now on, not from the first read: what nobody reads, net/http
		// throws away itself before it answers.
		b.extend(time.Now())
		// A copy, since net/http looks at the body that it made itself to see
		// whether the rest of it is worth waiting for.
		r = r.WithContext(r.Context())
		r.Body, out.body = b, b
	}
	return out, r
}

// A patientBody is a request's body, which has to come in time.
type patientBody struct {
	from     io.ReadCloser
	control  *http.ResponseController
	peer     Peer
	patience patience
}

func (b *patientBody) Read(p []byte) (int, error) {
	start := time.Now()
	b.extend(start)
	b.peer.Wait()
	n, err := b.from.Read(p)
	b.peer.Begin()
	b.patience.waited(time.Since(start), n)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		// From here on net/http watches whether the peer is still there.
		_ = b.control.SetReadDeadline(time.Time{}) // as in extend
	}
	return n, err
}

func (b *patientBody) Close() error { return b.from.Close() }

func (b *patientBody) extend(now time.Time) {
	_ = b.control.SetReadDeadline(now.Add(b.patience.left)) // a writer without deadlines has no peer that is slow
}

// A patientWriter gives up on a peer that takes nothing of an answer. Streams
// go past it: they have their own patience.
type patientWriter struct {
	http.ResponseWriter
	control  *http.ResponseController
	peer     Peer
	patience patience
	body     *patientBody // nil: none
	held     held
	turns    turns
	turn     bool // that it has a turn
}

// end gives back what the request has held.
func (w *patientWriter) end() {
	w.endTurn()
	w.held.release()
	w.peer.Wait()
}

func (w *patientWriter) Write(p []byte) (int, error) {
	w.endTurn() // a peer may take long to read
	written := 0
	for {
		piece := p[written:min(written+answerPiece, len(p))]
		start := time.Now()
		_ = w.control.SetWriteDeadline(start.Add(w.patience.left)) // as in extend
		w.peer.Wait()
		n, err := w.ResponseWriter.Write(piece)
		w.peer.Begin()
		w.patience.waited(time.Since(start), n)
		written += n
		if err != nil || written >= len(p) {
			return written, err
		}
	}
}

// Flush sends what is written so far. Whether the peer is gone, the next write tells.
func (w *patientWriter) Flush() { _ = w.control.Flush() }

// Hijack is for gin, which does not unwrap.
func (w *patientWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) { return w.control.Hijack() }

func (w *patientWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// patientOf finds the request's patientWriter under those that wrap it.
func patientOf(w http.ResponseWriter) *patientWriter {
	for {
		if p, ok := w.(*patientWriter); ok {
			return p
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			panic("httpapi: a request that ServeHTTP has not prepared")
		}
		w = u.Unwrap()
	}
}
