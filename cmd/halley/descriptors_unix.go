//go:build unix

package main

import "syscall"

// descriptors is how many files and connections this process may have open.
// Go has raised the limit as far as it is allowed to, at the start.
func descriptors() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fewDescriptors
	}
	return int(min(uint64(limit.Cur), manyDescriptors)) // FreeBSD's Cur is signed
}
