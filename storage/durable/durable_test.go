package durable

import (
	"errors"
	"io/fs"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestSyncFolder(t *testing.T) {
	dir := t.TempDir()
	if err := SyncFolder(dir); err != nil {
		t.Errorf("SyncFolder() = %v", err)
	}
	if runtime.GOOS == "windows" {
		return
	}
	missing := filepath.Join(dir, "missing")
	if err := SyncFolder(missing); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), missing) {
		t.Errorf("SyncFolder() of a folder that is missing = %v", err)
	}
}
