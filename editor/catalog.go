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

	mu    sync.Mutex // guards pages
	pages map[PageID]*listed
}

type listed struct {
	set     Settings
	head    uint64
	updated time.Time // newest change, or when the page was created
	telling bool      // its row is about to be told

	excerpt   string // the beginning of its text
	excerptAt uint64 // the seq at which it was that
}

func recordKey(id PageID) string { return "page/" + string(id) }

func openCatalog(ctx context.Context, store storage.Store) (*catalog, error) {
	c := &catalog{store: store, pages: map[PageID]*listed{}}
	err := store.List(ctx, "page/", "", func(r storage.Record) error {
		set, err := decodeSettings(r)
		if err != nil {
			return err
		}
		c.pages[set.ID] = &listed{set: set, updated: set.Created}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the list of pages: %w", err)
	}
	err = store.Logs(ctx, func(info storage.LogInfo) error {
		if l := c.pages[info.Page]; l != nil && info.Head > 0 {
			l.head, l.updated = info.Head, info.Time
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the heads of pages: %w", err)
	}
	return c, nil
}

func decodeSettings(r storage.Record) (Settings, error) {
	var set Settings
	if err := json.Unmarshal(r.Value, &set); err != nil {
		return set, fmt.Errorf("settings under %s: %w", r.Key, err)
	}
	set.Version = r.Version - 1
	return set, nil
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
	c.pages[set.ID] = &listed{set: set, head: head, updated: updated}
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
	c.pages[id].set = set
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
		l.head, l.updated = head, at
	}
}

// noteExcerpt keeps the excerpt that l was given.
func (c *catalog) noteExcerpt(l listed) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.pages[l.set.ID]; now != nil && l.excerptAt > now.excerptAt {
		now.excerpt, now.excerptAt = l.excerpt, l.excerptAt
	}
}

// list returns the pages in or out of the trash, newest change first.
func (c *catalog) list(trashed bool) []listed {
	c.mu.Lock()
	rows := make([]listed, 0, len(c.pages))
	for _, l := range c.pages {
		if l.set.Trashed.IsZero() != trashed {
			rows = append(rows, *l)
		}
	}
	c.mu.Unlock()
	slices.SortFunc(rows, newestFirst)
	return rows
}

func newestFirst(a, b listed) int {
	return cmp.Or(b.updated.Compare(a.updated), strings.Compare(string(a.set.ID), string(b.set.ID)))
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
