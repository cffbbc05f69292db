package push

import (
	"bytes"
	"strconv"
	"sync"
)

// An encoding is how events are written on the wire. An event's bytes are an
// opening, which holds the id where there is one, and a body.
type encoding struct {
	index       int // in frame.shared
	contentType string
	heartbeat   string
	closing     string // what a body ends with, behind the data
	// appendOpening: no id where id is empty. The id needs no escaping (see Cursor).
	appendOpening func(dst, id []byte) []byte
	appendBody    func(dst []byte, e Event) []byte
}

const encodings = 2

// A frame is one published event, shared by every stream that sends it.
type frame struct {
	Event
	number uint64 // of an unsequenced event: see topic.numbers
	after  uint64 // of an unsequenced event: the sequenced one it was published behind
	shared [encodings]sharedBytes
}

// sharedBytes is a frame in one encoding: with its bare seq as id, and where the body begins.
type sharedBytes struct {
	once sync.Once
	all  []byte
	body int
}

func newFrame(e Event) *frame {
	e.Data = oneLine(e.Data)
	return &frame{Event: e}
}

// encode returns the frame's shared bytes, which it makes on first need.
func (f *frame) encode(enc *encoding) *sharedBytes {
	s := &f.shared[enc.index]
	s.once.Do(func() {
		var id []byte
		if f.Seq > 0 {
			id = strconv.AppendUint(nil, f.Seq, 10)
		}
		b := make([]byte, 0, len(f.Data)+len(f.Type)+64)
		b = enc.appendOpening(b, id)
		s.body = len(b)
		s.all = enc.appendBody(b, f.Event)
	})
	return s
}

// size is what a frame counts for in a ring: its payload and about what it costs beside it.
func (f *frame) size() int { return len(f.Data) + 256 }

// large reports whether the event is sent apart: see large.go.
func (f *frame) large() bool { return f.Seq > 0 && len(f.Data) > largeBytes }

// oneLine puts spaces where a JSON value has line breaks: between its tokens,
// since strings escape them. A line break would end the event early.
func oneLine(data []byte) []byte {
	// Two quick searches: a large event is looked through again at each turn.
	if bytes.IndexByte(data, '\n') < 0 && bytes.IndexByte(data, '\r') < 0 {
		return data
	}
	data = bytes.ReplaceAll(data, []byte{'\r'}, []byte{' '})
	return bytes.ReplaceAll(data, []byte{'\n'}, []byte{' '})
}
