package push

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// A stream is a reader's open connection: the position that the reader has
// reached on each topic, and what is gathered for it. Its driver alone calls the
// methods, one at a time, except for raise, sayBye, end and cut, which any
// goroutine may call.
//
// There may be ten thousand idle ones, so a stream keeps nothing of its request
// once it is open, and no batch while it waits.
type stream struct {
	// The fields that each delivery touches come first, in few cache lines.
	signals
	subs      []subscription  // Start in the order asked, then Also
	first     [1]subscription // the array of subs for one topic, as most streams have
	turn      int             // index in subs of the topic that is gathered first next time
	single    bool            // ids are bare seqs
	batch     *batch          // nil while the stream waits
	hub       *Hub
	enc       *encoding
	budget    int    // gather about this many bytes for one write
	wrote     uint32 // hub.ticks at the last write
	transport Transport

	asked       *Line // nil once a stream is open without its request
	reader      string
	onEnd       func()
	slot        int                    // in hub.streams
	returnAfter atomic.Int64           // of the drain's bye, a time.Duration
	why         atomic.Pointer[string] // of the bye that end asks for
	large       *large                 // the large event that is being sent; nil: none
	taken       int64                  // bytes of memory taken for the stream
}

// init fills in a stream of a driver.
func (s *stream) init(h *Hub, asked Line, d driver) {
	asked.Start = slices.Clone(asked.Start)
	s.hub, s.asked, s.driver = h, &asked, d
	s.reader, s.onEnd, s.transport = asked.Reader, asked.OnEnd, asked.Transport
	s.single = len(asked.Start) == 1 && !asked.Composite
	s.budget = streamBytes
	s.enc = ndjson
	if asked.Transport == SSE {
		s.enc = sse
	}
	s.subs = s.first[:0]
	if n := len(asked.Start) + len(asked.Also); n > len(s.first) {
		s.subs = make([]subscription, 0, n)
	}
}

// begin subscribes the stream, before its first byte is sent.
func (s *stream) begin(ctx context.Context) (starts map[string]uint64, err error) {
	if s.asked.OnOpen != nil {
		if err := s.asked.OnOpen(s.end); err != nil {
			return nil, err
		}
	}
	return s.subscribe(ctx)
}

// subscribe registers the stream on its topics and finds where each starts.
// Topics keep pointers into subs, which has its full capacity from the start.
//
// The order matters: register on the topic, then read the head. An event that is
// published between the two is in the ring and not above the head, so it is
// either dropped by its number or sent once. In the other order it would be
// neither in the ring nor in the replay up to the head.
func (s *stream) subscribe(ctx context.Context) (starts map[string]uint64, err error) {
	for _, p := range s.asked.Start {
		s.follow(p.Topic, true)
	}
	for _, topic := range s.asked.Also {
		s.follow(topic, false)
	}
	starts = make(map[string]uint64, len(s.asked.Start))
	for i := range s.asked.Start {
		sub, p := &s.subs[i], &s.asked.Start[i]
		if _, here := s.asked.Cursor.told[p.Topic]; here && s.asked.Cursor.nonce == s.hub.nonce {
			p.Reset = false
		}
		head, err := s.hub.src.Head(ctx, p.Topic)
		if err != nil {
			return nil, fmt.Errorf("head of topic %s: %w", p.Topic, err)
		}
		sub.topic.noteHead(head)
		sub.seq, starts[p.Topic] = p.After, p.After
		switch {
		case p.unreachable(head):
			starts[p.Topic] = head
		case p.AtHead:
			sub.seq, starts[p.Topic] = head, head
		}
	}
	return starts, nil
}

// follow registers the stream on a topic. A long poll continues after the
// unsequenced events that its cursor counts, if this hub made the cursor.
func (s *stream) follow(topic string, sequenced bool) {
	s.subs = append(s.subs, subscription{stream: s, sequenced: sequenced})
	sub := &s.subs[len(s.subs)-1]
	s.hub.subscribe(topic, sub)
	c := s.asked.Cursor
	number, ok := c.told[topic]
	if s.transport == LongPoll && ok && c.nonce == s.hub.nonce && number <= s.hub.numbers.Load() {
		sub.number, sub.hasState = number, true
	}
}

// unsubscribe takes the stream off its topics.
func (s *stream) unsubscribe() {
	for i := range s.subs {
		if sub := &s.subs[i]; !sub.left {
			sub.topic.remove(sub)
		}
	}
}

// greet gathers what a stream starts with: hello, refusals, resets.
func (s *stream) greet(starts map[string]uint64) {
	resumes := s.transport == LongPoll && !s.asked.Cursor.IsZero()
	if s.asked.Hello != nil && !resumes {
		// The id of hello has the positions that the reader sent, also of topics
		// that are reset below: if the stream breaks in between, the reader comes
		// back with them and is reset then.
		s.addEvent(s.asked.Hello(starts), s.id())
	}
	for _, e := range s.asked.First {
		s.addEvent(e, nil)
	}
	for i, p := range s.asked.Start {
		if head := starts[p.Topic]; p.unreachable(head) {
			s.reset(&s.subs[i], head)
		}
	}
}

// addFarewell gathers the bye, and before it what there is to send; but nothing
// else for a reader whose session is over.
func (s *stream) addFarewell(ctx context.Context, sessionOver, mayAsk bool) {
	if sessionOver {
		s.addBye(returnSpread, *s.why.Load())
		return
	}
	s.collect(ctx, mayAsk)
	if g := s.large; g != nil { // the reader gets it when it comes back
		s.dropLarge()
		g.sub.seq = g.seq - 1
	}
	s.addBye(time.Duration(s.returnAfter.Load()), "")
}

// addBye gathers the stream's last event.
func (s *stream) addBye(after time.Duration, why string) {
	data, err := json.Marshal(struct {
		AfterMS int64  `json:"after_ms"`
		Why     string `json:"why,omitempty"`
	}{after.Milliseconds(), why})
	if err != nil {
		panic(err) // a number and a string
	}
	s.addEvent(Event{Type: "bye", Data: data}, nil)
}

// sayBye makes the stream end with a bye. Any goroutine may call it.
func (s *stream) sayBye(after time.Duration) {
	s.returnAfter.Store(int64(after))
	s.raise(bye)
}

// end makes the stream end with a bye that says why. Any goroutine may call it.
func (s *stream) end(why string) {
	s.why.Store(&why)
	s.raise(over)
}

// cut ends the stream at once. Any goroutine may call it.
func (s *stream) cut() {
	s.raise(cut)
	s.driver.interrupt()
}

// takeMemory takes what an open stream counts for, until closed.
func (s *stream) takeMemory(bytes int64) error {
	if err := s.hub.cfg.Streams.Take(bytes); err != nil {
		return fmt.Errorf("open stream: %w", err)
	}
	s.taken = bytes
	return nil
}

// closed gives back what the stream took and calls OnEnd. A registered stream is
// deregistered afterwards, so that Hub.Close waits for OnEnd.
func (s *stream) closed() {
	s.hub.cfg.Streams.Add(-s.taken)
	s.taken = 0
	if s.onEnd != nil {
		s.onEnd()
	}
}
