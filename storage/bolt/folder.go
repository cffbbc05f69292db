package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// SocketName is the file in a store's folder by which a server is asked. The
// package does not use it, but a folder that holds one had a store.
const SocketName = "halley.sock"

// A DamagedError says that a folder holds a store that cannot be opened, or
// parts of one without its file. It wraps ErrNotStore.
type DamagedError struct {
	Dir    string
	Reason string // "halley.db is empty"
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("the workspace in %s is damaged: %s; nothing was changed. "+
		"Move what the folder holds elsewhere, then restore the newest backup: halley restore FILE --data %s", e.Dir, e.Reason, e.Dir)
}

func (e *DamagedError) Unwrap() error { return ErrNotStore }

// A RestoreCutOffError says that a restore into a folder did not end.
type RestoreCutOffError struct{ Dir string }

func (e *RestoreCutOffError) Error() string {
	return fmt.Sprintf("a restore into %s was cut off; nothing was changed. Start it again: halley restore FILE --data %s", e.Dir, e.Dir)
}

// Inspect reports whether dir holds a store. It is false for a folder that is
// missing, or that holds nothing of a store: only there may one be made. What
// is neither is a *DamagedError or a *RestoreCutOffError. Inspect changes
// nothing and waits for nobody; a file that is there may be damaged inside.
func Inspect(dir string) (there bool, err error) {
	path := filepath.Join(dir, FileName)
	_, linkErr := os.Lstat(path)
	info, err := os.Stat(path)
	switch {
	case err == nil && info.Mode().IsRegular() && info.Size() == 0:
		return false, &DamagedError{dir, FileName + " is empty"}
	case err == nil:
		return true, nil
	case !errors.Is(err, fs.ErrNotExist):
		return false, nil // Open says what is wrong
	case linkErr == nil:
		return false, &DamagedError{dir, FileName + " is a link to a file that is missing"}
	}
	return false, inspectRest(dir)
}

// inspectRest looks for parts of a store in a folder without its file. A file
// that was being made under another name is not one: its start is repeated.
func inspectRest(dir string) error {
	there, err := os.ReadDir(dir)
	if err != nil {
		return nil // it is missing, or Open says what is wrong
	}
	var damage error
	for _, e := range there {
		switch name := e.Name(); {
		case e.IsDir() && strings.HasPrefix(name, restoring):
			return &RestoreCutOffError{dir}
		case name == SocketName && e.Type()&fs.ModeSymlink != 0:
			// No server makes a link; one removes it when it starts.
		case name == BlobFolder || name == SocketName || name == compacting:
			damage = &DamagedError{dir, fmt.Sprintf("it holds %s, and %s is missing", name, FileName)}
		}
	}
	return damage
}

// damaged is err, found while the store in dir was opened, as a *DamagedError
// where it says that the file is no store.
func damaged(dir string, err error) error {
	var already *DamagedError
	if errors.Is(err, ErrNotStore) && !errors.As(err, &already) {
		return &DamagedError{dir, err.Error()}
	}
	return err
}
