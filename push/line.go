package push

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"
)

// How much a line gathers before it writes: a stream little, since that is what
// a stalled reader holds; a long poll as much as one answer may have.
const (
	streamBytes = 32 << 10
	pollBytes   = 1 << 20
)

// replayEvents is the most that is asked of one Replay.
const replayEvents = 1024

// A line is one open line: where its reader stands on each topic. It is driven
// by one goroutine (stream or poll); only signal, sayBye and cut are for others.
type line struct {
	hub    *Hub
	asked  Line
	enc    *encoding
	out    *writer
	signal *signal
	cancel context.CancelFunc
	slot   int // in hub.lines

	subs   []*subscription // Start in the order asked, then Also
	starts map[string]uint64
	turn   int  // the subscription whose turn it is to be gathered first
	single bool // ids are bare seqs
	budget int  // gather about so many bytes

	batch *batch // nil while the line waits

	returnAfter atomic.Int64 // of the drain's bye, a time.Duration
}

func newLine(h *Hub, w http.ResponseWriter, asked Line, cancel context.CancelFunc) (*line, error) {
	if err := asked.check(); err != nil {
		return nil, err
	}
	asked.Start = slices.Clone(asked.Start)
	l := &line{
		hub:    h,
		asked:  asked,
		enc:    sse,
		out:    newWriter(w, h.cfg.WriteTimeout),
		signal: newSignal(),
		cancel: cancel,
		single: len(asked.Start) == 1 && !asked.Composite,
		budget: streamBytes,
		starts: make(map[string]uint64, len(asked.Start)),
	}
	if asked.Transport != SSE {
		l.enc = ndjson
	}
	if asked.Transport == LongPoll {
		l.budget = pollBytes
	}
	return l, nil
}

func (asked *Line) check() error {
	if asked.Transport < 0 || asked.Transport >= transports {
		return fmt.Errorf("open line: unknown transport %d", int(asked.Transport))
	}
	seen := map[string]bool{"": true} // no topic has no name
	for _, p := range asked.Start {
		if seen[p.Topic] {
			return fmt.Errorf("open line: topic %q is empty or there twice", p.Topic)
		}
		seen[p.Topic] = true
	}
	for _, topic := range asked.Also {
		if seen[topic] {
			return fmt.Errorf("open line: topic %q is empty or there twice", topic)
		}
		seen[topic] = true
	}
	return nil
}

// subscribe puts the line on its topics and finds where each starts.
//
// The order matters: register on the topic, then note the head. An event
// published between the two is in the ring and at most of the head's seq, and so
// is dropped by number or sent once. The other way round it would be neither in
// the ring nor in the replay up to the head.
func (l *line) subscribe(ctx context.Context) error {
	for _, p := range l.asked.Start {
		l.follow(p.Topic, true)
	}
	for _, topic := range l.asked.Also {
		l.follow(topic, false)
	}
	for i, s := range l.subs[:len(l.asked.Start)] {
		p := &l.asked.Start[i]
		if _, here := l.asked.Cursor.told[p.Topic]; here && l.asked.Cursor.nonce == l.hub.nonce {
			p.Reset = false
		}
		head, err := l.hub.src.Head(ctx, p.Topic)
		if err != nil {
			return fmt.Errorf("head of topic %s: %w", p.Topic, err)
		}
		s.topic.noteHead(head)
		s.seq, l.starts[p.Topic] = p.After, p.After
		switch {
		case p.unreachable(head):
			l.starts[p.Topic] = head
		case p.AtHead:
			s.seq, l.starts[p.Topic] = head, head
		}
	}
	return nil
}

// unreachable reports that no replay leads from p to the head.
func (p Position) unreachable(head uint64) bool {
	return p.Reset || !p.AtHead && p.After > head
}

// follow registers the line on topic. A long poll goes on from what its cursor
// says was told, if this hub made that.
func (l *line) follow(topic string, sequenced bool) {
	s := &subscription{
		signal:    l.signal,
		reader:    l.asked.Reader,
		key:       cursorKey(topic),
		sequenced: sequenced,
	}
	l.hub.subscribe(topic, s)
	l.subs = append(l.subs, s)
	c := l.asked.Cursor
	told, ok := c.told[topic]
	if l.asked.Transport == LongPoll && ok && c.nonce == l.hub.nonce && told <= l.hub.numbers.Load() {
		s.told, s.informed = told, true
	}
}

