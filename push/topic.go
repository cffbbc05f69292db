package push

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of the unsequenced events kept per topic: a few seconds of presence.
const (
	unsequencedEvents = 64
	unsequencedBytes  = 64 << 10
)

// topicGrace is how long a topic without subscriptions keeps its ring, so that
// readers who come back at once need not go to the log.
const topicGrace = 30 * time.Second

// A topic is what one can follow: its newest events and who follows it.
type topic struct {
	name string
	key  string // how a place on it begins in a cursor, "ID@"
	// numbers counts the unsequenced events of all topics of the hub. A topic takes
	// a number when it is made, too: a reader with a lower number has it from an
	// earlier topic of the same name, and what it missed since is unknown.
	numbers *atomic.Uint64
	memory  Memory // for the ring of sequenced events

	mu          sync.Mutex // guards the fields below
	head        uint64     // the newest seq known, by Publish or by Source.Head
	sequenced   ring
	unsequenced ring
	dropped     uint64 // number of the newest unsequenced event that is no longer kept
	subs        []*subscription
	idleSince   time.Time // meaningful while subs is empty
	charged     int64     // bytes of memory that the ring counts for
}

func newTopic(name string, cfg Config, numbers *atomic.Uint64) *topic {
	return &topic{
		name:        name,
		key:         cursorKey(name),
		numbers:     numbers,
		memory:      cfg.Rings,
		sequenced:   ring{maxEvents: cfg.RingEvents, maxBytes: cfg.RingBytes},
		unsequenced: ring{maxEvents: unsequencedEvents, maxBytes: unsequencedBytes},
		dropped:     numbers.Add(1),
	}
}

// publish keeps f and wakes the subscriptions. The lock is held over the
// wake-ups, which never block.
func (t *topic) publish(f *frame) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f.Seq > 0 {
		t.keepSequenced(f)
	} else {
		f.number = t.numbers.Add(1)
		f.after = t.sequenced.newestSeq()
		if gone := t.unsequenced.push(f); gone != nil {
			t.dropped = gone.number
		}
	}
	for _, s := range t.subs {
		s.stream.raise(news)
	}
}

// keepSequenced ignores what was published before. After a skipped seq the ring
// starts empty, and readers fetch what was skipped from the log.
func (t *topic) keepSequenced(f *frame) {
	newest := t.sequenced.newestSeq()
	if f.Seq <= newest {
		return
	}
	if f.Seq > newest+1 || f.large() || t.memory.Over() > 0 {
		t.sequenced.clear()
	}
	if !f.large() {
		t.sequenced.push(f)
	}
	t.head = max(t.head, f.Seq)
	t.charge()
}

// charge counts the ring's bytes: each payload, and its encoding. The caller
// holds mu.
func (t *topic) charge() {
	now := 2 * int64(t.sequenced.bytes)
	if now != t.charged {
		t.memory.Add(now - t.charged)
		t.charged = now
	}
}

// emptyRing lets the ring go and returns how many bytes that has freed.
func (t *topic) emptyRing() (freed int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	freed = t.charged
	t.sequenced.clear()
	t.charge()
	return freed
}

// retire has a topic that has ended count for nothing. Its streams still gather
// from the ring what they have not sent.
func (t *topic) retire() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.memory.Add(-t.charged)
	t.memory, t.charged = unbounded{}, 0
}

// noteHead takes notice of the head as the log has it.
func (t *topic) noteHead(seq uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.head = max(t.head, seq)
}

func (t *topic) add(s *subscription) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.index = len(t.subs)
	t.subs = append(t.subs, s)
}

func (t *topic) remove(s *subscription) {
	t.mu.Lock()
	defer t.mu.Unlock()
	last := len(t.subs) - 1
	t.subs[s.index] = t.subs[last]
	t.subs[s.index].index = s.index
	t.subs[last] = nil
	t.subs = t.subs[:last]
	if last == 0 {
		t.idleSince = time.Now()
	}
}

// stale reports that nobody has followed the topic for the grace.
func (t *topic) stale(now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.subs) == 0 && now.Sub(t.idleSince) >= topicGrace
}

// end makes f the last event of every subscription.
func (t *topic) end(f *frame) {
	t.mu.Lock()
	defer t.mu.Unlock()
	end := &ending{seq: t.sequenced.newestSeq(), number: t.newestNumberLocked(), last: f}
	for _, s := range t.subs {
		s.end = end
		s.stream.raise(news)
	}
}

// newestNumber is the number that a reader has reached who takes a snapshot now.
func (t *topic) newestNumber() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.newestNumberLocked()
}

func (t *topic) newestNumberLocked() uint64 {
	if n := len(t.unsequenced.frames); n > 0 {
		return t.unsequenced.frames[n-1].number
	}
	return t.dropped
}

// A haul is what gather brings for one subscription.
type haul struct {
	frames []*frame // in the order published
	more   bool     // there are more, beyond the bound
	behind uint64   // not 0: the events up to this seq come from the log first
	missed bool     // unsequenced events were dropped
	end    *frame   // after the frames, the topic leaves the stream
}

// gather returns what s has not been sent yet, frames of about maxBytes at
// most, appended to dst. It touches memory only.
func (t *topic) gather(s *subscription, dst []*frame, maxBytes int) haul {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.end != nil {
		return t.gatherLast(s, dst)
	}
	h := haul{frames: dst}
	var sequenced []*frame
	if s.sequenced {
		sequenced, h.behind = t.pending(s.seq)
	}
	switch {
	case h.behind > 0:
		return h
	case s.number < t.dropped:
		h.missed = true
		return h
	}
	h.frames, h.more = merge(dst, sequenced, t.unsequenced.afterNumber(s.number), maxBytes)
	if !h.more && len(sequenced) > 0 {
		h.more = t.sequenced.newestSeq() < t.head
	}
	return h
}

// gatherLast is gather for a topic that leaves the stream. What only the log has
// is left out: it may be closed to the reader by now.
func (t *topic) gatherLast(s *subscription, dst []*frame) haul {
	var sequenced []*frame
	if s.sequenced {
		sequenced, _ = t.sequenced.afterSeq(s.seq)
	}
	unsequenced := t.unsequenced.afterNumber(s.number)
	frames, _ := merge(dst, sequenced, unsequenced, math.MaxInt)
	kept := slices.DeleteFunc(frames, func(f *frame) bool { return f.Seq > s.end.seq || f.number > s.end.number })
	return haul{frames: kept, end: s.end.last}
}

// pending is the part of the ring behind seq, or else how far the log is needed
// first: up to the ring, or up to the head where the ring has not got so far
// (committed but not yet published here, or published elsewhere).
func (t *topic) pending(seq uint64) (frames []*frame, behind uint64) {
	frames, reached := t.sequenced.afterSeq(seq)
	switch {
	case !reached:
		return nil, t.sequenced.frames[0].Seq - 1
	case len(frames) == 0 && seq < t.head:
		return nil, t.head
	}
	return frames, 0
}

// merge appends both kinds to dst in the order they were published, until
// maxBytes are reached, and reports whether some are left.
func merge(dst, sequenced, unsequenced []*frame, maxBytes int) ([]*frame, bool) {
	size := 0
	for len(sequenced)+len(unsequenced) > 0 {
		if size >= maxBytes {
			return dst, true
		}
		from := &sequenced
		if len(sequenced) == 0 || len(unsequenced) > 0 && unsequenced[0].after < sequenced[0].Seq {
			from = &unsequenced
		}
		f := (*from)[0]
		*from = (*from)[1:]
		dst = append(dst, f)
		size += len(f.Data)
	}
	return dst, false
}
