package storagetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"halley/storage"
)

func appendAndReadBack(w *world) {
	want := edits("client-a", 1, 5)
	w.appends("page", 0, want[0])
	w.appends("page", 1, want[1:4]...)
	w.appends("page", 4, want[4])
	w.wantLog("page", want)
}

func readsRanges(w *world) {
	want := edits("client-a", 1, 700) // more than a driver copies at once, perhaps
	w.appends("page", 0, want...)
	for _, r := range []struct{ after, upTo uint64 }{
		{0, 1}, {0, 700}, {1, 2}, {255, 257}, {256, 513}, {699, 700}, {699, end}, {300, 300}, {300, 200}, {700, end}, {9000, end}, {end, end},
	} {
		got := w.log("page", r.after, r.upTo)
		upTo := min(r.upTo, 700)
		if r.after >= upTo {
			upTo = r.after
		}
		if uint64(len(got)) != upTo-r.after {
			w.Fatalf("Read(%d, %d) gave %d changes, want %d", r.after, r.upTo, len(got), upTo-r.after)
		}
		for i, c := range got {
			seq := r.after + 1 + uint64(i)
			wantChange(w.T, c, want[seq-1], seq)
		}
	}
}

func emptyLog(w *world) {
	for _, page := range []storage.PageID{"nobody", "", "a\x00b", "no/page"} {
		w.wantHead(page, 0)
		if got := w.log(page, 0, end); len(got) != 0 {
			w.Errorf("page %q holds %d changes, want none", page, len(got))
		}
		if c, err := w.Client(w.Context(), page, "client-a"); err != nil || c != (storage.ClientState{}) {
			w.Errorf("Client(%q) = %v, %v, want nothing", page, c, err)
		}
		_, err := w.Find(w.Context(), page, "client-a", 1)
		wantError(w.T, err, storage.ErrNotFound)
	}
}

func conflictsStoreNothing(w *world) {
	err := w.Append(w.Context(), "page", 1, edits("client-a", 1, 1))
	wantConflict(w.T, err, 1, 0)
	want := edits("client-a", 1, 3)
	w.appends("page", 0, want...)
	for _, expect := range []uint64{0, 2, 4, end} {
		changes := edits("client-a", 4, 4)
		err := w.Append(w.Context(), "page", expect, changes)
		wantConflict(w.T, err, expect, 3)
	}
	w.wantLog("page", want)
}

func appendOfNothing(w *world) {
	w.appends("page", 0)
	w.wantHead("page", 0)
}

func refusesBrokenRules(w *world) {
	with := func(change func(*storage.Change)) storage.Change {
		c := edit("client-a", 1)
		change(&c)
		return c
	}
	for name, c := range map[string]storage.Change{
		"client with a slash": with(func(c *storage.Change) { c.Client = "client/a" }),
		"client with a zero":  with(func(c *storage.Change) { c.Client = "client\x00a" }),
		"client too long":     with(func(c *storage.Change) { c.Client = strings.Repeat("c", 65) }),
		"client without n":    with(func(c *storage.Change) { c.N = 0 }),
		"n without client":    with(func(c *storage.Change) { c.Client = "" }),
		"author too long":     with(func(c *storage.Change) { c.Author = strings.Repeat("a", 257) }),
	} {
		w.Run(name, func(t *testing.T) {
			err := w.Append(t.Context(), "page", 0, []storage.Change{edit("client-b", 1), c})
			wantError(t, err, storage.ErrInvalid)
		})
	}
	for _, page := range []storage.PageID{"", "a/b", "a\x00b", "ä", storage.PageID(strings.Repeat("p", 65))} {
		err := w.Append(w.Context(), page, 0, edits("client-a", 1, 1))
		wantError(w.T, err, storage.ErrInvalid)
	}
	w.wantHead("page", 0)
	longest := storage.PageID(strings.Repeat("p", storage.MaxPageIDBytes))
	c := with(func(c *storage.Change) {
		c.Client, c.Author = strings.Repeat("c", storage.MaxClientBytes), strings.Repeat("a", storage.MaxAuthorBytes)
	})
	w.appends(longest, 0, c)
	w.wantLog(longest, []storage.Change{c})
}

