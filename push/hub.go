package push

import (
	"context"
	"crypto/rand"
	randv2 "math/rand/v2"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// heartbeatSlots spread the heartbeats of all streams over a period. A stream
// that was written to within heartbeatSpare slots, about 2 s, skips its next one,
// so that a reader waits for 15 s at most.
const (
	heartbeatSlots = 16
	heartbeatSpare = 3
)

// A Hub holds the topics and the open streams. Make one with NewHub and Close it.
type Hub struct {
	cfg     Config
	src     Source
	nonce   string        // of this hub, in the cursors of long polls
	numbers atomic.Uint64 // see topic.numbers
	stats   counters
	ticks   atomic.Uint32   // heartbeat slots that have been served
	ctx     context.Context // ends when the hub is closed
	cancel  context.CancelFunc
	sockets sockets        // of nonblocking streams; nil: there are none
	shards  []*shard       // drive the nonblocking streams
	pulls   chan struct{}  // a place for each stream that is being caught up
	turns   *turns         // with large events
	pressed atomic.Bool    // memory for streams is short
	stop    chan struct{}  // closed by Close: the hub's own goroutines end
	running sync.WaitGroup // those

	mu      sync.RWMutex // guards the fields below; taken before a topic's
	topics  map[string]*topic
	slots   [heartbeatSlots]map[*stream]struct{} // the open streams, by the slot of their heartbeat
	opened  int                                  // streams ever opened
	open    int
	leaving bool          // draining or closed
	emptied chan struct{} // closed once the hub is leaving and no stream is open
}

// NewHub returns a hub for the topics of src. It runs a few goroutines until Close.
func NewHub(cfg Config, src Source) *Hub {
	ctx, cancel := context.WithCancel(context.Background())
	h := &Hub{
		cfg:     cfg.withDefaults(),
		src:     src,
		nonce:   rand.Text()[:10],
		ctx:     ctx,
		cancel:  cancel,
		sockets: newSockets(),
		shards:  make([]*shard, max(1, runtime.GOMAXPROCS(0)/2)),
		pulls:   make(chan struct{}, pullsPerProcessor*runtime.GOMAXPROCS(0)),
		stop:    make(chan struct{}),
		topics:  map[string]*topic{},
		emptied: make(chan struct{}),
	}
	h.turns = newTurns(h.cfg.LargeBytes, h.cfg.Streams)
	h.cfg.Rings.Shrinks(h.shrinkRings)
	for i := range h.slots {
		h.slots[i] = map[*stream]struct{}{}
	}
	h.running.Go(h.tick)
	for i := range h.shards {
		sh := newShard()
		h.shards[i] = sh
		h.running.Go(func() { sh.run(h.stop) })
	}
	return h
}

// Publish hands e to every reader of topic. It never waits for a reader, and
// costs next to nothing where there is none. For a sequenced event e.Seq must be
// one higher than the last one's; an older one is ignored, and after a skip
// readers fetch what lies between from the Source.
func (h *Hub) Publish(topic string, e Event) {
	h.PublishFunc(topic, func() Event { return e })
}

// PublishFunc is Publish for an event that takes work to make: e is called only if a
// reader follows topic, or did so in the last half minute.
func (h *Hub) PublishFunc(topic string, e func() Event) {
	h.mu.RLock()
	t := h.topics[topic]
	h.mu.RUnlock()
	h.stats.published.Add(1)
	if t != nil {
		t.publish(newFrame(e()))
	}
}

// Has reports whether a reader follows topic, or did so in the last half minute.
// If not, its events need not be made.
func (h *Hub) Has(topic string) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.topics[topic] != nil
}

// End sends e, which carries no seq, as the topic's last event: every reader gets
// it and the topic leaves its stream, whose other topics continue. Readers that
// subscribe later follow a new topic of the same name.
func (h *Hub) End(topic string, e Event) {
	h.mu.Lock()
	t := h.topics[topic]
	delete(h.topics, topic)
	h.mu.Unlock()
	if t != nil {
		t.end(newFrame(e))
		t.retire()
	}
}

