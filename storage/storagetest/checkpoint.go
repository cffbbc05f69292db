package storagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"halley/storage"
)

func (w *world) puts(page storage.PageID, seq uint64, data []byte) {
	w.Helper()
	if err := w.PutCheckpoint(w.Context(), page, storage.Checkpoint{Seq: seq, Data: data}); err != nil {
		w.Fatalf("PutCheckpoint(%s, %d) = %v", page, seq, err)
	}
}

// wantCheckpoint wants the one at seq, with data, to be the newest at or before
// another seq; none for seq 0.
func (w *world) wantCheckpoint(page storage.PageID, atOrBelow, seq uint64, data []byte) {
	w.Helper()
	c, err := w.Checkpoint(w.Context(), page, atOrBelow)
	if seq == 0 {
		if !errors.Is(err, storage.ErrNotFound) {
			w.Fatalf("Checkpoint(%s, %d) = seq %d, %v, want none", page, atOrBelow, c.Seq, err)
		}
		return
	}
	if err != nil || c.Seq != seq || !bytes.Equal(c.Data, data) {
		w.Fatalf("Checkpoint(%s, %d) = seq %d of %d bytes, %v, want seq %d of %d bytes",
			page, atOrBelow, c.Seq, len(c.Data), err, seq, len(data))
	}
}

func checkpointsAreKept(w *world) {
	large := make([]byte, 300_000)
	for i := range large {
		large[i] = byte(rand.NewPCG(1, uint64(i)).Uint64())
	}
	w.wantCheckpoint("page", end, 0, nil)
	w.appends("page", 0, edits("client-a", 1, 30)...)
	w.appends("pag", 0, edits("client-a", 1, 30)...)
	w.appends("page-2", 0, edits("client-a", 1, 30)...)
	for _, page := range []storage.PageID{"page", "pag", "page-2"} {
		w.wantCheckpoint(page, end, 0, nil)
		w.puts(page, 10, []byte("ten of "+page))
	}
	for range 2 {
		w.wantCheckpoint("page", 9, 0, nil)
		w.wantCheckpoint("page", 10, 10, []byte("ten of page"))
		w.wantCheckpoint("pag", end, 10, []byte("ten of pag"))
		w.wantCheckpoint("page-2", 30, 10, []byte("ten of page-2"))
		w.reopen()
	}
	w.puts("page", 10, []byte("ten of page")) // again, to no effect
	w.puts("page", 30, large)
	w.wantCheckpoint("page", end, 30, large)
	w.reopen()
	w.wantCheckpoint("page", 30, 30, large)
	w.wantCheckpoint("page", 29, 0, nil) // for the beginning is near
	w.puts("pag", 20, nil)
	w.wantCheckpoint("pag", 20, 20, nil)
	w.wantLog("page", edits("client-a", 1, 30))
}

func checkpointRules(w *world) {
	w.appends("page", 0, edits("client-a", 1, 3)...)
	for _, c := range []struct {
		page storage.PageID
		seq  uint64
	}{{"page", 0}, {"page", 4}, {"other", 1}, {"", 1}, {"p/q", 1}} {
		err := w.PutCheckpoint(w.Context(), c.page, storage.Checkpoint{Seq: c.seq, Data: []byte("x")})
		wantError(w.T, err, storage.ErrInvalid)
		w.wantCheckpoint(c.page, end, 0, nil)
	}
	ended, cancel := context.WithCancel(w.Context())
	cancel()
	wantError(w.T, w.PutCheckpoint(ended, "page", storage.Checkpoint{Seq: 1}), context.Canceled)
}

// checkpointsAreThinned: however many are put, no change lies far behind one,
// and few are kept.
func checkpointsAreThinned(w *world) {
	const length, every = 40_000, 800
	kept := map[uint64]bool{}
	for head := uint64(0); head < length; head += every {
		w.appends("page", head, edits("client-a", head+1, head+every)...)
		w.puts("page", head+every, fmt.Appendf(nil, "up to %d", head+every))
	}
	w.wantCheckpoint("page", end, length, fmt.Appendf(nil, "up to %d", length))
	for at := uint64(length); ; {
		c, err := w.Checkpoint(w.Context(), "page", at-1)
		if errors.Is(err, storage.ErrNotFound) {
			if at > storage.CheckpointReach {
				w.Errorf("the first of page's checkpoints is at %d", at)
			}
			break
		}
		if err != nil {
			w.Fatal(err)
		}
		if at-c.Seq > storage.CheckpointReach {
			w.Errorf("nothing between the checkpoints at %d and %d", c.Seq, at)
		}
		kept[c.Seq], at = true, c.Seq
	}
	if len(kept) > 2*length/storage.CheckpointReach {
		w.Errorf("%d older checkpoints are kept of %d changes", len(kept), length)
	}
}
