package editor

import (
	"errors"
	"iter"

	"halley/ot"
)

// recentChanges is how many committed changes a page keeps at hand for
// transforming; an edit that lags more is brought near outside the page.
const recentChanges = 1000

// A recent is a committed change as transforming needs it.
type recent struct {
	delta  ot.Delta
	client string
	n      uint64
}

// A clientState is what a page knows of one client.
type clientState struct {
	author string
	n      uint64 // newest committed
	seq    uint64 // its change
	digest [16]byte
}

// state is a page at one seq: the pure core. It has no goroutine, clock or
// disk. A fork is a working root: steps on it leave the original as it was.
type state struct {
	epoch   string
	seq     uint64
	content *ot.Content
	recent  []recent // the newest changes, the last one being seq
	limit   int      // bytes of content
	clients map[string]clientState
	stepped map[string]clientState // of a fork: clients that its steps moved
}

func newState(epoch string, limit int) *state {
	content, err := ot.NewContent(emptyContent())
	if err != nil {
		panic(err) // our own constant
	}
	return &state{epoch: epoch, content: content, limit: limit, clients: map[string]clientState{}}
}

func (s *state) fork() *state {
	w := *s
	w.content = s.content.Snapshot()
	w.stepped = map[string]clientState{}
	return &w
}

// adopt makes a fork whose changes are durable the state itself.
func (s *state) adopt(w *state) {
	for id, c := range w.stepped {
		s.clients[id] = c
	}
	s.seq, s.content, s.recent = w.seq, w.content, w.recent
	if len(s.recent) > 2*recentChanges {
		s.recent = append([]recent(nil), s.recent[len(s.recent)-recentChanges:]...)
	}
}

// client looks through a fork's own steps first.
func (s *state) client(id string) (clientState, bool) {
	if c, ok := s.stepped[id]; ok {
		return c, true
	}
	c, ok := s.clients[id]
	return c, ok
}

// A request is an edit on its way through step.
type request struct {
	Edit
	author string
	digest [16]byte

	refused error // trash or a lost right: said after a resend is recognised

	// near is set once the edit has been checked against its own base and
	// transformed to near.base outside the page.
	near *nearEdit
}

type nearEdit struct {
	base  uint64
	delta ot.Delta
}

// A verdict is step's answer where there is no error.
type verdict struct {
	kind  verdictKind
	seq   uint64
	delta ot.Delta // committed: as transformed
}

type verdictKind int

const (
	committed   verdictKind = iota // a new change under seq
	resent                         // committed before, under seq
	resentOlder                    // committed before; the log knows the seq
	empty                          // nothing to do; seq is the head
	lagging                        // so far behind that the caller must bring it near first
)

// step takes one edit in: it recognises a resend, checks, transforms, and
// applies the edit to s, which must be a fork. On an error s is as it was.
func (s *state) step(r *request) (verdict, error) {
	c, known := s.client(r.Client)
	if known && c.author != r.author {
		return verdict{}, ErrClientTaken
	}
	if r.N < c.n {
		return verdict{kind: resentOlder}, nil
	}
	if known && r.N == c.n && r.digest == c.digest {
		return verdict{kind: resent, seq: c.seq}, nil
	}
	if err := s.check(r, c); err != nil {
		return verdict{}, err
	}
	return s.take(r)
}

// check goes through what can be wrong with a new edit, in the order that the
// protocol fixes, up to its n.
func (s *state) check(r *request, c clientState) error {
	switch {
	case r.refused != nil:
		return r.refused
	case r.Epoch != "" && r.Epoch != s.epoch:
		return ErrEpochChanged
	case r.Base > s.seq:
		return &BaseAheadError{r.Base, s.seq}
	case r.Exact && r.Base != s.seq:
		return ErrMoved
	case r.isEmpty():
		return nil
	case r.N == c.n:
		return &NReusedError{r.N, c.seq}
	case r.N > c.n+1:
		return &NGapError{r.N, c.n + 1}
	}
	return nil
}

func (r *request) isEmpty() bool { return r.Invalid == nil && len(r.Delta) == 0 }

// take transforms and applies an edit that passed all checks but its delta's.
func (s *state) take(r *request) (verdict, error) {
	if r.isEmpty() {
		return verdict{kind: empty, seq: s.seq}, nil
	}
	if r.Invalid != nil {
		return verdict{}, r.Invalid
	}
	base, delta := r.Base, r.Delta
	if r.near != nil {
		base, delta = r.near.base, r.near.delta
	}
	behind := int(s.seq - base)
	if behind > len(s.recent) || behind > recentChanges {
		return verdict{kind: lagging}, nil
	}
	since := s.recent[len(s.recent)-behind:]
	if r.near == nil {
		if err := s.fits(delta, since); err != nil {
			return verdict{}, err
		}
		delta = normal(delta)
		if len(delta) == 0 {
			return verdict{kind: empty, seq: s.seq}, nil
		}
	}
	return s.advance(r, ot.TransformOver(deltas(since), delta, false))
}

func deltas(changes []recent) iter.Seq[ot.Delta] {
	return func(yield func(ot.Delta) bool) {
		for i := range changes {
			if !yield(changes[i].delta) {
				return
			}
		}
	}
}

// fits checks a delta as sent against the content at its base, of which only
// the length is known here: a cut through a surrogate pair shows in advance.
func (s *state) fits(d ot.Delta, since []recent) error {
	length := s.content.Len()
	for _, h := range since {
		length -= growth(h.delta)
	}
	return checkFit(d, length)
}

// advance applies the transformed delta and counts it.
func (s *state) advance(r *request, delta ot.Delta) (verdict, error) {
	// A page that is over its limit (it was lowered) can still shrink.
	switch err := s.content.ApplyWithin(s.limit, r.author, delta); {
	case errors.Is(err, ot.ErrTooLarge):
		return verdict{}, ErrPageFull
	case err != nil:
		return verdict{}, err
	}
	s.seq++
	s.recent = append(s.recent, recent{delta, r.Client, r.N})
	s.stepped[r.Client] = clientState{r.author, r.N, s.seq, r.digest}
	return verdict{kind: committed, seq: s.seq, delta: delta}, nil
}

// replay applies a change that the log holds.
func (s *state) replay(c Change) error {
	if c.Seq != s.seq+1 {
		return errors.New("the log skips a seq")
	}
	if err := s.content.ApplyBy(c.Author, c.Delta); err != nil {
		return err
	}
	s.seq = c.Seq
	s.recent = append(s.recent, recent{c.Delta, c.Client, c.N})
	if len(s.recent) > 2*recentChanges {
		s.recent = append(s.recent[:0:0], s.recent[len(s.recent)-recentChanges:]...)
	}
	return nil
}
