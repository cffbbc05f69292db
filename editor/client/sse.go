package client

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// maxEventBytes is more than the largest event has: an edit is 16 MiB at most.
const maxEventBytes = 64 << 20

// keptBytes is how large a buffer may be that is kept for the next event.
const keptBytes = 64 << 10

var errLongEvent = errors.New("an event that is too long")

// An EventReader reads server-sent events, as the HTML standard says
// (section 9.2.6), but for the field "retry", which Halley does not send. It
// is for one goroutine.
type EventReader struct {
	r    *bufio.Reader
	line []byte // reused
	data []byte // of the last event, reused
}

// NewEventReader returns a reader of the stream r, which it reads buffer bytes
// at a time.
func NewEventReader(r io.Reader, buffer int) *EventReader {
	return &EventReader{r: bufio.NewReaderSize(r, buffer)}
}

// Next reads up to the end of the next event, whose Data is valid until the
// next call. One that the stream ends in the middle of is dropped.
func (s *EventReader) Next() (Event, error) {
	var e Event
	data := s.data[:0]
	if cap(data) > keptBytes {
		data = nil // of one long event; the line may live for days
	}
	there := false
	for {
		line, err := s.readLine()
		if err != nil {
			return Event{}, err
		}
		if len(line) == 0 {
			if there {
				s.data = data
				e.Data = bytes.TrimSuffix(data, []byte("\n"))
				return e, nil
			}
			e = Event{} // an event without data is none
			continue
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "data":
			if len(data)+len(value) > maxEventBytes {
				return Event{}, errLongEvent
			}
			data = append(append(data, value...), '\n')
			there = true
		case "event":
			e.Type = typeName(value)
		case "id":
			if bytes.IndexByte(value, 0) < 0 {
				e.ID = string(value)
			}
		}
	}
}

// typeName is string(value), which costs nothing for the type that comes most.
func typeName(value []byte) string {
	if string(value) == "change" {
		return "change"
	}
	return string(value)
}

// readLine returns the next line without its end, valid until the next call.
// Halley ends lines with \n; a \r before it is dropped.
func (s *EventReader) readLine() ([]byte, error) {
	if s.line = s.line[:0]; cap(s.line) > keptBytes {
		s.line = nil
	}
	for {
		piece, err := s.r.ReadSlice('\n')
		s.line = append(s.line, piece...)
		switch {
		case err == nil:
			return bytes.TrimSuffix(bytes.TrimSuffix(s.line, []byte("\n")), []byte("\r")), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		case len(s.line) > maxEventBytes:
			return nil, errLongEvent
		}
	}
}
