package storage

import (
	"encoding/json"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// clockTrial is how long, in time that processes have run, the wall clock
	// must have been ahead before a Clock follows it.
	clockTrial = 24 * time.Hour
	// clockSlack is how far ahead a wall clock may be for a Clock to follow it at
	// once.
	clockSlack = 5 * time.Minute
	clockStep  = time.Hour // the resolution of clockTrial
)

// A Clock is the time by which records, uploads and sessions expire. Expired data
// is deleted, so a Clock does not trust a wall clock that leaps ahead: it follows
// only after the wall clock has been ahead for a day of running time. Time in
// which the process does not run does not count. So data may expire up to a day
// of running time late after the machine was off or asleep, but never early
// because the clock was wrong for some hours. A Clock is never ahead of the wall
// clock, and follows it back at once.
//
// The offset of the wall clock is its distance ahead of the running time. A Clock
// uses the smallest offset of the last day of running time.
//
// Safe for concurrent use.
type Clock struct {
	read func() (wall time.Time, running time.Duration)

	floor atomic.Int64 // the smallest offset in lows
	until atomic.Int64 // the running time at which lows needs another

	mu   sync.Mutex // guards lows
	lows []clockLow // of the last day of running, oldest first; never empty
}

// A clockLow is the smallest offset within one step of the running time. Both
// are in nanoseconds; Step counts steps.
type clockLow struct {
	Step   int64 `json:"step"`
	Offset int64 `json:"offset"`
}

type savedClock struct {
	Running int64      `json:"running"` // nanoseconds
	Lows    []clockLow `json:"lows"`
}

// NewClock returns a Clock over a wall clock that continues from saved, which
// Saved returned in an earlier process. If saved is nil or malformed, the Clock
// trusts the wall clock as it is now.
//
// The running time is measured by the monotonic reading of wall's times, if they
// have one, as those of time.Now do.
func NewClock(wall func() time.Time, saved []byte) *Clock {
	start := wall()
	return newClock(func() (time.Time, time.Duration) {
		now := wall()
		return now, now.Sub(start)
	}, saved)
}

func newClock(read func() (time.Time, time.Duration), saved []byte) *Clock {
	var s savedClock
	if json.Unmarshal(saved, &s) != nil {
		s = savedClock{}
	}
	before := time.Duration(max(s.Running, 0))
	c := &Clock{lows: s.Lows, read: func() (time.Time, time.Duration) {
		wall, running := read()
		return wall, before + max(running, 0)
	}}
	c.note()
	return c
}

// Now returns the time.
func (c *Clock) Now() time.Time {
	wall, running := c.read()
	if offset := wall.UnixNano() - int64(running); offset < c.floor.Load() || int64(running) >= c.until.Load() {
		c.note()
	}
	if by := time.Unix(0, int64(running)+c.floor.Load()).Add(clockSlack); wall.After(by) {
		return by
	}
	return wall
}

// Saved returns what NewClock needs to go on after a restart. Store it about once
// an hour: running time since the last Saved is lost in a crash.
func (c *Clock) Saved() []byte {
	c.note()
	_, running := c.read()
	c.mu.Lock()
	defer c.mu.Unlock()
	data, err := json.Marshal(savedClock{int64(running), c.lows})
	if err != nil {
		panic(err) // numbers can always be encoded
	}
	return data
}

// note records the offset of now, and drops those older than a day.
func (c *Clock) note() {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall, running := c.read()
	low := clockLow{int64(running / clockStep), wall.UnixNano() - int64(running)}
	last := len(c.lows) - 1
	if last >= 0 && c.lows[last].Step == low.Step {
		c.lows[last].Offset = min(c.lows[last].Offset, low.Offset)
	} else {
		c.lows = append(c.lows, low)
	}
	oldest := low.Step - int64(clockTrial/clockStep)
	c.lows = slices.DeleteFunc(c.lows, func(l clockLow) bool { return l.Step < oldest || l.Step > low.Step })
	floor := int64(math.MaxInt64)
	for _, l := range c.lows {
		floor = min(floor, l.Offset)
	}
	c.floor.Store(floor)
	c.until.Store((low.Step + 1) * int64(clockStep))
}
