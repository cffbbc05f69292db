//go:build linux

package bench

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// A program is the built halley with a page and a guest's session.
type program struct {
	*process
	dir, listen  string
	cookie, page string
	seq          int
}

func startProgram(tb testing.TB) *program {
	tb.Helper()
	w := &program{dir: tb.TempDir(), listen: "127.0.0.1:0"}
	w.start(tb)
	resp := w.send("POST", "/api/session", `{"name":"Ann"}`)
	for _, c := range resp.Cookies() {
		w.cookie = c.Name + "=" + c.Value
	}
	var made struct{ ID string }
	if err := json.NewDecoder(w.send("POST", "/api/pages", `{"title":"Measured"}`).Body).Decode(&made); err != nil {
		tb.Fatal(err)
	}
	w.page = made.ID
	return w
}

// start begins a life of the server.
func (w *program) start(tb testing.TB) {
	tb.Helper()
	binary := os.Getenv("HALLEY_BIN")
	if binary == "" {
		binary = filepath.Join("..", "..", "bin", "halley")
	}
	if _, err := os.Stat(binary); err != nil {
		tb.Skipf("no program to measure: `make build` first (%v)", err)
	}
	w.process = startProcess(tb, exec.Command(binary, "serve", "--data", w.dir, "--listen", w.listen, "--rate-limits=off", "--log-level=warn"))
	w.listen = w.address
}

// requests keeps a connection for each of the writers.
var requests = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: largeWriters}}

// send makes a request, whose answer must be a good one.
func (w *program) send(method, path, body string) *http.Response {
	w.tb.Helper()
	req, err := http.NewRequest(method, "http://"+w.address+path, strings.NewReader(body))
	if err != nil {
		w.tb.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Cookie", w.cookie)
	resp, err := requests.Do(req)
	if err != nil {
		w.tb.Fatal(err)
	}
	answer, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || resp.StatusCode >= 300 {
		w.tb.Fatalf("%s %s: %s %s %v", method, path, resp.Status, answer, err)
	}
	resp.Body = io.NopCloser(bytes.NewReader(answer))
	return resp
}

// edit makes the page's next change.
func (w *program) edit() {
	w.tb.Helper()
	w.send("POST", "/api/pages/"+w.page+"/changes", fmt.Sprintf(
		`{"client":"the-writer","n":%d,"base":%d,"delta":[{"insert":"x"}]}`, w.seq+1, w.seq))
	w.seq++
}

// A line is one open stream of the program.
type line struct {
	conn  io.ReadWriteCloser
	in    *bufio.Reader
	seq   int           // the last change that it was sent
	after time.Duration // what bye said
}

// open opens n streams of the page, after what each has seen.
func (w *program) open(lines []*line) {
	w.tb.Helper()
	for i, l := range lines {
		w.reopen(l, i)
	}
}

func (w *program) reopen(l *line, i int) {
	w.tb.Helper()
	l.conn = dial(w.tb, w.address, i)
	fmt.Fprintf(l.conn, "GET /api/events?page=%s@%d HTTP/1.1\r\nHost: localhost\r\nCookie: %s\r\nAccept: text/event-stream\r\n\r\n",
		w.page, l.seq, w.cookie)
	l.in = bufio.NewReaderSize(l.conn, 512)
	if err := skipHead(l.in); err != nil {
		w.tb.Fatal(err)
	}
	if err := l.until("page"); err != nil {
		w.tb.Fatal(err)
	}
}

// until reads up to an event of that type. Changes must follow each other.
func (l *line) until(wanted string) error {
	event := ""
	for {
		text, err := l.in.ReadString('\n')
		if err != nil {
			return err
		}
		field, value, _ := strings.Cut(strings.TrimSuffix(text, "\n"), ": ")
		switch field {
		case "event":
			event = value
		case "data":
			if err := l.take(event, value); err != nil {
				return err
			}
			if event == wanted {
				_, err := l.in.ReadString('\n')
				return err
			}
		}
	}
}

func (l *line) take(event, data string) error {
	var d struct {
		Seq   int   `json:"seq"`
		After int64 `json:"after_ms"`
	}
	if err := json.Unmarshal([]byte(data), &d); err != nil {
		return err
	}
	switch event {
	case "change":
		if d.Seq != l.seq+1 {
			return fmt.Errorf("change %d after %d", d.Seq, l.seq)
		}
		l.seq = d.Seq
	case "bye":
		l.after = time.Duration(d.After) * time.Millisecond
	case "reset", "gone":
		return fmt.Errorf("%s %s", event, data)
	}
	return nil
}

const idleStreams = 10_000

// The memory of the server for each stream on which nothing happens but
// heartbeats: of the whole program, where each belongs to a session, and of plain.
func BenchmarkIdleStreams(b *testing.B) {
	b.Run("halley", func(b *testing.B) {
		needFiles(b, idleStreams+1000)
		w := startProgram(b)
		for b.Loop() {
			before := w.rss()
			lines := makeLines(idleStreams)
			w.open(lines)
			time.Sleep(15 * time.Second) // each has had a heartbeat
			b.ReportMetric(float64(w.rss()-before)/idleStreams, "B/stream")
			closeAll(lines)
		}
	})
	b.Run("plain", func(b *testing.B) {
		needFiles(b, idleStreams+1000)
		p := startStation(b, "plain")
		for b.Loop() {
			before := p.rss()
			rs := connect(b, p.address, idleStreams, query(1))
			time.Sleep(time.Second)
			b.ReportMetric(float64(p.rss()-before)/idleStreams, "B/stream")
			rs.close()
		}
	})
}

func makeLines(n int) []*line {
	lines := make([]*line, n)
	for i := range lines {
		lines[i] = &line{}
	}
	return lines
}

func closeAll(lines []*line) {
	for _, l := range lines {
		l.conn.Close()
	}
}

// Ten thousand streams, and the server is told to end and started again: how
// long it takes to end, and how many readers come back in the busiest tenth of a
// second. Each gets exactly the changes that it missed.
func BenchmarkRestart(b *testing.B) {
	needFiles(b, idleStreams+1000)
	w := startProgram(b)
	for b.Loop() {
		lines := makeLines(idleStreams)
		w.open(lines)
		w.edit()
		start := time.Now()
		if err := w.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			b.Fatal(err)
		}
		for _, l := range lines {
			if err := l.until("bye"); err != nil {
				b.Fatal(err)
			}
			l.conn.Close()
		}
		if err := w.cmd.Wait(); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(time.Since(start).Seconds(), "s-to-end")
		w.start(b)
		w.edit()
		b.ReportMetric(w.comeBack(b, lines), "returns/100ms")
		closeAll(lines)
	}
}

