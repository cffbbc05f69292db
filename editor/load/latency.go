package load

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

// A histogram counts durations in steps of at most 1/32 of their length, from
// a microsecond to hours. It may be added to from everywhere.
type histogram struct {
	counts [steps * 40]atomic.Uint64
}

const (
	stepBits = 5
	steps    = 1 << stepBits
)

func (h *histogram) add(d time.Duration) {
	h.counts[min(stepOf(uint64(max(d.Microseconds(), 0))), len(h.counts)-1)].Add(1)
}

// stepOf numbers the steps: one for each whole number below 2*steps, then
// steps of them for each power of two.
func stepOf(us uint64) int {
	shift := max(bits.Len64(us)-stepBits-1, 0)
	return shift*steps + int(us>>shift)
}

// topOf is the highest number of microseconds in a step.
func topOf(step int) uint64 {
	shift := max(step/steps-1, 0)
	return uint64(step-shift*steps+1)<<shift - 1
}

// counted is a histogram at one time.
type counted struct {
	counts []uint64
	total  uint64
}

// read adds up what several histograms have counted.
func read(from [shards]*histogram) counted {
	c := counted{counts: make([]uint64, len(from[0].counts))}
	for _, h := range from {
		for i := range h.counts {
			n := h.counts[i].Load()
			c.counts[i] += n
			c.total += n
		}
	}
	return c
}

// since is what came after before.
func (c counted) since(before counted) counted {
	later := counted{counts: make([]uint64, len(c.counts)), total: c.total - before.total}
	for i := range c.counts {
		later.counts[i] = c.counts[i] - before.counts[i]
	}
	return later
}

// A Latency is a distribution of times, in milliseconds, each about 3 % exact.
// All are zero where nothing was counted.
type Latency struct {
	P50 float64 `json:"p50_ms"`
	P99 float64 `json:"p99_ms"`
	Max float64 `json:"max_ms"`
}

func (c counted) latency() Latency { return Latency{c.at(0.5), c.at(0.99), c.at(1)} }

// at is the time that a share of all were done within.
func (c counted) at(share float64) float64 {
	rest := uint64(math.Ceil(share * float64(c.total)))
	for step, n := range c.counts {
		if n >= rest && rest > 0 {
			return float64(topOf(step)) / 1000
		}
		rest -= min(n, rest)
	}
	return 0
}
