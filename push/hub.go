package push

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	randv2 "math/rand/v2"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// An Event is one thing that readers of a topic are told. Type is a plain name.
// Data is one JSON value; the hub keeps it, so nobody may modify it once it is
// published. Seq 0 carries no id and never moves a cursor.
type Event struct {
	Type string
	Seq  uint64
	Data []byte
}

// A Source is what the hub asks of whoever owns the topics.
// The hub calls it without holding locks, from many goroutines.
type Source interface {
	// Head is the topic's newest seq now. The hub registers the topic first, so
	// each event published from then on reaches it.
	Head(ctx context.Context, topic string) (uint64, error)
	// Replay emits the events of (after, upTo], oldest first, without a gap. It
	// stops where emit returns an error, and returns that. Emit only takes the
	// event, and may keep it: at most about 32 KiB a call of Replay (a long poll:
	// 1 MiB), and one event of any size.
	// If Replay fails, the reader is reset.
	Replay(ctx context.Context, topic string, after, upTo uint64, emit func(Event) error) error
	// Snapshot is the topic's state that carries no seq (presence with
	// "all":true, the page's settings): sent after hello, and again to a reader
	// for whom an unsequenced event had to be dropped. If it fails, it is asked
	// again at the line's next event or heartbeat.
	Snapshot(ctx context.Context, topic string) ([]Event, error)
	// Reset is the event that tells a reader to load again and go on from seq.
	Reset(topic string, seq uint64) Event
}

// Config: a zero field means its default.
type Config struct {
	Heartbeat    time.Duration // 12 s
	WriteTimeout time.Duration // 30 s: a write that makes no progress for so long ends a dead line
	RingBytes    int           // payload kept per topic for catch-up, 256 KiB; each encoding in use costs about as much again
	RingEvents   int           // 1024
	LargeBytes   int64         // of events over 64 KiB held at a time, 32 MiB
	Streams      Memory        // for lines and what they are sending; no limit
	Rings        Memory        // for the rings of all topics, which yield to others; no limit
	Logger       *slog.Logger  // none
}

