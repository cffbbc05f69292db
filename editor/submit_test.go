package editor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"halley/ot"
	"halley/storage"
)

func TestSubmitCommits(t *testing.T) {
	ps := newPages(t)
	id := newPage(t, ps, "hello")
	if seq := submit(t, ps, ann, id, edit("client-a", 1, 1, `[{"retain":5},{"insert":", world"}]`)); seq != 2 {
		t.Errorf("seq = %d, want 2", seq)
	}
	wantText(t, ps, id, "hello, world")
	wantReplay(t, ps, id)
}

func TestLaterChangeGoesLeft(t *testing.T) {
	ps := newPages(t)
	id := newPage(t, ps, "xy")
	submit(t, ps, ann, id, edit("client-a", 1, 1, `[{"retain":1},{"insert":"A"}]`))
	submit(t, ps, bob, id, edit("client-b", 1, 1, `[{"retain":1},{"insert":"B"}]`))
	wantText(t, ps, id, "xBAy")
}

func TestEditThatBecomesNothingIsCommitted(t *testing.T) {
	ps := newPages(t)
	id := newPage(t, ps, "xy")
	submit(t, ps, ann, id, edit("client-a", 1, 1, `[{"delete":2}]`))
	if seq := submit(t, ps, bob, id, edit("client-b", 1, 1, `[{"delete":2}]`)); seq != 3 {
		t.Errorf("seq = %d, want 3", seq)
	}
	wantText(t, ps, id, "")
	wantReplay(t, ps, id)
}

func TestResend(t *testing.T) {
	dir := t.TempDir()
	store := openStore(t, dir)
	ps := openPages(t, store, Config{})
	id := newPage(t, ps, "hello")
	first := edit("client-a", 1, 1, `[{"insert":"1"}]`)
	second := edit("client-a", 2, 2, `[{"insert":"2"}]`)
	submit(t, ps, ann, id, first)
	submit(t, ps, ann, id, second)
	check := func(ps *Pages) {
		t.Helper()
		if seq := submit(t, ps, ann, id, second); seq != 3 {
			t.Errorf("the newest n again: seq %d, want 3", seq)
		}
		if seq := submit(t, ps, ann, id, first); seq != 2 {
			t.Errorf("an older n again: seq %d, want 2", seq)
		}
		var reused *NReusedError
		if _, err := ps.Submit(t.Context(), ann, id, edit("client-a", 2, 2, `[{"insert":"other"}]`)); !errors.As(err, &reused) || reused.Seq != 3 {
			t.Errorf("the newest n with another delta: %v, want an NReusedError of change 3", err)
		}
		if _, err := ps.Submit(t.Context(), bob, id, second); !errors.Is(err, ErrClientTaken) {
			t.Errorf("somebody else's client: %v, want ErrClientTaken", err)
		}
		wantText(t, ps, id, "21hello")
	}
	check(ps)
	if err := ps.Trash(t.Context(), ann, id); err != nil {
		t.Fatal(err)
	}
	if seq := submit(t, ps, ann, id, second); seq != 3 {
		t.Errorf("a resend to a page in the trash: seq %d, want 3", seq)
	}
	if _, err := ps.Submit(t.Context(), ann, id, edit("client-a", 3, 3, `[{"insert":"3"}]`)); !errors.Is(err, ErrTrashed) {
		t.Errorf("an edit of a page in the trash: %v, want ErrTrashed", err)
	}
	if _, err := ps.Untrash(t.Context(), ann, id); err != nil {
		t.Fatal(err)
	}
	ps.Close()
	store.Close()

	store = openStore(t, dir)
	t.Cleanup(func() { store.Close() })
	check(openPages(t, store, Config{}))
}

