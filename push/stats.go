package push

import (
	"math/bits"
	"sync/atomic"
)

// Stats counts what a hub has done since it was made.
type Stats struct {
	Lines     [3]int64        // open now, by Transport
	Topics    int             // kept now
	Published uint64          // events given to Publish
	Delivered uint64          // events written, of all kinds, counted for each stream
	Gathers   [Gathers]uint64 // gathered writes by their events: up to 1, 2, 4, … 1024, more
	CatchUps  uint64          // times that a stream began to be caught up from the log
	Resets    uint64
	Dropped   uint64 // times that a stream missed unsequenced events and took a snapshot
	Dead      uint64 // streams ended because a write made no progress
}

// Gathers is how many sizes of gathered writes are distinguished.
const Gathers = 12

type counters struct {
	lines                                                 [transports]atomic.Int64
	published, delivered, catchUps, resets, dropped, dead atomic.Uint64
	gathers                                               [Gathers]atomic.Uint64
}

// wrote counts one gathered write. A heartbeat alone gathers nothing.
func (c *counters) wrote(events int) {
	if events == 0 {
		return
	}
	c.delivered.Add(uint64(events))
	c.gathers[min(bits.Len(uint(events-1)), Gathers-1)].Add(1)
}

// Stats returns the counters. It is cheap; they are read one by one.
func (h *Hub) Stats() Stats {
	c := &h.stats
	s := Stats{
		Published: c.published.Load(),
		Delivered: c.delivered.Load(),
		CatchUps:  c.catchUps.Load(),
		Resets:    c.resets.Load(),
		Dropped:   c.dropped.Load(),
		Dead:      c.dead.Load(),
	}
	for t := range s.Lines {
		s.Lines[t] = c.lines[t].Load()
	}
	for i := range s.Gathers {
		s.Gathers[i] = c.gathers[i].Load()
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	s.Topics = len(h.topics)
	return s
}
