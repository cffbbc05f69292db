package storagetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"halley/storage"
)

// A step is what one caller of a page's log saw: it began and ended at two
// ticks of a clock that all callers share.
type step struct {
	began, ended int64
	appended     bool
	seq          uint64 // of the appended change, or the head that was seen
	who          string // client and n of the appended change
}

// historyOfOnePage lets many append to one page and read it, all at once, and
// checks what they saw against the model: a log that grows at one end.
func historyOfOnePage(w *world) {
	const seed, callers, rounds = 3, 12, 60
	var clock atomic.Int64
	var mu sync.Mutex
	var steps []step // guarded by mu
	note := func(s step) {
		s.ended = clock.Add(1)
		mu.Lock()
		defer mu.Unlock()
		steps = append(steps, s)
	}
	var all sync.WaitGroup
	for id := range callers {
		all.Go(func() {
			c := &caller{world: w, client: fmt.Sprintf("client-%d", id), rng: rand.New(rand.NewPCG(seed, uint64(id)))}
			for range rounds {
				s := step{began: clock.Add(1)}
				if err := c.act(&s); err != nil {
					w.Errorf("%s: %v (seed %d)", c.client, err, seed)
					return
				}
				note(s)
			}
		})
	}
	all.Wait()
	if err := linearizable(steps); err != nil {
		w.Fatalf("%v (seed %d)", err, seed)
	}
	for _, s := range steps {
		if !s.appended {
			continue
		}
		got := w.log("contested", s.seq-1, s.seq)
		if len(got) != 1 || fmt.Sprint(got[0].Client, " ", got[0].N) != s.who {
			w.Fatalf("change %d is %+v, want the one of %s (seed %d)", s.seq, got, s.who, seed)
		}
	}
}

// A caller appends on the head that it knows, and learns of newer ones.
type caller struct {
	*world
	client string
	n      uint64
	known  uint64
	rng    *rand.Rand
}

func (c *caller) act(s *step) (err error) {
	switch c.rng.IntN(4) {
	case 0:
		s.seq, err = c.Head(c.Context(), "contested")
		c.known = s.seq
		return err
	case 1:
		from := c.known
		s.seq = from
		err = c.Read(c.Context(), "contested", from, end, func(ch storage.Change) error {
			if ch.Seq != s.seq+1 {
				return fmt.Errorf("read change %d after %d", ch.Seq, s.seq)
			}
			s.seq = ch.Seq
			return nil
		})
		c.known = s.seq
		return err
	}
	err = c.Append(c.Context(), "contested", c.known, edits(c.client, c.n+1, c.n+1))
	var conflict *storage.ConflictError
	if errors.As(err, &conflict) {
		if conflict.Actual == c.known {
			return fmt.Errorf("a conflict at the expected head: %w", err)
		}
		s.seq, c.known = conflict.Actual, conflict.Actual
		return nil
	}
	if err != nil {
		return err
	}
	c.n++
	c.known++
	s.appended, s.seq, s.who = true, c.known, fmt.Sprint(c.client, " ", c.n)
	return nil
}

// linearizable reports where no order of the steps explains what they saw.
// Seqs fix the order of appends, so it is enough that each seq was appended
// once, without a gap, and that no step saw less than what ended before it
// began, or more than what had begun before it ended.
func linearizable(steps []step) error {
	began := map[uint64]int64{} // of the append of each seq
	var head uint64
	for _, s := range steps {
		if !s.appended {
			continue
		}
		if _, twice := began[s.seq]; twice {
			return fmt.Errorf("seq %d was given twice", s.seq)
		}
		began[s.seq] = s.began
		head = max(head, s.seq)
	}
	if uint64(len(began)) != head {
		return fmt.Errorf("%d appends succeeded, but the head is %d", len(began), head)
	}
	for _, s := range steps {
		if s.seq > head {
			return fmt.Errorf("a head of %d was seen, beyond %d", s.seq, head)
		}
		if s.seq > 0 && began[s.seq] > s.ended {
			return fmt.Errorf("seq %d was seen before its append began", s.seq)
		}
		for _, later := range steps {
			tooLow := later.seq < s.seq || later.appended && later.seq == s.seq
			if later.began > s.ended && tooLow {
				return fmt.Errorf("seq %d was seen after seq %d had been", later.seq, s.seq)
			}
		}
	}
	return nil
}
