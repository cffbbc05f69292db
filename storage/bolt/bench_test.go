package bolt

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"halley/storage"
)

// A storer stores client's n-th change on page and returns when it is synced.
type storer func(page storage.PageID, client string, n uint64) error

// BenchmarkAppend compares the store with what one would write first: one
// bbolt Update an edit, db.Batch, and a bare loop that only groups commits: it
// writes the same rows, but checks nothing and computes no link. The others do
// the same work for each edit.
func BenchmarkAppend(b *testing.B) {
	variants := []struct {
		name string
		make func(*testing.B) storer
	}{{"store", benchStore}, {"update", benchUpdate}, {"batch", benchBatch}, {"bare-loop", benchBareLoop}}
	for _, load := range []struct {
		name           string
		writers, pages int
	}{{"lone", 1, 1}, {"1-page/50-writers", 50, 1}, {"1000-pages/50-writers", 50, 1000}, {"1000-pages/500-writers", 500, 1000}} {
		for _, v := range variants {
			b.Run(load.name+"/"+v.name, func(b *testing.B) { runWriters(b, v.make(b), load.writers, load.pages) })
		}
	}
}

// runWriters lets writers store b.N changes between them. Where there are more
// pages than writers, each has its own pages.
func runWriters(b *testing.B, store storer, writers, pages int) {
	took := make([][]time.Duration, writers)
	var all sync.WaitGroup
	b.ResetTimer()
	for w := range writers {
		all.Go(func() {
			client := fmt.Sprintf("client-%d", w)
			counts := map[storage.PageID]uint64{}
			for i := w; i < b.N; i += writers {
				page := storage.PageID(fmt.Sprintf("page-%d", i%pages))
				if pages > 1 {
					page = storage.PageID(fmt.Sprintf("page-%d-%d", w, (i/writers)%(pages/writers)))
				}
				counts[page]++
				began := time.Now()
				if err := store(page, client, counts[page]); err != nil {
					b.Errorf("%s %s: %v", page, client, err)
					return
				}
				took[w] = append(took[w], time.Since(began))
			}
		})
	}
	all.Wait()
	b.StopTimer()
	times := slices.Concat(took...)
	slices.Sort(times)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "edits/s")
	b.ReportMetric(float64(times[len(times)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(times[len(times)*99/100].Microseconds()), "p99-µs")
}

// benchStore has what the editor has in front of the store: one goroutine a
// page, which appends at once what has come while the last append was synced.
func benchStore(b *testing.B) storer {
	return pageStorer(openStore(b, b.TempDir(), Config{}))
}

func pageStorer(s *Store) storer {
	var mu sync.Mutex
	mailboxes := map[storage.PageID]chan benchEdit{}
	return func(page storage.PageID, client string, n uint64) error {
		mu.Lock()
		mailbox, ok := mailboxes[page]
		if !ok {
			mailbox = make(chan benchEdit, 1024)
			mailboxes[page] = mailbox
			go benchPage(s, page, mailbox)
		}
		mu.Unlock()
		answer := make(chan error, 1)
		mailbox <- benchEdit{changeOf(client, n), answer}
		return <-answer
	}
}

type benchEdit struct {
	change storage.Change
	answer chan error
}

func benchPage(s *Store, page storage.PageID, mailbox chan benchEdit) {
	head := uint64(0)
	for first := range mailbox {
		batch := []benchEdit{first}
		for len(mailbox) > 0 {
			batch = append(batch, <-mailbox)
		}
		changes := make([]storage.Change, len(batch))
		for i, e := range batch {
			changes[i] = e.change
		}
		err := s.Append(context.Background(), page, head, changes)
		head += uint64(len(batch))
		for _, e := range batch {
			e.answer <- err
		}
		if len(batch) > 1 {
			runtime.Gosched()
		}
	}
}

// benchFile is a store's file without the store.
func benchFile(b *testing.B) *bbolt.DB {
	path := filepath.Join(b.TempDir(), FileName)
	if err := makeFile(path, Config{}.withDefaults()); err != nil {
		b.Fatal(err)
	}
	db, err := openFile(path, time.Second)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	return db
}

func benchUpdate(b *testing.B) storer {
	db := benchFile(b)
	return func(page storage.PageID, client string, n uint64) error {
		return db.Update(appendAtHead(page, client, n))
	}
}

func benchBatch(b *testing.B) storer {
	db := benchFile(b)
	return func(page storage.PageID, client string, n uint64) error {
		return db.Batch(appendAtHead(page, client, n))
	}
}

// appendAtHead does for one edit what the store does.
func appendAtHead(page storage.PageID, client string, n uint64) func(*bbolt.Tx) error {
	return func(tx *bbolt.Tx) error {
		t := tablesOf(tx)
		head, err := t.head(page)
		if err != nil {
			return err
		}
		a, err := newAppending(page, head.seq, []storage.Change{changeOf(client, n)})
		if err != nil {
			return err
		}
		if err := a.apply(t); err != nil {
			return err
		}
		return t.err
	}
}

type bareWrite struct {
	page   storage.PageID
	change storage.Change
	row    []byte
	answer chan error
}

// benchBareLoop puts the same rows, of the same size under the same keys, and
// reads nothing.
func benchBareLoop(b *testing.B) storer {
	db := benchFile(b)
	queue := make(chan bareWrite, 4096)
	b.Cleanup(func() { close(queue) })
	go func() {
		heads := map[storage.PageID]uint64{}
		for first := range queue {
			batch := []bareWrite{first}
			for len(queue) > 0 {
				batch = append(batch, <-queue)
			}
			err := db.Update(func(tx *bbolt.Tx) error {
				t := tablesOf(tx)
				for _, w := range batch {
					heads[w.page]++
					w.put(t, heads[w.page])
				}
				return t.err
			})
			for _, w := range batch {
				w.answer <- err
			}
		}
	}()
	return func(page storage.PageID, client string, n uint64) error {
		c := changeOf(client, n)
		w := bareWrite{page, c, append(encodeChange(&c), make([]byte, linkBytes)...), make(chan error, 1)}
		queue <- w
		return <-w.answer
	}
}

func (w *bareWrite) put(t *tables, seq uint64) {
	t.put(t.pages, changeKey(w.page, seq), w.row)
	key := pageKey(w.page, kindHead)
	t.put(t.pages, key, headRow{seq: seq, time: w.change.Time}.encode(key))
	key = clientKey(w.page, w.change.Client)
	state := storage.ClientState{Author: w.change.Author, N: w.change.N, Seq: seq, Digest: w.change.Digest}
	t.put(t.pages, key, clientRow{ClientState: state, markedN: 1, markedSeq: 1}.encode(key))
	if w.change.N == 1 {
		key = markKey(w.page, w.change.Client, 1)
		t.put(t.pages, key, encodeMark(key, seq))
	}
}

func BenchmarkRead(b *testing.B) {
	s := openStore(b, b.TempDir(), Config{})
	const length = 50_000
	for n := uint64(0); n < length; n += 1000 {
		var batch []storage.Change
		for i := range uint64(1000) {
			batch = append(batch, changeOf("client", n+i+1))
		}
		mustAppend(b, s, "page", n, batch...)
	}
	for b.Loop() {
		err := s.Read(b.Context(), "page", 0, length, func(storage.Change) error { return nil })
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/length, "ns/change")
}

func BenchmarkFind(b *testing.B) {
	s := openStore(b, b.TempDir(), Config{})
	const clients, each = 200, 100
	var batch []storage.Change
	for n := range uint64(each) {
		for c := range clients {
			batch = append(batch, changeOf(fmt.Sprintf("client-%d", c), n+1))
		}
	}
	mustAppend(b, s, "page", 0, batch...)
	for b.Loop() {
		if _, err := s.Find(b.Context(), "page", "client-7", 63); err != nil {
			b.Fatal(err)
		}
	}
}
