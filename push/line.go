package push

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"time"
)

// How much a line gathers before it writes: a stream little, since that is what
// a stalled reader holds; a long poll as much as one answer may have, where there
// is memory for it.
const (
	streamBytes = 32 << 10
	pollBytes   = 1 << 20
)

// replayEvents is the most that is asked of one Replay.
const replayEvents = 1024

// A line is one open line: where its reader stands on each topic. At any time
// one goroutine drives it: the one that serves it, or on the light path whoever
// has it in hand; only raise, sayBye, end and cut are for others.
//
// Ten thousand of them may lie idle, so it holds nothing of the request that
// opened it for longer than its opening.
type line struct {
	// What each delivery touches stands together, in few of the processor's cache lines.
	signal
	light                     // of a line without a goroutine
	subs      []subscription  // Start in the order asked, then Also
	first     [1]subscription // place for one of them, as most lines have
	turn      int             // the subscription whose turn it is to be gathered first
	single    bool            // ids are bare seqs
	batch     *batch          // nil while the line waits
	hub       *Hub
	enc       *encoding
	budget    int    // gather about so many bytes
	wrote     uint32 // hub.ticks at the last write
	transport Transport

	asked       *Line // nil once a light line is open
	reader      string
	onEnd       func()
	slot        int                    // in hub.lines
	returnAfter atomic.Int64           // of the drain's bye, a time.Duration
	why         atomic.Pointer[string] // of the bye that end asks for
	out         *writer                // of a line with a goroutine of its own
	large       *large                 // that is being sent; nil: none
	poked       atomic.Pointer[func()] // called when the line is to end or takes bytes again; nil: nobody waits
	memory      int64                  // bytes taken for the line
}