// greet gathers what comes before all else: hello, refusals, resets.
func (l *line) greet() {
	goesOn := l.asked.Transport == LongPoll && !l.asked.Cursor.IsZero()
	if l.asked.Hello != nil && !goesOn {
		// Until its reset a topic stands where the reader left it: if the line
		// breaks in between, it comes back there and is reset then.
		l.addEvent(l.asked.Hello(l.starts), l.id())
	}
	for _, e := range l.asked.First {
		l.addEvent(e, nil)
	}
	for i, p := range l.asked.Start {
		if head := l.starts[p.Topic]; p.unreachable(head) {
			l.reset(l.subs[i], head)
		}
	}
}

// collect gathers what the reader has not been sent, up to the budget, and
// reports whether there may be more: call it again after the write.
func (l *line) collect(ctx context.Context) (more bool) {
	// State first, and of every topic: a reader that is far behind sees who is
	// there before it is caught up.
	for _, s := range l.subs {
		if s.informed || s.left {
			continue
		}
		if l.batch.size() >= l.budget {
			return true
		}
		l.inform(ctx, s)
	}
	for range l.subs {
		if l.batch.size() >= l.budget {
			return true
		}
		s := l.subs[l.turn]
		l.turn = (l.turn + 1) % len(l.subs)
		if !s.left && l.advance(ctx, s) {
			more = true
		}
	}
	return more
}

// inform gathers the topic's state. What is published meanwhile is sent again
// after it, rather than missed: so the number is noted first.
func (l *line) inform(ctx context.Context, s *subscription) {
	s.told = s.topic.newestNumber()
	events, err := l.hub.src.Snapshot(ctx, s.topic.name)
	if err != nil {
		l.complain(ctx, "snapshot of topic", s, err)
		return
	}
	s.informed = true
	for _, e := range events {
		l.addEvent(e, nil)
	}
}

// advance gathers what s has not been sent, and reports whether there is more.
func (l *line) advance(ctx context.Context, s *subscription) (more bool) {
	haul := s.topic.gather(s, l.batch.frames[:0], l.budget-l.batch.size())
	l.batch.frames = haul.frames
	switch {
	case haul.behind > 0:
		l.catchUp(ctx, s, haul.behind)
		return true
	case haul.missed:
		s.informed = false
		l.hub.stats.dropped.Add(1)
		return true
	}
	s.behind = false
	for _, f := range haul.frames {
		l.addFrame(s, f)
	}
	if haul.end != nil {
		l.addFrame(s, haul.end)
		l.leave(s)
	}
	return haul.more
}

// leave takes a topic that has ended off the line, and out of its cursor.
func (l *line) leave(s *subscription) {
	s.left = true
	s.topic.remove(s)
}

var (
	errFull = errors.New("enough for one write")
	errGap  = errors.New("the log has a gap")
)

// catchUp gathers a piece of the log towards upTo. Where the log cannot be
// replayed, the reader is reset to it.
func (l *line) catchUp(ctx context.Context, s *subscription, upTo uint64) {
	if !s.behind {
		s.behind = true
		l.hub.stats.catchUps.Add(1)
	}
	full := false
	last := min(upTo, s.seq+replayEvents)
	err := l.hub.src.Replay(ctx, s.topic.name, s.seq, last, func(e Event) error {
		if e.Seq != s.seq+1 {
			return errGap
		}
		s.seq = e.Seq
		l.addEvent(e, l.id())
		if full = l.batch.size() >= l.budget; full {
			return errFull
		}
		return nil
	})
	switch {
	case s.seq >= last, full, ctx.Err() != nil:
		return
	case err == nil:
		err = errGap
	}
	l.complain(ctx, "replay of topic", s, err)
	l.reset(s, upTo)
}

// reset gathers the event that tells the reader to load the topic again.
func (l *line) reset(s *subscription, seq uint64) {
	s.seq = seq
	l.hub.stats.resets.Add(1)
	l.addEvent(l.hub.src.Reset(s.topic.name, seq), l.id())
}

