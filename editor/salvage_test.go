package editor

import (
	"errors"
	"fmt"
	"iter"
	"testing"
	"time"

	"halley/storage"
)

// yields are some changes from a seq on, each of which puts a word at the start.
func yields(from uint64, words ...string) iter.Seq2[storage.Change, error] {
	return func(yield func(storage.Change, error) bool) {
		for i, w := range words {
			c := storage.Change{Seq: from + uint64(i), Author: "bob", Time: time.UnixMilli(5).UTC(), Payload: fmt.Appendf(nil, `[{"insert":%q}]`, w)}
			if !yield(c, nil) {
				return
			}
		}
	}
}

func TestSalvage(t *testing.T) {
	store := openStore(t, t.TempDir())
	defer store.Close()
	appendWords := func(id PageID, words ...string) {
		t.Helper()
		for c := range yields(1, words...) {
			head, err := store.Head(t.Context(), id)
			if err == nil {
				err = store.Append(t.Context(), id, head, []storage.Change{c})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	appendWords("whole", "a ", "b ", "c ", "d ")
	p := replayed(t, store, "whole", 4)
	checkpoint := storage.Checkpoint{Seq: 4, Data: encodeCheckpoint(&view{p.seq, p.content, p.time, p.authors})}
	for name, c := range map[string]struct {
		later   storage.Checkpoint
		changes iter.Seq2[storage.Change, error]
		want    string
		seq, of uint64
	}{
		"a checkpoint and what follows":    {checkpoint, yields(5, "e ", "f "), "f e d c b a \n", 3, 6},
		"no checkpoint":                    {storage.Checkpoint{}, yields(3, "c ", "d "), "d c b a \n", 3, 4},
		"nothing":                          {storage.Checkpoint{}, yields(3), "b a \n", 0, 2},
		"a gap behind the checkpoint":      {checkpoint, yields(6, "f "), "d c b a \n", 3, 4},
		"a change that no page would take": {storage.Checkpoint{}, yields(3, "c ", "\x00"), "c b a \n", 3, 3},
	} {
		t.Run(name, func(t *testing.T) {
			id := PageID(fmt.Sprintf("page-%d", len(name)))
			appendWords(id, "a ", "b ")
			seq, of, err := Salvage(t.Context(), store, id, c.later, c.changes)
			if err != nil || seq != c.seq || of != c.of {
				t.Errorf("Salvage() = %d, %d, %v, want %d, %d", seq, of, err, c.seq, c.of)
			}
			head, _ := store.Head(t.Context(), id)
			if got := replayed(t, store, id, head).content.Text(); got != c.want {
				t.Errorf("the page is %q, want %q", got, c.want)
			}
		})
	}
	broken := errors.New("broken")
	failing := func(yield func(storage.Change, error) bool) { yield(storage.Change{}, broken) }
	if _, _, err := Salvage(t.Context(), store, "whole", storage.Checkpoint{}, failing); !errors.Is(err, broken) {
		t.Errorf("Salvage() = %v, want the error of the changes", err)
	}
	if _, bad := verified(t, store); len(bad) > 0 {
		t.Errorf("Verify() says %q", bad)
	}
}