func newLine(h *Hub, asked Line) (*line, error) {
	if err := asked.check(); err != nil {
		return nil, err
	}
	asked.Start = slices.Clone(asked.Start)
	l := &line{
		hub:       h,
		asked:     &asked,
		reader:    asked.Reader,
		onEnd:     asked.OnEnd,
		enc:       sse,
		transport: asked.Transport,
		single:    len(asked.Start) == 1 && !asked.Composite,
		budget:    streamBytes,
	}
	if n := len(asked.Start) + len(asked.Also); n > len(l.first) {
		l.subs = make([]subscription, 0, n)
	} else {
		l.subs = l.first[:0]
	}
	if asked.Transport != SSE {
		l.enc = ndjson
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

// begin is what comes before the line's first byte.
func (l *line) begin(ctx context.Context) (starts map[string]uint64, err error) {
	if l.asked.OnOpen != nil {
		if err := l.asked.OnOpen(l.end); err != nil {
			return nil, err
		}
	}
	return l.subscribe(ctx)
}

// subscribe puts the line on its topics and finds where each starts. Topics
// keep pointers into subs, which has its full capacity from the start.
//
// The order matters: register on the topic, then note the head. An event
// published between the two is in the ring and at most of the head's seq, and so
// is dropped by number or sent once. The other way round it would be neither in
// the ring nor in the replay up to the head.
func (l *line) subscribe(ctx context.Context) (starts map[string]uint64, err error) {
	for _, p := range l.asked.Start {
		l.follow(p.Topic, true)
	}
	for _, topic := range l.asked.Also {
		l.follow(topic, false)
	}
	starts = make(map[string]uint64, len(l.asked.Start))
	for i := range l.asked.Start {
		s, p := &l.subs[i], &l.asked.Start[i]
		if _, here := l.asked.Cursor.told[p.Topic]; here && l.asked.Cursor.nonce == l.hub.nonce {
			p.Reset = false
		}
		head, err := l.hub.src.Head(ctx, p.Topic)
		if err != nil {
			return nil, fmt.Errorf("head of topic %s: %w", p.Topic, err)
		}
		s.topic.noteHead(head)
		s.seq, starts[p.Topic] = p.After, p.After
		switch {
		case p.unreachable(head):
			starts[p.Topic] = head
		case p.AtHead:
			s.seq, starts[p.Topic] = head, head
		}
	}
	return starts, nil
}

// unreachable reports that no replay leads from p to the head.
func (p Position) unreachable(head uint64) bool {
	return p.Reset || !p.AtHead && p.After > head
}

// follow registers the line on topic. A long poll goes on from what its cursor
// says was told, if this hub made that.
func (l *line) follow(topic string, sequenced bool) {
	l.subs = append(l.subs, subscription{line: l, sequenced: sequenced})
	s := &l.subs[len(l.subs)-1]
	l.hub.subscribe(topic, s)
	c := l.asked.Cursor
	told, ok := c.told[topic]
	if l.transport == LongPoll && ok && c.nonce == l.hub.nonce && told <= l.hub.numbers.Load() {
		s.told, s.informed = told, true
	}
}

// greet gathers what comes before all else: hello, refusals, resets.
func (l *line) greet(starts map[string]uint64) {
	goesOn := l.transport == LongPoll && !l.asked.Cursor.IsZero()
	if l.asked.Hello != nil && !goesOn {
		// Until its reset a topic stands where the reader left it: if the line
		// breaks in between, it comes back there and is reset then.
		l.addEvent(l.asked.Hello(starts), l.id())
	}
	for _, e := range l.asked.First {
		l.addEvent(e, nil)
	}
	for i, p := range l.asked.Start {
		if head := starts[p.Topic]; p.unreachable(head) {
			l.reset(&l.subs[i], head)
		}
	}
}

// What collect leaves ungathered.
type left int

const (
	nothing left = iota
	more         // there may be more: call it again after the write
	asks         // what comes next is only for the Source to tell
)

// collect gathers what the reader has not been sent, up to the budget. The
// Source, which may take its time, is asked only where mayAsk says so.
func (l *line) collect(ctx context.Context, mayAsk bool) left {
	if l.large != nil {
		return asks
	}
	limit := l.limit()
	// State first, and of every topic: a reader that is far behind sees who is
	// there before it is caught up.
	for i := range l.subs {
		s := &l.subs[i]
		switch {
		case s.informed || s.left:
			continue
		case l.batch.size() >= limit:
			return more
		case !mayAsk:
			return asks
		}
		l.inform(ctx, s)
	}
	rest := nothing
	for range l.subs {
		if l.batch.size() >= limit || l.batch.full || l.large != nil {
			return max(rest, more)
		}
		s := &l.subs[l.turn]
		l.turn = (l.turn + 1) % len(l.subs)
		if !s.left {
			rest = max(rest, l.advance(ctx, s, mayAsk))
		}
	}
	return rest
}

// limit is how much the line gathers for one write, in bytes.
func (l *line) limit() int {
	if l.hub.pressed.Load() {
		return min(l.budget, pressedBytes)
	}
	return l.budget
}

// collectAll is collect with the Source's help, for a line with a goroutine of
// its own. Only so many lines ask the Source at the same moment.
func (l *line) collectAll(ctx context.Context) left {
	rest := l.collect(ctx, false)
	if rest != asks || l.large != nil {
		return rest
	}
	select {
	case l.hub.pulls <- struct{}{}:
		defer func() { <-l.hub.pulls }()
		return l.collect(ctx, true)
	case <-ctx.Done():
		return more
	}
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

// advance gathers what s has not been sent.
func (l *line) advance(ctx context.Context, s *subscription, mayAsk bool) left {
	haul := s.topic.gather(s, l.batch.frames[:0], l.limit()-l.batch.size())
	l.batch.frames = haul.frames
	switch {
	case haul.behind > 0 && !mayAsk:
		return asks
	case haul.behind > 0:
		l.catchUp(ctx, s, haul.behind)
		return more
	case haul.missed:
		s.informed = false
		l.hub.stats.dropped.Add(1)
		return asks
	}
	s.behind = false
	for _, f := range haul.frames {
		l.addFrame(s, f)
	}
	clear(haul.frames) // the space for them is kept, and is not to keep them
	if haul.end != nil {
		l.addFrame(s, haul.end)
		l.leave(s)
	}
	if haul.more {
		return more
	}
	return nothing
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
		if len(e.Data) > largeBytes {
			full = true
			if l.batch.full = l.batch.size() > 0; !l.batch.full {
				s.seq = e.Seq
				l.beginLarge(s, e)
			}
			return errFull
		}
		s.seq = e.Seq
		l.addEvent(e, l.id())
		if full = l.batch.size() >= l.limit(); full {
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
	case l.transport != LongPoll:
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
	for i := range l.subs {
		s := &l.subs[i]
		switch {
		case s.left || !s.sequenced:
		case l.single:
			id = strconv.AppendUint(id, s.seq, 10)
		default:
			id = appendPlace(id, s.topic.key, s.seq)
		}
	}
	l.batch.id = id
	return id
}

// addHeartbeat gathers a sign of life, unless there was one just now.
func (l *line) addHeartbeat() {
	if l.hub.ticks.Load()-l.wrote >= heartbeatSpare {
		l.batch.buf = append(l.batch.buf, l.enc.heartbeat...)
	}
}

// sentEvents counts events that went out.
func (l *line) sentEvents(n int) {
	l.wrote = l.hub.ticks.Load()
	l.hub.stats.wrote(n)
}

// takeMemory takes what the line counts for, until tellEnd.
func (l *line) takeMemory(light bool) error {
	bytes := int64(lineBytes)
	if light {
		bytes = lightLineBytes
	}
	if err := l.hub.cfg.Streams.Take(bytes); err != nil {
		return fmt.Errorf("open line: %w", err)
	}
	l.memory = bytes
	return nil
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
	l.raise(bye)
}

// end makes the line end with a bye that says why. Safe from any goroutine.
func (l *line) end(why string) {
	l.why.Store(&why)
	l.raise(over)
}

// cut ends the line at once. Safe from any goroutine.
func (l *line) cut() {
	l.raise(cut)
	if l.out != nil {
		l.out.cut()
	}
}

// unsubscribe takes the line off its topics.
func (l *line) unsubscribe() {
	for i := range l.subs {
		if s := &l.subs[i]; !s.left {
			s.topic.remove(s)
		}
	}
}

// ended tells all who count the line that it is over.
func (l *line) ended() {
	l.tellEnd()
	l.hub.deregister(l)
}

func (l *line) tellEnd() {
	l.hub.cfg.Streams.Add(-l.memory)
	l.memory = 0
	if l.onEnd != nil {
		l.onEnd()
	}
}

// await waits until there is a reason to go on, and returns it. It does not wait
// where there is more to gather.
func (l *line) await(ctx context.Context, rest left, timeout <-chan time.Time) wakeUp {
	if rest == nothing {
		select {
		case <-l.wake:
		case <-ctx.Done():
		case <-timeout:
			return timedOut
		}
	}
	bits := l.take()
	switch {
	case ctx.Err() != nil, bits&cut != 0:
		return gone
	case bits&over != 0:
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
	sessionOver               // somebody called end
	draining                  // the hub
)

// addFarewell gathers the line's bye. A reader whose session is over hears
// nothing else; one that a drain sends away, what there is until then.
func (l *line) addFarewell(ctx context.Context, why wakeUp, mayAsk bool) {
	if why == sessionOver {
		l.addBye(returnSpread, *l.why.Load())
		return
	}
	l.collect(ctx, mayAsk)
	if g := l.large; g != nil { // the reader gets it when it comes back
		l.dropLarge()
		g.sub.seq = g.seq - 1
	}
	l.addBye(time.Duration(l.returnAfter.Load()), "")
}
