//go:build linux

package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"halley/push"
)

// A station is one of the servers that are compared.
type station interface {
	serve(l net.Listener) error
	publish(page int, e push.Event, synced bool) error
	// behind is how many events the slowest reader may have to be sent still.
	behind() int
}

// window is how far a publisher that goes as fast as it can runs ahead.
const window = 256

// runStation serves until its input ends.
func runStation(kind string) {
	if err := command(kind); err != nil {
		fmt.Fprintln(os.Stderr, kind, err)
		os.Exit(1)
	}
}

func command(kind string) error {
	stations := map[string]func() station{
		"halley": newHalley,
		"plain":  func() station { return &plain{} },
		"floor":  func() station { return newFloor() },
	}
	s := stations[kind]()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go s.serve(l)
	fmt.Printf("listening on http://%s\n", l.Addr())
	var seqs [maxPages]uint64
	reports := json.NewEncoder(os.Stdout)
	for orders := json.NewDecoder(os.Stdin); ; {
		var o order
		if orders.Decode(&o) != nil {
			return nil
		}
		r, err := carryOut(s, o, &seqs)
		if err != nil {
			return err
		}
		if err := reports.Encode(r); err != nil {
			return err
		}
	}
}

const maxPages = 5

func carryOut(s station, o order, seqs *[maxPages]uint64) (r report, err error) {
	padding := strings.Repeat("x", o.Size)
	cpu, start := cpuTime(), time.Now()
	heap := make(chan int, 1)
	if o.Weigh > 0 {
		time.AfterFunc(o.Weigh, func() { heap <- weigh() })
		defer func() { r.Heap = <-heap }()
	}
	for o.Count > 0 && r.Published < o.Count || o.Count == 0 && time.Since(start) < o.For {
		if o.Rate > 0 {
			time.Sleep(time.Until(start.Add(time.Duration(float64(r.Published) / o.Rate * float64(time.Second)))))
		} else if s.behind() >= window {
			for s.behind() > window/2 {
				time.Sleep(50 * time.Microsecond)
			}
		}
		page := r.Published % max(1, o.Pages)
		seqs[page]++
		e := push.Event{Type: "change", Seq: seqs[page], Data: fmt.Appendf(nil, mark, page, seqs[page], time.Now().UnixNano(), padding)}
		if err := s.publish(page, e, o.Synced); err != nil {
			return r, err
		}
		r.Published++
	}
	for s.behind() > 0 {
		time.Sleep(time.Millisecond)
	}
	r.Elapsed, r.CPU = time.Since(start), cpuTime()-cpu
	return r, nil
}

// weigh is the memory in use once what is not is collected: what pools keep, at
// the second time.
func weigh() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// positions are the pages that a stream asks for: ?pages=5&after=0; without
// after, from now on.
func positions(r *http.Request) (pages int, after uint64, atHead bool) {
	pages, _ = strconv.Atoi(r.FormValue("pages"))
	after, err := strconv.ParseUint(r.FormValue("after"), 10, 64)
	return max(1, pages), after, err != nil
}

// halley is a push.Hub over logs on the disk.
type halley struct {
	hub       *push.Hub
	logs      [maxPages]*log
	published atomic.Int64
}

func newHalley() station {
	h := &halley{}
	for i := range h.logs {
		h.logs[i] = newLog()
	}
	h.hub = push.NewHub(push.Config{}, h)
	return h
}

func (h *halley) serve(l net.Listener) error {
	server := &http.Server{ConnContext: push.ConnContext, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pages, after, atHead := positions(r)
		var line push.Line
		for i := range pages {
			line.Start = append(line.Start, push.Position{Topic: strconv.Itoa(i), After: after, AtHead: atHead})
		}
		if err := h.hub.Serve(w, r, line); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})}
	return server.Serve(l)
}

func (h *halley) publish(page int, e push.Event, synced bool) error {
	if err := h.logs[page].append(e.Data, synced); err != nil {
		return err
	}
	h.published.Add(1)
	h.hub.Publish(strconv.Itoa(page), e)
	return nil
}

// behind takes it that all readers follow what is published, and are about as far.
func (h *halley) behind() int {
	s := h.hub.Stats()
	readers := s.Lines[push.SSE]
	if readers == 0 {
		return 0
	}
	return int(h.published.Load() - int64(s.Delivered)/readers)
}

func (h *halley) log(topic string) *log {
	i, _ := strconv.Atoi(topic)
	return h.logs[i]
}

func (h *halley) Head(_ context.Context, topic string) (uint64, error) {
	return h.log(topic).head(), nil
}

func (h *halley) Replay(_ context.Context, topic string, after, upTo uint64, emit func(push.Event) error) error {
	return h.log(topic).replay(after, upTo, emit)
}