func TestRefusals(t *testing.T) {
	ps := newPages(t)
	id := newPage(t, ps, "a😀b")
	submit(t, ps, ann, id, edit("client-a", 1, 1, `[{"insert":"1"}]`)) // "1a😀b\n", 6 units
	for _, c := range []struct {
		name string
		edit Edit
		want error
		op   int // of an *ot.InvalidError
	}{
		{"epoch", func() Edit { e := edit("client-b", 1, 2, `[{"insert":"x"}]`); e.Epoch = "other"; return e }(), ErrEpochChanged, 0},
		{"base ahead", edit("client-b", 1, 3, `[{"insert":"x"}]`), &BaseAheadError{}, 0},
		{"n skips", edit("client-a", 3, 2, `[{"insert":"x"}]`), &NGapError{}, 0},
		{"n of a new client skips", edit("client-b", 2, 2, `[{"insert":"x"}]`), &NGapError{}, 0},
		{"n is 0", edit("client-b", 0, 2, `[{"insert":"x"}]`), &BadValueError{}, 0},
		{"client's form", edit("short", 1, 2, `[{"insert":"x"}]`), &BadValueError{}, 0},
		{"past the end", edit("client-b", 1, 2, `[{"retain":3},{"retain":4}]`), &ot.InvalidError{}, 1},
		{"deletes past the end", edit("client-b", 1, 2, `[{"retain":5},{"delete":2}]`), &ot.InvalidError{}, 1},
		{"past the end at its base", edit("client-b", 1, 1, `[{"retain":6}]`), &ot.InvalidError{}, 0},
		{"deletes the last newline", edit("client-b", 1, 2, `[{"retain":5},{"delete":1}]`), &ot.InvalidError{}, 1},
		{"deletes the last newline of its base", edit("client-b", 1, 1, `[{"retain":4},{"insert":"\n"},{"delete":1}]`), &ot.InvalidError{}, 2},
		{"inserts at the end", edit("client-b", 1, 2, `[{"retain":6},{"insert":"x"}]`), &ot.InvalidError{}, 1},
		{"cuts a pair", edit("client-b", 1, 2, `[{"retain":2},{"retain":1},{"insert":"x"}]`), &ot.InvalidError{}, 2},
		{"deletes half a pair", edit("client-b", 1, 2, `[{"retain":2},{"delete":1}]`), &ot.InvalidError{}, 1},
		{"formats half a pair", edit("client-b", 1, 2, `[{"retain":3,"attributes":{"bold":true}}]`), &ot.InvalidError{}, 0},
		{"half a pair", edit("client-b", 1, 2, `[{"insert":"\ud83d"}]`), &ot.InvalidError{}, 0},
		{"an unknown attribute", edit("client-b", 1, 2, `[{"retain":1},{"insert":"x","attributes":{"onclick":"f"}}]`), &ot.InvalidError{}, 1},
		{"an unsafe link", edit("client-b", 1, 2, `[{"insert":"x","attributes":{"link":"javascript:alert(1)"}}]`), &ot.InvalidError{}, 0},
		{"an unknown embed", edit("client-b", 1, 2, `[{"insert":{"script":"x"}}]`), &ot.InvalidError{}, 0},
		{"carriage return", edit("client-b", 1, 2, `[{"insert":"x\r\n"}]`), &ot.InvalidError{}, 0},
		{"no op", edit("client-b", 1, 2, `[{"insert":"x"},{"bend":1}]`), &ot.InvalidError{}, 1},
		{"moved", func() Edit { e := edit("client-b", 1, 1, `[{"insert":"x"}]`); e.Exact = true; return e }(), ErrMoved, 0},
		{"n before the delta", edit("client-b", 9, 2, `[{"bend":1}]`), &NGapError{}, 0},
		{"base before n", edit("client-b", 9, 9, `[{"bend":1}]`), &BaseAheadError{}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			who := bob
			if c.edit.Client == "client-a" {
				who = ann
			}
			_, err := ps.Submit(t.Context(), who, id, c.edit)
			if err == nil || !errors.Is(err, c.want) && fmt.Sprintf("%T", err) != fmt.Sprintf("%T", c.want) {
				t.Fatalf("err = %v (%T), want %T", err, err, c.want)
			}
			var bad *ot.InvalidError
			if errors.As(err, &bad) && bad.Op != c.op {
				t.Errorf("blames op %d, want %d: %v", bad.Op, c.op, err)
			}
			if content, seq := contentOf(t, ps, id); seq != 2 || !content.Equal(delta(`[{"insert":"1a😀b\n"}]`)) {
				t.Errorf("the page changed: %s at %d", content.AppendJSON(nil), seq)
			}
		})
	}
	if _, err := ps.Submit(t.Context(), Principal{}, id, edit("client-b", 1, 2, `[]`)); !errors.Is(err, ErrSignedOut) {
		t.Errorf("nobody: %v, want ErrSignedOut", err)
	}
	if _, err := ps.Submit(t.Context(), bob, "no-such-page-here", edit("client-b", 1, 2, `[]`)); !errors.Is(err, ErrNotFound) {
		t.Errorf("no page: %v, want ErrNotFound", err)
	}
}