func clientCounts(w *world) {
	want := edits("client-a", 1, 2)
	w.appends("page", 0, want...)
	anothers := edit("client-a", 3)
	anothers.Author = "somebody-else"
	for name, changes := range map[string][]storage.Change{
		"a gap":               edits("client-a", 4, 4),
		"the newest again":    edits("client-a", 2, 2),
		"an old one":          edits("client-a", 1, 1),
		"a new client from 2": edits("client-b", 2, 2),
		"a gap in one append": {edit("client-a", 3), edit("client-a", 5)},
		"twice in one append": {edit("client-a", 3), edit("client-a", 3)},
		"another author":      {anothers},
	} {
		w.Run(name, func(t *testing.T) {
			wantError(t, w.Append(t.Context(), "page", 2, changes), storage.ErrInvalid)
		})
	}
	w.wantLog("page", want)
	nobodys := storage.Change{Author: "importer", Time: someTime, Payload: []byte("[]")}
	w.appends("page", 2, nobodys, edit("client-a", 3), nobodys)
	w.wantLog("page", append(want, nobodys, edit("client-a", 3), nobodys))
	_, err := w.Find(w.Context(), "page", "", 0)
	wantError(w.T, err, storage.ErrNotFound)
}

func findsClients(w *world) {
	w.appends("page", 0, edits("client-a", 1, 3)...)
	w.appends("page", 3, edit("client-b", 1), edit("client-a", 4), edit("client-b", 2))
	check := func() {
		w.Helper()
		w.wantClient("page", "client-a", 4, 5)
		w.wantClient("page", "client-b", 2, 6)
		w.wantClient("page", "client", 0, 0)
		w.wantFound("page", "client-a", 1, 2, 3, 5)
		w.wantFound("page", "client-b", 4, 6)
	}
	check()
	w.reopen()
	check()
}

// findsClientAmongMany: a client that writes rarely on a busy page, and one
// that writes much, each with all of its edits found.
func findsClientAmongMany(w *world) {
	rng := rand.New(rand.NewPCG(1, 1))
	counts, seqs := map[string]uint64{}, map[string][]uint64{}
	head := uint64(0)
	for range 20 {
		var batch []storage.Change
		for i := range 500 {
			client := "client-busy"
			switch {
			case rng.IntN(100) == 0:
				client = "client-rare"
			case i%2 == 0:
				client = fmt.Sprintf("client-%d", rng.IntN(5))
			}
			counts[client]++
			batch = append(batch, edit(client, counts[client]))
			seqs[client] = append(seqs[client], head+uint64(len(batch)))
		}
		w.appends("page", head, batch...)
		head += uint64(len(batch))
	}
	for client, want := range seqs {
		w.wantClient("page", client, counts[client], want[len(want)-1])
		for i := 0; i < len(want); i += 1 + rng.IntN(50) {
			if got, err := w.Find(w.Context(), "page", client, uint64(i)+1); err != nil || got != want[i] {
				w.Fatalf("Find(%s, %d) = %d, %v, want %d", client, i+1, got, err, want[i])
			}
		}
		_, err := w.Find(w.Context(), "page", client, counts[client]+1)
		wantError(w.T, err, storage.ErrNotFound)
	}
}

func (w *world) wantClient(page storage.PageID, client string, n, seq uint64) {
	w.Helper()
	want := storage.ClientState{}
	if n > 0 {
		e := edit(client, n)
		want = storage.ClientState{Author: e.Author, N: n, Seq: seq, Digest: e.Digest}
	}
	if got, err := w.Client(w.Context(), page, client); err != nil || got != want {
		w.Fatalf("Client(%s, %s) = %+v, %v, want %+v", page, client, got, err, want)
	}
}

