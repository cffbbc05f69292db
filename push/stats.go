package push

import "sync/atomic"

// Stats counts what a hub has done since it was made.
type Stats struct {
	Lines     [3]int64 // open now, by Transport
	Topics    int      // kept now
	Published uint64   // events given to Publish
	Delivered uint64   // events written, of all kinds, counted for each line
	Writes    uint64   // gathered writes; Delivered/Writes is the mean gather
	CatchUps  uint64   // times that a line fell back on the log
	Resets    uint64
	Dropped   uint64 // times that a line missed unsequenced events and took a snapshot
	Dead      uint64 // lines ended because a write made no progress
}

type counters struct {
	lines                                                         [transports]atomic.Int64
	published, delivered, writes, catchUps, resets, dropped, dead atomic.Uint64
}

// sent counts a batch that has been written.
func (c *counters) sent(b *batch) {
	c.delivered.Add(uint64(b.events))
	c.writes.Add(1)
}

// Stats returns the counters. It is cheap; they are read one by one.
func (h *Hub) Stats() Stats {
	c := &h.stats
	s := Stats{
		Published: c.published.Load(),
		Delivered: c.delivered.Load(),
		Writes:    c.writes.Load(),
		CatchUps:  c.catchUps.Load(),
		Resets:    c.resets.Load(),
		Dropped:   c.dropped.Load(),
		Dead:      c.dead.Load(),
	}
	for t := range s.Lines {
		s.Lines[t] = c.lines[t].Load()
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	s.Topics = len(h.topics)
	return s
}
