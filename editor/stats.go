package editor

// Stats says what Pages has done since it was opened, and what it holds now.
type Stats struct {
	Committed uint64 // edits that became a change
	Resent    uint64 // edits that were committed before
	Empty     uint64 // edits with nothing to do

	Pages       int // all that there are, those in the trash too
	Loaded      int // in memory
	LoadedBytes int // their content
	Queued      int // edits that wait for their page
	Present     int // clients that are on some page
}

// Stats reads the counters and walks the loaded pages: cheap enough for every
// few seconds.
func (ps *Pages) Stats() Stats {
	s := Stats{
		Committed: ps.edits[committed].Load(),
		Resent:    ps.edits[resent].Load() + ps.edits[resentOlder].Load(),
		Empty:     ps.edits[empty].Load(),
		Pages:     ps.catalog.len(),
		Present:   ps.presence.len(),
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	s.LoadedBytes = int(ps.cache.content)
	for _, e := range ps.loaded {
		if p := e.page; p != nil {
			s.Loaded++
			s.Queued += len(p.mailbox)
		}
	}
	return s
}

func (c *catalog) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.pages)
}

func (pr *presence) len() int {
	pr.mu.Lock()
	defer pr.mu.Unlock()
	n := 0
	for _, r := range pr.pages {
		n += len(r.clients)
	}
	return n
}