func TestEmptyEditTakesNoN(t *testing.T) {
	ps := newPages(t)
	id := newPage(t, ps, "hello")
	for _, n := range []uint64{1, 7} {
		if seq := submit(t, ps, ann, id, edit("client-a", n, 1, `[]`)); seq != 1 {
			t.Errorf("an empty edit n %d: seq %d, want the head 1", n, seq)
		}
	}
	if seq := submit(t, ps, ann, id, edit("client-a", 1, 1, `[{"retain":3}]`)); seq != 1 {
		t.Errorf("an edit that only retains: seq %d, want the head 1", seq)
	}
	if seq := submit(t, ps, ann, id, edit("client-a", 1, 1, `[{"insert":"x"}]`)); seq != 2 {
		t.Errorf("n 1 after empty edits: seq %d, want 2", seq)
	}
}

func TestPageFull(t *testing.T) {
	store := openStore(t, t.TempDir())
	t.Cleanup(func() { store.Close() })
	ps := openPages(t, store, Config{MaxPageBytes: 10_000})
	id := newPage(t, ps, strings.Repeat("x", 9_000))
	if _, err := ps.Submit(t.Context(), ann, id, edit("client-a", 1, 1, `[{"insert":"`+strings.Repeat("y", 2_000)+`"}]`)); !errors.Is(err, ErrPageFull) {
		t.Fatalf("err = %v, want ErrPageFull", err)
	}
	submit(t, ps, ann, id, edit("client-a", 1, 1, `[{"insert":"`+strings.Repeat("y", 500)+`"}]`))
	submit(t, ps, ann, id, edit("client-a", 2, 2, `[{"retain":500},{"delete":9000}]`))
	wantText(t, ps, id, strings.Repeat("y", 500))
}

// A page has a limit of lines too. One that is over it, from the time before
// there was such a limit, can be read and shrunk, and does not grow.
func TestTooManyLines(t *testing.T) {
	store := openStore(t, t.TempDir())
	t.Cleanup(func() { store.Close() })
	ps := openPages(t, store, Config{MaxPageLines: 100})
	id := newPage(t, ps, strings.Repeat("\n", 98)) // and the last one
	submit(t, ps, ann, id, edit("client-a", 1, 1, `[{"insert":"\n"}]`))
	for _, over := range []string{`[{"insert":"\n"}]`, `[{"insert":"a\nb"}]`, `[{"delete":1},{"insert":"\n\n"}]`} {
		if _, err := ps.Submit(t.Context(), ann, id, edit("client-a", 2, 2, over)); !errors.Is(err, ErrPageFull) {
			t.Fatalf("%s: err = %v, want ErrPageFull", over, err)
		}
	}
	submit(t, ps, ann, id, edit("client-a", 2, 2, `[{"delete":1},{"insert":"\n"},{"insert":"x"}]`))

	ps.Close()
	ps = openPages(t, store, Config{MaxPageLines: 10})
	submit(t, ps, ann, id, edit("client-b", 1, 3, `[{"insert":"text"},{"delete":52}]`))
	if _, err := ps.Submit(t.Context(), ann, id, edit("client-b", 2, 4, `[{"insert":"\n"}]`)); !errors.Is(err, ErrPageFull) {
		t.Fatalf("a page over its limit grows: err = %v", err)
	}
	wantText(t, ps, id, "text"+strings.Repeat("\n", 48))
}

