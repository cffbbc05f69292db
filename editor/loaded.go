package editor

import (
	"container/list"
	"sync"
	"time"

	"halley/editor/budget"
)

// yieldTime is how long other parts of the server wait for the memory of pages
// that unload. A page that is being written to disk takes longer.
const yieldTime = 100 * time.Millisecond

// cache counts what the loaded pages hold, and unloads those that nobody has
// asked for longest. Its methods do not lock: the caller holds Pages.mu.
type cache struct {
	share      *budget.Share
	maxContent int64

	pages   list.List // of *page, the one asked for last at the front
	content int64     // bytes of all pages' contents
	leaving resident  // of pages that were told to end, and have not yet
}

// resident is what a page in memory counts for.
type resident struct {
	content int64 // as MaxPageBytes counts
	bytes   int64 // in memory, by estimate
}

// add takes in a page that was loaded.
func (c *cache) add(p *page) {
	p.place, p.counted = c.pages.PushFront(p), p.size
	c.count(p.counted)
}

func (c *cache) count(r resident) {
	c.content += r.content
	c.share.Add(r.bytes)
}

// touch notes that a page was asked for.
func (c *cache) touch(p *page) {
	if p.place != nil {
		c.pages.MoveToFront(p.place)
	}
}

// resize notes that a page has grown or shrunk.
func (c *cache) resize(p *page, now resident) {
	c.count(resident{now.content - p.counted.content, now.bytes - p.counted.bytes})
	if p.place == nil { // it is leaving, and still counted until it has ended
		c.leaving.content += now.content - p.counted.content
		c.leaving.bytes += now.bytes - p.counted.bytes
	}
	p.counted = now
}

// leave notes that a page was told to end. Its memory counts until it has.
func (c *cache) leave(p *page) {
	if p.place == nil {
		return
	}
	c.pages.Remove(p.place)
	p.place = nil
	c.leaving.content += p.counted.content
	c.leaving.bytes += p.counted.bytes
}

// ended gives back what a page held.
func (c *cache) ended(p *page) {
	c.leave(p)
	c.leaving.content -= p.counted.content
	c.leaving.bytes -= p.counted.bytes
	c.count(resident{-p.counted.content, -p.counted.bytes})
	p.counted = resident{}
}

// over is whether pages must leave, besides those that are leaving.
func (c *cache) over() bool {
	return c.content-c.leaving.content > c.maxContent || c.share.Over() > c.leaving.bytes
}

// oldest is the page that nobody has asked for longest. The newest one never
// is: it may be larger than all that is allowed, and has its callers waiting.
func (c *cache) oldest() *page {
	if c.pages.Len() < 2 {
		return nil
	}
	return c.pages.Back().Value.(*page)
}

// makeRoom unloads pages until the rest fit. The caller holds mu.
func (ps *Pages) makeRoom() {
	for ps.cache.over() {
		p := ps.cache.oldest()
		if p == nil {
			return
		}
		ps.halt(p)
	}
}

// shrink unloads pages that hold the given number of bytes, and waits at most
// yieldTime until they have ended.
func (ps *Pages) shrink(bytes int64) {
	var leaving []*page
	ps.mu.Lock()
	for bytes > 0 {
		p := ps.cache.oldest()
		if p == nil {
			break
		}
		bytes -= p.counted.bytes
		ps.halt(p)
		leaving = append(leaving, p)
	}
	ps.mu.Unlock()
	limit := time.NewTimer(yieldTime)
	defer limit.Stop()
	for _, p := range leaving {
		select {
		case <-p.done:
		case <-limit.C:
			return
		}
	}
}

// resized is called by a page whose size has changed.
func (ps *Pages) resized(p *page, now resident) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.cache.resize(p, now)
	ps.makeRoom()
}

// peek returns a page's view where it is in memory, and does not load it.
func (ps *Pages) peek(id PageID) *view {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	e := ps.loaded[id]
	if e == nil || e.page == nil {
		return nil
	}
	return e.page.view.Load()
}

// largeBytes is the memory from which on pages are read one after another.
const largeBytes = 4 << 20

// reads counts the memory that reading pages from the store takes, on top of
// what is kept, and has large pages read one at a time.
type reads struct {
	share *budget.Share
	large sync.Mutex
}

// A pageRead is one page being read. It is not safe for concurrent use.
type pageRead struct {
	reads *reads
	bytes int64
	large bool
}

func (r *reads) begin() *pageRead { return &pageRead{reads: r} }

// grow says that the read takes bytes now, at least. It waits where the page is
// large and another large one is being read.
func (r *pageRead) grow(bytes int64) {
	if r == nil || bytes <= r.bytes {
		return
	}
	if bytes > largeBytes && !r.large {
		r.reads.large.Lock()
		r.large = true
	}
	r.reads.share.Add(bytes - r.bytes)
	r.bytes = bytes
}

// end gives all back.
func (r *pageRead) end() {
	r.reads.share.Give(r.bytes)
	if r.large {
		r.reads.large.Unlock()
	}
	r.bytes, r.large = 0, false
}
