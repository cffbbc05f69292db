package storagetest

import (
	"errors"
	"slices"
	"testing"

	"halley/storage"
)

// A Harm is a way to damage one stored change.
type Harm string

const (
	Flip Harm = "flip a bit of it" // anywhere in what is stored of the change
	Drop Harm = "drop it"
	Copy Harm = "put the change before it in its place"
)

// RunDamage checks that damage of a log is found when it is read. The driver
// tells how to do harm to a change in the closed store in dir.
func RunDamage(t *testing.T, open Opener, harm func(t testing.TB, dir string, page storage.PageID, seq uint64, h Harm)) {
	const length = 600
	for _, h := range []Harm{Flip, Drop, Copy} {
		for _, seq := range []uint64{2, 255, 300, length} {
			t.Run(string(h), func(t *testing.T) {
				t.Parallel()
				w := &world{T: t, dir: t.TempDir(), opener: open}
				w.Store = open(t, w.dir)
				w.appends("page", 0, edits("client-a", 1, length)...)
				w.appends("other", 0, edits("client-a", 1, length)...)
				w.Store.Close()
				harm(t, w.dir, "page", seq, h)
				w.Store = open(t, w.dir)
				t.Cleanup(func() { w.Store.Close() })
				wantDamageFound(w, seq, length)
				if seq == length && h != Flip {
					wantNothingBuiltOnIt(w, length)
				}
				w.wantLog("other", edits("client-a", 1, length))
			})
		}
	}
}

func wantDamageFound(w *world, seq, length uint64) {
	for _, after := range []uint64{0, seq - 2, seq - 1} {
		got, err := readAll(w.T, w.Store, "page", after, end)
		var corrupt *storage.CorruptError
		if !errors.As(err, &corrupt) || corrupt.Page != "page" {
			w.Fatalf("Read after %d = %v, want a *CorruptError", after, err)
		}
		if corrupt.Seq != seq {
			w.Errorf("Read after %d blames change %d, want %d: %v", after, corrupt.Seq, seq, err)
		}
		whole := edits("client-a", 1, length)
		if !slices.EqualFunc(got, whole[after:seq-1], func(a, b storage.Change) bool {
			return a.N == b.N && string(a.Payload) == string(b.Payload)
		}) {
			w.Errorf("Read after %d gave %d changes, want those before %d as they were", after, len(got), seq)
		}
	}
}

// wantNothingBuiltOnIt: a log whose end is lost takes no more changes, which
// would hide the loss.
func wantNothingBuiltOnIt(w *world, length uint64) {
	err := w.Append(w.Context(), "page", length, edits("client-b", 1, 1))
	var corrupt *storage.CorruptError
	if !errors.As(err, &corrupt) {
		w.Errorf("Append behind a lost change = %v, want a *CorruptError", err)
	}
}