// An edit that lags more than the page keeps at hand gives what transforming
// it over all changes in one go gives, and is refused beyond the cost's bound.
func TestLaggingEdit(t *testing.T) {
	store := openStore(t, t.TempDir())
	t.Cleanup(func() { store.Close() })
	const changes = 3 * recentChanges
	ps := openPages(t, store, Config{MaxTransformCost: 2*changes + 10})
	id := newPage(t, ps, "end")
	ps.unload(id)
	appendMany(t, store, id, 1, changes, `[{"retain":1},{"insert":"x"}]`)
	submit(t, ps, bob, id, edit("client-b", 1, 1, `[{"retain":2},{"insert":"B"}]`))
	wantText(t, ps, id, "e"+strings.Repeat("x", changes)+"nBd")
	wantReplay(t, ps, id)

	for name, ops := range map[string]string{
		"past the end of its base": `[{"retain":5}]`,
		"the last newline":         `[{"retain":3},{"delete":1}]`,
	} {
		var bad *ot.InvalidError
		if _, err := ps.Submit(t.Context(), bob, id, edit("client-b", 2, 1, ops)); !errors.As(err, &bad) {
			t.Errorf("%s: %v, want an InvalidError", name, err)
		}
	}
	var old *BaseTooOldError
	_, err := ps.Submit(t.Context(), bob, id, edit("client-b", 2, 1, `[{"insert":"1"},{"retain":1},{"insert":"2"}]`))
	if !errors.As(err, &old) || old.Head != changes+2 {
		t.Errorf("three ops over all changes: %v, want a BaseTooOldError with the head %d", err, changes+2)
	}
	if seq := submit(t, ps, bob, id, edit("client-b", 1, 1, `[{"retain":2},{"insert":"B"}]`)); seq != changes+2 {
		t.Errorf("the lagging edit again: seq %d, want %d", seq, changes+2)
	}
}

// What costs too much is said before what is wrong with the delta, also of an
// edit that the page could transform itself; and an edit that does not fit its
// base is not blamed for cutting a character.
func TestCostIsCheckedBeforeFit(t *testing.T) {
	store := openStore(t, t.TempDir())
	t.Cleanup(func() { store.Close() })
	const changes = 100
	ps := openPages(t, store, Config{MaxTransformCost: 3 * changes})
	id := newPage(t, ps, "end")
	for n := range changes {
		submit(t, ps, ann, id, edit("client-a", uint64(n)+1, uint64(n)+1, `[{"insert":"x"}]`))
	}
	tooMany := `[{"insert":"1"},{"retain":1},{"insert":"2"},{"retain":9},{"insert":"3"}]`
	var old *BaseTooOldError
	if _, err := ps.Submit(t.Context(), bob, id, edit("client-b", 1, 1, tooMany)); !errors.As(err, &old) {
		t.Errorf("an edit that costs too much and does not fit: %v, want a BaseTooOldError", err)
	}
	_, err := ps.Submit(t.Context(), bob, id, edit("client-b", 1, 1, `[{"insert":"1"},{"retain":9}]`))
	var bad *ot.InvalidError
	if !errors.As(err, &bad) || bad.Op != 1 || !strings.Contains(err.Error(), "past the end") {
		t.Errorf("an edit past the end of its base: %v, want an InvalidError of op 1 that says so", err)
	}
}

// appendMany puts n times the same change into the log, under one sync.
func appendMany(t *testing.T, log storage.Log, id PageID, head uint64, n int, ops string) {
	t.Helper()
	changes := make([]storage.Change, n)
	for i := range changes {
		changes[i] = storage.Change{Client: "client-a", N: uint64(i) + 1, Author: "ann", Time: time.UnixMilli(1), Payload: []byte(ops)}
	}
	if err := log.Append(t.Context(), id, head, changes); err != nil {
		t.Fatal(err)
	}
}

