package bolt

import (
	"errors"
	"fmt"
	"halley/storage/durable"
	"io/fs"
	"math/bits"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
)

const (
	// FileName is the store's file in its folder.
	FileName = "halley.db"
	// Format is the newest version of the file's format that this package
	// knows, and the one that it writes.
	Format = 3

	magic = "halley store"
)

var (
	keyMagic   = []byte("magic")
	keyFormat  = []byte("format")
	keyEpoch   = []byte("epoch")
	keyCreated = []byte("created")
	keyCopied  = []byte("copied") // random, new with each compaction; before the first there is none
)

var (
	// ErrInUse: another process has the folder open.
	ErrInUse = errors.New("the folder is in use by another process")
	// ErrNotStore: the file is no Halley store, or is damaged beyond opening.
	ErrNotStore = errors.New("not a Halley store, or one that is damaged")
)

// A NewerError says that a store was written by a newer version.
type NewerError struct {
	Path   string
	Format int
}

func (e *NewerError) Error() string {
	return fmt.Sprintf("%s was written by a newer Halley (format %d; this one knows up to %d)", e.Path, e.Format, Format)
}

// makeFolder makes dir where it is missing, and sees to it that its name is on
// the disk too.
func makeFolder(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err == nil && !info.IsDir():
		return fmt.Errorf("the data folder %s is a file, not a folder", dir)
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the data folder %s cannot be reached: %w", dir, err)
	}
	parent := filepath.Dir(filepath.Clean(dir))
	if parent != dir {
		if err := makeFolder(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("the data folder %s cannot be made: %w", dir, err)
	}
	return durable.SyncFolder(parent)
}

// openFile opens the bbolt file at path, which must be there. An empty one is
// refused: bbolt would take it for a new one.
func openFile(path string, lockWait time.Duration) (*bbolt.DB, error) {
	db, _, err := openWith(path, lockWait, openWhole)
	return db, err
}

// openCounted is openFile, but Stats of the file counts its free pages.
func openCounted(path string, lockWait time.Duration) (*bbolt.DB, error) {
	db, _, err := openWith(path, lockWait, openWhole, func(o *bbolt.Options) { o.NoStatistics = false })
	return db, err
}

// createFile opens the bbolt file at path, made if it is missing or empty.
func createFile(path string, lockWait time.Duration) (*bbolt.DB, error) {
	db, _, err := openWith(path, lockWait, os.OpenFile)
	return db, err
}

// An opener opens the file that bbolt maps, locks and writes.
type opener func(path string, flag int, mode os.FileMode) (*os.File, error)

var errShort = errors.New("the file is empty, or cut off near its beginning")

// leastBytes is the least that a file with two metas has.
const leastBytes = 2 * 4096

