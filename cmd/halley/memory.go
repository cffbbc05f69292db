package main

import (
	"context"
	"errors"
	"math"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"halley/editor/budget"
)

const (
	leastMemory   = 64 << 20
	unknownMemory = 1 << 30 // of the machine, where the system does not tell
)

// memoryLimit is how many bytes the process is to stay within: asked MiB, or a
// quarter of what the machine or its control group has.
func memoryLimit(asked mebibytes) int64 {
	if asked > 0 {
		return int64(asked) << 20
	}
	machine := uint64(unknownMemory)
	if n, err := memlimit.FromSystem(); err == nil {
		machine = n
	}
	if n, err := memlimit.FromCgroup(); err == nil && n < machine {
		machine = n
	}
	return int64(max(machine/4, leastMemory))
}

// checkMemory refuses a --memory in which the program alone would not fit.
func checkMemory(asked mebibytes) error {
	if asked > 0 && int64(asked)<<20 < leastMemory {
		return errors.New("--memory: at least 64 MiB are needed")
	}
	return nil
}

// How the limit is divided, in percent: what the Go runtime may hold, of which
// callers get a half, since the rest is the program itself and garbage; and what
// of the store's mapped file may be resident. The remainder is for moments in
// which memory grows faster than the collector works.
const (
	runtimePercent  = 70
	budgetPercent   = 35
	residentPercent = 10
)

// newBudget bounds what callers may hold at a time, and has the collector keep
// to its part of limit. A GOMEMLIMIT in the environment stays in force.
func newBudget(limit int64) *budget.Budget {
	if debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(limit / 100 * runtimePercent)
	}
	return budget.New(limit / 100 * budgetPercent)
}

// correctEvery is how often the budget is corrected: memory grows by some
// megabytes in that time.
const correctEvery = 20 * time.Millisecond

// correcting starts to correct the budget, and returns what ends it.
func correcting(b *budget.Budget) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { correct(ctx, b) })
	return func() {
		cancel()
		running.Wait()
	}
}

// correct compares what the Go runtime holds with its limit, until ctx ends. The
// budget's counts are estimates, and the collector gives up on its limit rather
// than stop the program: then callers get less.
func correct(ctx context.Context, b *budget.Budget) {
	limit := debug.SetMemoryLimit(-1)
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	ticker := time.NewTicker(correctEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		metrics.Read(samples)
		held := int64(samples[0].Value.Uint64() - samples[1].Value.Uint64())
		b.SetExcess(held - limit)
	}
}
