package account

import (
	"sync"
	"time"

	"halley/editor/bounded"
)

// A cache keeps values read from records for as long as the records stay the
// same. It relies on being notified of every change, by drop or clear; while it
// cannot be, it keeps nothing. Safe for concurrent use.
type cache[V any] struct {
	mu      sync.Mutex // guards what follows
	current bool       // whether every change is notified
	kept    *bounded.Map[string, V]
	loads   map[string]*load // under way, by key
}

// A load is one or several reads of the same record at the same time.
type load struct {
	readers int
	changed bool // the record may have changed since the first reader began
}

func newCache[V any](entries int) *cache[V] {
	return &cache[V]{kept: bounded.New[string, V](entries, 0), loads: map[string]*load{}}
}

// get returns the value kept under key.
func (c *cache[V]) get(key string) (v V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// A map that nothing expires from needs no clock.
	if kept := c.kept.Get(key, time.Time{}); kept != nil {
		return *kept, true
	}
	return v, false
}

// load calls read, which returns a value and whether it may be kept, and keeps
// that under key unless the record has changed since.
func (c *cache[V]) load(key string, read func() (V, bool, error)) (V, error) {
	l := c.begin(key)
	v, keep, err := read()
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.readers--; l.readers == 0 {
		delete(c.loads, key)
	}
	if err == nil && keep && c.current && !l.changed {
		c.kept.Put(key, v, time.Time{})
	}
	return v, err
}

func (c *cache[V]) begin(key string) *load {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.loads[key]
	if l == nil {
		l = &load{}
		c.loads[key] = l
	}
	l.readers++
	return l
}

// drop forgets the value under key, whose record has changed.
func (c *cache[V]) drop(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept.Delete(key)
	if l := c.loads[key]; l != nil {
		l.changed = true
	}
}

// clear forgets all values.
func (c *cache[V]) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept.Clear()
	for _, l := range c.loads {
		l.changed = true
	}
}

// setCurrent says whether every change is notified from now on.
func (c *cache[V]) setCurrent(current bool) {
	c.clear()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current = current
}
