//go:build !unix || solaris || aix

package main

import "os"

// lockPartial does nothing: this system has no such locks.
func lockPartial(*os.File) (free, known bool) { return false, false }