// wantFound wants client's edits 1, 2, … at seqs, and no others.
func (w *world) wantFound(page storage.PageID, client string, seqs ...uint64) {
	w.Helper()
	for i, want := range seqs {
		if got, err := w.Find(w.Context(), page, client, uint64(i)+1); err != nil || got != want {
			w.Fatalf("Find(%s, %s, %d) = %d, %v, want %d", page, client, i+1, got, err, want)
		}
	}
	for _, n := range []uint64{0, uint64(len(seqs)) + 1, end} {
		_, err := w.Find(w.Context(), page, client, n)
		wantError(w.T, err, storage.ErrNotFound)
	}
}

// pagesDoNotMix: ids that begin with each other, and clients of one name.
func pagesDoNotMix(w *world) {
	pages := []storage.PageID{"a", "aa", "a-", "a_a", "A", "aaa"}
	for i, page := range pages {
		w.appends(page, 0, edits("client-a", 1, uint64(i)+1)...)
	}
	for i, page := range pages {
		w.wantLog(page, edits("client-a", 1, uint64(i)+1))
		w.wantClient(page, "client-a", uint64(i)+1, uint64(i)+1)
	}
}

func manyPagesAtOnce(w *world) {
	const pages, rounds = 40, 12
	var all sync.WaitGroup
	for p := range pages {
		all.Go(func() {
			page := storage.PageID(fmt.Sprintf("page-%d", p))
			for r := range uint64(rounds) {
				if err := w.Append(w.Context(), page, 2*r, edits("client-a", 2*r+1, 2*r+2)); err != nil {
					w.Errorf("Append(%s, %d) = %v", page, 2*r, err)
					return
				}
			}
		})
	}
	all.Wait()
	for p := range pages {
		w.wantLog(storage.PageID(fmt.Sprintf("page-%d", p)), edits("client-a", 1, 2*rounds))
	}
}

// refusalsAreOnesOwn: among callers who share syncs, some are refused; the
// others do not notice.
func refusalsAreOnesOwn(w *world) {
	const callers, rounds = 24, 10
	w.appends("contested", 0, edit("client-first", 1))
	var all sync.WaitGroup
	for c := range callers {
		all.Go(func() {
			page := storage.PageID(fmt.Sprintf("own-%d", c))
			for r := range uint64(rounds) {
				switch c % 4 {
				case 0:
					err := w.Append(w.Context(), "contested", 0, edits("client-late", 1, 1))
					var conflict *storage.ConflictError
					if !errors.As(err, &conflict) || conflict.Actual != 1 {
						w.Errorf("an append to an old head = %v, want a conflict with 1", err)
					}
				case 1:
					_, err := w.Put(w.Context(), storage.Record{Key: "big", Value: make([]byte, storage.MaxValueBytes+1)})
					if !errors.Is(err, storage.ErrInvalid) {
						w.Errorf("a record that is too large = %v, want ErrInvalid", err)
					}
				default:
					if err := w.Append(w.Context(), page, r, edits("client-a", r+1, r+1)); err != nil {
						w.Errorf("Append(%s, %d) = %v", page, r, err)
						return
					}
				}
			}
		})
	}
	all.Wait()
	w.wantLog("contested", edits("client-first", 1, 1))
}

func logsInOrder(w *world) {
	var want []storage.LogInfo
	for i := range 600 {
		page := storage.PageID(fmt.Sprintf("page-%03d", i))
		c := edit("client-a", 1)
		c.Time = someTime.Add(time.Duration(i) * time.Second)
		want = append(want, storage.LogInfo{Page: page, Head: 1, Time: c.Time})
	}
	var all sync.WaitGroup
	for i, info := range want {
		all.Go(func() {
			c := edit("client-a", 1)
			c.Time = want[i].Time
			if err := w.Append(w.Context(), info.Page, 0, []storage.Change{c}); err != nil {
				w.Errorf("Append(%s) = %v", info.Page, err)
			}
		})
	}
	all.Wait()
	var got []storage.LogInfo
	if err := w.Logs(w.Context(), func(i storage.LogInfo) error { got = append(got, i); return nil }); err != nil {
		w.Fatalf("Logs() = %v", err)
	}
	if !slices.Equal(got, want) {
		w.Fatalf("Logs() gave %d pages, want %d: %v …", len(got), len(want), got[:min(3, len(got))])
	}
	stop := errors.New("enough")
	calls := 0
	err := w.Logs(w.Context(), func(storage.LogInfo) error { calls++; return stop })
	if !errors.Is(err, stop) || calls != 1 {
		w.Fatalf("Logs() = %v after %d calls, want the callback's error after 1", err, calls)
	}
}

