package bolt

import (
	"time"

	"halley/storage"
)

// Where many pages write at the same time, each by itself, a sync for every
// edit would cost several times the processor that the edits do. So an edit
// then waits a moment for company. Where few pages write, however fast, it
// never does: nothing would come.
const (
	companyTime   = 1500 * time.Microsecond // that it waits at most
	companyWindow = 4 * time.Millisecond    // in which pages count as writing at the same time
	companyLeast  = 4                       // pages, for it to be worth waiting
	companyMost   = 8                       // writes that are company enough
)

// A company remembers which pages wrote last. It is the committer's alone.
type company struct {
	last [companyMost]struct {
		page storage.PageID
		at   time.Time
	}
	next int
}

// note takes down who writes in a batch.
func (c *company) note(batch []*write, now time.Time) {
	for _, w := range batch {
		for _, t := range w.touches {
			if t.page != "" {
				c.noteOne(t.page, now)
			}
		}
	}
}

// noteOne takes down a page, which stands once.
func (c *company) noteOne(page storage.PageID, now time.Time) {
	for i := range c.last {
		if c.last[i].page == page {
			c.last[i].at = now
			return
		}
	}
	c.last[c.next].page, c.last[c.next].at = page, now
	c.next = (c.next + 1) % len(c.last)
}

// expected is how many writes are to be waited for; 0: none.
func (c *company) expected(now time.Time) int {
	pages := 0
	for i := range c.last {
		if c.last[i].page != "" && now.Sub(c.last[i].at) <= companyWindow {
			pages++
		}
	}
	if pages < companyLeast {
		return 0
	}
	return pages
}

// await waits until so many writes are queued, a moment at most.
func (q *queue) await(writes int) {
	if q.len() >= writes {
		return
	}
	over := time.NewTimer(companyTime)
	defer over.Stop()
	for q.len() < writes {
		select {
		case <-q.wake:
		case <-over.C:
			return
		}
	}
}