// openWhole opens a file that is there and not empty.
func openWhole(path string, flag int, mode os.FileMode) (*os.File, error) {
	f, err := os.OpenFile(path, flag&^os.O_CREATE, mode)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Mode().IsRegular() && info.Size() < leastBytes {
		err = errShort
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// openWith opens the bbolt file at path as open says. file is what bbolt has
// open then; it is closed with db.
func openWith(path string, lockWait time.Duration, open opener, set ...func(*bbolt.Options)) (db *bbolt.DB, file *os.File, err error) {
	for _, size := range mapSizes() {
		db, file, err = mapFile(path, lockWait, size, open, set)
		if !errors.Is(err, syscall.ENOMEM) {
			break
		}
	}
	if errors.Is(err, errReplaced) {
		return openWith(path, lockWait, open, set...)
	}
	if err != nil {
		return nil, nil, sayWhy(path, err)
	}
	return db, file, nil
}

// errReplaced: while the file's lock was waited for, another file has taken its
// place.
var errReplaced = errors.New("the file was replaced")

// mapSizes are the address spaces to try, largest first. A large one spares
// readers every remapping, which would wait for all of them; it costs no
// memory, but a process may be limited in it (ulimit -v). On Windows it would
// be the size of the file.
func mapSizes() []int {
	if bits.UintSize < 64 || runtime.GOOS == "windows" {
		return []int{0}
	}
	gib := 1 << 30 // a variable, since 64 of them are no constant of 32 bits
	return []int{64 * gib, 16 * gib, 4 * gib, gib, gib / 8, 0}
}

func mapFile(
	path string, lockWait time.Duration, size int, open opener, set []func(*bbolt.Options),
) (db *bbolt.DB, file *os.File, err error) {
	options := &bbolt.Options{
		OpenFile: func(name string, flag int, mode os.FileMode) (f *os.File, err error) {
			if file != nil {
				return os.OpenFile(name, flag, mode) // a backup reads the file beside others
			}
			file, err = open(name, flag, mode)
			return file, err
		},
		Timeout:         lockWait,
		FreelistType:    bbolt.FreelistMapType,
		InitialMmapSize: size,
		NoStatistics:    true,
	}
	for _, change := range set {
		change(options)
	}
	guardErr := guard(func() { db, err = bbolt.Open(path, 0o600, options) })
	if guardErr != nil {
		guardErr = errors.Join(guardErr, unlock(file), file.Close())
		return nil, nil, fmt.Errorf("%w: %w", bbolterrors.ErrInvalid, guardErr)
	}
	if err == nil && !isAt(file, path) {
		return nil, nil, errors.Join(errReplaced, db.Close())
	}
	if err == nil {
		info, statErr := file.Stat()
		if statErr != nil {
			return nil, nil, errors.Join(statErr, db.Close())
		}
		db.AllocSize = growthOf(info.Size())
	}
	return db, file, err
}

// The file grows ahead of need, since each time costs a sync of its own: it
// doubles, but by no more than mostGrowth at a time, so that a small store is a
// small file and a large one wastes little.
const (
	leastGrowth = 64 << 10
	mostGrowth  = 16 << 20
)

// growthOf returns by how many bytes a file of size grows.
func growthOf(size int64) int { return int(min(max(size, leastGrowth), mostGrowth)) }

// isAt reports whether an open file is the one at path.
func isAt(file *os.File, path string) bool {
	mine, err := file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(mine, there)
}

// confirm makes sure that the newest transaction in db's file is on the disk.
// It may only have been in memory until now: its process was killed before it
// synced, or the sync failed, after which another writes nothing. Its pages
// are there (they are synced before the meta page is written), so it is the meta
// pages that are written once more. Without this the next transaction could
// overwrite pages of the one before, which a power cut would bring back.
func confirm(db *bbolt.DB) error {
	f, err := os.OpenFile(db.Path(), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	metas := make([]byte, 2*db.Info().PageSize)
	_, err = f.ReadAt(metas, 0)
	if err == nil {
		_, err = f.WriteAt(metas, 0)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// guard runs fn and turns its panic into an error: bbolt panics, or faults in
// its mapping, on a page that is damaged or cut off, and one bad page must not
// take down the server.
func guard(fn func()) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the file is damaged: %v", p)
		}
	}()
	fn()
	return nil
}

// sayWhy turns what bbolt or the system says of a file into a sentence.
func sayWhy(path string, err error) error {
	switch {
	case errors.Is(err, bbolterrors.ErrTimeout):
		return fmt.Errorf("%s: %w", path, ErrInUse)
	case errors.Is(err, bbolterrors.ErrInvalid), errors.Is(err, bbolterrors.ErrChecksum),
		errors.Is(err, bbolterrors.ErrVersionMismatch), errors.Is(err, errShort):
		return fmt.Errorf("%s: %w (%w)", path, ErrNotStore, err)
	case errors.Is(err, syscall.EROFS) && isLocked(path):
		return fmt.Errorf("%s: %w", path, ErrInUse) // by a server that goes on reading
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("the data folder %s cannot be written: %w", filepath.Dir(path), err)
	}
	return fmt.Errorf("open the store %s: %w", path, err)
}

// identify checks that db is a whole store of a known format, and returns its
// epoch. It writes nothing.
func identify(db *bbolt.DB, path string) (epoch string, format int, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", 0, fmt.Errorf("open the store %s: %w", path, err)
	}
	err = db.View(func(tx *bbolt.Tx) error {
		if info.Size() < tx.Size() {
			return fmt.Errorf("%s: %w (it is cut off: %d bytes of %d)", path, ErrNotStore, info.Size(), tx.Size())
		}
		epoch, format, err = readMeta(tx, path)
		return err
	})
	return epoch, format, err
}

func readMeta(tx *bbolt.Tx, path string) (epoch string, format int, err error) {
	meta := tx.Bucket(bucketMeta)
	if meta == nil || string(meta.Get(keyMagic)) != magic {
		return "", 0, fmt.Errorf("%s: %w", path, ErrNotStore)
	}
	format, err = strconv.Atoi(string(meta.Get(keyFormat)))
	switch {
	case err != nil || format < 1:
		return "", 0, fmt.Errorf("%s: %w (format %q)", path, ErrNotStore, meta.Get(keyFormat))
	case format > Format:
		return "", 0, &NewerError{path, format}
	}
	for _, name := range bucketsOf(format) {
		if tx.Bucket(name) == nil {
			return "", 0, fmt.Errorf("%s: %w (nothing under %q)", path, ErrNotStore, name)
		}
	}
	return string(meta.Get(keyEpoch)), format, nil
}
