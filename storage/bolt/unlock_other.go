//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package bolt

import "os"

// unlock does nothing: the lock goes when the process ends.
func unlock(*os.File) error { return nil }
