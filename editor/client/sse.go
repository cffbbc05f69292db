package client

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// maxEventBytes is more than the largest event has: an edit is 16 MiB at most.
const maxEventBytes = 64 << 20

var errLongEvent = errors.New("an event that is too long")

// An eventReader reads server-sent events, as the HTML standard says
// (section 9.2.6), but for the field "retry", which Halley does not send.
type eventReader struct {
	r    *bufio.Reader
	line []byte // reused
}

func newEventReader(r io.Reader) *eventReader { return &eventReader{r: bufio.NewReaderSize(r, 32<<10)} }

// next reads up to the end of the next event. One that the stream ends in the
// middle of is dropped.
func (s *eventReader) next() (Event, error) {
	var e Event
	var data []byte
	there := false
	for {
		line, err := s.readLine()
		if err != nil {
			return Event{}, err
		}
		if len(line) == 0 {
			if there {
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
			e.Type = string(value)
		case "id":
			if bytes.IndexByte(value, 0) < 0 {
				e.ID = string(value)
			}
		}
	}
}

// readLine returns the next line without its end, valid until the next call.
// Halley ends lines with \n; a \r before it is dropped.
func (s *eventReader) readLine() ([]byte, error) {
	s.line = s.line[:0]
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
