package load

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"halley/editor/client"
)

// A reader follows a page on a line of its own.
type reader struct {
	run    *run
	page   *page
	who    *person
	number int
	self   *typist // whose line it is; nil: a viewer's
	text   *text   // nil: it keeps none

	opened  chan struct{} // closed when it was first told hello, or has ended
	open    sync.Once
	greeted atomic.Bool
	after   time.Duration // as the server's bye said

	seq  atomic.Uint64         // the newest change it was told
	sum  uint64                // of all it was told; see chain. To be read when the line has ended
	fate atomic.Pointer[error] // why it ended before the run did
}

// ended is why the reader has ended; nil: it has not.
func (r *reader) ended() error {
	if err := r.fate.Load(); err != nil {
		return *err
	}
	return nil
}

// A wrong is a broken promise of the server: no try mends it.
type wrong struct{ what string }

func (w *wrong) Error() string { return w.what }

func isWrong(err error) bool {
	var w *wrong
	return errors.As(err, &w)
}

// isFull reports whether the server takes no more lines. None leaves while a run
// opens its own, so there is no use in trying again.
func isFull(err error) bool {
	var p *client.Problem
	return errors.As(err, &p) && p.Name() == "too-many-streams"
}

func wrongf(format string, args ...any) error { return &wrong{fmt.Sprintf(format, args...)} }

// follow keeps the line open until ctx ends, or something is wrong.
func (r *reader) follow(ctx context.Context) {
	defer r.open.Do(func() { close(r.opened) })
	began := time.Now()
	for tries := 0; ctx.Err() == nil; tries++ {
		before := r.seq.Load()
		err := r.once(ctx)
		if ctx.Err() != nil {
			return
		}
		r.run.lines.Add(-1)
		if isWrong(err) || !client.MayPass(err) || !r.greeted.Load() && (isFull(err) || time.Since(began) > patience) {
			r.fate.Store(&err)
			r.run.failed.CompareAndSwap(nil, &err)
			r.run.troubles.add("a reader ended: " + err.Error())
			return
		}
		r.run.noteRefusal(err)
		if r.after == 0 {
			r.run.troubles.add("a line broke: " + err.Error())
		}
		if r.seq.Load() != before {
			tries = 0
		}
		if !pause(ctx, max(r.after, backOff(tries, err))) {
			return
		}
		r.after = 0
		r.run.reconnects.Add(1)
	}
}

// backOff is how long to wait before something is tried again.
func backOff(tries int, err error) time.Duration {
	var p *client.Problem
	if errors.As(err, &p) && p.RetryAfter > 0 {
		return p.RetryAfter
	}
	most := min(50*time.Millisecond<<min(tries, 6), 2*time.Second)
	return most/2 + rand.N(most/2)
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// once follows on one connection. It always returns an error.
func (r *reader) once(ctx context.Context) error {
	r.run.lines.Add(1)
	c, err := r.run.target.open(ctx, r.number)
	if err != nil {
		return err
	}
	defer c.close()
	if r.run.cfg.Transport == LongPoll {
		return r.poll(c)
	}
	resp, err := c.ask(r.run.target.host, r.request(""))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return client.ReadProblem(resp)
	}
	body := &signsOfLife{Reader: resp.Body, conn: c}
	if r.run.cfg.Transport == NDJSON {
		err = eachLine(body, r.take)
	} else {
		err = eachEvent(body, r.bufferSize(), r.take)
	}
	return fmt.Errorf("the line broke off: %w", bare(err))
}

// bufferSize is larger for who is told more at once. There are few of them.
func (r *reader) bufferSize() int {
	if r.text != nil {
		return 32 << 10
	}
	return 2 << 10
}

func (r *reader) request(cursor string) request {
	path := "/api/events?page=" + r.page.id + "@" + strconv.FormatUint(r.seq.Load(), 10) + "&epoch=" + r.page.epoch
	if r.self != nil {
		path += "&client=" + r.self.client
	}
	accept := "text/event-stream"
	switch {
	case r.run.cfg.Transport == NDJSON:
		accept = "application/x-ndjson"
	case r.run.cfg.Transport == LongPoll:
		accept = "application/json"
		if cursor != "" {
			path += "&cursor=" + cursor
		}
	}
	return request{method: "GET", path: path, header: "Accept: " + accept + "\r\n" + r.who.header}
}

func eachEvent(body io.Reader, buffer int, take func(client.Event) error) error {
	events := client.NewEventReader(body, buffer)
	for {
		e, err := events.Next()
		if err == nil {
			err = take(e)
		}
		if err != nil {
			return err
		}
	}
}

// maxLine is more than the longest event of what a run types.
const maxLine = 4 << 20

func eachLine(body io.Reader, take func(client.Event) error) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		if len(lines.Bytes()) == 0 {
			continue // a heartbeat
		}
		var e client.Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return wrongf("a line that is no event: %v", err)
		}
		if err := take(e); err != nil {
			return err
		}
	}
	return cmpErr(lines.Err(), io.EOF)
}

func cmpErr(err, otherwise error) error {
	if err == nil {
		return otherwise
	}
	return err
}

// poll asks again and again on one connection.
func (r *reader) poll(c *conn) error {
	cursor := ""
	for {
		resp, err := c.ask(r.run.target.host, r.request(cursor))
		if err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK {
			return client.ReadProblem(resp)
		}
		var answer struct {
			Events []client.Event `json:"events"`
			Cursor string         `json:"cursor"`
		}
		body, err := io.ReadAll(resp.Body)
		if err == nil {
			err = json.Unmarshal(body, &answer)
		}
		if err != nil {
			return fmt.Errorf("a long poll's answer broke off: %w", bare(err))
		}
		cursor = answer.Cursor
		for _, e := range answer.Events {
			if err := r.take(e); err != nil {
				return err
			}
		}
	}
}

// errBye: the server sends the line away, to come back.
var errBye = errors.New("the server said bye")

// take takes in one event.
func (r *reader) take(e client.Event) error {
	switch e.Type {
	case "change":
		return r.learn(e)
	case "hello":
		r.greeted.Store(true)
		r.open.Do(func() { close(r.opened) })
	case "reset":
		return wrongf("the server cannot replay a position that it gave itself")
	case "gone":
		return wrongf("a page left its line: %s", e.Data)
	case "bye":
		var bye struct {
			After int64 `json:"after_ms"`
		}
		if err := json.Unmarshal(e.Data, &bye); err != nil || bytes.Contains(e.Data, []byte(`"why"`)) {
			return wrongf("the server said bye for good: %s", e.Data)
		}
		r.after = time.Duration(max(bye.After, 1)) * time.Millisecond
		return errBye
	}
	return nil
}

// learn takes in a change.
func (r *reader) learn(e client.Event) error {
	now := r.run.clock()
	seq, err := strconv.ParseUint(e.ID, 10, 64)
	if err != nil {
		return wrongf("a change has the id %q", e.ID)
	}
	if had := r.seq.Load(); seq != had+1 {
		return wrongf("after change %d came change %d", had, seq)
	}
	c, err := r.page.change(seq, e.Data)
	if err != nil {
		return &wrong{err.Error()}
	}
	own := r.self != nil && c.by == r.self
	if r.text != nil {
		if err := r.text.receive(c, own); err != nil {
			return wrongf("change %d does not fit the text before it: %v", seq, err)
		}
	}
	r.sum = chain(r.sum, c.hash)
	r.seq.Store(seq)
	if own {
		r.self.heard <- echo{c.n, seq} // has room: one edit at a time is on its way
	} else {
		r.run.delivered(r.number).add(time.Duration(now - c.typed))
	}
	return nil
}
