package bolt

import (
	"fmt"
	"math"
	"time"

	"go.etcd.io/bbolt"

	"halley/storage"
)

// What one transaction takes at most: so many writes, and so many bytes unless
// a single write has more.
const (
	maxBatchWrites = 4096
	maxBatchBytes  = 32 << 20
)

// commitAll is the committer: the one goroutine that writes. It ends when the
// queue is closed and everything in it is answered.
func (s *Store) commitAll() {
	defer s.recovery.timer.Stop()
	var with company
	for {
		select {
		case <-s.queue.wake:
			s.queue.await(with.expected(time.Now()))
		case <-s.recovery.timer.C:
			s.retry()
		}
		batch, over := s.queue.take()
		if over {
			return
		}
		if len(batch) > 0 {
			with.note(batch, time.Now())
			s.serve(batch)
		}
		if len(batch) > 1 {
			s.queue.gather(len(batch))
		}
	}
}

// serve commits a batch and answers each of its writes.
func (s *Store) serve(batch []*write) {
	if err := s.Healthy(); err != nil {
		// Nothing has begun, so what is in doubt is not this write.
		answerAll(batch, fmt.Errorf("%w: %w", storage.ErrDiskFull, s.recovery.cause))
		return
	}
	results, written := make([]error, len(batch)), 0
	began := time.Now()
	tx, err := s.transact(func(t *tables) (changed bool) {
		for i, w := range batch {
			if results[i] = w.apply(t); results[i] == nil {
				written++
			}
		}
		return written > 0
	})
	if written > 0 || err != nil {
		s.cfg.Observe(Commit{Writes: written, Took: time.Since(began), Err: err})
	}
	if err == nil {
		for i, w := range batch {
			w.answer <- results[i]
		}
		return
	}
	switch fate := s.settle(err, tx, batch); {
	case fate == stored:
		for i, w := range batch {
			w.answer <- results[i]
		}
	case fate == unknown:
		answerAll(batch, fmt.Errorf("%w: %w", storage.ErrUnknown, err))
	case len(batch) > 1 && s.Healthy() == nil:
		// One write was too much for the disk, perhaps. The others need not
		// suffer for it.
		for _, w := range batch {
			s.serve([]*write{w})
		}
	default:
		answerAll(batch, fmt.Errorf("%w: %w", storage.ErrDiskFull, err))
	}
}

func answerAll(batch []*write, err error) {
	for _, w := range batch {
		w.answer <- err
	}
}

// transact runs fn in a write transaction and commits it, if fn has changed
// anything. After an error the file must be opened again; number is the one
// that the transaction has where it is in the file nevertheless.
func (s *Store) transact(fn func(*tables) (changed bool)) (number int, err error) {
	tx, err := s.db.Begin(true)
	if err != nil {
		return math.MaxInt, err // no file will ever have it
	}
	defer tx.Rollback() // does nothing after a commit
	number = tx.ID()
	s.db.AllocSize = growthOf(tx.Size())
	guardErr := guard(func() { err = s.applyAndCommit(tx, fn) })
	if guardErr != nil {
		return number, guardErr
	}
	return number, err
}

func (s *Store) applyAndCommit(tx *bbolt.Tx, fn func(*tables) (changed bool)) error {
	t, number := tablesOf(tx), tx.ID()
	changed := fn(t)
	if t.err != nil || !changed {
		return t.err
	}
	if err := s.cfg.commit(tx); err != nil {
		return err
	}
	s.watchers.tell(number, t.changed)
	s.gate.set(number)
	return nil
}
