package push

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// dial opens a line by hand and reads the head of the answer.
func (w *world) dial(query string) (*net.TCPConn, *bufio.Reader) {
	w.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "GET /?%s HTTP/1.1\r\nHost: halley\r\nAccept: application/x-ndjson\r\n\r\n", query)
	in := bufio.NewReader(conn)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			w.t.Fatal(err)
		}
		if line == "\r\n" {
			return conn.(*net.TCPConn), in
		}
	}
}

// However a reader goes, its line ends.
func TestReaderGoesOnSockets(t *testing.T) {
	for name, leave := range map[string]func(*net.TCPConn){
		"closes":      func(c *net.TCPConn) { c.Close() },
		"half closes": func(c *net.TCPConn) { c.CloseWrite() },
		"resets":      func(c *net.TCPConn) { c.SetLinger(0); c.Close() },
		"closes after it sent what nobody asked for": func(c *net.TCPConn) {
			c.Write([]byte(strings.Repeat("GET / HTTP/1.1\r\n", 100)))
			c.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			// A goroutine's net/http sees a reader go that has sent something
			// only by a write that fails.
			onSockets(t, Config{Heartbeat: 20 * time.Millisecond}, func(t *testing.T, w *world) {
				conn, _ := w.dial("page=a")
				leave(conn)
				<-w.ended
				w.publish("a", 0)
				for w.hub.Streams() > 0 {
					runtime.Gosched()
				}
			})
		})
	}
}

// An idle nonblocking stream has no goroutine.
func TestNonblockingStreamsHaveNoGoroutines(t *testing.T) {
	w := newSocketWorld(t, Config{}, shards)
	before := runtime.NumGoroutine()
	const lines = 50
	var readers []*bufio.Reader
	for range lines {
		_, in := w.dial("page=a")
		readers = append(readers, in)
	}
	// Handlers and snapshots may still be on their way out.
	for runtime.NumGoroutine() > before+lines/10 {
		time.Sleep(time.Millisecond)
	}
	w.publish("a", 0)
	for _, in := range readers {
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(line, `"a1"`) {
				break
			}
		}
	}
}

// A reader that stops while megabytes are published holds up neither publisher
// nor others; the same line brings it all of it, from the log, once it reads on.
func TestStalledReaderOnSockets(t *testing.T) {
	onSockets(t, Config{RingBytes: 64 << 10}, func(t *testing.T, w *world) {
		stalled := w.open(NDJSON, "page=a")
		defer stalled.close()
		brisk := w.open(NDJSON, "page=a")
		defer brisk.close()
		const changes = 3000
		go func() {
			for range changes {
				w.publish("a", 4<<10)
			}
		}()
		for _, r := range []*reader{brisk, stalled} {
			r.want(`hello#0 {"a":0}`, `all "a=0"`)
			for seq := 1; seq <= changes; seq++ {
				if e, err := r.next(); err != nil || e.ID != fmt.Sprint(seq) {
					t.Fatalf("got %v and error %v, want change %d", e, err, seq)
				}
			}
		}
		if s := w.hub.Stats(); s.CatchUps == 0 || s.Dead != 0 || s.Resets != 0 {
			t.Errorf("stats %+v, want catch-ups alone", s)
		}
	})
}

// A reader that takes nothing for the timeout is cut off, and cannot mistake the
// end for a proper one. The timeout leaves a busy machine time for the first write.
func TestDeadReaderOnSockets(t *testing.T) {
	onSockets(t, Config{WriteTimeout: time.Second}, func(t *testing.T, w *world) {
		_, in := w.dial("page=a")
		for range 1000 {
			w.publish("a", 10<<10)
		}
		<-w.ended
		if s := w.hub.Stats(); s.Dead != 1 {
			t.Errorf("stats %+v, want one dead line", s)
		}
		if w.path == goroutines {
			return // there the last chunk is missing
		}
		if _, err := io.Copy(io.Discard, in); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the line ended with %v, want a reset", err)
		}
	})
}

// A bye arrives also where the peer has sent what nobody reads.
func TestByeOnSockets(t *testing.T) {
	onSockets(t, Config{}, func(t *testing.T, w *world) {
		conn, in := w.dial("page=a")
		if _, err := conn.Write([]byte(strings.Repeat("x", 50_000))); err != nil {
			t.Fatal(err)
		}
		if err := w.hub.Drain(t.Context()); err != nil {
			t.Error(err)
		}
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				t.Fatalf("the line ended with %q and error %v, want bye", line, err)
			}
			if strings.Contains(line, `"bye"`) {
				break
			}
		}
		if _, err := in.ReadByte(); w.path == shards && err != io.EOF {
			t.Errorf("after bye the line ended with %v, want %v", err, io.EOF)
		}
	})
}

// Readers who trickle bytes to the server, take one at a time, or none, harm
// nobody else.
func TestBadReadersOnSockets(t *testing.T) {
	onSockets(t, Config{RingBytes: 64 << 10}, func(t *testing.T, w *world) {
		stop := make(chan struct{})
		defer close(stop)
		for range 20 {
			w.dial("page=a") // never reads
			sips, in := w.dial("page=a")
			trickles, _ := w.dial("page=a")
			go func() {
				for {
					select {
					case <-stop:
						return
					case <-time.After(w.second):
						trickles.Write([]byte{'x'})
						in.ReadByte()
						sips.SetReadBuffer(1)
					}
				}
			}()
		}
		good := w.open(SSE, "page=a")
		defer good.close()
		good.want(`hello#0 {"a":0}`, `all "a=0"`)
		for seq := 1; seq <= 500; seq++ {
			w.publish("a", 4<<10)
			if e, err := good.next(); err != nil || e.ID != fmt.Sprint(seq) {
				t.Fatalf("got %v and error %v, want change %d", e, err, seq)
			}
		}
	})
}