// comeBack reopens each line when its bye said, and returns how many came in the
// busiest tenth of a second.
func (w *program) comeBack(b *testing.B, lines []*line) float64 {
	byTenth := map[time.Duration]int{}
	for _, l := range lines {
		byTenth[l.after/(100*time.Millisecond)]++
	}
	most := 0
	for _, n := range byTenth {
		most = max(most, n)
	}
	start := time.Now()
	var all sync.WaitGroup
	var wrong atomic.Int64
	for i, l := range lines {
		all.Go(func() {
			time.Sleep(time.Until(start.Add(l.after)))
			w.reopen(l, i)
			for l.seq < w.seq {
				if err := l.until("change"); err != nil {
					wrong.Add(1)
					return
				}
			}
		})
	}
	all.Wait()
	if wrong.Load() > 0 {
		b.Fatalf("%d readers did not get what they missed", wrong.Load())
	}
	return float64(most)
}

// The article's claim: what 500 readers of a page that is edited every two
// seconds cost the server, by open lines and by asking once a second.
func BenchmarkAgainstPolling(b *testing.B) {
	const watchers, seconds = 500, 6
	w := startProgram(b)
	for b.Loop() {
		lines := makeLines(watchers)
		w.open(lines)
		var readers sync.WaitGroup
		want := w.seq + seconds/2
		for _, l := range lines {
			readers.Go(func() {
				for l.seq < want {
					if err := l.until("change"); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		pushed := w.busy(seconds, func() { w.edit() })
		readers.Wait()
		closeAll(lines)

		stop := make(chan struct{})
		var pollers sync.WaitGroup
		for i := range watchers {
			pollers.Go(func() { w.pollEverySecond(i, stop) })
		}
		polled := w.busy(seconds, func() { w.edit() })
		close(stop)
		pollers.Wait()
		b.ReportMetric(ms(pushed)/seconds, "cpu-ms-a-second")
		b.ReportMetric(ms(polled)/seconds, "polling-cpu-ms-a-second")
		b.ReportMetric(float64(pushed)/float64(polled), "of-polling")
	}
}

// busy is the server's processor time over so many seconds with an edit every two.
func (w *program) busy(seconds int, edit func()) time.Duration {
	time.Sleep(time.Second) // what opening cost is over
	before := w.cpu()
	for range seconds / 2 {
		edit()
		time.Sleep(2 * time.Second)
	}
	return w.cpu() - before
}

// pollEverySecond asks for changes, over one connection.
func (w *program) pollEverySecond(i int, stop <-chan struct{}) {
	conn := dial(w.tb, w.address, i)
	defer conn.Close()
	in := bufio.NewReader(conn)
	seq := w.seq
	time.Sleep(time.Duration(i) * 2 * time.Millisecond) // they do not ask all at once
	for {
		fmt.Fprintf(conn, "GET /api/pages/%s/changes?after=%d HTTP/1.1\r\nHost: localhost\r\nCookie: %s\r\n\r\n", w.page, seq, w.cookie)
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			w.tb.Error(err)
			return
		}
		var got struct{ Head int }
		err = json.NewDecoder(resp.Body).Decode(&got)
		resp.Body.Close()
		if err != nil || resp.StatusCode != 200 {
			w.tb.Errorf("%s %v", resp.Status, err)
			return
		}
		seq = got.Head
		select {
		case <-stop:
			return
		case <-time.After(time.Second):
		}
	}
}
