package editor

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"halley/storage"
)

// manyPages is how many pages a large workspace has.
const manyPages = 100_000

// fillStore makes pages with a sentence of text each.
func fillStore(tb testing.TB, store storage.Store, pages int) {
	tb.Helper()
	var making sync.WaitGroup
	numbers := make(chan int)
	for range 256 {
		making.Go(func() {
			for i := range numbers {
				if err := storePage(store, i); err != nil {
					tb.Error(err)
				}
			}
		})
	}
	for i := range pages {
		numbers <- i
	}
	close(numbers)
	making.Wait()
}

func storePage(store storage.Store, i int) error {
	ctx := context.Background()
	id := PageID(fmt.Sprintf("p%021x", uint64(i)*0x9E3779B97F4A7C15))
	at := time.UnixMilli(1_700_000_000_000 + int64(i)*1000).UTC()
	text := fmt.Sprintf("Some words of page %d, which nobody looks for.", i)
	err := store.Append(ctx, id, 0, []storage.Change{{
		Client: "client-a", N: 1, Author: "ann", Time: at, Payload: fmt.Appendf(nil, `[{"insert":%q}]`, text),
	}})
	if err != nil {
		return err
	}
	c := newCatalog(store, slog.New(slog.DiscardHandler))
	if err := c.put(ctx, storedSettings{Settings: Settings{ID: id, Title: fmt.Sprintf("Page number %d", i), Creator: "ann", Created: at}}, 0); err != nil {
		return err
	}
	_, err = store.Put(ctx, storage.Record{Key: excerptKey(id), Value: append([]byte{1}, text...)})
	return err
}

// BenchmarkManyPages measures a workspace of manyPages: how long it takes to
// open, a list of 100 and one far down, a search's first answer for a word that
// is nowhere, and what an edit takes beside searches, of what it takes alone.
func BenchmarkManyPages(b *testing.B) {
	dir := b.TempDir()
	store := openStore(b, dir)
	fillStore(b, store, manyPages)
	if err := store.Close(); err != nil {
		b.Fatal(err)
	}
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			store := openStore(b, dir)
			openPages(b, store, Config{}).Close()
			b.StopTimer()
			store.Close()
			b.StartTimer()
		}
	})
	store = openStore(b, dir)
	b.Cleanup(func() { store.Close() })
	ps := openPages(b, store, Config{})
	b.Cleanup(ps.Close)
	b.Run("list", func(b *testing.B) { benchList(b, ps, ListQuery{Limit: 100}) })
	b.Run("list, far down", func(b *testing.B) {
		far := time.UnixMilli(1_700_000_000_000 + 1000*manyPages/10)
		benchList(b, ps, ListQuery{Limit: 100, After: far, AfterID: "p"})
	})
	b.Run("search", func(b *testing.B) {
		for b.Loop() {
			if _, err := ps.Search(b.Context(), ann, SearchQuery{Text: "zzzqqq", Limit: 50}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("edit", func(b *testing.B) { benchEditBesideSearch(b, ps) })
}

func benchList(b *testing.B, ps *Pages, q ListQuery) {
	for b.Loop() {
		rows, _, err := ps.List(b.Context(), ann, q)
		if err != nil || len(rows) != q.Limit || rows[0].Excerpt == "" {
			b.Fatal(len(rows), err)
		}
	}
}

// benchEditBesideSearch types by turns alone and beside searches.
func benchEditBesideSearch(b *testing.B, ps *Pages) {
	id := newPage(b, ps, "typed")
	base := uint64(1)
	typed := func(n int) (took []time.Duration) {
		for range n {
			start := time.Now()
			base = submit(b, ps, ann, id, edit("client-a", base, base, `[{"insert":"x"}]`))
			took = append(took, time.Since(start))
			time.Sleep(2 * time.Millisecond)
		}
		return took
	}
	var alone, beside []time.Duration
	for b.Loop() {
		for range 5 {
			alone = append(alone, typed(100)...)
			beside = append(beside, typedBesideSearch(b, ps, typed)...)
		}
	}
	b.ReportMetric(p99(beside)/p99(alone), "p99-of-alone")
	b.ReportMetric(p99(alone), "alone-p99-ms")
}

func typedBesideSearch(b *testing.B, ps *Pages, typed func(int) []time.Duration) []time.Duration {
	ctx, stop := context.WithCancel(b.Context())
	var searching sync.WaitGroup
	for range 4 {
		searching.Go(func() {
			q := SearchQuery{Text: "zzzqqq", Limit: 50}
			for ctx.Err() == nil {
				if found, err := ps.Search(ctx, bob, q); err == nil && found.Next != nil {
					q.From = *found.Next
				}
			}
		})
	}
	defer searching.Wait()
	defer stop()
	return typed(100)
}
