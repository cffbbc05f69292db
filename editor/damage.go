package editor

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"halley/storage"
)

// What a Damaged is of.
const (
	DamagedFile  = "file"  // a picture or an attachment
	DamagedPage  = "page"  // a page's log or one of its checkpoints
	DamagedStore = "store" // the structure of the store, or a record
)

// maxDamage bounds how much damage is kept in mind. More than that is a broken
// disk, and it is in the log.
const maxDamage = 1000

// A Damaged is one thing in the store that does not hold.
type Damaged struct {
	Kind   string    // DamagedFile, …
	Name   string    // the file's hash, the page's id, or the reason again
	Reason string    // a sentence without a dot
	Found  time.Time // when it was last found to be so
}

// Damage is what is known to be damaged in a store, at most 1,000 things. The
// zero value knows of none. It is safe for concurrent use.
type Damage struct {
	mu    sync.Mutex
	items map[damageKey]Damaged // guarded by mu
}

type damageKey struct{ kind, name string }

// Add notes d, and reports whether it was not known.
func (d *Damage) Add(item Damaged) (isNew bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := damageKey{item.Kind, item.Name}
	_, known := d.items[key]
	if !known && len(d.items) >= maxDamage {
		return true
	}
	if d.items == nil {
		d.items = map[damageKey]Damaged{}
	}
	d.items[key] = item
	return !known
}

// Sound notes that something is not damaged, or not any more.
func (d *Damage) Sound(kind, name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.items, damageKey{kind, name})
}

// Forget drops what was last found before a time: a whole pass since then has
// not found it again.
func (d *Damage) Forget(before time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.items, func(_ damageKey, item Damaged) bool { return item.Found.Before(before) })
}

// List is everything that is known to be damaged, by kind and name.
func (d *Damage) List() []Damaged {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.SortedFunc(maps.Values(d.items), func(a, b Damaged) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
}

// file is the damage of a file as an error; nil where none is known.
func (d *Damage) file(h storage.Hash) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if item, ok := d.items[damageKey{DamagedFile, h.String()}]; ok {
		return &storage.CorruptError{Key: "blob " + item.Name, Reason: item.Reason}
	}
	return nil
}

// Damage is what is known to be damaged in the store.
func (ps *Pages) Damage() *Damage { return &ps.damage }

// CheckFile reads a file whose bytes were not the right ones, and notes and logs
// that it is damaged, unless it is sound by now: somebody may have uploaded it
// again. The error is a *storage.CorruptError where it is damaged.
func (ps *Pages) CheckFile(ctx context.Context, h storage.Hash) error {
	err := VerifyFile(ctx, ps.store, h)
	var corrupt *storage.CorruptError
	if errors.As(err, &corrupt) {
		if ps.damage.Add(Damaged{DamagedFile, h.String(), corrupt.Reason, ps.cfg.Now()}) {
			ps.cfg.Logger.Error("a file is damaged on the disk; uploading the same file again repairs it",
				"file", h.String(), "error", corrupt)
		}
	}
	return err
}
