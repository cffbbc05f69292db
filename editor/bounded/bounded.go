// Package bounded has a map for keys that callers choose. It never holds more
// than a fixed number of entries, and drops those that nobody uses.
//
// A Map is not safe for concurrent use; its owner's lock guards it.
package bounded

import "time"

// expirePerCall is how many expired entries one call removes at most, so that
// no caller pays for a flood of others.
const expirePerCall = 64

// A Map holds at most max entries in the order of their last use.
//
// With a keep of 0 it is a cache: a new entry evicts the least recently used one.
// Otherwise an entry stays for keep after its last use and expires then, so that
// nobody can evict an entry in use by making up keys; a map that is full of
// entries in use accepts no new one.
type Map[K comparable, V any] struct {
	max     int
	keep    time.Duration
	entries map[K]*entry[K, V]
	ends    entry[K, V] // ends.next is the newest entry, ends.prev the oldest
}

type entry[K comparable, V any] struct {
	key        K
	value      V
	used       time.Time
	prev, next *entry[K, V]
}

// New makes a map of at most max entries (at least 1).
func New[K comparable, V any](max int, keep time.Duration) *Map[K, V] {
	m := &Map[K, V]{max: max, keep: keep, entries: map[K]*entry[K, V]{}}
	m.ends.prev, m.ends.next = &m.ends, &m.ends
	return m
}

// Get returns the value under key and marks it as used, or nil if there is none.
// The pointer is valid until the next call.
func (m *Map[K, V]) Get(key K, now time.Time) *V {
	m.expire(now)
	e := m.entries[key]
	if e == nil {
		return nil
	}
	e.used = now
	e.unlink()
	m.pushNewest(e)
	return &e.value
}

// Put sets the value under key. If the map is full of entries in use it returns
// false and changes nothing.
func (m *Map[K, V]) Put(key K, value V, now time.Time) bool {
	if old := m.Get(key, now); old != nil {
		*old = value
		return true
	}
	if len(m.entries) >= m.max {
		if m.keep > 0 {
			return false
		}
		m.remove(m.ends.prev)
	}
	e := &entry[K, V]{key: key, value: value, used: now}
	m.entries[key] = e
	m.pushNewest(e)
	return true
}

// Delete removes the entry under key, if there is one.
func (m *Map[K, V]) Delete(key K) {
	if e := m.entries[key]; e != nil {
		m.remove(e)
	}
}

// Len is the number of entries, including expired ones that no call has removed
// yet.
func (m *Map[K, V]) Len() int { return len(m.entries) }

// expire removes the oldest expired entries, at most expirePerCall.
func (m *Map[K, V]) expire(now time.Time) {
	if m.keep == 0 {
		return
	}
	for range expirePerCall {
		oldest := m.ends.prev
		if oldest == &m.ends {
			return
		}
		switch unused := now.Sub(oldest.used); {
		case unused < 0:
			oldest.used = now // the clock was set back
			return
		case unused < m.keep:
			return
		}
		m.remove(oldest)
	}
}

func (m *Map[K, V]) remove(e *entry[K, V]) {
	e.unlink()
	delete(m.entries, e.key)
}

func (m *Map[K, V]) pushNewest(e *entry[K, V]) {
	e.prev, e.next = &m.ends, m.ends.next
	e.prev.next, e.next.prev = e, e
}

func (e *entry[K, V]) unlink() { e.prev.next, e.next.prev = e.next, e.prev }

// Clear removes all entries.
func (m *Map[K, V]) Clear() {
	clear(m.entries)
	m.ends.prev, m.ends.next = &m.ends, &m.ends
}
