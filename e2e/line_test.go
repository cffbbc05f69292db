package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// transports are the values of Accept that choose one.
var transports = []string{"text/event-stream", "application/x-ndjson", "application/json"}

// A line is an open line of events, over any transport. A test reads it itself.
type line struct {
	tb     testing.TB
	c      *caller
	accept string
	query  string
	lastID string // what the next connection sends; a long poll's cursor

	body   io.ReadCloser // of a stream
	in     *bufio.Reader
	cancel context.CancelFunc
	polled []event
}

// An event is one as it came.
type event struct {
	ID   string          `json:"id"`
	Type string          `json:"type"`
	Data json.RawMessage `json:"data"`
}

func (e event) String() string { return fmt.Sprintf("%s#%s %s", e.Type, e.ID, short(e.Data)) }

// get is a member of the event's data, as JSON.
func (e event) get(member string) string {
	var v map[string]json.RawMessage
	if json.Unmarshal(e.Data, &v) != nil {
		return ""
	}
	return string(v[member])
}

// follow opens a line. query is the address's, "page=ID@3"; a position that
// is not "" is sent as Last-Event-ID.
func (c *caller) follow(accept, query, position string) *line {
	c.tb.Helper()
	l := &line{tb: c.tb, c: c, accept: accept, query: query, lastID: position}
	if accept != "application/json" {
		l.open()
	} else if err := l.poll(); err != nil {
		c.tb.Fatal(err)
	}
	c.tb.Cleanup(l.close)
	return l
}

func (l *line) request() request {
	r := to("GET", "/api/events?"+l.query).with("Accept", l.accept)
	if l.lastID != "" {
		r = r.with("Last-Event-ID", l.lastID)
	}
	return r
}

func (l *line) open() {
	l.tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	r := l.request()
	req, err := http.NewRequestWithContext(ctx, r.method, l.c.s.url+r.path, nil)
	if err != nil {
		l.tb.Fatal(err)
	}
	req.Header = r.header
	defer time.AfterFunc(patience, cancel).Stop()
	resp, err := l.c.http.Do(req)
	if err != nil {
		l.tb.Fatalf("open a line: %v", err)
	}
	if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), l.accept) {
		body, _ := io.ReadAll(resp.Body)
		l.tb.Fatalf("open a line: %d %s: %s", resp.StatusCode, resp.Header.Get("Content-Type"), short(body))
	}
	l.body, l.in = resp.Body, bufio.NewReaderSize(resp.Body, 64<<10)
}

// close ends the line, as a closed tab does.
func (l *line) close() {
	if l.cancel != nil {
		l.cancel()
		l.body.Close()
	}
}

// reopen comes back at the last event's id, as a browser does.
func (l *line) reopen() {
	l.tb.Helper()
	l.close()
	if l.accept != "application/json" {
		l.open()
	}
}

// next is the next event whose type is one of those, of all types where none
// is given. Others are passed over.
func (l *line) next(types ...string) event {
	l.tb.Helper()
	var passed []string
	for range 10_000 {
		e, err := l.read()
		if err != nil {
			l.tb.Fatalf("the line (%s, %s) ended while waiting for %v: %v; it had said %v", l.accept, l.query, types, err, passed)
		}
		if len(types) == 0 || slices.Contains(types, e.Type) {
			return e
		}
		passed = append(passed, e.String())
	}
	l.tb.Fatalf("none of %v among 10,000 events", types)
	return event{}
}

// end fails unless the line ends without another event.
func (l *line) end() {
	l.tb.Helper()
	if l.accept == "application/json" {
		if len(l.polled) > 0 {
			l.tb.Fatalf("the line goes on with %v, want its end", l.polled[0])
		}
		return
	}
	if e, err := l.read(); err == nil {
		l.tb.Fatalf("the line goes on with %v, want its end", e)
	} else if err != io.EOF {
		l.tb.Fatalf("the line ended with %v, want its proper end", err)
	}
}

