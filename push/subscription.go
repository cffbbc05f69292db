package push

import "sync/atomic"

// A subscription is one line's place on one topic.
type subscription struct {
	topic *topic
	line  *line

	// The following belong to whoever drives the line.
	seq       uint64 // of the last sequenced event sent
	told      uint64 // number of the last unsequenced event sent
	sequenced bool   // false for Line.Also: takes no part in the cursor
	informed  bool   // false: the whole state is to be sent before unsequenced events
	behind    bool   // being caught up from the log
	left      bool   // the topic has ended

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

// A signal wakes whoever drives a line, and says what for.
type signal struct {
	bits atomic.Uint32
	wake chan struct{} // holds one token while bits were raised and not taken; nil on the light path
}

// What a signal is raised for.
const (
	news     uint32 = 1 << iota // a topic has something new
	beat                        // a heartbeat is due
	bye                         // the hub drains
	over                        // the line is to end with a bye: see line.end
	cut                         // the line is to end at once
	hungUp                      // light: the peer has gone
	writable                    // light: the connection takes bytes again
	lapse                       // light: it has taken none for the timeout
	back                        // light: the line is back in its shard's hands
)

// final is what ends a line, and urgent is what a catch-up is broken off for.
const (
	final  = over | cut | hungUp
	urgent = final | bye
)

// raise never blocks. It is safe from any goroutine.
func (l *line) raise(bit uint32) {
	if bit&(final|writable) != 0 {
		defer l.poke()
	}
	if l.bits.Or(bit) != 0 {
		return // raised already: the token is there, or its receiver is about to take the bits
	}
	if l.wake == nil {
		l.light.shard.add(l)
		return
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// poke wakes a goroutine that waits with the line's large event.
func (l *line) poke() {
	if poked := l.poked.Load(); poked != nil {
		(*poked)()
	}
}

// take returns what was raised since the last take.
func (s *signal) take() uint32 { return s.bits.Swap(0) }
