package editor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"halley/push"
	"halley/storage"
	"halley/storage/storagetest"
)

// A catalogNode is one of the processes that share a store.
type catalogNode struct {
	*catalog
	t *testing.T

	mu    sync.Mutex
	shown map[PageID]listed // by what notify has reported
}

func openNode(t *testing.T, store storage.Store) *catalogNode {
	t.Helper()
	c, err := openCatalog(t.Context(), Config{Logger: slog.New(slog.DiscardHandler)}, store)
	if err != nil {
		t.Fatal(err)
	}
	n := &catalogNode{catalog: c, t: t, shown: map[PageID]listed{}}
	c.mu.Lock()
	for id, l := range c.pages {
		n.shown[id] = *l
	}
	c.changed = n.note // in place of notify, so that nothing comes between
	c.mu.Unlock()
	return n
}

func (n *catalogNode) note(before, now listed) {
	n.mu.Lock()
	defer n.mu.Unlock()
	id := before.set.ID
	if id == "" {
		id = now.set.ID
	}
	if got := n.shown[id].set; got != before.set {
		n.t.Errorf("%s changed from %+v, which follows %+v", id, before.set, got)
	}
	if n.shown[id] = now; now.set.ID == "" {
		delete(n.shown, id)
	}
}

// wantShown checks that whoever was acknowledged a write sees it.
func (n *catalogNode) wantShown(set Settings) {
	got, ok := n.get(set.ID)
	if !ok || got.Version < set.Version || got.Version == set.Version && got != set {
		n.t.Errorf("acknowledged %+v, but the catalog shows %+v, %v", set, got, ok)
	}
}

const modelPages = 4

func modelPage(i int) PageID { return PageID(fmt.Sprintf("page-%d", i)) }

// A catalogWriter writes at one node and remembers what was acknowledged.
type catalogWriter struct {
	node            *catalogNode
	name            string
	rng             *rand.Rand
	writes          int
	acked, doubtful []string // tokens; each is appended to a title once
}

func (w *catalogWriter) run(t *testing.T) {
	for range 40 {
		id := modelPage(w.rng.IntN(modelPages))
		if w.rng.IntN(4) == 0 {
			runtime.Gosched()
		}
		switch w.rng.IntN(8) {
		case 0:
			set, err := w.node.add(t.Context(), Settings{ID: id, Created: time.UnixMilli(w.rng.Int64N(1000)).UTC()})
			w.judge(t, set, err)
		case 1:
			set, err := w.node.change(t.Context(), id, func(set *storedSettings) error {
				if set.Trashed.IsZero() {
					set.Trashed = time.UnixMilli(5).UTC()
				} else {
					set.Trashed = time.Time{}
				}
				return nil
			})
			w.judge(t, set, err)
		default:
			w.extend(t, id)
		}
	}
}

// extend appends a token to a title, unless the page is in the trash.
func (w *catalogWriter) extend(t *testing.T, id PageID) {
	token := fmt.Sprintf("<%s%d>", w.name, w.writes)
	w.writes++
	set, err := w.node.change(t.Context(), id, func(set *storedSettings) error {
		if !set.Trashed.IsZero() {
			return ErrTrashed
		}
		set.Title += token
		return nil
	})
	switch w.judge(t, set, err); {
	case err == nil:
		w.acked = append(w.acked, token)
	case errors.Is(err, storage.ErrUnknown):
		w.doubtful = append(w.doubtful, token)
	}
}

func (w *catalogWriter) judge(t *testing.T, set Settings, err error) {
	switch {
	case err == nil:
		w.node.wantShown(set)
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrTrashed), errors.Is(err, storage.ErrUnknown), errors.Is(err, storage.ErrDiskFull):
	default:
		t.Errorf("%s: %v", w.name, err)
	}
}

// TestCatalogNodes: processes that write settings in the same store all end with
// what is stored. No acknowledged change is lost or applied twice, each is visible
// to its writer at once, and every change is reported once, in order, although
// watches lose, repeat and break off.
func TestCatalogNodes(t *testing.T) {
	for seed := range uint64(16) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { catalogModel(t, seed) })
		})
	}
}

