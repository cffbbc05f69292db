//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package bolt

import "os"

// unlock does nothing: the lock goes when the process ends.
func unlock(*os.File) error { return nil }

func lock(*os.File) error { return nil }

// share fails: here a second descriptor has no part in the lock.
func share(*os.File) (*os.File, error) { return nil, errNotShared }

func isLocked(string) bool { return false }
