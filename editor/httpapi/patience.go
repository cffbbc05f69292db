package httpapi

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// How long a peer is waited for. A body may take bodyGrace, and a second more
// for each bodyRate bytes of it: whoever sends one byte a second is not waited
// for till the end. An answer's piece must be taken within answerTime.
const (
	bodyGrace   = 20 * time.Second
	bodyRate    = 512 // bytes a second
	answerTime  = 30 * time.Second
	answerPiece = 64 << 10
)

// patient puts both bounds on a request and its answer.
func patient(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, *http.Request) {
	control := http.NewResponseController(w)
	if r.Body != nil && r.Body != http.NoBody {
		b := &patientBody{from: r.Body, control: control, start: time.Now()}
		// From now on, not from the first read: what nobody reads, net/http
		// throws away itself before it answers.
		b.extend()
		// A copy, since net/http looks at the body that it made itself to see
		// whether the rest of it is worth waiting for.
		r = r.WithContext(r.Context())
		r.Body = b
	}
	return &patientWriter{ResponseWriter: w, control: control}, r
}

// A patientBody is a request's body, which has to come in time.
type patientBody struct {
	from    io.ReadCloser
	control *http.ResponseController
	start   time.Time
	read    int64
}

func (b *patientBody) Read(p []byte) (int, error) {
	b.extend()
	n, err := b.from.Read(p)
	b.read += int64(n)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		// From here on net/http watches whether the peer is still there.
		_ = b.control.SetReadDeadline(time.Time{}) // as in extend
	}
	return n, err
}

func (b *patientBody) Close() error { return b.from.Close() }

func (b *patientBody) extend() {
	due := b.start.Add(bodyGrace + time.Duration(b.read)*time.Second/bodyRate)
	_ = b.control.SetReadDeadline(due) // a writer without deadlines has no peer that is slow
}

// A patientWriter gives up on a peer that takes nothing of an answer. Streams
// go past it: they have their own patience.
type patientWriter struct {
	http.ResponseWriter
	control *http.ResponseController
}

func (w *patientWriter) Write(p []byte) (int, error) {
	written := 0
	for {
		piece := p[written:min(written+answerPiece, len(p))]
		_ = w.control.SetWriteDeadline(time.Now().Add(answerTime)) // as in extend
		n, err := w.ResponseWriter.Write(piece)
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