func catalogModel(t *testing.T, seed uint64) {
	bolt := openStore(t, t.TempDir())
	defer bolt.Close()
	var within storage.Store = bolt
	if seed%2 == 1 {
		within = storagetest.NewFailing(bolt, seed)
	}
	store := storagetest.NewLossyWatch(within, seed)
	var nodes []*catalogNode
	var writers []*catalogWriter
	for n := range 2 {
		node := openNode(t, store)
		nodes = append(nodes, node)
		for i := range 3 {
			name := fmt.Sprintf("%d.%d.", n, i)
			writers = append(writers, &catalogWriter{node: node, name: name, rng: rand.New(rand.NewPCG(seed, uint64(10*n+i)))})
		}
	}
	var all sync.WaitGroup
	for _, w := range writers {
		all.Go(func() { w.run(t) })
	}
	all.Wait()
	wantTokens(t, bolt, writers)
	for _, n := range nodes {
		wantStored(t, bolt, n)
		n.close()
	}
	again := openNode(t, bolt)
	wantStored(t, bolt, again)
	again.close()
}

// wantTokens checks that each acknowledged token is in the titles once, and each
// doubtful one at most once.
func wantTokens(t *testing.T, store storage.Records, writers []*catalogWriter) {
	t.Helper()
	stored, err := StoredPages(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	var titles strings.Builder
	for _, set := range stored {
		titles.WriteString(set.Title)
	}
	total := 0
	for _, w := range writers {
		for _, token := range w.acked {
			if n := strings.Count(titles.String(), token); n != 1 {
				t.Errorf("%s was acknowledged and is there %d times", token, n)
			}
		}
		for _, token := range w.doubtful {
			if n := strings.Count(titles.String(), token); n > 1 {
				t.Errorf("%s is there %d times", token, n)
			}
		}
		total += len(w.acked)
	}
	if total == 0 {
		t.Error("no change was acknowledged")
	}
}

// wantStored waits until the node has caught up, and compares it with the store.
func wantStored(t *testing.T, store storage.Records, n *catalogNode) {
	t.Helper()
	stored, err := StoredPages(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range stored {
		if err := n.shows(t.Context(), set); err != nil {
			t.Fatal(err)
		}
		if got, _ := n.get(set.ID); got != set {
			t.Errorf("the catalog shows %+v, stored is %+v", got, set)
		}
	}
	synctest.Wait() // what was applied last is reported
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.len() != len(stored) || len(n.shown) != len(stored) || n.live.Len()+n.trashed.Len() != len(stored) {
		t.Errorf("the catalog has %d pages and has reported %d, %d are stored", n.len(), len(n.shown), len(stored))
	}
	for _, set := range stored {
		if got := n.shown[set.ID].set; got != set {
			t.Errorf("reported was %+v, stored is %+v", got, set)
		}
	}
}

// A pausedWatch is a store whose watches break off and fail while it is paused.
type pausedWatch struct {
	storage.Store

	mu     sync.Mutex
	paused bool
	broken context.CancelFunc // ends the watch that is running
}

func (p *pausedWatch) pause() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.paused = true
	p.broken()
}

func (p *pausedWatch) resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.paused = false
}

