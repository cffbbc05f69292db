package client

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestEventReader(t *testing.T) {
	stream := ":\n\n" + // a heartbeat
		"id: 7\nevent: change\ndata: {\"a\":1}\n\n" +
		"event:none\n\n" + // without data it is none
		"data:first\ndata: second\nunknown: x\nid\n\n" +
		"event: crlf\r\ndata: x\r\n\r\n" +
		"id: \x00\ndata:\n\n" +
		"event: cut\ndata: off\n"
	want := []Event{
		{"7", "change", []byte(`{"a":1}`)},
		{"", "", []byte("first\nsecond")},
		{"", "crlf", []byte("x")},
		{"", "", []byte("")},
	}
	for _, r := range []io.Reader{strings.NewReader(stream), iotest.OneByteReader(strings.NewReader(stream))} {
		events := NewEventReader(r, 32<<10)
		for i, w := range want {
			got, err := events.Next()
			if err != nil || got.ID != w.ID || got.Type != w.Type || string(got.Data) != string(w.Data) {
				t.Errorf("event %d is %q, %v; want %q", i, got, err, w)
			}
		}
		if e, err := events.Next(); err != io.EOF {
			t.Errorf("at the end comes %q, %v; want io.EOF", e, err)
		}
	}
}

func TestLongLines(t *testing.T) {
	data := strings.Repeat("x", 1<<20)
	events := NewEventReader(strings.NewReader("data: "+data+"\n\n"), 32<<10)
	if e, err := events.Next(); err != nil || string(e.Data) != data {
		t.Errorf("an event of 1 MiB comes with %d bytes, %v", len(e.Data), err)
	}
	endless := io.MultiReader(strings.NewReader("data: "), &zeros{})
	if _, err := NewEventReader(endless, 32<<10).Next(); err != errLongEvent {
		t.Errorf("a line without end: %v, want %v", err, errLongEvent)
	}
}

// zeros is a stream without end or line.
type zeros struct{}

func (*zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

// FuzzEventReader: whatever comes, there is an end, and no event without data.
func FuzzEventReader(f *testing.F) {
	f.Add("id: 1\nevent: a\ndata: b\n\n")
	f.Add(":\n\ndata\n\n\r\n")
	f.Fuzz(func(t *testing.T, stream string) {
		events := NewEventReader(strings.NewReader(stream), 32<<10)
		for count := 0; ; count++ {
			e, err := events.Next()
			if err != nil {
				return
			}
			if e.Data == nil || count > strings.Count(stream, "\n") {
				t.Fatalf("event %d is %q", count, e)
			}
			if strings.ContainsAny(e.ID+e.Type, "\n") {
				t.Fatalf("a field of two lines: %q", e)
			}
		}
	})
}
