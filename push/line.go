package push

import (
	"fmt"
	"time"
)

// Position is where a stream starts on one topic.
type Position struct {
	Topic  string
	After  uint64
	AtHead bool // start at the head; After is ignored
	// Reset resets the reader at once, since the caller knows that the position
	// cannot be replayed (it is of another epoch). A position in a long poll's
	// cursor that this hub made is later than such a reset and is resumed.
	Reset bool
}

// unreachable reports that no replay leads from p to the head.
func (p Position) unreachable(head uint64) bool {
	return p.Reset || !p.AtHead && p.After > head
}

// Line describes a stream to Serve: what one reader asks to follow, as the edge
// understood the request.
type Line struct {
	// Start has each topic once.
	Start []Position
	// Also names topics without seqs (the list of pages), which take no part in
	// the cursor.
	Also []string
	// Composite makes ids name their topic even if there is only one: for a request
	// that named several topics of which some were refused.
	Composite bool
	// Cursor is what the reader sent, already applied to Start. A long poll with a
	// cursor starts without hello and gets only what is newer than the cursor.
	Cursor Cursor
	// Hello makes the first event, once it is known where each topic starts. The
	// stream is registered by then, so that a topic that ends later leaves it.
	Hello func(starts map[string]uint64) Event
	// First are events that are sent right after hello (gone, for pages that were
	// refused). A long poll with a cursor would be answered with them at once,
	// again and again: give it only those of topics that its cursor still names.
	First []Event
	// Reader is who reads.
	Reader string
	// Transport is chosen by the Accept header.
	Transport Transport
	// Wait is a long poll's longest wait; 0 answers at once.
	Wait time.Duration
	// OnOpen is called before the stream looks at any topic. Its argument ends the
	// stream with a bye that says why (the session ended); any goroutine may call
	// it, and it never blocks. An error of OnOpen refuses the stream.
	OnOpen func(end func(why string)) error
	// OnEnd is called once, when the stream has ended or was refused. That may be
	// long after Serve has returned: it must not refer to the request.
	OnEnd func()
}

func (asked *Line) check() error {
	if asked.Transport < 0 || asked.Transport >= transports {
		return fmt.Errorf("open stream: unknown transport %d", int(asked.Transport))
	}
	seen := map[string]bool{"": true} // a topic has a name
	for _, p := range asked.Start {
		if seen[p.Topic] {
			return fmt.Errorf("open stream: topic %q is empty or named twice", p.Topic)
		}
		seen[p.Topic] = true
	}
	for _, topic := range asked.Also {
		if seen[topic] {
			return fmt.Errorf("open stream: topic %q is empty or named twice", topic)
		}
		seen[topic] = true
	}
	return nil
}

// Transport is how a stream's events are encoded and carried.
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
