package bolt

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
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
	return syncFolder(parent)
}

// syncFolder makes the names in dir durable. Windows has no such call.
func syncFolder(dir string) error {
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

// makeFile makes the store at path where there is none. It makes it aside, so
// that a power cut leaves none or a whole one.
func makeFile(path string, cfg Config) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil // what else is wrong, opening it will tell
	}
	aside := path + ".new"
	db, err := openFile(aside, cfg.LockWait)
	if err != nil && !errors.Is(err, ErrInUse) && os.Remove(aside) == nil { // a power cut had left a part of it
		db, err = openFile(aside, cfg.LockWait)
	}
	if err != nil {
		return err
	}
	_, _, err = examine(db, aside, cfg)
	if err := errors.Join(err, confirm(db), db.Close()); err != nil {
		return err
	}
	return moveInto(aside, path)
}

// moveInto gives the file at aside the name path, unless another process has
// made that meanwhile.
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
	return syncFolder(filepath.Dir(path))
}

// openFile opens the bbolt file at path, made if it is missing.
func openFile(path string, lockWait time.Duration) (*bbolt.DB, error) {
	var db *bbolt.DB
	var err error
	for _, size := range mapSizes() {
		db, err = mapFile(path, lockWait, size)
		if !errors.Is(err, syscall.ENOMEM) {
			break
		}
	}
	if errors.Is(err, errReplaced) {
		return openFile(path, lockWait)
	}
	if err != nil {
		return nil, sayWhy(path, err)
	}
	return db, nil
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

func mapFile(path string, lockWait time.Duration, size int) (db *bbolt.DB, err error) {
	var file *os.File
	options := &bbolt.Options{
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			f, err := os.OpenFile(name, flag, mode)
			if file == nil {
				file = f // a backup opens it again, later and beside others
			}
			return f, err
		},
		Timeout:         lockWait,
		FreelistType:    bbolt.FreelistMapType,
		InitialMmapSize: size,
		NoStatistics:    true,
	}
	guardErr := guard(func() { db, err = bbolt.Open(path, 0o600, options) })
	if guardErr != nil {
		guardErr = errors.Join(guardErr, unlock(file), file.Close())
		return nil, fmt.Errorf("%w: %w", bbolterrors.ErrInvalid, guardErr)
	}
	if err == nil && !isAt(file, path) {
		return nil, errors.Join(errReplaced, db.Close())
	}
	return db, err
}

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
		errors.Is(err, bbolterrors.ErrVersionMismatch):
		return fmt.Errorf("%s: %w (%w)", path, ErrNotStore, err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("the data folder %s cannot be written: %w", filepath.Dir(path), err)
	}
	return fmt.Errorf("open the store %s: %w", path, err)
}

// identify checks that db is a Halley store of a known format and returns its
// epoch. A file without any bucket is a new one, and becomes a store.
func identify(db *bbolt.DB, path string, now time.Time) (epoch string, err error) {
	var fresh bool
	format := Format
	err = db.View(func(tx *bbolt.Tx) error {
		first, _ := tx.Cursor().First()
		fresh = first == nil
		if !fresh {
			epoch, format, err = readMeta(tx, path)
		}
		return err
	})
	switch {
	case err != nil:
		return "", err
	case format < Format:
		return epoch, migrate(db, path, format)
	case !fresh:
		return epoch, nil
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		epoch, err = writeMeta(tx, now)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("make the store %s: %w", path, err)
	}
	return epoch, syncFolder(filepath.Dir(path))
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

func writeMeta(tx *bbolt.Tx, now time.Time) (epoch string, err error) {
	for _, name := range bucketsOf(Format) {
		if _, err := tx.CreateBucket(name); err != nil {
			return "", err
		}
	}
	epoch = newEpoch()
	t := tablesOf(tx)
	t.put(t.meta, keyMagic, []byte(magic))
	t.put(t.meta, keyFormat, strconv.AppendInt(nil, Format, 10))
	t.put(t.meta, keyEpoch, []byte(epoch))
	t.put(t.meta, keyCreated, []byte(now.UTC().Format(time.RFC3339)))
	return epoch, t.err
}

// newEpoch is 128 random bits in base64url.
func newEpoch() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}