func (p *pausedWatch) Watch(ctx context.Context, prefix string, fn func(storage.RecordChange) error) error {
	p.mu.Lock()
	if p.paused {
		p.mu.Unlock()
		return storagetest.ErrWatchBroken
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	p.broken = stop
	p.mu.Unlock()
	if err := p.Store.Watch(watching, prefix, fn); ctx.Err() != nil {
		return err
	}
	return storagetest.ErrWatchBroken
}

// TestCatalogCatchesUp: what another process has written while nothing could be
// watched, deletions among it, is seen as soon as watching works again.
func TestCatalogCatchesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bolt := openStore(t, t.TempDir())
		defer bolt.Close()
		store := &pausedWatch{Store: bolt}
		node := openNode(t, store)
		defer node.close()
		for i := range 3 {
			if _, err := node.add(t.Context(), Settings{ID: modelPage(i), Created: time.UnixMilli(1).UTC()}); err != nil {
				t.Fatal(err)
			}
		}
		store.pause()
		synctest.Wait()
		other := openNode(t, bolt)
		defer other.close()
		err := bolt.Append(t.Context(), "new", 0, []storage.Change{{Time: time.UnixMilli(7).UTC(), Payload: []byte("x")}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.add(t.Context(), Settings{ID: "new", Created: time.UnixMilli(2).UTC()}); err != nil {
			t.Fatal(err)
		}
		rename := func(set *storedSettings) error { set.Title = "changed"; return nil }
		if _, err := other.change(t.Context(), modelPage(1), rename); err != nil {
			t.Fatal(err)
		}
		if err := bolt.Delete(t.Context(), recordKey(modelPage(2)), 1); err != nil {
			t.Fatal(err)
		}
		if _, ok := node.get("new"); ok {
			t.Error("the watch is not paused")
		}
		store.resume()
		wantStored(t, bolt, other)
		wantStored(t, bolt, node)
		if row, _ := node.row("new"); row.head != 1 || !row.updated.Equal(time.UnixMilli(7)) {
			t.Errorf("the page of another process is listed at %d, %v", row.head, row.updated)
		}
		if _, ok := node.get(modelPage(2)); ok {
			t.Error("a page whose record was deleted is still listed")
		}
	})
}

// TestChangeChecksTheNewest: a change is checked against what another process has
// stored, also where this process has not seen that yet.
func TestChangeChecksTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bolt := openStore(t, t.TempDir())
		defer bolt.Close()
		store := &pausedWatch{Store: bolt}
		behind, other := openPages(t, store, Config{}), openPages(t, bolt, Config{})
		id := newPage(t, other, "text")
		synctest.Wait()
		store.pause()
		if err := other.Trash(t.Context(), ann, id); err != nil {
			t.Fatal(err)
		}
		title := "Title"
		if _, err := behind.UpdateSettings(t.Context(), ann, id, SettingsEdit{Title: &title}); !errors.Is(err, ErrTrashed) {
			t.Errorf("a new title for a page that another process has trashed: %v, want %v", err, ErrTrashed)
		}
		store.resume()
		if page, err := behind.Untrash(t.Context(), ann, id); err != nil || page.Version != 2 || !page.Trashed.IsZero() {
			t.Errorf("back from the trash: %+v, %v; want version 2", page, err)
		}
		if page, err := other.UpdateSettings(t.Context(), ann, id, SettingsEdit{Title: &title}); err != nil || page.Version != 3 {
			t.Errorf("a new title: %+v, %v; want version 3", page, err)
		}
		behind.Close()
		other.Close()
	})
}

// TestSettingsOfAnotherProcess: readers of a page get a title that another process
// has set, and are told when another process moves the page to the trash.
func TestSettingsOfAnotherProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := openStore(t, t.TempDir())
		defer store.Close()
		here, other := openPages(t, store, Config{}), openPages(t, store, Config{})
		defer here.Close()
		defer other.Close()
		id := newPage(t, other, "text")
		synctest.Wait()
		var mu sync.Mutex
		var got []string
		out := &lines{each: func(line []byte) {
			var e struct {
				Type string
				Data struct{ Title, Why string }
			}
			if json.Unmarshal(line, &e) == nil && (e.Type == "page" || e.Type == "gone") {
				mu.Lock()
				defer mu.Unlock()
				got = append(got, e.Type+" "+e.Data.Title+e.Data.Why)
			}
		}}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			line := push.Line{Start: []push.Position{{Topic: string(id), AtHead: true}}, Transport: push.NDJSON}
			ended <- here.Hub().Serve(out, httptest.NewRequestWithContext(ctx, "GET", "/", nil), line)
		}()
		synctest.Wait()
		title := "New"
		if _, err := other.UpdateSettings(t.Context(), ann, id, SettingsEdit{Title: &title}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := other.Trash(t.Context(), ann, id); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		mu.Lock()
		if want := []string{"page Test", "page New", "gone trashed"}; !slices.Equal(got, want) {
			t.Errorf("the reader got %q, want %q", got, want)
		}
		mu.Unlock()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
