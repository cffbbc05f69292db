package editor

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidwall/btree"

	"halley/ot"
	"halley/storage"
)

// Settings are what a page has besides its text.
type Settings struct {
	ID      PageID    `json:"id"`
	Title   string    `json:"title"`
	Creator string    `json:"creator"` // principal's id
	Created time.Time `json:"created"`
	Trashed time.Time `json:"trashed,omitzero"` // zero: not in the trash
	Version uint64    `json:"-"`                // how often they changed
}

// catalog holds the settings of all pages in memory, a few hundred bytes
// each, and when each was changed last. Settings are written through to the
// store before anybody sees them.
type catalog struct {
	store storage.Records

	writing sync.Mutex // one change of settings at a time: read, write, show

	mu      sync.Mutex // guards pages, what they point to, and the orders
	pages   map[PageID]*listed
	live    *btree.BTreeG[position] // newest change first
	trashed *btree.BTreeG[position] // the same of the pages in the trash
}

type listed struct {
	set     Settings
	head    uint64
	updated time.Time // newest change, or when the page was created
	telling bool      // its row is about to be told
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

func newCatalog(store storage.Records) *catalog {
	order := func() *btree.BTreeG[position] {
		return btree.NewBTreeGOptions(position.before, btree.Options{NoLocks: true})
	}
	return &catalog{store: store, pages: map[PageID]*listed{}, live: order(), trashed: order()}
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
	c.order(l).Set(l.position())
}

// reorder calls edit, which may change anything in l but its id, and moves the
// page to its new place. The caller holds mu.
func (c *catalog) reorder(l *listed, edit func()) {
	oldOrder, old := c.order(l), l.position()
	edit()
	if order, now := c.order(l), l.position(); order != oldOrder || now != old {
		oldOrder.Delete(old)
		order.Set(now)
	}
}

func recordKey(id PageID) string { return "page/" + string(id) }

// openCatalog reads the settings of all pages and where their logs end, both
// at once.
func openCatalog(ctx context.Context, store storage.Store) (*catalog, error) {
	c := newCatalog(store)
	var heads []storage.LogInfo
	var headsErr error
	var reading sync.WaitGroup
	reading.Go(func() {
		headsErr = store.Logs(ctx, func(info storage.LogInfo) error {
			heads = append(heads, info)
			return nil
		})
	})
	err := store.List(ctx, "page/", "", func(r storage.Record) error {
		set, err := decodeSettings(r)
		if err != nil {
			return err
		}
		c.pages[set.ID] = &listed{set: set, updated: set.Created}
		return nil
	})
	reading.Wait()
	if err != nil {
		return nil, fmt.Errorf("read the list of pages: %w", err)
	}
	if headsErr != nil {
		return nil, fmt.Errorf("read the heads of pages: %w", headsErr)
	}
	for _, info := range heads {
		if l := c.pages[info.Page]; l != nil && info.Head > 0 {
			l.head, l.updated = info.Head, info.Time
		}
	}
	c.sort()
	return c, nil
}

// sort puts all pages into their orders, which are empty.
func (c *catalog) sort() {
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
		p.order.Load(p.position) // which is quick in order
	}
}

func decodeSettings(r storage.Record) (Settings, error) {
	set, ok := parseSettings(r.Value)
	if !ok {
		set = Settings{}
		if err := json.Unmarshal(r.Value, &set); err != nil {
			return set, fmt.Errorf("settings under %s: %w", r.Key, err)
		}
	}
	set.Version = r.Version - 1
	return set, nil
}

// parseSettings reads settings as put writes them. It is written by hand, for
// all of a workspace's are read at each start. ok is false for whatever is out
// of the ordinary, which encoding/json then judges.
func parseSettings(value []byte) (set Settings, ok bool) {
	r := ot.NewReader(value, "the settings")
	instant := func() (time.Time, error) {
		text, err := r.Text()
		if err != nil {
			return time.Time{}, err
		}
		return time.Parse(time.RFC3339Nano, text)
	}
	err := r.Object(func(name []byte) (err error) {
		switch string(name) {
		case "id":
			var id string
			id, err = r.Text()
			set.ID = PageID(id)
		case "title":
			set.Title, err = r.Text()
		case "creator":
			set.Creator, err = r.Text()
		case "created":
			set.Created, err = instant()
		case "trashed":
			set.Trashed, err = instant()
		default:
			err = errUnusual
		}
		return err
	})
	return set, err == nil && r.End() == nil
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

// add stores the settings of a new page. If there are some under its id, they
// are returned instead.
func (c *catalog) add(ctx context.Context, set Settings, head uint64, updated time.Time) (Settings, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	if old, ok := c.get(set.ID); ok {
		return old, nil
	}
	if err := c.put(ctx, set, 0); err != nil {
		return Settings{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.show(&listed{set: set, head: head, updated: updated})
	return set, nil
}

// change rewrites a page's settings by edit and reports whether anything
// became different.
func (c *catalog) change(ctx context.Context, id PageID, edit func(*Settings) error) (set Settings, changed bool, err error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	old, ok := c.get(id)
	if !ok {
		return Settings{}, false, ErrNotFound
	}
	set = old
	if err := edit(&set); err != nil {
		return old, false, err
	}
	if set == old {
		return old, false, nil
	}
	set.Version = old.Version + 1
	if err := c.put(ctx, set, set.Version); err != nil {
		return old, false, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.pages[id]
	c.reorder(l, func() { l.set = set })
	return set, true, nil
}

func (c *catalog) put(ctx context.Context, set Settings, version uint64) error {
	value, err := json.Marshal(set)
	if err != nil {
		return err
	}
	_, err = c.store.Put(ctx, storage.Record{Key: recordKey(set.ID), Value: value, Version: version})
	if err != nil {
		return fmt.Errorf("store the settings of page %s: %w", set.ID, err)
	}
	return nil
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

const maxTitleChars = 300

// CheckTitle returns a *BadValueError for what cannot be a title.
func CheckTitle(title string) error {
	if n := len([]rune(title)); n > maxTitleChars {
		return &BadValueError{"title", fmt.Sprintf("has %d characters; at most %d are allowed", n, maxTitleChars)}
	}
	if strings.ContainsFunc(title, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' }) {
		return &BadValueError{"title", "holds a line break or control character"}
	}
	return nil
}
