package load

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Config says how much load, and where.
type Config struct {
	Server string // its address, "http://127.0.0.1:8080"
	Token  string // signs in; "": as guests

	Pages   int // made for the run; what follows is spread over them evenly
	Viewers int // lines that only follow
	Writers int // people who type, each with a line of their own

	For time.Duration // how long they type
	// Rate is how many edits a second each writer types. Zero: the next one as
	// soon as the last is acknowledged and has come back on the writer's line.
	Rate      float64
	Transport Transport
	Seed      uint64 // what is typed, and when, depends on it alone
	Keep      bool   // leave the pages; else they go to the trash

	// Progress, unless nil, is called once a second while people type.
	Progress func(Progress)
}

// A Transport is how lines are followed.
type Transport string

// The transports that Halley has.
const (
	SSE      Transport = "sse"
	NDJSON   Transport = "ndjson"
	LongPoll Transport = "poll"
)

// DefaultConfig is a team's afternoon, in half a minute.
func DefaultConfig() Config {
	return Config{Pages: 5, Viewers: 100, Writers: 20, For: 30 * time.Second, Rate: 2, Transport: SSE, Seed: 1}
}

// Bounds of a run. A person types at most some 15 keys a second; the rate may
// be higher, to stand for several of them.
const (
	maxLines = 1_000_000
	maxFor   = 24 * time.Hour
	maxRate  = 1000
)

func (c Config) check() error {
	switch {
	case c.Pages < 1 || c.Pages > maxLines:
		return errors.New("there must be at least one page")
	case c.Viewers < 0 || c.Writers < 0 || c.Viewers+c.Writers < 1:
		return errors.New("there must be at least one viewer or writer")
	case c.Viewers > maxLines || c.Writers > maxLines:
		return fmt.Errorf("at most %d viewers and as many writers", maxLines)
	case c.For <= 0 || c.For > maxFor:
		return fmt.Errorf("it must run for some time, at most %v", maxFor)
	case math.IsNaN(c.Rate) || c.Rate < 0 || c.Rate > maxRate:
		return fmt.Errorf("the rate must be from 0 to %d edits a second", maxRate)
	case c.Transport != SSE && c.Transport != NDJSON && c.Transport != LongPoll:
		return fmt.Errorf("there is no transport %q, only %s, %s and %s", c.Transport, SSE, NDJSON, LongPoll)
	}
	return checkFiles(c.Viewers + 2*c.Writers + spareFiles)
}

// spareFiles is room for what a run needs besides its lines.
const spareFiles = 64

// checkFiles refuses a run for which the system gives too few open files.
func checkFiles(need int) error {
	if most := maxFiles(); uint64(need) > most {
		return fmt.Errorf("this needs %d open connections, and the system allows %d files; raise that with "+
			"`ulimit -n %d` (as root, or in /etc/security/limits.conf), or start fewer viewers", need, most, need)
	}
	return nil
}