func (c Config) withDefaults() Config {
	setDefault(&c.Heartbeat, 12*time.Second)
	setDefault(&c.WriteTimeout, 30*time.Second)
	setDefault(&c.RingBytes, 256<<10)
	setDefault(&c.RingEvents, 1024)
	setDefault(&c.LargeBytes, 32<<20)
	setDefault(&c.Streams, Memory(unbounded{}))
	setDefault(&c.Rings, Memory(unbounded{}))
	setDefault(&c.Logger, slog.New(slog.DiscardHandler))
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Position is where one topic of a line starts.
type Position struct {
	Topic  string
	After  uint64
	AtHead bool // start at the head; After is ignored
	// Reset: the caller knows that the position cannot be replayed (another
	// epoch): reset at once. But a place in a long poll's cursor of this hub comes
	// from after such a reset, and is gone on from.
	Reset bool
}

// Line is one reader's open line, as the edge understood the request.
type Line struct {
	// Start: each topic once.
	Start []Position
	// Also: topics without seqs (the list of pages), which take no part in the cursor.
	Also []string
	// Composite makes ids name their topic even on a line of one: for a request
	// that named several topics of which some were refused.
	Composite bool
	// Cursor is what the reader sent, already applied to Start. A long poll with
	// a cursor goes on without hello, and hears only of what the cursor lacks.
	Cursor Cursor
	// Hello makes the first event, once it is known where each topic starts. The
	// line is registered by then: whatever is ended from then on leaves it.
	Hello func(starts map[string]uint64) Event
	// First are events sent right after hello (pages that were refused: gone).
	// A long poll with a cursor would be answered with them again at once: give
	// it only those of topics that its cursor still names.
	First []Event
	// Reader is who reads.
	Reader string
	// Transport by Accept: SSE, NDJSON or long poll.
	Transport Transport
	// Wait is a long poll's longest wait; 0 answers at once.
	Wait time.Duration
	// OnOpen is called before the line looks at any topic, with a function that
	// ends it with a bye that says why (the session ended), from any goroutine and
	// without waiting. Its error refuses the line.
	OnOpen func(end func(why string)) error
	// OnEnd is called once, when the line has ended or was refused: on the light
	// path long after Serve. It must not refer to the request, which is gone then.
	OnEnd func()
}

// Transport is how a line's events are carried.
type Transport int

const (
	SSE      Transport = iota // server-sent events
	NDJSON                    // one JSON object a line
	LongPoll                  // one JSON answer, then ask again
	transports
)

func (t Transport) String() string {
	return [...]string{"sse", "ndjson", "longpoll"}[t]
}

// heartbeatSlots spread the heartbeats of all lines over a period. A line that
// was written to within heartbeatSpare of them, 2 s, is spared its next one: a
// reader waits for 15 s at most.
const (
	heartbeatSlots = 16
	heartbeatSpare = 3
)

// Waves in which a drain closes lines, and when their readers may come back.
const (
	waveLines    = 500
	waveGap      = 50 * time.Millisecond
	returnAfter  = 250 * time.Millisecond
	returnSpread = time.Second      // and half a millisecond more for each line,
	returnMost   = 10 * time.Second // up to this
)

// A Hub holds the topics and the open lines. Make one with NewHub and Close it.
type Hub struct {
	cfg     Config
	src     Source
	nonce   string        // of this hub, in long polls' cursors
	numbers atomic.Uint64 // see topic.numbers
	stats   counters
	ticks   atomic.Uint32   // slots that have had their turn
	ctx     context.Context // ends when the hub is closed
	cancel  context.CancelFunc
	sockets sockets        // of the light path; nil: there is none
	shards  []*shard       // drive the light lines
	pulls   chan struct{}  // a place for each line that is caught up at the moment
	turns   *turns         // with large events
	pressed atomic.Bool    // memory for lines is short
	stop    chan struct{}  // closed by Close: the hub's own goroutines end
	running sync.WaitGroup // those

	mu      sync.RWMutex // guards the fields below; taken before a topic's
	topics  map[string]*topic
	lines   [heartbeatSlots]map[*line]struct{}
	opened  int // lines ever opened
	open    int
	leaving bool          // draining or closed
	emptied chan struct{} // closed once the hub is leaving and no line is open
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
	for i := range h.lines {
		h.lines[i] = map[*line]struct{}{}
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
	h.mu.RLock()
	t := h.topics[topic]
	h.mu.RUnlock()
	h.stats.published.Add(1)
	if t != nil {
		t.publish(newFrame(e))
	}
}

// Has reports whether somebody follows topic, or did so lately: whether it is
// worth making events for it.
func (h *Hub) Has(topic string) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.topics[topic] != nil
}

// End sends e, which carries no seq, as the topic's last event: every reader gets
// it and the topic leaves its line, the others go on. Whoever subscribes from
// then on follows a new topic of the name.
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

// Serve opens the line and runs it until the reader goes, dies, or the hub
// drains; a long poll until it is answered. Headers set on w before are kept. An
// error means that nothing was written and the answer is the caller's: a line
// asked for wrongly, or the Source could not tell a topic's head.
//
// Serve wants the plain http.ResponseWriter: one whose Flush and write deadline
// work (see http.ResponseController) and report a peer that is gone. If it can
// be hijacked, and the connection is plain HTTP/1 over TCP and known by
// ConnContext, a stream takes the light path on Linux: Serve returns once the
// line is open, and the line goes on without goroutine and request.
func (h *Hub) Serve(w http.ResponseWriter, r *http.Request, asked Line) error {
	l, err := newLine(h, asked)
	if err != nil {
		if asked.OnEnd != nil {
			asked.OnEnd()
		}
		return err
	}
	sock := h.grasp(w, r, asked.Transport)
	if err := l.takeMemory(sock != nil); err != nil {
		if sock != nil {
			sock.release()
		}
		l.tellEnd()
		return err
	}
	if sock != nil {
		return h.serveLight(w, r, l, sock)
	}
	l.out = newWriter(w, h.cfg.WriteTimeout)
	l.wake = make(chan struct{}, 1)
	defer l.out.finish()
	if !h.register(l) {
		l.turnAway()
		return nil
	}
	defer l.ended()
	defer l.unsubscribe()
	defer l.dropLarge()
	ctx, cancel := h.while(r)
	defer cancel()
	starts, err := l.begin(ctx)
	if err != nil {
		return err
	}
	if asked.Transport == LongPoll {
		l.poll(ctx, starts)
	} else {
		bound(r, h.silence())
		l.stream(ctx, starts)
	}
	return nil
}

// serveLight is Serve for the light path. The line's shard has it only once it
// is open: until then nothing that is raised has any effect.
func (h *Hub) serveLight(w http.ResponseWriter, r *http.Request, l *line, sock socket) error {
	l.light = light{sock: sock, away: true, shard: h.shards[randv2.IntN(len(h.shards))]}
	if !h.register(l) {
		sock.release()
		l.out = newWriter(w, h.cfg.WriteTimeout)
		l.turnAway()
		return nil
	}
	opened := false
	defer func() {
		if !opened { // or the Source panicked
			sock.release()
			l.unsubscribe()
			l.ended()
		}
	}()
	ctx, cancel := h.while(r)
	defer cancel()
	starts, err := l.begin(ctx)
	if err == nil {
		err = l.open(ctx, w, r, starts)
	}
	opened = err == nil
	return err
}

// silence is for how long a peer may acknowledge nothing: longer than a write may
// take, which the line itself knows better.
func (h *Hub) silence() time.Duration { return 2 * h.cfg.WriteTimeout }

// while is the request's context until the hub is closed.
func (h *Hub) while(r *http.Request) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(r.Context())
	stop := context.AfterFunc(h.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

// register counts the line as open; false when the hub is leaving.
func (h *Hub) register(l *line) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.leaving {
		return false
	}
	l.slot = h.opened % heartbeatSlots
	h.lines[l.slot][l] = struct{}{}
	h.opened++
	h.open++
	h.stats.lines[l.transport].Add(1)
	return true
}

func (h *Hub) deregister(l *line) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.lines[l.slot], l)
	h.open--
	h.stats.lines[l.transport].Add(-1)
	if h.leaving && h.open == 0 {
		close(h.emptied)
	}
}

