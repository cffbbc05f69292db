// Package durable makes names of files durable.
//
// A file that was synced may still lose its name in a power cut: the name is in
// its folder, which has to be synced too, after the file was made or renamed.
package durable

import (
	"fmt"
	"os"
	"runtime"
)

// SyncFolder makes the names in the folder dir durable. It does nothing on
// Windows, which has no such call.
func SyncFolder(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync the folder %s: %w", dir, err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync the folder %s: %w", dir, err)
	}
	return nil
}