func (l *line) complain(ctx context.Context, what string, s *subscription, err error) {
	if ctx.Err() == nil {
		l.hub.cfg.Logger.Warn(what, "topic", s.topic.name, "seq", s.seq, "error", err)
	}
}

// addFrame gathers a published event, which other lines share.
func (l *line) addFrame(s *subscription, f *frame) {
	l.separate()
	shared := f.encode(l.enc)
	if f.Seq > 0 {
		s.seq = f.Seq
	} else {
		s.told = f.number
	}
	if f.Seq == 0 || l.single {
		l.batch.add(shared.all)
		return
	}
	l.batch.buf = l.enc.appendOpening(l.batch.buf, l.id())
	l.batch.add(shared.all[shared.body:])
}

// addEvent gathers an event that is this line's own.
func (l *line) addEvent(e Event, id []byte) {
	l.separate()
	e.Data = oneLine(e.Data)
	l.batch.buf = l.enc.appendOpening(l.batch.buf, id)
	l.batch.buf = l.enc.appendBody(l.batch.buf, e)
}

// separate begins the next event; those of a long poll stand in an array.
func (l *line) separate() {
	switch {
	case l.asked.Transport != LongPoll:
	case l.batch.events == 0:
		l.batch.buf = append(l.batch.buf, pollOpening...)
	default:
		l.batch.buf = append(l.batch.buf, ',')
	}
	l.batch.events++
}

// id is the cursor after what is gathered, valid until the next call.
func (l *line) id() []byte {
	id := l.batch.id[:0]
	for _, s := range l.subs {
		switch {
		case s.left || !s.sequenced:
		case l.single:
			id = strconv.AppendUint(id, s.seq, 10)
		default:
			id = appendPlace(id, s.key, s.seq)
		}
	}
	l.batch.id = id
	return id
}

// addBye gathers the line's last event.
func (l *line) addBye(after time.Duration, why string) {
	data, err := json.Marshal(struct {
		AfterMS int64  `json:"after_ms"`
		Why     string `json:"why,omitempty"`
	}{after.Milliseconds(), why})
	if err != nil {
		panic(err) // a number and a string
	}
	l.addEvent(Event{Type: "bye", Data: data}, nil)
}

// sayBye makes the line end with a bye. Safe from any goroutine.
func (l *line) sayBye(after time.Duration) {
	l.returnAfter.Store(int64(after))
	l.signal.raise(bye)
}

// cut ends the line at once. Safe from any goroutine.
func (l *line) cut() {
	l.cancel()
	l.out.cut()
}

// close lets go of all that the line holds.
func (l *line) close() {
	l.cancel()
	l.out.finish()
	for _, s := range l.subs {
		if !s.left {
			s.topic.remove(s)
		}
	}
}

// await waits until there is a reason to go on, and returns it. It does not wait
// where there is more to gather.
func (l *line) await(ctx context.Context, more bool, timeout <-chan time.Time) wakeUp {
	if !more {
		select {
		case <-l.signal.wake:
		case <-ctx.Done():
		case <-l.asked.Done:
		case <-timeout:
			return timedOut
		}
	}
	bits := l.signal.take()
	switch {
	case ctx.Err() != nil:
		return gone
	case isClosed(l.asked.Done):
		return sessionOver
	case bits&bye != 0:
		return draining
	case bits&beat != 0:
		return heartbeat
	}
	return something
}

// A wakeUp is why a line goes on.
type wakeUp int

const (
	something   wakeUp = iota // there may be something to gather
	heartbeat                 // and a heartbeat is due
	timedOut                  // the long poll has waited long enough
	gone                      // the reader has gone, or the hub is closed
	sessionOver               // Line.Done
	draining                  // the hub
)

// addFarewell gathers the line's bye. A reader whose session is over hears
// nothing else; one that a drain sends away, what there is until then.
func (l *line) addFarewell(ctx context.Context, why wakeUp) {
	if why == sessionOver {
		l.addBye(returnSpread, l.asked.ByeWhy)
		return
	}
	l.collect(ctx)
	l.addBye(time.Duration(l.returnAfter.Load()), "")
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
