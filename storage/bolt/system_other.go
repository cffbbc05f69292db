//go:build !(linux || darwin || freebsd)

package bolt

import (
	"io/fs"
	"os"
)

// freeSpace cannot be told here.
func freeSpace(string) (int64, bool) { return 0, false }

// giveTo gives a file another one's mode.
func giveTo(path string, like fs.FileInfo) error { return os.Chmod(path, like.Mode().Perm()) }
