//go:build unix

package push

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const benchReaders = 1000

// Deliveries to a thousand readers over loopback, by the hub and by a plain
// server as the usual library has it: a goroutine and a channel for each stream,
// one write and one flush for each event. Events are published in bursts, each
// once the last one has reached every reader; a burst of one leaves nothing to
// gather. Readers run in the same process and take part of the CPU.
func BenchmarkDeliveries(b *testing.B) {
	for _, burst := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("gather/burst=%d", burst), func(b *testing.B) {
			source := newMemory()
			hub := NewHub(Config{}, source)
			source.hub = hub
			defer hub.Close()
			handler := func(w http.ResponseWriter, r *http.Request) {
				hub.Serve(w, r, Line{Start: []Position{{Topic: "a", AtHead: true}}})
			}
			ready := func() bool { return hub.Stats().Delivered >= benchReaders } // the snapshots
			benchDeliveries(b, burst, handler, ready, func(e Event) { hub.Publish("a", e) })
		})
		b.Run(fmt.Sprintf("plain/burst=%d", burst), func(b *testing.B) {
			var plain plainHub
			ready := func() bool { return plain.readers() == benchReaders }
			benchDeliveries(b, burst, plain.serve, ready, plain.publish)
		})
	}
}

func benchDeliveries(b *testing.B, burst int, handler http.HandlerFunc, ready func() bool, publish func(Event)) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: handler}
	go server.Serve(listener)
	defer server.Close()
	var delivered atomic.Int64
	arrived := make(chan struct{}, 1)
	var readers sync.WaitGroup
	defer readers.Wait()
	for range benchReaders {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: halley\r\n\r\n")
		readers.Go(func() { countEvents(conn, &delivered, arrived) })
	}
	for !ready() {
		<-time.After(time.Millisecond)
	}
	e := Event{Type: "change", Data: []byte(`"~` + strings.Repeat("x", 200) + `"`)}
	cpu := cpuTime()
	want := int64(0)
	for b.Loop() {
		for range burst {
			e.Seq++
			publish(e)
		}
		want += int64(burst) * benchReaders
		for delivered.Load() < want {
			<-arrived
		}
	}
	b.ReportMetric(float64(want)/b.Elapsed().Seconds(), "deliveries/s")
	b.ReportMetric(float64((cpuTime()-cpu).Nanoseconds())/float64(want), "cpu-ns/delivery")
}

// countEvents counts the tildes that arrive: one an event.
func countEvents(conn net.Conn, delivered *atomic.Int64, arrived chan<- struct{}) {
	buf := make([]byte, 32<<10)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		if events := bytes.Count(buf[:n], []byte{'~'}); events > 0 {
			delivered.Add(int64(events))
			select {
			case arrived <- struct{}{}:
			default:
			}
		}
	}
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A plainHub writes each event by itself.
type plainHub struct {
	mu    sync.Mutex
	lines []chan []byte
}

func (p *plainHub) readers() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.lines)
}

func (p *plainHub) publish(e Event) {
	b := newFrame(e).encode(sse).all
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, line := range p.lines {
		line <- b
	}
}

func (p *plainHub) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", sse.contentType)
	w.(http.Flusher).Flush()
	line := make(chan []byte, 64)
	p.mu.Lock()
	p.lines = append(p.lines, line)
	p.mu.Unlock()
	for {
		select {
		case b := <-line:
			w.Write(b)
			w.(http.Flusher).Flush()
		case <-r.Context().Done():
			return
		}
	}
}

// Publishing where nobody listens.
func BenchmarkPublishToNobody(b *testing.B) {
	hub := NewHub(Config{}, newMemory())
	defer hub.Close()
	for b.Loop() {
		hub.Publish("a", Event{Type: "change", Seq: 1})
	}
}

// What one line of five topics gathers, without the network.
func BenchmarkGather(b *testing.B) {
	for _, topics := range []int{1, 5} {
		b.Run(fmt.Sprintf("topics=%d", topics), func(b *testing.B) {
			source := newMemory()
			hub := NewHub(Config{}, source)
			defer hub.Close()
			asked := Line{}
			for i := range topics {
				asked.Start = append(asked.Start, Position{Topic: fmt.Sprint("topic-number-", i)})
			}
			l, err := newLine(hub, asked)
			if err != nil {
				b.Fatal(err)
			}
			l.wake = make(chan struct{}, 1)
			defer l.unsubscribe()
			if _, err := l.subscribe(b.Context()); err != nil {
				b.Fatal(err)
			}
			e := Event{Type: "change", Data: bytes.Repeat([]byte{'1'}, 200)}
			events := 0
			for b.Loop() {
				e.Seq++
				for _, p := range asked.Start {
					hub.Publish(p.Topic, e)
				}
				events += topics
				l.gather()
				for l.collect(b.Context(), true) != nothing {
				}
				l.discard()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(events), "ns/event")
		})
	}
}