// subscribe adds s to its topic, which it makes where there is none.
func (h *Hub) subscribe(name string, s *subscription) {
	// The hub's lock keeps the topic from being swept before s is on it.
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.topics[name]
	if t == nil {
		t = newTopic(name, h.cfg, &h.numbers)
		h.topics[name] = t
	}
	s.topic = t
	t.add(s)
}

// tick wakes the lines for their heartbeats, one slot after the other, and now
// and then lets go of topics that nobody follows.
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
	for l := range h.lines[slot] {
		l.raise(beat)
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

// leave refuses new lines from now on and returns the open ones.
func (h *Hub) leave() []*line {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.leaving && h.open == 0 {
		close(h.emptied)
	}
	h.leaving = true
	lines := make([]*line, 0, h.open)
	for _, slot := range h.lines {
		for l := range slot {
			lines = append(lines, l)
		}
	}
	return lines
}

// Drain sends bye to every line, in waves and with jittered delays, so that
// readers do not all return at once, and waits until they have ended or ctx has:
// then its error is returned and Close cuts the rest. New lines get bye at once.
func (h *Hub) Drain(ctx context.Context) error {
	lines := h.leave()
	for i, l := range lines {
		if i > 0 && i%waveLines == 0 {
			select {
			case <-time.After(waveGap):
			case <-ctx.Done():
				return h.undrained(ctx)
			}
		}
		l.sayBye(returnDelay(len(lines)))
	}
	select {
	case <-h.emptied:
		return nil
	case <-ctx.Done():
		return h.undrained(ctx)
	}
}

func (h *Hub) undrained(ctx context.Context) error {
	return fmt.Errorf("drain with %d lines still open: %w", h.Streams(), ctx.Err())
}

// returnDelay is when one of so many readers may come back.
func returnDelay(lines int) time.Duration {
	spread := min(returnSpread+time.Duration(lines)*time.Millisecond/2, returnMost)
	return returnAfter + randv2.N(spread)
}

// Close ends what lines are left, at once and without a bye, waits until they
// have ended, and stops the hub's goroutines.
func (h *Hub) Close() {
	lines := h.leave()
	h.cancel()
	for _, l := range lines {
		l.cut()
	}
	<-h.emptied
	h.mu.Lock()
	select {
	case <-h.stop:
	default:
		close(h.stop)
		if h.sockets != nil {
			h.sockets.close()
		}
	}
	h.mu.Unlock()
	h.running.Wait()
}

// Heartbeat is how often an open line shows a sign of life.
func (h *Hub) Heartbeat() time.Duration { return h.cfg.Heartbeat }

// Streams is how many lines are open, waiting long polls among them.
func (h *Hub) Streams() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.open
}
