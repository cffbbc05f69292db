package exchange

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"

	"halley/editor/budget"
	"halley/editor/convert"
)

// ErrTooMany is returned if too many conversions wait for a place already.
var ErrTooMany = errors.New("too many imports and exports are waiting already; try again in a few seconds")

const (
	// smallConversion is the most input, in bytes, of what has places of its own.
	smallConversion = 128 << 10
	// maxWaiting is how many conversions of each kind may wait for a place.
	maxWaiting = 64
	// memoryPerByte is what a conversion takes of the budget at its beginning,
	// for each byte of input. It takes more as it grows.
	memoryPerByte = 3
	leastMemory   = 256 << 10
	// mostPerByte bounds what it may grow to, with or without a budget.
	mostPerByte = 64
	mostMemory  = 128 << 20
	// What a page may hold: more is not even read.
	maxLines = 500_000
	maxSize  = 10_000_000
)

// conversions shares out processors and memory among imports, exports and
// merges: large ones may take a processor for seconds. Half of the processors
// are theirs; small ones have places of their own and never wait for a large
// one. All give way to other goroutines every few milliseconds.
type conversions struct {
	small, large places
	memory       *budget.Share
}

func newConversions(memory *budget.Share) *conversions {
	processors := runtime.GOMAXPROCS(0)
	return &conversions{small: newPlaces(max(2, processors)), large: newPlaces(max(1, processors/2)), memory: memory}
}

// run calls convert once there is a place for it, with the limits that it must
// keep to. size is that of the input, in bytes. The error is convert's, ctx's,
// a *budget.BusyError or *budget.NeverError, or ErrTooMany.
func (q *conversions) run(ctx context.Context, size int, convert func(convert.Limits) error) error {
	among := &q.large
	if size <= smallConversion {
		among = &q.small
	}
	if err := among.enter(ctx); err != nil {
		return err
	}
	defer among.leave()
	memory := q.memory.Hold()
	defer memory.Release()
	if err := memory.Grow(max(leastMemory, memoryPerByte*int64(size))); err != nil {
		return err
	}
	return convert(limitsFor(size, memory))
}

func limitsFor(size int, memory *budget.Hold) convert.Limits {
	reserve := func(bytes int64) error {
		err := memory.Grow(bytes)
		if never := (*budget.NeverError)(nil); errors.As(err, &never) {
			return &convert.LimitError{What: convert.Memory, Limit: never.Limit}
		}
		return err
	}
	return convert.Limits{Bytes: mostMemory + mostPerByte*int64(size), Lines: maxLines, Size: maxSize, Reserve: reserve}
}

// places are those that may run at once, and a queue before them.
type places struct {
	free    chan struct{} // holds a token for each conversion that runs
	waiting *atomic.Int32
}

func newPlaces(n int) places { return places{make(chan struct{}, n), new(atomic.Int32)} }

// enter waits for a place; the caller leaves it.
func (p *places) enter(ctx context.Context) error {
	if p.waiting.Add(1) > maxWaiting {
		p.waiting.Add(-1)
		return ErrTooMany
	}
	defer p.waiting.Add(-1)
	select {
	case p.free <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (p *places) leave() { <-p.free }
