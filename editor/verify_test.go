package editor

import (
	"fmt"
	"slices"
	"testing"

	"halley/storage"
)

// verified is what Verify says of a store.
func verified(t *testing.T, store storage.Store) (Verified, []string) {
	t.Helper()
	var bad []string
	done, total := uint64(0), uint64(0)
	v, err := Verify(t.Context(), store, func(d, n uint64) { done, total = d, n }, func(err error) { bad = append(bad, err.Error()) })
	if err != nil {
		t.Fatal(err)
	}
	if len(bad) == 0 && done != total {
		t.Errorf("progress ends at %d of %d", done, total)
	}
	return v, bad
}

func TestVerify(t *testing.T) {
	store := openStore(t, t.TempDir())
	defer store.Close()
	ps := openPages(t, store, Config{})
	for range 3 {
		id := newPage(t, ps, "hello")
		submit(t, ps, bob, id, edit("some-client", 1, 1, `[{"insert":"x"}]`))
	}
	long := newPage(t, ps, "")
	fillPage(t, store, long, 0, 2000)
	p := replayed(t, store, long, 1500)
	good := encodeCheckpoint(&view{p.seq, p.content, p.time, p.authors})
	keep := func(seq uint64, data []byte) {
		if err := store.PutCheckpoint(t.Context(), long, storage.Checkpoint{Seq: seq, Data: data}); err != nil {
			t.Fatal(err)
		}
	}
	keep(1500, good)
	got, bad := verified(t, store)
	if want := (Verified{Pages: 4, Changes: 2006, Checkpoints: 1, Records: got.Records}); got != want || len(bad) > 0 {
		t.Errorf("Verify() = %+v and %q, want %+v", got, bad, want)
	}

	keep(1501, good) // whole in itself, and the wrong one
	if _, bad := verified(t, store); !slices.Equal(bad, []string{
		fmt.Sprintf("page %s, change 1501: its checkpoint is not what the changes up to it amount to", long),
	}) {
		t.Errorf("Verify() says %q of a wrong checkpoint", bad)
	}
	keep(1502, []byte("no checkpoint"))
	if _, bad := verified(t, store); len(bad) != 1 || bad[0] != fmt.Sprintf("page %s, change 1502: its checkpoint: %v", long, errCheckpoint) {
		t.Errorf("Verify() says %q of what is no checkpoint", bad)
	}

	// A change that no page could have taken: it deletes what is not there.
	wrong := []storage.Change{{Author: "ann", Payload: []byte(`[{"delete":7}]`)}}
	if err := store.Append(t.Context(), "wrong", 0, wrong); err != nil {
		t.Fatal(err)
	}
	if _, bad := verified(t, store); len(bad) != 2 {
		t.Errorf("Verify() says %q, where a change does not fit", bad)
	}
}

// TestVerifyCountsPages: a page without changes is one, and a log without
// settings is none.
func TestVerifyCountsPages(t *testing.T) {
	store := openStore(t, t.TempDir())
	defer store.Close()
	ps := openPages(t, store, Config{})
	newPage(t, ps, "hello")
	if _, err := ps.Create(t.Context(), bob, NewPage{Title: "nothing yet"}); err != nil {
		t.Fatal(err)
	}
	fillPage(t, store, "cut-off", 0, 3)
	got, bad := verified(t, store)
	if want := (Verified{Pages: 2, Changes: 4, Unlisted: 1, Records: got.Records}); got != want || len(bad) > 0 {
		t.Errorf("Verify() = %+v and %q, want %+v", got, bad, want)
	}
	for key, value := range map[string]string{"page/mine": `{"id":"theirs"}`, "page/torn": `{"id":`} {
		if _, err := store.Put(t.Context(), storage.Record{Key: key, Value: []byte(value)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, bad := verified(t, store); len(bad) != 2 {
		t.Errorf("Verify() says %q of settings that are wrong", bad)
	}
}
