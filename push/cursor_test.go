package push

import (
	"errors"
	"maps"
	"strings"
	"testing"
)

func TestParseCursor(t *testing.T) {
	one, two := []string{"a"}, []string{"a", "b"}
	cases := []struct {
		in     string
		topics []string
		want   map[string]uint64 // nil: refused
	}{
		{"", one, map[string]uint64{}},
		{"42", one, map[string]uint64{"a": 42}},
		{"0", one, map[string]uint64{"a": 0}},
		{"9007199254740991", one, map[string]uint64{"a": maxSeq}},
		{"a@42", one, map[string]uint64{"a": 42}},
		{"a@42,b@7", two, map[string]uint64{"a": 42, "b": 7}},
		{"z@1", one, map[string]uint64{"z": 1}},
		{"caf%C3%A9+x%2C@1", one, map[string]uint64{"café x,": 1}},
		{"a@42.7,list@.9!NONCE", one, map[string]uint64{"a": 42}},
		{"!NONCE", one, map[string]uint64{}},

		{"42", two, nil},
		{"42", nil, nil},
		{"9007199254740992", one, nil},
		{"99999999999999999999999", one, nil},
		{"-1", one, nil},
		{"+1", one, nil},
		{"01", one, nil},
		{" 1", one, nil},
		{"1.5", one, nil},
		{"a", one, nil},
		{"@1", one, nil},
		{"a@", one, nil},
		{"a@x", one, nil},
		{"a@1,", one, nil},
		{",a@1", one, nil},
		{"a@1,a@2", one, nil},
		{"a%@1", one, nil},
		{"a@1.2", one, nil},
		{"a@.2", one, nil},
		{"a@1!NONCE", one, nil},
		{"a@1.!NONCE", one, nil},
		{"a@.1,a@1.1!NONCE", one, nil},
		{"a@1.2!", one, nil},
		{"!", one, nil},
		{"a@1.2!N!N", one, nil},
	}
	for _, c := range cases {
		got, err := ParseCursor(c.in, c.topics)
		switch {
		case c.want == nil && !errors.Is(err, ErrCursor):
			t.Errorf("ParseCursor(%q, %q) = %v, %v, want ErrCursor", c.in, c.topics, got.seqs, err)
		case c.want != nil && (err != nil || !maps.Equal(got.seqs, c.want)):
			t.Errorf("ParseCursor(%q, %q) = %v, %v, want %v", c.in, c.topics, got.seqs, err, c.want)
		case got.IsZero() != (c.in == "" || c.want == nil):
			t.Errorf("ParseCursor(%q, %q).IsZero() = %v", c.in, c.topics, got.IsZero())
		}
	}
}

func TestResume(t *testing.T) {
	c, err := ParseCursor("a@42", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []Position{{Topic: "a", AtHead: true}, {Topic: "a", After: 7}} {
		if got, want := c.Resume(p), (Position{Topic: "a", After: 42}); got != want {
			t.Errorf("Resume(%+v) = %+v, want %+v", p, got, want)
		}
	}
	other := Position{Topic: "b", AtHead: true}
	if got := c.Resume(other); got != other {
		t.Errorf("Resume(%+v) = %+v, want it unchanged", other, got)
	}
}

func TestAppendPlace(t *testing.T) {
	id := appendPlace(appendPlace(nil, cursorKey("a"), 42), cursorKey("b,@!"), 7)
	if got, want := string(id), "a@42,b%2C%40%21@7"; got != want {
		t.Errorf("the id of two topics = %q, want %q", got, want)
	}
}

// Whatever is read can be written and read again as the same, and no cursor
// could break a line of any transport.
func FuzzParseCursor(f *testing.F) {
	for _, s := range []string{"42", "a@42,b@7", "a@42.7,list@.9!NONCE", "!N", "caf%C3%A9@1", "a@1,a@2", "@", "%@"} {
		f.Add(s, "a")
	}
	f.Fuzz(func(t *testing.T, s, topic string) {
		c, err := ParseCursor(s, []string{topic})
		if err != nil {
			if !errors.Is(err, ErrCursor) {
				t.Errorf("ParseCursor(%q): %v is no ErrCursor", s, err)
			}
			return
		}
		var places []byte
		for topic, seq := range c.seqs {
			places = appendPlace(places, cursorKey(topic), seq)
		}
		id := string(places)
		if strings.ContainsAny(id, "\"\\\r\n\x00 !") {
			t.Errorf("the id of %v is %q, which needs escaping", c.seqs, id)
		}
		again, err := ParseCursor(id, nil)
		if topic == "" && err != nil {
			return // a bare number's topic, which no line has
		}
		if err != nil || !maps.Equal(again.seqs, c.seqs) {
			t.Errorf("ParseCursor(%q) = %v, %v, want %v", id, again.seqs, err, c.seqs)
		}
	})
}
