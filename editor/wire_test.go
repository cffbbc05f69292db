package editor

import (
	"testing"
	"time"

	"halley/ot"
	"halley/storage"
)

// A change from the log is written byte for byte as it was when it was committed:
// a reader who was caught up cannot tell.
func TestStoredChangeIsWrittenAsPublished(t *testing.T) {
	delta := ot.Delta{{Retain: 3}, {Insert: "a \"quoted\"\n\u2028 line"}, {Delete: 2}}
	at := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	c := Change{Seq: 7, Delta: delta, Author: "g-é", Client: "client-1", N: 4, Time: at}
	stored := storage.Change{Seq: 7, Client: "client-1", N: 4, Author: "g-é", Time: at, Payload: delta.AppendJSON(nil)}
	if got, want := string(appendStored(nil, "page", stored)), string(c.AppendJSON(nil, "page")); got != want {
		t.Errorf("the stored change is written as\n%s, want\n%s", got, want)
	}
}