func largeAndMany(w *world) {
	rng := rand.New(rand.NewPCG(2, 2))
	var want []storage.Change
	for _, size := range []int{0, 1, 3 << 20, 100, 300 << 10, 300 << 10, 5, 1 << 20} {
		c := edit("client-a", uint64(len(want))+1)
		c.Payload = make([]byte, size)
		for i := range c.Payload {
			c.Payload[i] = byte(rng.Uint32())
		}
		want = append(want, c)
	}
	w.appends("page", 0, want...)
	w.wantLog("page", want)
	w.reopen()
	w.wantLog("page", want)
}

// readerStopsAndWrites: Read returns its callback's error, and the callback
// may itself call the store.
func readerStopsAndWrites(w *world) {
	w.appends("page", 0, edits("client-a", 1, 600)...)
	stop := errors.New("enough")
	calls := 0
	err := w.Read(w.Context(), "page", 0, end, func(c storage.Change) error {
		if calls++; calls == 300 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || calls != 300 {
		w.Fatalf("Read() = %v after %d calls, want the callback's error after 300", err, calls)
	}
	copied := uint64(0)
	err = w.Read(w.Context(), "page", 0, end, func(c storage.Change) error {
		if c.Seq%100 != 0 {
			return nil
		}
		copied++
		w.appends("page", 599+copied, edit("client-a", 600+copied))
		return w.Append(w.Context(), "copy", copied-1, edits("client-a", copied, copied))
	})
	if err != nil || copied != 6 {
		w.Fatalf("a reader that writes saw %d hundreds, %v, want 6: those of the head when it began", copied, err)
	}
	w.wantLog("copy", edits("client-a", 1, 6))
	w.wantLog("page", edits("client-a", 1, 606))
}

func reopenKeepsAll(w *world) {
	for round := range uint64(4) {
		for _, page := range []storage.PageID{"one", "two"} {
			w.appends(page, round*3, edits("client-a", round*3+1, round*3+3)...)
		}
		w.put("key", fmt.Sprint(round), round)
		w.reopen()
		w.wantLog("one", edits("client-a", 1, round*3+3))
		w.wantLog("two", edits("client-a", 1, round*3+3))
		w.wantRecord("key", fmt.Sprint(round), round+1)
	}
}

func epochStays(w *world) {
	before := w.Epoch()
	if len(before) < 16 {
		w.Fatalf("Epoch() = %q, want at least 96 random bits", before)
	}
	w.reopen()
	if got := w.Epoch(); got != before {
		w.Fatalf("Epoch() = %q after reopening, want %q", got, before)
	}
	other := w.opener(w.T, w.TempDir())
	defer other.Close()
	if other.Epoch() == before {
		w.Fatalf("two stores have the epoch %q", before)
	}
}

func endedContext(w *world) {
	ctx, cancel := context.WithCancel(w.Context())
	cancel()
	wantError(w.T, w.Append(ctx, "page", 0, edits("client-a", 1, 1)), context.Canceled)
	_, err := w.Put(ctx, storage.Record{Key: "key"})
	wantError(w.T, err, context.Canceled)
	wantError(w.T, w.Delete(ctx, "key", 1), context.Canceled)
	_, err = w.Head(ctx, "page")
	wantError(w.T, err, context.Canceled)
	w.wantHead("page", 0)
	_, err = w.PutBlob(ctx, "page", stays(), strings.NewReader("x"))
	wantError(w.T, err, context.Canceled)
	_, err = w.Subscribe(ctx, "topic")
	wantError(w.T, err, context.Canceled)
	wantError(w.T, w.Watch(ctx, "", func(storage.RecordChange) error { return nil }), context.Canceled)
}

// contextEndsMeanwhile: what an append says is true, whenever its context ends.
func contextEndsMeanwhile(w *world) {
	var want []storage.Change
	for n := uint64(1); n <= 200; n++ {
		ctx, cancel := context.WithCancel(w.Context())
		go cancel()
		c := edit("client-a", uint64(len(want))+1)
		err := w.Append(ctx, "page", uint64(len(want)), []storage.Change{c})
		switch {
		case err == nil:
			want = append(want, c)
		case !errors.Is(err, context.Canceled):
			w.Fatalf("Append() = %v, want nil or context.Canceled", err)
		}
	}
	w.wantLog("page", want)
}

func closeEndsAll(w *world) {
	w.appends("page", 0, edits("client-a", 1, 2)...)
	if err := w.Healthy(); err != nil {
		w.Fatalf("Healthy() = %v, want nil", err)
	}
	for range 2 {
		if err := w.Store.Close(); err != nil {
			w.Fatalf("Close() = %v", err)
		}
	}
	ctx := w.Context()
	_, headErr := w.Head(ctx, "page")
	_, clientErr := w.Client(ctx, "page", "client-a")
	_, findErr := w.Find(ctx, "page", "client-a", 1)
	_, getErr := w.Get(ctx, "key")
	_, putErr := w.Put(ctx, storage.Record{Key: "key"})
	_, putBlobErr := w.PutBlob(ctx, "page", stays(), strings.NewReader("x"))
	_, openBlobErr := w.OpenBlob(ctx, storage.Hash{})
	_, useErr := w.BlobUse(ctx, storage.Hash{}, "page")
	_, sweepErr := w.SweepBlobs(ctx)
	for call, err := range map[string]error{
		"Append": w.Append(ctx, "page", 2, edits("client-a", 3, 3)),
		"Head":   headErr, "Client": clientErr, "Find": findErr, "Get": getErr, "Put": putErr,
		"PutBlob": putBlobErr, "OpenBlob": openBlobErr, "BlobUse": useErr, "SweepBlobs": sweepErr,
		"BlobUses": w.BlobUses(ctx, storage.Hash{}, func(storage.BlobUse) error { return nil }),
		"Blobs":    w.Blobs(ctx, func(storage.Blob) error { return nil }),
		"Watch":    w.Watch(ctx, "", func(storage.RecordChange) error { return nil }),
		"Read":     w.Read(ctx, "page", 0, end, func(storage.Change) error { return nil }),
		"Logs":     w.Logs(ctx, func(storage.LogInfo) error { return nil }),
		"Delete":   w.Delete(ctx, "key", 1),
		"List":     w.List(ctx, "", "", func(storage.Record) error { return nil }),
		"Healthy":  w.Healthy(),
	} {
		if !errors.Is(err, storage.ErrClosed) {
			w.Errorf("%s after Close = %v, want ErrClosed", call, err)
		}
	}
}

// closeWhileWriting: each append that is answered with success is there after
// reopening, and each that is not, is not.
func closeWhileWriting(w *world) {
	const writers = 16
	store := w.Store // not the one that is opened later
	var stored [writers]uint64
	var all sync.WaitGroup
	started := make(chan struct{}, writers)
	for i := range writers {
		all.Go(func() {
			page := storage.PageID(fmt.Sprintf("page-%d", i))
			for n := uint64(1); ; n++ {
				err := store.Append(context.Background(), page, n-1, edits("client-a", n, n))
				if errors.Is(err, storage.ErrClosed) {
					return
				}
				if err != nil {
					w.Errorf("Append(%s, %d) = %v", page, n-1, err)
					return
				}
				if stored[i] = n; n == 3 {
					started <- struct{}{}
				}
			}
		})
	}
	for range writers {
		<-started
	}
	w.reopen()
	all.Wait()
	for i, n := range stored {
		w.wantLog(storage.PageID(fmt.Sprintf("page-%d", i)), edits("client-a", 1, n))
	}
}
