package ot_test

import (
	"bufio"
	"bytes"
	"errors"
	"testing"

	"halley/ot"
	"halley/ot/ottest"
)

func randomContent(t *testing.T, seed uint64) *ot.Content {
	t.Helper()
	c, err := ot.NewContent(ottest.Content(ottest.Rand(seed), 300))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestWriteJSON: written in pieces, a content is what it is at once, however
// small the pieces.
func TestWriteJSON(t *testing.T) {
	for seed := range uint64(200) {
		c := randomContent(t, seed)
		for _, size := range []int{16, 100, 64 << 10} {
			var out bytes.Buffer
			w := bufio.NewWriterSize(&out, size)
			if err := errors.Join(c.WriteJSON(w), w.Flush()); err != nil {
				t.Fatal(err)
			}
			if got, want := out.String(), js(c.Delta()); got != want {
				t.Fatalf("WriteJSON by %d = %s, want %s (seed %d)", size, got, want, seed)
			}
		}
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("gone") }

func TestWriteJSONReturnsTheWritersError(t *testing.T) {
	c := randomContent(t, 1)
	w := bufio.NewWriterSize(broken{}, 16)
	if err := errors.Join(c.WriteJSON(w), w.Flush()); err == nil {
		t.Error("a writer that fails = nil, want its error")
	}
}
