package editor

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"halley/editor/budget"
	"halley/ot"
)

// many is an edit of a great number of ops that fits a content of any length.
func many(ops int) ot.Delta {
	d := make(ot.Delta, 0, ops)
	for i := range ops {
		if i%2 == 0 {
			d = append(d, ot.Op{Insert: "x", Attributes: ot.MakeAttributes(ot.Attr{Name: "bold", Value: ot.True})})
		} else {
			d = append(d, ot.Op{Insert: "y"})
		}
	}
	return d
}

// stepped takes an edit into a state as its page does.
func stepped(t *testing.T, st *state, client string, n uint64, d ot.Delta) {
	t.Helper()
	work := st.fork()
	if _, err := work.step(newRequest(Edit{Client: client, N: n, Base: st.seq, Delta: d}, "ann")); err != nil {
		t.Fatal(err)
	}
	st.adopt(work)
}

// TestRecentChangesAreBounded: what a page keeps of its newest changes has a
// bound in bytes, live and when it is read again, and the newest one stays.
func TestRecentChangesAreBounded(t *testing.T) {
	d := many(4000)
	size := deltaBytes(d)
	live, read := newState("epoch", DefaultConfig().MaxPageBytes), newState("epoch", 0)
	for n := range uint64(30) {
		stepped(t, live, "client-a", n+1, d)
		if err := read.replay(Change{Seq: n + 1, Delta: d, Client: "client-a", N: n + 1}); err != nil {
			t.Fatal(err)
		}
		for name, st := range map[string]*state{"live": live, "read": read} {
			held := int64(0)
			for _, r := range st.recent {
				held += r.bytes
			}
			if held != st.held || held > maxRecentBytes+size || len(st.recent) == 0 {
				t.Fatalf("%s: after %d changes of %d bytes %d are at hand in %d bytes (%d counted), want at most %d",
					name, n+1, size, len(st.recent), held, st.held, maxRecentBytes+size)
			}
		}
	}
	for n := range uint64(3 * recentChanges) {
		stepped(t, live, "client-b", n+1, ot.Delta{{Insert: "x"}})
	}
	if n := len(live.recent); n < recentChanges || n > 2*recentChanges {
		t.Errorf("%d small changes are at hand, want %d to %d", n, recentChanges, 2*recentChanges)
	}
}

// TestClientsOfAPageAreBounded: a page forgets clients, and still knows them.
func TestClientsOfAPageAreBounded(t *testing.T) {
	st := newState("epoch", DefaultConfig().MaxPageBytes)
	for i := range 3 * maxClients {
		stepped(t, st, fmt.Sprintf("client-%d", i), 1, ot.Delta{{Insert: "x"}})
	}
	if len(st.clients) > maxClients {
		t.Errorf("the page remembers %d clients, want at most %d", len(st.clients), maxClients)
	}

	ps := newPages(t)
	id := newPage(t, ps, "x")
	first := submit(t, ps, ann, id, edit("client-a", 1, 1, `[{"insert":"a"}]`))
	ps.unload(id) // it forgets them all
	if seq := submit(t, ps, ann, id, edit("client-a", 1, 1, `[{"insert":"a"}]`)); seq != first {
		t.Errorf("a resend of a client that was forgotten has seq %d, want %d", seq, first)
	}
}

