package push

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A memory is a Source that keeps everything: per topic a log of sequenced
// events and a count of unsequenced ones, which is its state.
type memory struct {
	hub *Hub

	mu     sync.Mutex // guards the fields below
	logs   map[string][]Event
	states map[string]int

	// Hooks, set before use; called without the lock.
	afterHead   func(topic string) // runs once the head is read, before Head returns
	replaying   func(topic string, after uint64) error
	snapshotted func(topic string) error // runs once the state is read, before Snapshot returns
	replays     int
}

func newMemory() *memory {
	return &memory{logs: map[string][]Event{}, states: map[string]int{}}
}

// publish commits and publishes the topic's next change: "a7" for topic a's
// seventh, followed by padding.
func (m *memory) publish(topic string, padding int) {
	m.hub.Publish(topic, m.commit(topic, padding))
}

func (m *memory) commit(topic string, padding int) Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	seq := len(m.logs[topic]) + 1
	e := Event{Type: "change", Seq: uint64(seq), Data: fmt.Appendf(nil, `"%s%d%s"`, topic, seq, strings.Repeat(".", padding))}
	m.logs[topic] = append(m.logs[topic], e)
	return e
}

// tell publishes the topic's next state, "a=3" for topic a's third.
func (m *memory) tell(topic string) {
	m.mu.Lock()
	m.states[topic]++
	e := stateEvent("state", topic, m.states[topic])
	m.mu.Unlock()
	m.hub.Publish(topic, e)
}

func stateEvent(kind, topic string, state int) Event {
	return Event{Type: kind, Data: fmt.Appendf(nil, `"%s=%d"`, topic, state)}
}

func (m *memory) head(topic string) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return uint64(len(m.logs[topic]))
}

func (m *memory) Head(_ context.Context, topic string) (uint64, error) {
	if topic == "broken" {
		return 0, errors.New("no such log")
	}
	head := m.head(topic)
	if m.afterHead != nil {
		m.afterHead(topic)
	}
	return head, nil
}

func (m *memory) Replay(_ context.Context, topic string, after, upTo uint64, emit func(Event) error) error {
	m.mu.Lock()
	m.replays++
	log := m.logs[topic][after:upTo]
	m.mu.Unlock()
	if m.replaying != nil {
		if err := m.replaying(topic, after); err != nil {
			return err
		}
	}
	for _, e := range log {
		if err := emit(e); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) Snapshot(_ context.Context, topic string) ([]Event, error) {
	m.mu.Lock()
	state := m.states[topic]
	m.mu.Unlock()
	if m.snapshotted != nil {
		if err := m.snapshotted(topic); err != nil {
			return nil, err
		}
	}
	return []Event{stateEvent("all", topic, state)}, nil
}

func (m *memory) Reset(topic string, seq uint64) Event {
	return Event{Type: "reset", Data: fmt.Appendf(nil, `"%s@%d"`, topic, seq)}
}

// A world is a hub behind an HTTP server, all inside a synctest bubble.
type world struct {
	*memory
	t      testing.TB
	path   path
	server *http.Server
	client *http.Client
	pipes  chan net.Conn // of a bubble
	url    string
	second time.Duration // what a second is here: in a bubble time costs nothing
	line   func(*Line)   // changes each line before it is served
	ended  chan struct{} // one token for each line that has ended
}

// inWorld runs f in a bubble over each path that a stream may take. The bubble
// fails the test if a goroutine of the hub, the server or a reader is left over
// at the end.
func inWorld(t *testing.T, cfg Config, f func(t *testing.T, w *world)) {
	t.Helper()
	for _, path := range []path{goroutines, shards} {
		t.Run(string(path), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, cfg, path)
				defer w.close()
				f(t, w)
			})
		})
	}
}

// A path is the driver of a world's streams.
type path string

const (
	goroutines path = "blocking"    // each by its own
	shards     path = "nonblocking" // by shards
)

func newWorld(t testing.TB, cfg Config, path path) *world {
	w := &world{
		memory: newMemory(), t: t, path: path, second: time.Second,
		url: "http://halley/", pipes: make(chan net.Conn), ended: make(chan struct{}, 10_000),
	}
	w.hub = NewHub(cfg, w.memory)
	w.server = &http.Server{Handler: http.HandlerFunc(w.serve), ErrorLog: log.New(io.Discard, "", 0)}
	if path == shards {
		w.hub.sockets = pipes{}
		w.server.ConnContext = ConnContext
	}
	done := make(chan struct{})
	listener := &pipeListener{conns: w.pipes, done: done}
	go w.server.Serve(listener)
	w.client = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			client, server := net.Pipe()
			select {
			case w.pipes <- server:
				return client, nil
			case <-done:
				return nil, net.ErrClosed
			}
		},
	}}
	return w
}

