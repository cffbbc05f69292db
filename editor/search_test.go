package editor

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

	"halley/editor/budget"
	"halley/ot"
	"halley/storage"
)

// loadedPages is how many pages are in memory.
func (ps *Pages) loadedPages() int {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return len(ps.loaded)
}

// TestCatalogOrder compares the lists with all pages sorted, through changes of
// every kind.
func TestCatalogOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 0))
	c := newCatalog(nil, nil)
	c.sorted = true
	at := func() time.Time { return time.UnixMilli(1000 + random.Int64N(50)).UTC() }
	var ids []PageID
	for range 2000 {
		switch id := PageID(fmt.Sprintf("p%d", random.IntN(300))); {
		case c.pages[id] == nil:
			c.show(&listed{set: Settings{ID: id}, updated: at()})
			ids = append(ids, id)
		case random.IntN(3) == 0:
			l := c.pages[id]
			c.reorder(l, func() {
				if l.set.Trashed.IsZero() {
					l.set.Trashed = at()
				} else {
					l.set.Trashed = time.Time{}
				}
			})
		default:
			c.moved(id, c.pages[id].head+1, at())
		}
	}
	for _, trashed := range []bool{false, true} {
		var want []PageID
		for _, id := range ids {
			if c.pages[id].set.Trashed.IsZero() != trashed {
				want = append(want, id)
			}
		}
		slices.SortFunc(want, func(a, b PageID) int {
			if c.pages[a].position().before(c.pages[b].position()) {
				return -1
			}
			return 1
		})
		var got []PageID
		for from := (position{}); ; {
			part := c.part(trashed, from, 7)
			for _, l := range part {
				got, from = append(got, l.set.ID), l.position()
			}
			if len(part) == 0 {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("trashed %v: %d pages, want %d in order", trashed, len(got), len(want))
		}
	}
}

// TestListLoadsNothing: a list and its excerpts after a restart, and a search,
// leave no page in memory.
func TestListLoadsNothing(t *testing.T) {
	dir := t.TempDir()
	store := openStore(t, dir)
	ps := openPages(t, store, Config{})
	for i := range 5 {
		newPage(t, ps, fmt.Sprintf("Some words of page %d", i))
	}
	ps.excerpts.update(t.Context())
	ps.Close()

	ps = openPages(t, store, Config{})
	t.Cleanup(func() { store.Close() })
	rows, _, err := ps.List(t.Context(), ann, ListQuery{Limit: 10})
	if err != nil || len(rows) != 5 {
		t.Fatalf("List = %d rows, %v", len(rows), err)
	}
	for _, r := range rows {
		if !strings.HasPrefix(r.Excerpt, "Some words of page") {
			t.Errorf("the excerpt is %q", r.Excerpt)
		}
	}
	if found, err := ps.Search(t.Context(), ann, SearchQuery{Text: "PAGE 3", Limit: 10}); err != nil || len(found.Rows) != 1 {
		t.Errorf("Search = %d rows, %v, want 1", len(found.Rows), err)
	}
	if n := ps.loadedPages(); n != 0 {
		t.Errorf("%d pages are in memory, want none", n)
	}
}

// TestMissingExcerpts: an excerpt that is not there, or is of another seq, is
// made in the background, without loading its page.
func TestMissingExcerpts(t *testing.T) {
	store := openStore(t, t.TempDir())
	t.Cleanup(func() { store.Close() })
	ps := openPages(t, store, Config{})
	id := newPage(t, ps, "first")
	ps.excerpts.update(t.Context())
	submit(t, ps, ann, id, edit("client-a", 1, 1, `[{"insert":"At "}]`))
	ps.Close() // before the excerpt is made again

	ps = openPages(t, store, Config{})
	excerpt := func() string {
		rows, _, err := ps.List(t.Context(), ann, ListQuery{Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		return rows[0].Excerpt
	}
	if got := excerpt(); got != "first" && got != "At first" {
		t.Errorf("the excerpt is %q, want the older one until the newer is there", got)
	}
	wantSoon(t, "the newer excerpt", func() bool { return excerpt() == "At first" })
	if n := ps.loadedPages(); n != 0 {
		t.Errorf("%d pages are in memory, want none", n)
	}
	if err := store.Delete(t.Context(), excerptKey(id), 2); err != nil {
		t.Fatal(err)
	}
	if got := excerpt(); got != "" && got != "At first" {
		t.Errorf("the excerpt is %q, want none until it is there", got)
	}
	wantSoon(t, "an excerpt", func() bool { return excerpt() == "At first" })
}

// wantSoon waits until is returns true, which other goroutines bring about.
func wantSoon(t *testing.T, what string, is func() bool) {
	t.Helper()
	const patience = time.Minute // of a busy machine
	for limit := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("no %s after %v", what, patience)
		}
	}
}

