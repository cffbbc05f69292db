//go:build !linux && !darwin

package main

// diskBytes is the size of the disk that a folder is on; 0: not known.
func diskBytes(string) int64 { return 0 }