// onSockets runs f in the real time and over real connections, over each path.
func onSockets(t *testing.T, cfg Config, f func(t *testing.T, w *world)) {
	t.Helper()
	for _, path := range []path{goroutines, shards} {
		t.Run("sockets, "+string(path), func(t *testing.T) {
			w := newSocketWorld(t, cfg, path)
			f(t, w)
		})
	}
}

// newSocketWorld is closed with the test.
func newSocketWorld(t testing.TB, cfg Config, path path) *world {
	w := &world{memory: newMemory(), t: t, path: path, second: 10 * time.Millisecond, ended: make(chan struct{}, 10_000)}
	w.hub = NewHub(cfg, w.memory)
	server := httptest.NewUnstartedServer(http.HandlerFunc(w.serve))
	server.Config.ConnContext = ConnContext
	if path == goroutines {
		w.hub.sockets = nil
	} else if w.hub.sockets == nil {
		t.Skip("there are no nonblocking streams on this system")
	}
	server.Start()
	w.client, w.url = server.Client(), server.URL
	t.Cleanup(func() {
		w.hub.Close()
		server.Close()
	})
	return w
}

// after runs f so many of the world's seconds later.
func (w *world) after(seconds float64, f func()) { time.AfterFunc(w.seconds(seconds), f) }

func (w *world) sleep(seconds float64) { time.Sleep(w.seconds(seconds)) }

func (w *world) seconds(n float64) time.Duration { return time.Duration(n * float64(w.second)) }

func (w *world) close() {
	w.hub.Close()
	w.server.Close()
	w.client.CloseIdleConnections()
	synctest.Wait()
}

type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return &lastingConn{Conn: c}, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}
func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

var accepts = map[Transport]string{
	SSE:      "text/event-stream",
	NDJSON:   "application/x-ndjson",
	LongPoll: "application/json",
}

// serve understands a request as the edge does.
func (w *world) serve(rw http.ResponseWriter, r *http.Request) {
	line, err := parseLine(r)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	line.Wait = w.seconds(25)
	if w.line != nil {
		w.line(&line)
	}
	line.OnEnd = func() { w.ended <- struct{}{} }
	if err := w.hub.Serve(rw, r, line); err != nil {
		http.Error(rw, err.Error(), http.StatusServiceUnavailable)
	}
}

func parseLine(r *http.Request) (Line, error) {
	line := Line{Hello: func(starts map[string]uint64) Event {
		data, _ := json.Marshal(starts)
		return Event{Type: "hello", Data: data}
	}}
	for transport, accept := range accepts {
		if r.Header.Get("Accept") == accept {
			line.Transport = transport
		}
	}
	q := r.URL.Query()
	var topics []string
	for _, page := range q["page"] {
		topic, at, placed := strings.Cut(page, "@")
		seq, _ := strconv.ParseUint(at, 10, 64)
		topics = append(topics, topic)
		line.Start = append(line.Start, Position{Topic: topic, After: seq, AtHead: !placed, Reset: q.Get("epoch") == "old"})
	}
	for _, page := range q["refused"] {
		line.First = append(line.First, Event{Type: "gone", Data: strconv.AppendQuote(nil, page)})
		line.Composite = true
	}
	line.Also = q["also"]
	line.Reader = q.Get("reader")
	sent := r.Header.Get("Last-Event-ID")
	if c := q.Get("cursor"); c != "" {
		sent = c
	}
	cursor, err := ParseCursor(sent, topics)
	line.Cursor = cursor
	for i, p := range line.Start {
		line.Start[i] = cursor.Resume(p)
	}
	return line, err
}

// An event as it arrives. Its String is TYPE#ID DATA, what the tests compare.
type received struct {
	ID   string          `json:"id"`
	Type string          `json:"type"`
	Data json.RawMessage `json:"data"`
}

func (e received) String() string {
	id := ""
	if e.ID != "" {
		id = "#" + e.ID
	}
	return fmt.Sprintf("%s%s %s", e.Type, id, e.Data)
}

// heartbeatEvent is how a reader hands on a heartbeat.
const heartbeatEvent = "heartbeat"

// A reader follows a line over any of the transports.
type reader struct {
	w         *world
	transport Transport
	query     url.Values
	lastID    string // sent with the next request
	resp      *http.Response
	body      *bufio.Reader
	queue     []received // of a long poll's answer
	polls     int
	beats     bool // hand on heartbeats too, and a long poll's empty answers
}