func (h *halley) Snapshot(context.Context, string) ([]push.Event, error) { return nil, nil }

func (h *halley) Reset(string, uint64) push.Event {
	return push.Event{Type: "reset", Data: []byte("0")}
}

// A log is a file of payloads, one after the other.
type log struct {
	mu   sync.Mutex // guards the fields below
	file *os.File
	ends []int64 // of each payload; ends[0] is 0
}

func newLog() *log {
	f, err := os.CreateTemp(".", "log")
	if err != nil {
		panic(err)
	}
	return &log{file: f, ends: make([]int64, 1, 1<<17)} // room enough, so that it is not weighed as it grows
}

func (l *log) append(data []byte, synced bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	end := l.ends[len(l.ends)-1]
	if _, err := l.file.WriteAt(data, end); err != nil {
		return err
	}
	if synced {
		if err := l.file.Sync(); err != nil {
			return err
		}
	}
	l.ends = append(l.ends, end+int64(len(data)))
	return nil
}

func (l *log) head() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return uint64(len(l.ends) - 1)
}

// replay reads about as much as a line takes at once.
func (l *log) replay(after, upTo uint64, emit func(push.Event) error) error {
	for after < upTo {
		l.mu.Lock()
		ends := l.ends[after : upTo+1]
		l.mu.Unlock()
		n := 1
		for n+1 < len(ends) && ends[n+1]-ends[0] <= 32<<10 {
			n++
		}
		data := make([]byte, ends[n]-ends[0])
		if _, err := l.file.ReadAt(data, ends[0]); err != nil {
			return err
		}
		for i := range n {
			after++
			if err := emit(push.Event{Type: "change", Seq: after, Data: data[ends[i]-ends[0] : ends[i+1]-ends[0]]}); err != nil {
				return err
			}
		}
	}
	return nil
}

// encoded is an event as server-sent events have it.
func encoded(e push.Event) []byte {
	return fmt.Appendf(nil, "id: %d\nevent: %s\ndata: %s\n\n", e.Seq, e.Type, e.Data)
}

// plain keeps all events in memory, for those who come back.
type plain struct {
	mu      sync.Mutex // guards the fields below
	history [][]byte
	lines   []chan []byte
}

func (p *plain) serve(l net.Listener) error { return (&http.Server{Handler: p}).Serve(l) }

func (p *plain) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, after, atHead := positions(r)
	line := make(chan []byte, window)
	p.mu.Lock()
	var missed [][]byte
	if !atHead {
		missed = p.history[after:]
	}
	p.lines = append(p.lines, line)
	p.mu.Unlock()
	w.Header().Set("Content-Type", "text/event-stream")
	w.(http.Flusher).Flush()
	for _, b := range missed {
		if _, err := w.Write(b); err != nil {
			return
		}
		w.(http.Flusher).Flush()
	}
	for {
		select {
		case b := <-line:
			if _, err := w.Write(b); err != nil {
				return
			}
			w.(http.Flusher).Flush()
		case <-r.Context().Done():
			return
		}
	}
}

// publish waits for a reader whose channel is full.
func (p *plain) publish(_ int, e push.Event, _ bool) error {
	b := encoded(e)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.history = append(p.history, b)
	for _, line := range p.lines {
		line <- b
	}
	return nil
}

func (p *plain) behind() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	longest := 0
	for _, line := range p.lines {
		longest = max(longest, len(line))
	}
	return longest
}

// floor writes to whoever connects.
type floor struct {
	mu      sync.Mutex // guards the fields below
	conns   []net.Conn
	queue   []byte
	queued  int // events
	writing int
	filled  chan struct{}
}

func newFloor() *floor {
	f := &floor{filled: make(chan struct{}, 1)}
	go f.write()
	return f
}

// serve answers a request's head, so that the readers are the same.
func (f *floor) serve(l net.Listener) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		buf := make([]byte, 4<<10)
		if _, err := c.Read(buf); err != nil {
			continue
		}
		f.mu.Lock()
		c.Write([]byte("HTTP/1.1 200 OK\r\n\r\n"))
		f.conns = append(f.conns, c)
		f.mu.Unlock()
	}
}

func (f *floor) publish(_ int, e push.Event, _ bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queue = append(f.queue, encoded(e)...)
	f.queued++
	select {
	case f.filled <- struct{}{}:
	default:
	}
	return nil
}

func (f *floor) write() {
	for range f.filled {
		f.mu.Lock()
		b, conns := f.queue, f.conns
		f.queue, f.writing, f.queued = nil, f.queued, 0
		f.mu.Unlock()
		for _, c := range conns {
			c.Write(b)
		}
		f.mu.Lock()
		f.writing = 0
		f.mu.Unlock()
	}
}

func (f *floor) behind() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.queued + f.writing
}
