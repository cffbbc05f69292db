package editor

import (
	"errors"

	"halley/ot"
)

const (
	// recentChanges is how many committed changes a page keeps at hand for
	// transforming, at least, where they are small. An edit that lags more is
	// brought near outside the page.
	recentChanges = 1000
	// maxRecentBytes bounds what the changes at hand take. The newest one stays
	// however large it is.
	maxRecentBytes = 1 << 20
	// maxClients bounds the clients that a page remembers; the log has them all.
	maxClients = 1024
	// stepCost is how many ops an edit may be transformed over in its page's
	// goroutine: about a millisecond. An edit that costs more is transformed
	// outside. Each time that it comes back it may cost four times as much, up
	// to maxStepCost, or others' large edits could keep it out for ever.
	stepCost    = 50_000
	maxStepCost = 16 * stepCost
)

// A recent is a committed change as transforming needs it.
type recent struct {
	delta  ot.Delta
	growth int   // by how many units it changes the content's length
	bytes  int64 // that it holds
}

func newRecent(d ot.Delta) recent { return recent{d, growth(d), deltaBytes(d)} }

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
	held    int64    // bytes of recent
	limit   int      // bytes of content
	lines   int      // newlines of content; 0: any number
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
	s.seq, s.content, s.recent, s.held = w.seq, w.content, w.recent, w.held
	s.trim()
	for id := range s.clients { // any of them: the log has them all
		if len(s.clients) <= maxClients {
			break
		}
		delete(s.clients, id)
	}
}

// trim drops the oldest of the changes at hand where they are too many. It
// copies the rest, so it keeps only half: then it has little to do each time.
func (s *state) trim() {
	if len(s.recent) <= 2*recentChanges && s.held <= maxRecentBytes {
		return
	}
	kept, bytes := 0, int64(0)
	for i := len(s.recent) - 1; i >= 0 && kept < recentChanges; i-- {
		if kept > 0 && bytes+s.recent[i].bytes > maxRecentBytes/2 {
			break
		}
		kept, bytes = kept+1, bytes+s.recent[i].bytes
	}
	s.recent = append([]recent(nil), s.recent[len(s.recent)-kept:]...)
	s.held = bytes
}

// note adds the newest change to those at hand.
func (s *state) note(d ot.Delta) {
	r := newRecent(d)
	s.recent = append(s.recent, r)
	s.held += r.bytes
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
	bytes  int64 // that the delta as sent holds

	normalized ot.Delta // see normal
	maxCost    int      // operations × changes; 0: any

	refused error // trash or a lost right: said after a resend is recognised

	// near is set once the edit has been checked against its own base and
	// transformed to near.base outside the page.
	near *nearEdit
}

func newRequest(e Edit, author string) *request {
	return &request{Edit: e, author: author, digest: e.digest(), bytes: deltaBytes(e.Delta)}
}

// normal is the delta in the one form that is committed, made once.
func (r *request) normal() ot.Delta {
	if r.normalized == nil {
		r.normalized = normal(r.Delta)
	}
	return r.normalized
}

type nearEdit struct {
	base  uint64
	delta ot.Delta
	times int // that it was brought near
}

// stepCost is what transforming the edit may cost in its page's goroutine.
func (r *request) stepCost() int {
	if r.near == nil {
		return stepCost
	}
	return min(stepCost<<(2*min(r.near.times, 8)), maxStepCost)
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
	if s.seq-base > uint64(len(s.recent)) || r.tooCostly(s.seq-base) {
		return verdict{kind: lagging}, nil
	}
	since := s.recent[len(s.recent)-int(s.seq-base):]
	if r.near == nil {
		if err := s.fits(delta, since); err != nil {
			return verdict{}, err
		}
		delta = r.normal()
		if len(delta) == 0 {
			return verdict{kind: empty, seq: s.seq}, nil
		}
	}
	delta, ok := transformWithin(r.stepCost(), delta, since)
	if !ok {
		return verdict{kind: lagging}, nil
	}
	return s.advance(r, delta)
}

// tooCostly reports whether an edit that lags by that many changes may be refused
// for its cost. That comes before what is wrong with its delta.
func (r *request) tooCostly(behind uint64) bool {
	return r.near == nil && r.maxCost > 0 && uint64(len(r.Delta))*behind > uint64(r.maxCost)
}

// transformWithin transforms d over changes, unless that costs more than most.
func transformWithin(most int, d ot.Delta, changes []recent) (ot.Delta, bool) {
	t := ot.NewTransformer(d, false)
	for i := range changes {
		if t.Cost()+t.StepCost(changes[i].delta) > most {
			return nil, false
		}
		t.Over(changes[i].delta)
	}
	return t.Delta(), true
}

// fits checks a delta as sent against the content at its base, of which only
// the length is known here: a cut through a surrogate pair shows in advance.
func (s *state) fits(d ot.Delta, since []recent) error {
	length := s.content.Len()
	for i := range since {
		length -= since[i].growth
	}
	return checkFit(d, length)
}

// A cutError says that an edit which fits its base, as transformed, cuts through
// a surrogate pair: only the content shows that.
type cutError struct{ error }

func (e *cutError) Unwrap() error { return e.error }

// advance applies the transformed delta and counts it.
func (s *state) advance(r *request, delta ot.Delta) (verdict, error) {
	// A page that is over its limit (it was lowered) can still shrink.
	switch err := s.content.ApplyWithin(ot.Limit{Bytes: s.limit, Lines: s.lines}, r.author, delta); {
	case errors.Is(err, ot.ErrTooLarge):
		return verdict{}, ErrPageFull
	case err != nil:
		return verdict{}, &cutError{err}
	}
	s.seq++
	s.note(delta)
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
	s.note(c.Delta)
	s.trim()
	return nil
}