// unload takes a page out of memory and waits until it is.
func (ps *Pages) unload(id PageID) {
	ps.mu.Lock()
	e := ps.loaded[id]
	if e != nil {
		ps.halt(e.page)
	}
	ps.mu.Unlock()
	if e != nil {
		<-e.page.done
	}
}

// Many clients write at once; each edit is there once, in one order.
func TestConcurrentWriters(t *testing.T) {
	ps := newPages(t)
	id := newPage(t, ps, "")
	const writers, each = 8, 40
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			base := uint64(0)
			for n := range uint64(each) {
				e := edit(fmt.Sprintf("client-%d", w), n+1, base, fmt.Sprintf(`[{"insert":"(%d:%d)"}]`, w, n))
				seq, err := ps.Submit(context.Background(), ann, id, e)
				if err != nil {
					t.Error(err)
					return
				}
				if again, err := ps.Submit(context.Background(), ann, id, e); err != nil || again != seq {
					t.Errorf("resend: %d, %v, want %d", again, err, seq)
				}
				base = seq
			}
		})
	}
	wg.Wait()
	content, seq := contentOf(t, ps, id)
	if seq != writers*each {
		t.Errorf("head %d, want %d", seq, writers*each)
	}
	for w := range writers {
		for n := range each {
			if got := strings.Count(content[0].Insert, fmt.Sprintf("(%d:%d)", w, n)); got != 1 {
				t.Errorf("edit %d of writer %d is there %d times", n, w, got)
			}
		}
	}
	wantReplay(t, ps, id)
}

// An append that fails leaves no trace in what readers see, and the same
// edits go through once the disk works again.
func TestFailedAppend(t *testing.T) {
	store := openStore(t, t.TempDir())
	t.Cleanup(func() { store.Close() })
	broken := &breakable{Store: store}
	ps := openPages(t, broken, Config{})
	id := newPage(t, ps, "hello")
	e := edit("client-a", 1, 1, `[{"insert":"1"}]`)
	for _, c := range []struct {
		name  string
		fail  func(storage.Log, context.Context, PageID, uint64, []storage.Change) error
		want  error
		after uint64 // the head after it
	}{
		{"full", func(storage.Log, context.Context, PageID, uint64, []storage.Change) error {
			return fmt.Errorf("%w: no space", storage.ErrDiskFull)
		}, storage.ErrDiskFull, 1},
		{"unknown, not stored", func(storage.Log, context.Context, PageID, uint64, []storage.Change) error {
			return storage.ErrUnknown
		}, storage.ErrUnknown, 1},
		{"unknown, stored", func(l storage.Log, ctx context.Context, id PageID, expect uint64, ch []storage.Change) error {
			if err := l.Append(ctx, id, expect, ch); err != nil {
				return err
			}
			return storage.ErrUnknown
		}, storage.ErrUnknown, 2},
	} {
		broken.set(c.fail)
		if _, err := ps.Submit(t.Context(), ann, id, e); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if _, seq := contentOf(t, ps, id); seq != c.after {
			t.Errorf("%s: readers see seq %d, want %d", c.name, seq, c.after)
		}
	}
	broken.set(nil)
	if seq := submit(t, ps, ann, id, e); seq != 2 {
		t.Errorf("sent again: seq %d, want 2", seq)
	}
	wantText(t, ps, id, "1hello")
	wantReplay(t, ps, id)
}

// breakable is a store whose Append a test replaces.
type breakable struct {
	storage.Store
	mu   sync.Mutex
	fail func(storage.Log, context.Context, PageID, uint64, []storage.Change) error
}

func (b *breakable) set(fail func(storage.Log, context.Context, PageID, uint64, []storage.Change) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = fail
}

func (b *breakable) Append(ctx context.Context, id PageID, expect uint64, ch []storage.Change) error {
	b.mu.Lock()
	fail := b.fail
	b.mu.Unlock()
	if fail != nil {
		return fail(b.Store, ctx, id, expect, ch)
	}
	return b.Store.Append(ctx, id, expect, ch)
}