// TestPageBytes compares what pages count for with the heap that they take.
func TestPageBytes(t *testing.T) {
	formatted := func(n int) ot.Delta {
		var d ot.Delta
		for i := range n {
			link := ot.Attr{Name: "link", Value: ot.StringValue(fmt.Sprintf("https://example.org/%d", i))}
			d = append(d, ot.Op{Insert: "words "}, ot.Op{Insert: "and a link", Attributes: ot.MakeAttributes(link)})
		}
		return d
	}
	for name, c := range map[string]struct {
		pages int
		edits []ot.Delta
	}{
		"plain":     {4, []ot.Delta{{{Insert: strings.Repeat("Some plain words. ", 60_000)}}}},
		"formatted": {4, []ot.Delta{formatted(20_000)}},
		"edited":    {20, []ot.Delta{many(3000), many(3000), many(3000), many(3000)}},
		"short":     {500, []ot.Delta{{{Insert: "A few words."}}}},
	} {
		t.Run(name, func(t *testing.T) {
			before := heap()
			var states []*state
			counted := int64(0)
			for range c.pages {
				st := newState("epoch", DefaultConfig().MaxPageBytes)
				for i, d := range c.edits {
					stepped(t, st, "client-a", uint64(i)+1, copied(d))
				}
				states = append(states, st)
				counted += st.bytes(1)
			}
			taken := heap() - before
			runtime.KeepAlive(states)
			if ratio := float64(counted) / float64(taken); ratio < 0.8 || ratio > 5 && name != "short" {
				t.Errorf("%d bytes are counted and %d taken, %.2f times as many; want 0.8 to 5", counted, taken, ratio)
			}
		})
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// copied is d in memory of its own, as it comes from a request.
func copied(d ot.Delta) ot.Delta {
	var own ot.Delta
	if err := own.UnmarshalJSON(d.AppendJSON(nil)); err != nil {
		panic(err)
	}
	return own
}

// TestPagesYield: loaded pages make room for requests, those first that nobody
// has asked for longest; what is given back in the end is all that was counted.
func TestPagesYield(t *testing.T) {
	store := openStore(t, t.TempDir())
	t.Cleanup(func() { store.Close() })
	b := budget.New(4 << 20)
	requests := b.Share("requests", 1)
	ps := openPages(t, store, Config{Budget: b})
	var ids []PageID
	for range 5 {
		ids = append(ids, newPage(t, ps, strings.Repeat("x", 100_000)))
	}
	wantText(t, ps, ids[0], strings.Repeat("x", 100_000)) // the first is the one used last
	if err := requests.Take(3 << 20); err != nil {
		t.Fatalf("3 of 4 MiB beside a cache = %v, want the cache to yield", err)
	}
	if ps.peek(ids[0]) == nil || ps.peek(ids[1]) != nil {
		t.Error("want the page used last in memory, and not the one used first")
	}
	requests.Give(3 << 20)
	for _, id := range ids {
		wantText(t, ps, id, strings.Repeat("x", 100_000))
	}
	ps.Close()
	for _, u := range b.Usage() {
		if u.Used != 0 {
			t.Errorf("%s counts %d bytes in the end, want 0", u.Name, u.Used)
		}
	}
}

// TestSmallPagesOutlastLargeOnes: a page that somebody writes on stays in memory
// while others read large ones, with no memory left at all too; small pages beyond
// their reserve make room like any other.
func TestSmallPagesOutlastLargeOnes(t *testing.T) {
	store := openStore(t, t.TempDir())
	t.Cleanup(func() { store.Close() })
	b := budget.New(8 << 20)
	requests := b.Share("requests", 1)
	ps := openPages(t, store, Config{Budget: b})
	written := newPage(t, ps, "a few words")
	var large, small []PageID
	for range 20 {
		large = append(large, newPage(t, ps, strings.Repeat("x", 500_000)))
		submit(t, ps, ann, written, edit("client-a", uint64(len(large)), uint64(len(large)), `[{"insert":"y"}]`))
	}
	for range 200 {
		small = append(small, newPage(t, ps, strings.Repeat("x", 10_000)))
	}
	wantText(t, ps, written, strings.Repeat("y", 20)+"a few words")
	for requests.Take(1<<20) == nil {
	}
	for _, id := range large {
		wantText(t, ps, id, strings.Repeat("x", 500_000))
		if ps.peek(written) == nil {
			t.Fatal("reading a large page unloads one that is being written")
		}
	}
	if ps.peek(small[0]) != nil {
		t.Error("a small page that nobody has asked for longest stays, beyond the reserve of all small ones")
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	sum := int64(0)
	for e := ps.cache.small.Front(); e != nil; e = e.Next() {
		sum += e.Value.(*page).counted.bytes
	}
	if most := ps.cache.share.Limit()/smallReserve + smallPage; sum != ps.cache.smallBytes || sum > most {
		t.Errorf("small pages hold %d bytes and count %d, want at most %d", sum, ps.cache.smallBytes, most)
	}
}

// TestPagesBeyondTheBudget: with room for less than one page all are served,
// also at once.
func TestPagesBeyondTheBudget(t *testing.T) {
	store := openStore(t, t.TempDir())
	t.Cleanup(func() { store.Close() })
	ps := openPages(t, store, Config{MaxLoadedBytes: 1000, Budget: budget.New(100 << 10)})
	var ids []PageID
	for range 4 {
		ids = append(ids, newPage(t, ps, strings.Repeat("x", 5000)))
	}
	var typing sync.WaitGroup
	for i, id := range ids {
		typing.Go(func() {
			for n := range uint64(20) {
				if _, err := ps.Submit(t.Context(), ann, id, edit(fmt.Sprintf("client-%d", i), n+1, n+1, `[{"insert":"y"}]`)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	typing.Wait()
	for _, id := range ids {
		wantText(t, ps, id, strings.Repeat("y", 20)+strings.Repeat("x", 5000))
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if n := ps.cache.small.Len() + ps.cache.large.Len(); n > 1 {
		t.Errorf("%d pages stay in memory, want 1", n)
	}
}

// TestLargeChangesInBetween: an edit that lags by a few large changes, or is
// large itself, is transformed outside of its page, and comes out the same.
func TestLargeChangesInBetween(t *testing.T) {
	ps := newPages(t)
	id := newPage(t, ps, "0123456789")
	large := many(stepCost)
	submit(t, ps, ann, id, Edit{Client: "client-a", N: 1, Base: 1, Delta: append(ot.Delta{{Retain: 5}}, large...)})
	submit(t, ps, bob, id, edit("client-b", 1, 1, `[{"retain":7},{"insert":"B"},{"delete":1}]`))
	submit(t, ps, bob, id, Edit{Client: "client-c", N: 1, Base: 1, Delta: append(ot.Delta{{Retain: 2}}, many(1000)...)})
	page, content, err := ps.Read(t.Context(), ann, id)
	if err != nil {
		t.Fatal(err)
	}
	text := content.Text()
	want := "01" + strings.Repeat("xy", 500) + "234" + strings.Repeat("xy", stepCost/2) + "56B89\n"
	if page.Seq != 4 || text != want {
		t.Errorf("at %d the page has %d characters, want %d in another order or number", page.Seq, len(text), len(want))
	}
	wantReplay(t, ps, id)
}

// TestEditThatGrows: the cost of a lagging edit counts its ops as they become
// more, change by change.
func TestEditThatGrows(t *testing.T) {
	const changes = 300
	store := openStore(t, t.TempDir())
	t.Cleanup(func() { store.Close() })
	ps := openPages(t, store, Config{MaxTransformCost: changes * changes / 4})
	id := newPage(t, ps, strings.Repeat("0123456789", 100))
	var cuts ot.Delta
	for range changes {
		cuts = append(cuts, ot.Op{Retain: 1}, ot.Op{Insert: "x"})
	}
	for n := range uint64(stepCost / changes) {
		submit(t, ps, ann, id, Edit{Client: "client-a", N: n + 1, Base: n + 1, Delta: cuts})
	}
	var old *BaseTooOldError
	_, err := ps.Submit(t.Context(), bob, id, edit("client-b", 1, 1, `[{"retain":1000,"attributes":{"bold":true}}]`))
	if !errors.As(err, &old) {
		t.Errorf("an edit that is cut in hundreds = %v, want a BaseTooOldError", err)
	}
	submit(t, ps, bob, id, edit("client-b", 1, 1, `[{"insert":"B"}]`))
	wantReplay(t, ps, id)
}

// TestStepCostGrows: an edit that comes back again and again gets in, however
// large the changes are that others make in the meantime.
func TestStepCostGrows(t *testing.T) {
	r := newRequest(Edit{}, "ann")
	last := r.stepCost()
	for times := 1; times < 20; times++ {
		r.near = &nearEdit{times: times}
		if now := r.stepCost(); now < last || now > maxStepCost {
			t.Errorf("brought near %d times: %d ops, want %d to %d", times, now, last, maxStepCost)
		}
		last = r.stepCost()
	}
	if last != maxStepCost {
		t.Errorf("%d ops in the end, want %d", last, maxStepCost)
	}
}
