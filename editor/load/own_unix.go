//go:build unix

package load

import (
	"syscall"
	"time"
)

// maxFiles is how many files this process may have open. Go has raised the
// limit as far as the system lets it.
func maxFiles() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 1 << 62 // then the system says so itself
	}
	return uint64(limit.Cur)
}

// ownCPU is the time that this process has had on processors; 0: not known.
func ownCPU() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
