//go:build linux || darwin || freebsd

package bolt

import (
	"io/fs"
	"os"
	"syscall"
)

// freeSpace is how many bytes the file system of dir has left for us; false
// where it cannot be told.
func freeSpace(dir string) (int64, bool) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, false
	}
	return int64(st.Bavail) * int64(st.Bsize), true
}

// giveTo makes a file belong to whom another one belongs to, with its mode.
func giveTo(path string, like fs.FileInfo) error {
	if st, ok := like.Sys().(*syscall.Stat_t); ok {
		if err := os.Chown(path, int(st.Uid), int(st.Gid)); err != nil {
			return err
		}
	}
	return os.Chmod(path, like.Mode().Perm())
}
