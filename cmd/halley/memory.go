package main

import (
	"errors"
	"math"
	"runtime/debug"

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

// newBudget bounds what callers may hold at a time. The collector gets the
// whole limit, callers half of it: the rest is for the program itself, and for
// garbage that has not been collected yet. A GOMEMLIMIT in the environment
// stays in force.
func newBudget(limit int64) *budget.Budget {
	if debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(limit)
	}
	return budget.New(limit / 2)
}
