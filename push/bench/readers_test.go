//go:build linux

package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// mark is a change's payload, in which readers find its page, its seq and when
// it was published.
const mark = `"~%04d %012d %020d~%s"`

const markBytes = 1 + 4 + 1 + 12 + 1 + 20

// readers follow a station, each over a connection of its own.
type readers struct {
	tb    testing.TB
	all   []*reader
	group sync.WaitGroup
}

// A reader notes what arrives. Its goroutine alone writes the fields; others may
// read them once it has ended, but for what goes through the mutex.
type reader struct {
	conn    net.Conn
	in      *bufio.Reader
	pause   chan time.Duration // stop reading for so long
	mu      sync.Mutex         // guards the fields below
	seqs    [maxPages]uint64
	got     int
	timed   bool            // keep how late each is
	late    []time.Duration // from publishing to arrival
	wrong   string          // the first event that was not the next one
	ended   bool
	arrived *sync.Cond // got or ended has changed
}

// connect opens n streams. Each has its answer's head when connect returns.
func connect(tb testing.TB, address string, n int, query string) *readers {
	tb.Helper()
	rs := &readers{tb: tb}
	tb.Cleanup(rs.close)
	for i := range n {
		r := &reader{conn: dial(tb, address, i), pause: make(chan time.Duration, 1)}
		r.arrived = sync.NewCond(&r.mu)
		rs.all = append(rs.all, r)
		fmt.Fprintf(r.conn, "GET /?%s HTTP/1.1\r\nHost: halley\r\nAccept: text/event-stream\r\n\r\n", query)
	}
	for _, r := range rs.all {
		r.in = bufio.NewReaderSize(r.conn, 4<<10)
		if err := skipHead(r.in); err != nil {
			tb.Fatal(err)
		}
	}
	for _, r := range rs.all {
		rs.group.Go(r.run)
	}
	return rs
}

func (rs *readers) close() {
	for _, r := range rs.all {
		r.conn.Close()
	}
	rs.group.Wait()
}

// buffers are shared: a reader needs one only while there is something to read.
var buffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

func (r *reader) run() {
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.ended = true
		r.arrived.Broadcast()
	}()
	var rest []byte
	head, _ := r.in.Peek(r.in.Buffered()) // what came together with the head
	r.take(head, &rest)
	for {
		select {
		case d := <-r.pause:
			time.Sleep(d)
		default:
		}
		buf := buffers.Get().(*[64 << 10]byte)
		n, err := r.conn.Read(buf[:])
		r.take(buf[:n], &rest)
		buffers.Put(buf)
		if err != nil {
			return
		}
	}
}

// take finds the marks in what has arrived; a mark that is cut off is kept for
// the next time.
func (r *reader) take(b []byte, rest *[]byte) {
	if len(*rest) > 0 {
		b = append(*rest, b...)
		*rest = nil
	}
	now := time.Now().UnixNano()
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		i := bytes.IndexByte(b, '~')
		if i < 0 {
			break
		}
		if len(b) < i+markBytes+1 {
			*rest = bytes.Clone(b[i:])
			break
		}
		r.note(b[i:i+markBytes], now)
		b = b[i+markBytes+1:]
	}
	r.arrived.Broadcast()
}

func (r *reader) note(m []byte, now int64) {
	page, seq := number(m[1:5]), uint64(number(m[6:18]))
	if r.seqs[page]+1 != seq && r.seqs[page] != 0 && r.wrong == "" {
		r.wrong = fmt.Sprintf("change %d of page %d after %d", seq, page, r.seqs[page])
	}
	r.seqs[page] = seq
	r.got++
	if r.timed {
		r.late = append(r.late, time.Duration(now-int64(number(m[19:39]))))
	}
}

func number(digits []byte) (n int) {
	for _, d := range digits {
		n = n*10 + int(d-'0')
	}
	return n
}

// await waits until each reader has n changes, none lost and none twice.
func (rs *readers) await(n int) {
	rs.tb.Helper()
	timer := time.AfterFunc(time.Minute, func() {
		for _, r := range rs.all {
			r.conn.Close()
		}
	})
	defer timer.Stop()
	for i, r := range rs.all {
		r.mu.Lock()
		for r.got < n && !r.ended {
			r.arrived.Wait()
		}
		got, wrong := r.got, r.wrong
		r.mu.Unlock()
		if got != n || wrong != "" {
			rs.tb.Fatalf("reader %d has %d changes of %d; %s", i, got, n, wrong)
		}
	}
}

// forget begins a new measurement, in which it is noted how late changes are.
func (rs *readers) forget() { rs.again(true) }

// again begins one; timed says whether it is noted.
func (rs *readers) again(timed bool) {
	for _, r := range rs.all {
		r.mu.Lock()
		r.got, r.late, r.timed = 0, r.late[:0], timed
		r.mu.Unlock()
	}
}

// percentile of how late changes arrived at some of the readers.
func percentile(some []*reader, p float64) time.Duration {
	var late []time.Duration
	for _, r := range some {
		r.mu.Lock()
		late = append(late, r.late...)
		r.mu.Unlock()
	}
	slices.Sort(late)
	if len(late) == 0 {
		return 0
	}
	return late[min(len(late)-1, int(p*float64(len(late))))]
}

func query(pages int) string { return "pages=" + strconv.Itoa(pages) }
