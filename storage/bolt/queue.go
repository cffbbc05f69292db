package bolt

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"halley/storage"
)

// A write is one caller's wish to the committer.
type write struct {
	// apply checks, and only then writes. An error means that nothing was
	// written, and is the caller's answer. It may be called again, in another
	// transaction, if the first one failed.
	apply func(*tables) error
	// touches says what reads must not be told while the write is in doubt.
	touches []touched
	size    int // bytes to be written, about
	// behind: nobody waits for it at a page. It goes after all that is queued
	// otherwise, and one such write at most is in a batch.
	behind bool

	state  atomic.Int32
	answer chan error // has room for the one answer
}

// touched names a page, or a record's key, or a blob.
type touched struct {
	page storage.PageID
	key  string
	blob storage.Hash
}

// The states of a write: it leaves queued once, for one of the others.
const (
	queued int32 = iota
	begun
	withdrawn
)

// A queue holds what the committer has not begun. Its length is bounded by the
// number of callers, each of whom waits.
type queue struct {
	wake chan struct{} // has room for one; filled when there is something to do

	mu     sync.Mutex
	writes []*write // guarded by mu
	behind []*write // guarded by mu
	closed bool     // guarded by mu
}

func newQueue() *queue {
	return &queue{wake: make(chan struct{}, 1)}
}

// do puts w into the queue and waits for its answer. Where ctx ends before w
// has begun, w never begins.
func (q *queue) do(ctx context.Context, w *write) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w.answer = make(chan error, 1)
	if !q.add(w) {
		return storage.ErrClosed
	}
	select {
	case err := <-w.answer:
		return err
	case <-ctx.Done():
		if w.state.CompareAndSwap(queued, withdrawn) {
			return ctx.Err()
		}
		return <-w.answer
	}
}

func (q *queue) add(w *write) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	if w.behind {
		q.behind = append(q.behind, w)
	} else {
		q.writes = append(q.writes, w)
	}
	q.nudge()
	return true
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.writes) + len(q.behind)
}

// gather lets a crowd, which was answered just now, come back, so that its next
// writes share one sync, where the first to wake would otherwise have one of
// its own. It returns when as many are queued as were answered, when those who
// can run have run and brought nothing more, or after gatherTime: on a machine
// whose processors are all busy each turn takes milliseconds.
func (q *queue) gather(crowd int) {
	const patience = 16 // an edit goes through some goroutines on its way here
	began := time.Now()
	for n, still := q.len(), 0; n < crowd && still < patience && time.Since(began) < gatherTime; still++ {
		runtime.Gosched()
		if now := q.len(); now > n {
			n, still = now, 0
		}
	}
}

// gatherTime is how long the committer waits at most for those whom it has
// answered.
const gatherTime = 200 * time.Microsecond

func (q *queue) nudge() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// close turns away what comes later; what is queued stays.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.nudge()
}

// take begins the oldest writes, up to maxBatchWrites of them and about
// maxBatchBytes, and one that goes behind; it leaves out the withdrawn ones. over: the queue is empty
// and nothing more will come.
func (q *queue) take() (batch []*write, over bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	taken, size := 0, 0
	for _, w := range q.writes {
		if len(batch) > 0 && (len(batch) == maxBatchWrites || size+w.size > maxBatchBytes) {
			break
		}
		taken++
		if w.state.CompareAndSwap(queued, begun) {
			batch = append(batch, w)
			size += w.size
		}
	}
	if q.writes = q.writes[taken:]; len(q.writes) == 0 {
		q.writes = nil
	}
	if w := q.takeBehind(); w != nil {
		batch = append(batch, w)
	}
	if len(q.writes)+len(q.behind) > 0 || q.closed {
		q.nudge() // the committer has to come again
	}
	return batch, q.closed && len(q.writes)+len(q.behind) == 0 && len(batch) == 0
}

// takeBehind begins the oldest write of its kind; nil where there is none. The
// caller holds mu.
func (q *queue) takeBehind() *write {
	for len(q.behind) > 0 {
		w := q.behind[0]
		if q.behind = q.behind[1:]; len(q.behind) == 0 {
			q.behind = nil
		}
		if w.state.CompareAndSwap(queued, begun) {
			return w
		}
	}
	return nil
}
