package push

// Memory is what a hub draws on: an estimate of the bytes that it holds on its
// readers' behalf. It may be shared with others. Safe for concurrent use.
type Memory interface {
	// Take takes n bytes, or nothing and returns an error where they do not fit.
	Take(n int64) error
	// Add counts n bytes that are held anyway; fewer where n is negative.
	Add(n int64)
	// Used and Limit are in bytes. Limit 0: there is none.
	Used() int64
	Limit() int64
	// Over is by how much more than allowed is used.
	Over() int64
	// Shrinks registers what frees memory where others lack it.
	Shrinks(func(bytes int64))
}

// pressedBytes is how much a stream gathers for one write while memory is short.
const pressedBytes = 4 << 10

// unbounded is memory without a limit.
type unbounded struct{}

func (unbounded) Take(int64) error    { return nil }
func (unbounded) Add(int64)           {}
func (unbounded) Used() int64         { return 0 }
func (unbounded) Limit() int64        { return 0 }
func (unbounded) Over() int64         { return 0 }
func (unbounded) Shrinks(func(int64)) {}

// feelPressure notes whether most of the memory for streams is in use. Then they
// gather less at a time.
func (h *Hub) feelPressure() {
	m := h.cfg.Streams
	h.pressed.Store(m.Limit() > 0 && m.Used() > m.Limit()/4*3)
}

// shrinkRings empties rings until that many bytes are free. Their readers are
// caught up from the log.
func (h *Hub) shrinkRings(bytes int64) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, t := range h.topics {
		if bytes <= 0 {
			return
		}
		bytes -= t.emptyRing()
	}
}