// Serve opens the stream that asked describes and runs it until the reader goes,
// dies, or the hub drains; a long poll until it is answered. Headers that are set
// on w stay. An error means that nothing was written and that the caller answers:
// asked is invalid, memory is short, OnOpen refused the stream, or the Source did
// not return a topic's head.
//
// Serve wants the plain http.ResponseWriter: one whose Flush and write deadline
// work (see http.ResponseController) and report a peer that is gone. If it can be
// hijacked, and the connection is plain HTTP/1 over TCP and known by ConnContext,
// a stream on Linux is nonblocking: Serve returns once it is open, and it
// continues without goroutine and request.
func (h *Hub) Serve(w http.ResponseWriter, r *http.Request, asked Line) error {
	if err := asked.check(); err != nil {
		if asked.OnEnd != nil {
			asked.OnEnd()
		}
		return err
	}
	s := h.newStream(w, r, asked)
	if err := s.takeMemory(s.driver.memory()); err != nil {
		s.driver.release()
		s.closed()
		return err
	}
	if !h.register(s) {
		s.driver.release()
		newBlocking(h, w, asked).turnAway()
		s.closed()
		return nil
	}
	goesOn := false
	defer func() {
		if !goesOn { // it has ended, was refused, or the Source panicked
			s.driver.release()
			s.unsubscribe()
			s.closed()
			h.deregister(s)
		}
	}()
	ctx, cancel := h.while(r)
	defer cancel()
	starts, err := s.begin(ctx)
	if err != nil {
		return err
	}
	goesOn, err = s.driver.serve(ctx, w, r, starts)
	return err
}

// newStream chooses the driver.
func (h *Hub) newStream(w http.ResponseWriter, r *http.Request, asked Line) *stream {
	if sock := h.grasp(w, r, asked.Transport); sock != nil {
		return &newNonblocking(h, asked, sock, h.shards[randv2.IntN(len(h.shards))]).stream
	}
	return &newBlocking(h, w, asked).stream
}

// silence is how long a peer may acknowledge nothing: longer than a write may
// take, which the driver measures itself.
func (h *Hub) silence() time.Duration { return 2 * h.cfg.WriteTimeout }

// while is the request's context until the hub is closed.
func (h *Hub) while(r *http.Request) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(r.Context())
	stop := context.AfterFunc(h.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

// register counts the stream as open; false when the hub is leaving.
func (h *Hub) register(s *stream) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.leaving {
		return false
	}
	s.slot = h.opened % heartbeatSlots
	h.slots[s.slot][s] = struct{}{}
	h.opened++
	h.open++
	h.stats.lines[s.transport].Add(1)
	return true
}

func (h *Hub) deregister(s *stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.slots[s.slot], s)
	h.open--
	h.stats.lines[s.transport].Add(-1)
	if h.leaving && h.open == 0 {
		close(h.emptied)
	}
}

// subscribe adds sub to its topic, which it makes if there is none.
func (h *Hub) subscribe(name string, sub *subscription) {
	// The hub's lock keeps the topic from being swept before sub is on it.
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.topics[name]
	if t == nil {
		t = newTopic(name, h.cfg, &h.numbers)
		h.topics[name] = t
	}
	sub.topic = t
	t.add(sub)
}

// tick wakes the streams for their heartbeats, one slot after the other, and once
// a period removes topics that nobody follows.
func (h *Hub) tick() {
	ticker := time.NewTicker(max(1, h.cfg.Heartbeat/heartbeatSlots))
	defer ticker.Stop()
	for slot := 0; ; slot = (slot + 1) % heartbeatSlots {
		select {
		case <-h.stop:
			return
		case <-ticker.C:
		}
		h.ticks.Add(1)
		h.feelPressure()
		if over := h.cfg.Rings.Over(); over > 0 {
			h.shrinkRings(over)
		}
		h.beat(slot)
		if slot == 0 {
			h.sweep(time.Now())
		}
	}
}

func (h *Hub) beat(slot int) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for s := range h.slots[slot] {
		s.raise(beat)
	}
}

func (h *Hub) sweep(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for name, t := range h.topics {
		if t.stale(now) {
			t.emptyRing()
			delete(h.topics, name)
		}
	}
}

// Heartbeat is how often an open stream shows a sign of life.
func (h *Hub) Heartbeat() time.Duration { return h.cfg.Heartbeat }

// Streams is how many streams are open, waiting long polls among them.
func (h *Hub) Streams() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.open
}
