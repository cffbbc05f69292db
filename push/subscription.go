package push

import "sync/atomic"

// A subscription is one line's place on one topic.
type subscription struct {
	topic  *topic
	signal *signal // its line's
	reader string  // its line's
	key    string  // the topic in a cursor, "ID@"

	sequenced bool // false for Line.Also: takes no part in the cursor

	// The following belong to the line's goroutine.
	seq      uint64 // of the last sequenced event sent
	told     uint64 // number of the last unsequenced event sent
	informed bool   // false: the whole state is to be sent before unsequenced events
	behind   bool   // being caught up from the log
	left     bool   // the topic has ended

	// The following are guarded by topic.mu.
	index int     // in topic.subs
	end   *ending // not nil: the topic leaves the line
}

// An ending is how a topic leaves lines: what was published before still goes
// out to them, then the last event, and nothing that was published after.
type ending struct {
	seq    uint64 // the last sequenced event before
	number uint64 // the last unsequenced event before
	last   *frame
}

// A signal wakes whoever drives a line, and says what for. Raising it never blocks.
type signal struct {
	bits atomic.Uint32
	wake chan struct{} // holds one token while bits were raised and not taken
}

// What a signal is raised for.
const (
	news uint32 = 1 << iota // a topic has something new
	beat                    // a heartbeat is due
	bye                     // the hub drains
)

func newSignal() *signal { return &signal{wake: make(chan struct{}, 1)} }

func (s *signal) raise(bit uint32) {
	if s.bits.Or(bit) != 0 {
		return // raised already: the token is there, or its receiver is about to take the bits
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// take returns what was raised since the last take.
func (s *signal) take() uint32 { return s.bits.Swap(0) }