func (l *line) read() (event, error) {
	var e event
	var err error
	switch l.accept {
	case "application/json":
		e, err = l.polledNext()
	default:
		timer := time.AfterFunc(patience, l.cancel)
		defer timer.Stop()
		if l.accept == "text/event-stream" {
			e, err = readSSE(l.in)
		} else {
			e, err = readNDJSON(l.in)
		}
		if e.ID != "" {
			l.lastID = e.ID
		}
	}
	if err == nil && !json.Valid(e.Data) {
		err = fmt.Errorf("an event whose data is no JSON: %v", e)
	}
	if e.Type == "hello" || e.Type == "reset" {
		// From here on the position is of the store's own epoch, which a reader
		// knows by hello, or by the page that it loads.
		l.query = oldEpoch.ReplaceAllString(l.query, "")
	}
	return e, err
}

var oldEpoch = regexp.MustCompile(`&epoch=[\w-]+`)

// polledNext asks until there is an event.
func (l *line) polledNext() (event, error) {
	for end := time.Now().Add(patience); len(l.polled) == 0; {
		if err := l.poll(); err != nil {
			return event{}, err
		}
		if time.Now().After(end) {
			return event{}, fmt.Errorf("no event within %v", patience)
		}
	}
	e := l.polled[0]
	l.polled = l.polled[1:]
	return e, nil
}

// poll asks once.
func (l *line) poll() error {
	a, err := l.c.try(l.request())
	if err != nil {
		return err
	}
	if a.status != 200 {
		return fmt.Errorf("a long poll answered %d: %s", a.status, short(a.body))
	}
	var got struct {
		Events []event `json:"events"`
		Cursor string  `json:"cursor"`
	}
	if err := json.Unmarshal(a.body, &got); err != nil {
		return fmt.Errorf("%w: %s", err, short(a.body))
	}
	l.polled, l.lastID = append(l.polled, got.Events...), got.Cursor
	return nil
}

func readSSE(in *bufio.Reader) (event, error) {
	var e event
	for {
		text, err := in.ReadString('\n')
		if err != nil {
			return e, err
		}
		text = strings.TrimSuffix(text, "\n")
		field, value, _ := strings.Cut(text, ": ")
		switch {
		case text == "" && e.Type != "":
			return e, nil
		case text == "" || strings.HasPrefix(text, ":"): // a heartbeat
		case field == "id":
			e.ID = value
		case field == "event":
			e.Type = value
		case field == "data" && e.Data == nil:
			e.Data = json.RawMessage(value)
		default:
			return e, fmt.Errorf("a line that is no field of an event: %q", text)
		}
	}
}

func readNDJSON(in *bufio.Reader) (event, error) {
	for {
		text, err := in.ReadString('\n')
		if err != nil {
			return event{}, err
		}
		if text == "\n" {
			continue // a heartbeat
		}
		var e event
		d := json.NewDecoder(strings.NewReader(text))
		d.DisallowUnknownFields()
		return e, d.Decode(&e)
	}
}

// wantChanges reads changes from, from+1, …, upTo and fails on any other.
func (l *line) wantChanges(page string, from, upTo int) {
	l.tb.Helper()
	for seq := from; seq <= upTo; seq++ {
		e := l.next("change", "reset", "gone", "bye")
		if e.Type != "change" || e.get("seq") != fmt.Sprint(seq) || e.get("page") != `"`+page+`"` {
			l.tb.Fatalf("the line (%s) says %v, want change %d of %s", l.accept, e, seq, page)
		}
	}
}

// over runs a test over each transport.
func over(t *testing.T, run func(t *testing.T, accept string)) {
	for _, accept := range transports {
		t.Run(strings.ReplaceAll(accept, "/", " "), func(t *testing.T) { run(t, accept) })
	}
}

func quote(s string) string { return `"` + s + `"` }

func escaped(s string) string { return url.QueryEscape(s) }