// TestSearchGoesOn: a search without time answers after each page where to go
// on, and finds all in the end: titles first, and no page twice.
func TestSearchGoesOn(t *testing.T) {
	ps := newPages(t)
	var want []PageID
	for i := range 12 {
		switch i % 4 {
		case 0:
			want = append(want, newPage(t, ps, "Pumpkin soup"))
		case 1: // in the title as well
			page, err := ps.Create(t.Context(), ann, NewPage{Title: "pumpkin SOUP", Content: delta(`[{"insert":"pumpkin soup\n"}]`)})
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, page.ID)
		case 2: // half in the title
			page, err := ps.Create(t.Context(), ann, NewPage{Title: "Soup", Content: delta(`[{"insert":"of pump"},{"insert":"kin","attributes":{"bold":true}},{"insert":"\n"}]`)})
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, page.ID)
		default:
			newPage(t, ps, "Leek soup")
		}
	}
	for _, limit := range []int{1, 2, 100} {
		for _, most := range []time.Duration{0, searchTime} {
			ps.searches.limit = most
			var got []PageID
			incomplete := false
			q := SearchQuery{Text: "soup pumpkin", Limit: limit}
			for answers := 0; answers < 100; answers++ {
				found, err := ps.Search(t.Context(), ann, q)
				if err != nil || len(found.Rows) > limit {
					t.Fatalf("%d rows, %v", len(found.Rows), err)
				}
				for _, r := range found.Rows {
					got = append(got, r.ID)
				}
				if incomplete = incomplete || found.Incomplete; found.Next == nil {
					break
				}
				q.From = *found.Next
			}
			if incomplete != (most == 0) {
				t.Errorf("limit %d, time %v: incomplete %v", limit, most, incomplete)
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("limit %d, time %v: %d pages, want %d, each once", limit, most, len(got), len(want))
			}
		}
	}
}

// TestSearchStops: a search ends with its caller, and is refused where too many
// wait already.
func TestSearchStops(t *testing.T) {
	store := openStore(t, t.TempDir())
	t.Cleanup(func() { store.Close() })
	b := budget.New(40 * searchBytes) // of which searches may have 4
	ps := openPages(t, store, Config{Budget: b})
	newPage(t, ps, "soup")
	turn, err := ps.searches.turn(t.Context()) // nobody else has one
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	for range 4 {
		waiting.Go(func() {
			if _, err := ps.Search(ctx, ann, SearchQuery{Text: "soup", Limit: 10}); !errors.Is(err, context.Canceled) {
				t.Errorf("a search whose caller left = %v, want context.Canceled", err)
			}
		})
	}
	wantSoon(t, "four searches", func() bool { return ps.searches.share.Used() == 4*searchBytes })
	var busy *budget.BusyError
	if _, err := ps.Search(t.Context(), ann, SearchQuery{Text: "soup", Limit: 10}); !errors.As(err, &busy) {
		t.Errorf("one search too many = %v, want a BusyError", err)
	}
	stop()
	waiting.Wait()
	turn.end()
	if found, err := ps.Search(t.Context(), ann, SearchQuery{Text: "soup", Limit: 10}); err != nil || len(found.Rows) != 1 {
		t.Errorf("a search afterwards = %d rows, %v, want 1", len(found.Rows), err)
	}
	var bad *BadValueError
	if _, err := ps.Search(t.Context(), ann, SearchQuery{Text: strings.Repeat("a ", maxSearchWords+1), Limit: 10}); !errors.As(err, &bad) {
		t.Errorf("a long search = %v, want a BadValueError", err)
	}
}

// TestReadText: a page's text read past the cache is the page's, from the log
// alone, and from a checkpoint and the changes after it.
func TestReadText(t *testing.T) {
	store := openStore(t, t.TempDir())
	t.Cleanup(func() { store.Close() })
	ps := openPages(t, store, Config{})
	id := newPage(t, ps, "hello")
	bold := `[{"retain":1,"attributes":{"bold":true}},{"insert":{"divider":true}},{"insert":"é🎉"}]`
	submit(t, ps, ann, id, edit("client-a", 1, 1, bold))
	for n := range uint64(3) {
		v, err := ps.look(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ps.readText(t.Context(), id)
		if err != nil || got.seq != v.seq || got.content.Text() != v.content.Text() {
			t.Errorf("readText = %q at %d, %v, want %q at %d", got.content.Text(), got.seq, err, v.content.Text(), v.seq)
		}
		if err := store.PutCheckpoint(t.Context(), id, storage.Checkpoint{Seq: v.seq, Data: encodeCheckpoint(v)}); err != nil {
			t.Fatal(err)
		}
		submit(t, ps, ann, id, edit("client-a", n+2, n+2, bold))
	}
}

// TestMissingWords: words are found in any case, also across the parts in which
// a text is searched.
func TestMissingWords(t *testing.T) {
	for shift := range 12 {
		text := strings.Repeat("ü", textPart-shift) + "ÜBERRASCHUNG" + strings.Repeat("ü", textPart) + "🎉End\n"
		content, err := ot.NewContent(ot.Delta{{Insert: text}})
		if err != nil {
			t.Fatal(err)
		}
		got := missingWords(content, []string{"überraschung", "🎉end", "absent", "überraschungen"})
		if want := []string{"absent", "überraschungen"}; !slices.Equal(got, want) {
			t.Errorf("%d units before the end of a part: missing %q, want %q", shift, got, want)
		}
	}
}
