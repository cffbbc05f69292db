package push

import (
	"errors"
	"net/http"
	"sync"
	"time"
)

// The bounds of the pieces in which a writer writes. It sees progress piece by
// piece: small ones distinguish a slow reader from a dead one, and a fast reader
// gets large ones.
const (
	minPiece = 512
	maxPiece = 64 << 10
)

// A writer writes a response and gives up on a dead peer.
type writer struct {
	w       http.ResponseWriter
	rc      *http.ResponseController
	timeout time.Duration
	piece   int // bytes of the next piece
	started bool
	until   time.Time // when all must have been taken; zero: no such time

	mu    sync.Mutex // guards ended and the deadline
	ended bool
}

func newWriter(w http.ResponseWriter, timeout time.Duration) *writer {
	return &writer{w: w, rc: http.NewResponseController(w), timeout: timeout, piece: 2 * minPiece}
}

// streamHeader sets the headers of every transport: caches and proxies must not
// hold back what is sent.
func streamHeader(h http.Header, contentType string) {
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	h.Set("Content-Type", contentType)
}

// write writes the segments, piece by piece, and flushes each. A peer that does
// not take a whole piece within the timeout is dead.
func (w *writer) write(segments [][]byte) error {
	if !w.started {
		w.started = true
		w.w.WriteHeader(http.StatusOK)
		if len(segments) == 0 {
			return w.writePiece(nil)
		}
	}
	for _, rest := range segments {
		for len(rest) > 0 {
			n := min(len(rest), w.piece)
			if err := w.writePiece(rest[:n]); err != nil {
				return err
			}
			rest = rest[n:]
		}
	}
	return nil
}

func (w *writer) writePiece(p []byte) error {
	if err := w.extend(); err != nil {
		return err
	}
	start := time.Now()
	if _, err := w.w.Write(p); err != nil {
		return err
	}
	if err := w.rc.Flush(); err != nil {
		return err
	}
	switch took := time.Since(start); {
	case took > w.timeout/8:
		w.piece = max(w.piece/4, minPiece)
	case took < w.timeout/64 && len(p) == w.piece:
		w.piece = min(w.piece*2, maxPiece)
	}
	return nil
}

var errCut = errors.New("the stream was cut")

// extend sets the deadline of the next piece.
func (w *writer) extend() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return errCut
	}
	deadline := time.Now().Add(w.timeout)
	if !w.until.IsZero() && w.until.Before(deadline) {
		deadline = w.until
	}
	return w.setDeadline(deadline)
}

// cut makes a write that is under way fail, and all later ones. Any goroutine may
// call it.
func (w *writer) cut() { w.end(time.Unix(1, 0)) }

// finish gives the end of the response a last timeout. net/http lifts the deadline
// afterwards.
func (w *writer) finish() { w.end(time.Now().Add(w.timeout)) }

func (w *writer) end(deadline time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.ended {
		w.ended = true
		_ = w.setDeadline(deadline) // a closed connection has no deadline
	}
}

// setDeadline does nothing if the ResponseWriter has no deadlines.
func (w *writer) setDeadline(t time.Time) error {
	err := w.rc.SetWriteDeadline(t)
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}
