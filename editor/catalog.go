package editor

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/tidwall/btree"

	"halley/storage"
)

// A catalog is the settings of all pages in memory, a few hundred bytes each,
// with the time of each page's newest change. It is a cache of the records under
// pagePrefix: only Apply changes settings, for this process's own writes too, so
// that a change made by another process is seen in the same way.
type catalog struct {
	store  storage.Store
	logger *slog.Logger

	mu      sync.Mutex // guards what follows, and what pages points to
	pages   map[PageID]*listed
	live    *btree.BTreeG[position] // newest change first; empty until sorted is set
	trashed *btree.BTreeG[position] // the same for the pages in the trash
	sorted  bool                    // whether the pages are in live and trashed
	round   int                     // how often all records were read
	ready   bool                    // whether every record of this round has been applied
	waiting map[PageID][]chan struct{}
	changed func(before, now listed) // see notify

	stop  context.CancelFunc // ends the goroutine that follows the records
	ended chan struct{}      // closed when that has ended
}

type listed struct {
	set     Settings
	head    uint64
	updated time.Time // newest change, or when the page was created
	telling bool      // its row is about to be told
	round   int       // the round in which its record was applied last
}

// A position is a page's place in a list.
type position struct {
	updated int64 // milliseconds since 1970
	id      PageID
}

// before is the order of lists: newest change first.
func (a position) before(b position) bool {
	if a.updated != b.updated {
		return a.updated > b.updated
	}
	return a.id < b.id
}

func (l *listed) position() position { return position{l.updated.UnixMilli(), l.set.ID} }

func newCatalog(store storage.Store, logger *slog.Logger) *catalog {
	order := func() *btree.BTreeG[position] {
		return btree.NewBTreeGOptions(position.before, btree.Options{NoLocks: true})
	}
	return &catalog{
		store: store, logger: logger, pages: map[PageID]*listed{}, live: order(), trashed: order(),
		waiting: map[PageID][]chan struct{}{}, changed: func(before, now listed) {}, stop: func() {}, ended: make(chan struct{}),
	}
}

// order is the list that l belongs in. The caller holds mu.
func (c *catalog) order(l *listed) *btree.BTreeG[position] {
	if l.set.Trashed.IsZero() {
		return c.live
	}
	return c.trashed
}

// show enters a page. The caller holds mu.
func (c *catalog) show(l *listed) {
	c.pages[l.set.ID] = l
	if c.sorted {
		c.order(l).Set(l.position())
	}
}

// remove forgets a page. The caller holds mu.
func (c *catalog) remove(l *listed) {
	delete(c.pages, l.set.ID)
	c.order(l).Delete(l.position())
}

// reorder calls edit, which may change anything in l but its id, and moves the
// page to its new place. The caller holds mu.
func (c *catalog) reorder(l *listed, edit func()) {
	oldOrder, old := c.order(l), l.position()
	edit()
	if order, now := c.order(l), l.position(); c.sorted && (order != oldOrder || now != old) {
		oldOrder.Delete(old)
		order.Set(now)
	}
}

// sort notes where the pages' logs end, and puts the pages into their orders.
func (c *catalog) sort(heads []storage.LogInfo) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, info := range heads {
		if l := c.pages[info.Page]; l != nil && info.Head > l.head {
			l.head, l.updated = info.Head, info.Time
		}
	}
	c.sorted = true
	type placed struct {
		position
		order *btree.BTreeG[position]
	}
	all := make([]placed, 0, len(c.pages))
	for _, l := range c.pages {
		all = append(all, placed{l.position(), c.order(l)})
	}
	slices.SortFunc(all, func(a, b placed) int {
		if a.updated != b.updated {
			return cmp.Compare(b.updated, a.updated)
		}
		return cmp.Compare(a.id, b.id)
	})
	for _, p := range all {
		p.order.Load(p.position) // fast for sorted input
	}
}

func (c *catalog) get(id PageID) (Settings, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l := c.pages[id]; l != nil {
		return l.set, true
	}
	return Settings{}, false
}

// row is a page as lists show it.
func (c *catalog) row(id PageID) (listed, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l := c.pages[id]; l != nil {
		return *l, true
	}
	return listed{}, false
}

// moved notes a page's new head.
func (c *catalog) moved(id PageID, head uint64, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l := c.pages[id]; l != nil && head > l.head {
		c.reorder(l, func() { l.head, l.updated = head, at })
	}
}

// listPart is how many pages a list reads at a time: the path of each edit
// takes the same lock.
const listPart = 128

// part returns up to most pages in or out of the trash that follow a place in
// the list, newest change first; the first ones after the zero position.
func (c *catalog) part(trashed bool, after position, most int) []listed {
	c.mu.Lock()
	defer c.mu.Unlock()
	order := c.live
	if trashed {
		order = c.trashed
	}
	rows := make([]listed, 0, min(most, order.Len()))
	add := func(at position) bool {
		if at != after && len(rows) < most {
			rows = append(rows, *c.pages[at.id])
		}
		return len(rows) < most
	}
	if after == (position{}) {
		order.Scan(add)
	} else {
		order.Ascend(after, add)
	}
	return rows
}
