//go:build linux || darwin

package main

import (
	"path/filepath"
	"syscall"
)

// diskBytes is the size of the disk that a folder is on or, where it does not
// exist yet, the nearest one above it; 0: not known.
func diskBytes(folder string) int64 {
	var disk syscall.Statfs_t
	path, err := filepath.Abs(folder)
	for err == nil {
		if err = syscall.Statfs(path, &disk); err == nil {
			return int64(disk.Blocks) * int64(disk.Bsize)
		}
		if above := filepath.Dir(path); above != path {
			path, err = above, nil
		}
	}
	return 0
}
