package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// A Line says what to follow.
type Line struct {
	Pages   []Place
	Clients []string // open editors that the line serves
	Epoch   string   // that the places are of; "" says nothing
}

// A Place is where to start on a page.
type Place struct {
	Page   string
	After  uint64 // the last change that the reader has
	AtHead bool   // start with what comes; After is ignored
}

// An Event is one thing that a follower is told.
type Event struct {
	ID   string          // a position; "" where the event moves none
	Type string          // "hello", "change", "presence", ...
	Data json.RawMessage // one JSON value
}

// Change decodes a change event.
func (e Event) Change() (Change, error) {
	var c Change
	if err := json.Unmarshal(e.Data, &c); err != nil {
		return Change{}, fmt.Errorf("a change that cannot be read: %w", err)
	}
	return c, nil
}

// ErrSignedOut ends a line whose session is over.
var ErrSignedOut = errors.New("the session is over")

// deadAfter is how long a line may be silent: heartbeats come every 15 seconds
// at most, so several are missing then.
const deadAfter = 40 * time.Second

// Follow yields the events of a line. Where the line breaks or the server
// sends it away, Follow opens it again at the last event's id, so that changes
// come without a gap and without a repeat; hello then comes once more. It ends,
// with an error, when ctx ends, when the server refuses the line for good,
// when the session is over, and when there was no line for the client's
// Patience.
func (c *Client) Follow(ctx context.Context, what Line) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		f := &follower{client: c, line: what, yield: yield, tries: newTries(c.patience)}
		for {
			err := f.once(ctx)
			if f.heard {
				f.tries, f.heard = newTries(c.patience), false
			}
			switch {
			case errors.Is(err, errStopped):
				return
			case ctx.Err() != nil:
				yield(Event{}, ctx.Err())
				return
			case errors.Is(err, ErrSignedOut) || !MayPass(err):
				yield(Event{}, err)
				return
			}
			if f.returnAfter > 0 {
				if !sleep(ctx, f.returnAfter) {
					yield(Event{}, ctx.Err())
					return
				}
				f.returnAfter = 0
				continue
			}
			if !f.tries.wait(ctx, err) {
				yield(Event{}, errors.Join(ctx.Err(), err))
				return
			}
		}
	}
}

// errStopped: the caller wants no more events.
var errStopped = errors.New("stopped")

// A follower is a line over all its connections.
type follower struct {
	client *Client
	line   Line
	yield  func(Event, error) bool
	tries  *tries

	heard       bool // this connection had an event
	lastID      string
	returnAfter time.Duration // as the server's bye said
}

// once follows until this connection ends.
func (f *follower) once(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	dead := time.AfterFunc(deadAfter, cancel)
	defer dead.Stop()
	resp, err := f.client.open(ctx, f.request())
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	events := NewEventReader(signsOfLife{resp.Body, dead}, 32<<10)
	for {
		e, err := events.Next()
		if err != nil {
			return fmt.Errorf("the line broke off: %w", err)
		}
		e.Data = bytes.Clone(e.Data) // the caller may keep it
		f.heard = true
		if e.ID != "" {
			f.lastID = e.ID
		}
		if !f.yield(e, nil) {
			return errStopped
		}
		if err := f.note(e); err != nil {
			return err
		}
	}
}

func (f *follower) request() call {
	query := url.Values{}
	for _, p := range f.line.Pages {
		if p.AtHead {
			query.Add("page", p.Page)
		} else {
			query.Add("page", p.Page+"@"+strconv.FormatUint(p.After, 10))
		}
	}
	query["client"] = f.line.Clients
	if f.line.Epoch != "" {
		query.Set("epoch", f.line.Epoch)
	}
	what := get("/api/events?" + query.Encode())
	what.header = http.Header{"Accept": {"text/event-stream"}}
	if f.lastID != "" {
		what.header.Set("Last-Event-ID", f.lastID)
	}
	return what
}

// note takes from an event what the line itself goes by.
func (f *follower) note(e Event) error {
	switch e.Type {
	case "hello":
		var hello struct {
			Epoch string `json:"epoch"`
		}
		if json.Unmarshal(e.Data, &hello) == nil && hello.Epoch != "" {
			f.line.Epoch = hello.Epoch
		}
	case "bye":
		var bye struct {
			AfterMS int64  `json:"after_ms"`
			Why     string `json:"why"`
		}
		if json.Unmarshal(e.Data, &bye) == nil {
			f.returnAfter = time.Duration(max(bye.AfterMS, 1)) * time.Millisecond
		}
		if bye.Why == "signed-out" {
			return ErrSignedOut
		}
		return errBye
	}
	return nil
}

// errBye: the server ended the line and says when to come back.
var errBye = errors.New("the server said bye")

// signsOfLife lets the line die of a read that takes too long. While nobody
// reads, because the caller is busy with an event, it cannot.
type signsOfLife struct {
	io.Reader
	dead *time.Timer
}

func (s signsOfLife) Read(p []byte) (int, error) {
	s.dead.Reset(deadAfter)
	defer s.dead.Stop()
	return s.Reader.Read(p)
}