func (w *world) open(transport Transport, query string) *reader {
	w.t.Helper()
	return w.openAfter(transport, query, "")
}

func (w *world) openAfter(transport Transport, query, lastID string) *reader {
	w.t.Helper()
	q, err := url.ParseQuery(query)
	if err != nil {
		w.t.Fatal(err)
	}
	r := &reader{w: w, transport: transport, query: q, lastID: lastID}
	if err := r.connect(); err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (r *reader) connect() error {
	req, err := http.NewRequest("GET", r.w.url+"?"+r.query.Encode(), nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", accepts[r.transport])
	if r.lastID != "" {
		req.Header.Set("Last-Event-ID", r.lastID)
	}
	if r.resp, err = r.w.client.Do(req); err != nil {
		return err
	}
	if r.resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(r.resp.Body)
		return fmt.Errorf("%s: %s", r.resp.Status, text)
	}
	r.body = bufio.NewReader(r.resp.Body)
	return nil
}

func (r *reader) close() { r.resp.Body.Close() }

// next returns the next event, for a long poll by asking again. After some
// minutes of nothing but heartbeats it gives up: a bubble has them at once, and
// in real time the machine may be busy with other things.
func (r *reader) next() (received, error) {
	const patience = 20 * 12 * time.Second
	most := int(patience / (12 * r.w.second))
	for quiet := 0; ; quiet++ {
		if quiet == most {
			return received{}, errors.New("no event comes")
		}
		e, err := r.nextOfAny()
		if err != nil || r.beats || e.Type != heartbeatEvent {
			if err == nil && e.ID != "" && r.transport != LongPoll {
				r.lastID = e.ID
			}
			return e, err
		}
	}
}

func (r *reader) nextOfAny() (received, error) {
	switch r.transport {
	case SSE:
		return r.nextSSE()
	case NDJSON:
		return r.nextNDJSON()
	}
	if len(r.queue) == 0 {
		if err := r.poll(); err != nil {
			return received{}, err
		}
		if len(r.queue) == 0 {
			return received{Type: heartbeatEvent}, nil
		}
	}
	e := r.queue[0]
	r.queue = r.queue[1:]
	return e, nil
}

func (r *reader) nextSSE() (received, error) {
	var e received
	for {
		line, err := r.body.ReadString('\n')
		if err != nil {
			return e, err
		}
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch field {
		case "id":
			e.ID = value
		case "event":
			e.Type = value
		case "data":
			e.Data = append(e.Data, value...)
		case ":":
			e.Type = heartbeatEvent
		case "":
			return e, nil
		default:
			return e, fmt.Errorf("strange line %q", line)
		}
	}
}

func (r *reader) nextNDJSON() (received, error) {
	var e received
	line, err := r.body.ReadBytes('\n')
	if err != nil {
		return e, err
	}
	if len(line) == 1 {
		return received{Type: heartbeatEvent}, nil
	}
	return e, json.Unmarshal(line, &e)
}

// poll reads the answer of the open request, or of a new one.
func (r *reader) poll() error {
	if r.body == nil {
		if err := r.connect(); err != nil {
			return err
		}
	}
	var answer struct {
		Events []received
		Cursor *string
	}
	if err := json.NewDecoder(r.body).Decode(&answer); err != nil {
		return err
	}
	if answer.Cursor == nil {
		return errors.New("a long poll's answer without a cursor")
	}
	r.close()
	r.body = nil
	r.polls++
	r.queue = answer.Events
	r.query.Set("cursor", *answer.Cursor)
	r.lastID = ""
	return nil
}

// want reads as many events and compares.
func (r *reader) want(want ...string) {
	r.w.t.Helper()
	var got []string
	for range want {
		e, err := r.next()
		if err != nil {
			r.w.t.Fatalf("%v: after %q: %v", r.transport, got, err)
		}
		got = append(got, e.String())
	}
	if !slices.Equal(got, want) {
		r.w.t.Fatalf("%v: got  %q\nwant %q", r.transport, got, want)
	}
}

// wantEnd reads on to the line's end, which must come without another event.
func (r *reader) wantEnd() {
	r.w.t.Helper()
	if e, err := r.next(); !errors.Is(err, io.EOF) {
		r.w.t.Fatalf("%v: got %v and error %v, want the end", r.transport, e, err)
	}
}

// streams are the transports whose line stays open.
var streams = []Transport{SSE, NDJSON}

var allTransports = []Transport{SSE, NDJSON, LongPoll}
