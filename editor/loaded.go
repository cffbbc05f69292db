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

// smallPage is the memory, in bytes, up to which a page counts as small.
const smallPage = 64 << 10

// smallReserve: small pages keep one part in so many of what all pages may
// hold, however little memory is left. Others' large requests then do not unload
// a page between two keystrokes.
const smallReserve = 16

// cache counts what the loaded pages hold, and unloads those that nobody has
// asked for longest. Large pages go first as long as the small ones hold less
// than half of what all may: hundreds of small pages that people write on make
// no more room than one large page that somebody only read, and each of them
// would have to be read again. Its methods do not lock: the caller holds
// Pages.mu.
type cache struct {
	share      *budget.Share
	maxContent int64

	small, large list.List // of *page, the one asked for last at the front
	newest       *page     // the page asked for last
	smallBytes   int64     // that small pages hold
	content      int64     // bytes of all pages' contents
	leaving      resident  // of pages that were told to end, and have not yet
}

// resident is what a page in memory counts for.
type resident struct {
	content int64 // as MaxPageBytes counts
	bytes   int64 // in memory, by estimate
}

// add takes in a page that was loaded.
func (c *cache) add(p *page) {
	p.counted = p.size
	c.enter(p)
	c.count(p.counted)
}

// enter puts a page at the front of the list of its size.
func (c *cache) enter(p *page) {
	p.small, c.newest = p.counted.bytes <= smallPage, p
	if p.small {
		c.smallBytes += p.counted.bytes
	}
	p.place = c.list(p).PushFront(p)
}

// drop takes a page out of its list.
func (c *cache) drop(p *page) {
	if p.small {
		c.smallBytes -= p.counted.bytes
	}
	c.list(p).Remove(p.place)
	if p.place = nil; c.newest == p {
		c.newest = nil
	}
}

func (c *cache) list(p *page) *list.List {
	if p.small {
		return &c.small
	}
	return &c.large
}

func (c *cache) count(r resident) {
	c.content += r.content
	c.share.Add(r.bytes)
}

// touch notes that a page was asked for.
func (c *cache) touch(p *page) {
	if p.place != nil {
		c.list(p).MoveToFront(p.place)
		c.newest = p
	}
}

// resize notes that a page has grown or shrunk.
func (c *cache) resize(p *page, now resident) {
	c.count(resident{now.content - p.counted.content, now.bytes - p.counted.bytes})
	if p.place == nil { // it is leaving, and still counted until it has ended
		c.leaving.content += now.content - p.counted.content
		c.leaving.bytes += now.bytes - p.counted.bytes
		p.counted = now
		return
	}
	c.drop(p)
	p.counted = now
	c.enter(p)
}

// leave notes that a page was told to end. Its memory counts until it has.
func (c *cache) leave(p *page) {
	if p.place == nil {
		return
	}
	c.drop(p)
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

// oldest is the page to unload next; nil where none should be. The one asked
// for last never is: it may be larger than all that is allowed, and has its
// callers waiting. Nor are the small ones within their reserve.
func (c *cache) oldest() *page {
	limit := c.share.Limit()
	if limit == 0 {
		limit = c.maxContent
	}
	first, then := &c.large, &c.small
	switch {
	case c.smallBytes > limit/2:
		first, then = then, first
	case c.smallBytes <= limit/smallReserve:
		then = first
	}
	for _, pages := range []*list.List{first, then} {
		if e := pages.Back(); e != nil && e.Value.(*page) != c.newest {
			return e.Value.(*page)
		}
	}
	return nil
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
