package push

import (
	"context"
	"errors"
	"net/http"
	"os"
	"sync"
	"time"
)

// stream drives a line of server-sent events or NDJSON: gather, write, wait.
func (l *line) stream(ctx context.Context, starts map[string]uint64) {
	streamHeader(l.out.w.Header(), l.enc.contentType)
	l.gather()
	l.greet(starts)
	if !l.flush() {
		return
	}
	for {
		l.gather()
		rest := l.collectAll(ctx)
		if !l.flush() || l.large != nil && !l.sendLarge(ctx) {
			return
		}
		switch why := l.await(ctx, rest, nil); why {
		case gone:
			return
		case sessionOver, draining:
			l.gather()
			l.addFarewell(ctx, why, true)
			l.flush()
			return
		case heartbeat:
			l.gather()
			l.addHeartbeat()
			if !l.flush() {
				return
			}
		}
	}
}

// gather makes sure of a batch to gather into.
func (l *line) gather() {
	if l.batch == nil {
		l.batch = batches.Get().(*batch)
	}
}

// discard gives an unwritten batch back.
func (l *line) discard() {
	if l.batch != nil {
		l.batch.release()
		l.batch = nil
	}
}

// flush writes what is gathered; false when the line has ended.
func (l *line) flush() bool {
	b := l.batch
	l.batch = nil
	defer b.release()
	if b.size() == 0 && l.out.started {
		return true
	}
	if !l.writeOut(b.take()) {
		return false
	}
	l.sentEvents(b.events)
	return true
}

// writeOut writes segments, which count as held until it returns; false when
// the line has ended.
func (l *line) writeOut(segments [][]byte) bool {
	held := sizeOf(segments)
	l.hub.cfg.Streams.Add(held)
	defer l.hub.cfg.Streams.Add(-held)
	err := l.out.write(segments)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		l.hub.stats.dead.Add(1)
	}
	return err == nil
}

// turnAway says bye to a line that was opened while the hub drains.
func (l *line) turnAway() {
	defer l.tellEnd()
	l.gather()
	if l.transport == LongPoll {
		l.addBye(returnDelay(0), "")
		l.answer([]byte(l.asked.Cursor.raw)) // it has missed nothing yet
		return
	}
	streamHeader(l.out.w.Header(), l.enc.contentType)
	l.addBye(returnDelay(0), "")
	l.flush()
}

// The pieces in which a writer writes. Progress is seen piece by piece, so a slow
// reader needs small ones to be told from a dead one; a fast one gets large ones.
const (
	minPiece = 512
	maxPiece = 64 << 10
)

// A writer writes a line's response and gives up on a dead peer.
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

// streamHeader sets the headers of every transport: caches and proxies are not
// to hold the line up.
func streamHeader(h http.Header, contentType string) {
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	h.Set("Content-Type", contentType)
}

// write writes the segments, piece by piece, each flushed. Each may take the
// timeout; a peer that takes none of it for so long is dead.
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

var errCut = errors.New("the line was cut")

// extend gives the next piece its time.
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

// cut makes a write that is under way fail, and all later ones.
func (w *writer) cut() { w.end(time.Unix(1, 0)) }

// finish leaves a last timeout for the end of the response. Afterwards net/http
// lifts the deadline itself.
func (w *writer) finish() { w.end(time.Now().Add(w.timeout)) }

func (w *writer) end(deadline time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.ended {
		w.ended = true
		_ = w.setDeadline(deadline) // a connection that is gone has none
	}
}

// setDeadline goes without where the ResponseWriter knows no deadlines.
func (w *writer) setDeadline(t time.Time) error {
	err := w.rc.SetWriteDeadline(t)
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}
