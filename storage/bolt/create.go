package bolt

import (
	"crypto/rand"
	"errors"
	"fmt"
	"halley/storage/durable"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"go.etcd.io/bbolt"
)

// makeFile makes the store at path where there is none. It makes it under
// another name, synced, and renames it: a power cut leaves none or a whole one.
func makeFile(path string, cfg Config) error {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil // what else is wrong, opening it will tell
	}
	aside := path + making
	err := makeAside(aside, cfg)
	if err != nil && !errors.Is(err, ErrInUse) && !errors.Is(err, errHoldsRows) && os.Remove(aside) == nil {
		err = makeAside(aside, cfg) // a power cut had left a part of it
	}
	if err != nil {
		return err
	}
	return moveInto(aside, path)
}

// making ends the name of a store's file until it is whole.
const making = ".new"

// errHoldsRows: a file that should be new holds what was written to a store.
var errHoldsRows = errors.New("it holds pages already; rename it to " + FileName + " if it is the workspace")

// makeAside makes a store's file and syncs it. One that an earlier process has
// made, and not renamed, is as good, as long as nothing was written to it.
func makeAside(path string, cfg Config) error {
	db, err := createFile(path, cfg.LockWait)
	if err != nil {
		return err
	}
	guardErr := guard(func() {
		err = db.Update(func(tx *bbolt.Tx) error {
			if first, _ := tx.Cursor().First(); first == nil {
				return writeMeta(tx, cfg.now())
			}
			return checkUnused(tx, path)
		})
	})
	if guardErr != nil {
		err = fmt.Errorf("%w (%w)", ErrNotStore, guardErr)
	}
	if err == nil {
		err = confirm(db)
	}
	if err = errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("make the store %s: %w", path, err)
	}
	return nil
}

// checkUnused refuses a file that is no store, or one that was written to.
func checkUnused(tx *bbolt.Tx, path string) error {
	if _, _, err := readMeta(tx, path); err != nil {
		return err
	}
	for _, name := range bucketsOf(Format) {
		if string(name) == string(bucketMeta) || tx.Bucket(name) == nil {
			continue
		}
		if k, _ := tx.Bucket(name).Cursor().First(); k != nil {
			return errHoldsRows
		}
	}
	return nil
}

// moveInto gives the file at aside the name path, unless another process has
// made a file of that name since.
func moveInto(aside, path string) error {
	err := os.Link(aside, path)
	switch {
	case err == nil || errors.Is(err, fs.ErrExist):
		err = os.Remove(aside)
	default: // a file system without links
		err = os.Rename(aside, path)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("make the store %s: %w", path, err)
	}
	return durable.SyncFolder(filepath.Dir(path))
}

func writeMeta(tx *bbolt.Tx, now time.Time) error {
	for _, name := range bucketsOf(Format) {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	t := tablesOf(tx)
	t.put(t.meta, keyMagic, []byte(magic))
	t.put(t.meta, keyFormat, strconv.AppendInt(nil, Format, 10))
	t.put(t.meta, keyEpoch, []byte(rand.Text()))
	t.put(t.meta, keyCreated, []byte(now.UTC().Format(time.RFC3339)))
	return t.err
}

// removeMade removes the other name that a process which was killed while it
// made the store at path has left it. The caller has the store's lock.
func removeMade(path string) error {
	if err := os.Remove(path + making); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove what making the store has left: %w", err)
	}
	return nil
}
