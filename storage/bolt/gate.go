package bolt

import "sync"

// A gate keeps readers from transactions that are in the file but not yet
// synced: bbolt's mapping shows one from the moment its meta page is written,
// and a power cut may still take it back until that page is synced.
type gate struct {
	mu      sync.Mutex
	durable int           // guarded by mu: the newest transaction that may be read
	moved   chan struct{} // guarded by mu: closed when durable is set
}

func newGate(durable int) *gate {
	return &gate{durable: durable, moved: make(chan struct{})}
}

// admit reports whether transaction tx may be read; where it may not, wait is
// closed as soon as it is worth asking again.
func (g *gate) admit(tx int) (ok bool, wait <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return tx <= g.durable, g.moved
}

// newest is the newest transaction that may be read.
func (g *gate) newest() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.durable
}

// set says that transactions up to tx may be read, and wakes who waits.
func (g *gate) set(tx int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.durable = tx
	close(g.moved)
	g.moved = make(chan struct{})
}
