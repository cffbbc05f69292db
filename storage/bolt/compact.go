package bolt

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"halley/storage/durable"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"go.etcd.io/bbolt"
)

// bbolt uses the pages again that deletion frees, and never gives them back.
// Compacting does: it writes all rows into another file, in order and close
// together, which takes the store's place once it is known to hold the same
// and is on the disk. Both files are locked until then, so nobody writes to
// one that is about to go; a crash leaves the one or the other, whole.

// compacting is what the other file is called until then.
const compacting = FileName + ".compacting"

// compactBytes is how much one transaction copies, about.
const compactBytes = 16 << 20

// Which files Open compacts, where Config.Compact says so: those of some size
// of which more than half is free, and of which so little is used that nobody
// waits for long.
const (
	compactFrom = 32 << 20
	compactMost = 1 << 30
)

var (
	// ErrNoRoom: there is no room for a second file beside the store's.
	ErrNoRoom = errors.New("there is not enough room")
	// errNotWorth: little would be gained, or it would take long.
	errNotWorth = errors.New("compacting is not worth it")
)

// A Compacted says how large a store's file was, and how large it is now, in bytes.
type Compacted struct{ Before, After int64 }

// Compact writes the file of the store in dir anew, without the room that
// deletion has left in it. Nobody may have the store open: ErrInUse. It calls
// progress with how much it has done, of how much. Unless it succeeds, the
// store is what it was. ErrNotStore, a *NewerError, ErrNoRoom.
func Compact(ctx context.Context, dir string, progress func(done, total int64)) (Compacted, error) {
	if _, err := Inspect(dir); err != nil {
		return Compacted{}, err
	}
	path, err := realPath(dir)
	if err != nil {
		return Compacted{}, fmt.Errorf("compact the store: %w", err)
	}
	c := compaction{ctx: ctx, path: path, progress: progress}
	done, err := c.run(Config{}.withDefaults(), func(space) bool { return true })
	return done, damaged(dir, err)
}

// compactIfItPays compacts a store that is about to be opened, and tells the
// log. Where it fails for whatever reason, the store is as good as before.
func compactIfItPays(dir string, cfg Config) {
	path, err := realPath(dir)
	if err != nil {
		return // opening it tells why
	}
	c := compaction{ctx: context.Background(), path: path, progress: func(int64, int64) {}}
	if info, err := os.Stat(c.path); err != nil || info.Size() < cfg.compactFrom || runtime.GOOS == "windows" {
		return
	}
	began := cfg.now()
	done, err := c.run(cfg, func(s space) bool {
		pays := s.used < s.file/2 && s.used <= compactMost
		if pays {
			cfg.Logger.Info("compacting the store", "path", c.path, "bytes", s.file, "used", s.used)
		} else if s.used < s.file/2 {
			cfg.Logger.Info("`halley compact`, while no server runs, would free space", "path", c.path, "bytes", s.file-s.used)
		}
		return pays
	})
	switch {
	case err == nil:
		cfg.Logger.Info("compacted the store", "path", c.path,
			"before", done.Before, "after", done.After, "took", cfg.now().Sub(began).Round(time.Millisecond))
	case !errors.Is(err, errNotWorth) && !errors.Is(err, ErrInUse):
		cfg.Logger.Warn("the store is not compacted, and used as it is", "path", c.path, "error", err)
	}
}

// space is how large a store's file is, and how much of it is in use.
type space struct{ file, used int64 }

// spaceOf measures a file that openCounted has opened.
func spaceOf(db *bbolt.DB, path string) (s space, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return s, err
	}
	free := db.Stats()
	err = db.View(func(tx *bbolt.Tx) error {
		s = space{file: info.Size(), used: tx.Size() - int64(free.FreePageN+free.PendingPageN)*int64(db.Info().PageSize)}
		return nil
	})
	return s, err
}

// realPath is the path of the store's file in dir, or of the file that it is a
// link to: the other file lies beside that one, on the same file system, and
// takes its place, so that the link stays.
func realPath(dir string) (string, error) {
	return filepath.EvalSymlinks(filepath.Join(dir, FileName))
}

// A compaction is one file on its way into another.
type compaction struct {
	ctx      context.Context
	path     string
	progress func(done, total int64)

	from, to    *bbolt.DB
	done, total int64
}

func (c *compaction) run(cfg Config, wanted func(space) bool) (Compacted, error) {
	if runtime.GOOS == "windows" {
		return Compacted{}, errors.New("a store cannot be compacted on Windows, where no open file is replaced; back it up and restore it")
	}
	was, err := os.Stat(c.path)
	if err != nil {
		return Compacted{}, fmt.Errorf("compact the store: %w", err)
	}
	if c.from, err = openCounted(c.path, cfg.LockWait); err != nil {
		return Compacted{}, err
	}
	defer c.from.Close()
	if _, _, err := admit(c.from, c.path); err != nil {
		return Compacted{}, err
	}
	if err := c.prepare(wanted); err != nil {
		return Compacted{}, err
	}
	after, err := c.replace(was)
	if err != nil {
		return Compacted{}, fmt.Errorf("compact the store %s: %w", c.path, err)
	}
	c.progress(c.total, c.total)
	return Compacted{Before: was.Size(), After: after}, nil
}

// prepare sees to it that it is worth it and that there is room.
func (c *compaction) prepare(wanted func(space) bool) error {
	if err := removeCompacting(c.path); err != nil {
		return err
	}
	s, err := spaceOf(c.from, c.path)
	if err != nil {
		return fmt.Errorf("compact the store %s: %w", c.path, err)
	}
	if !wanted(s) {
		return errNotWorth
	}
	dir := filepath.Dir(c.path)
	if left, known := freeSpace(dir); known && left < s.used {
		return fmt.Errorf("compacting writes a second file beside the first: %w in %s, where %d MiB are left and up to %d are needed",
			ErrNoRoom, dir, left>>20, s.used>>20+1)
	}
	c.total = 2 * s.used // it is written, then compared
	return nil
}

// removeCompacting removes what a compaction that was broken off has left. The
// caller has the store's lock.
func removeCompacting(path string) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fmt.Errorf("remove what an earlier compaction has left: %w", err)
	}
	left := filepath.Join(filepath.Dir(path), compacting)
	if err := os.Remove(left); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove what an earlier compaction has left: %w", err)
	}
	return nil
}

// replace makes the other file and puts it in place.
func (c *compaction) replace(was fs.FileInfo) (size int64, err error) {
	other := filepath.Join(filepath.Dir(c.path), compacting)
	if c.to, err = createFile(other, defaultLockWait); err != nil {
		return 0, err
	}
	defer c.to.Close()
	if size, err = c.fill(other, was); err == nil {
		err = os.Rename(other, c.path)
	}
	if err != nil {
		return 0, errors.Join(err, removeCompacting(c.path))
	}
	return size, durable.SyncFolder(filepath.Dir(c.path))
}

// fill copies all rows, compares them, and gets the file onto the disk. It
// returns how many bytes it has.
func (c *compaction) fill(other string, was fs.FileInfo) (size int64, err error) {
	c.to.NoSync, c.to.NoGrowSync = true, true // it counts only when it is whole
	guardErr := guard(func() {
		if err = c.eachBucket(c.copyBucket); err == nil {
			c.done = c.total / 2
			err = c.eachBucket(c.compare)
		}
	})
	if guardErr != nil || err != nil {
		return 0, errors.Join(guardErr, err)
	}
	err = c.to.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketMeta).Put(keyCopied, []byte(rand.Text())) })
	if err != nil {
		return 0, err
	}
	file, err := os.OpenFile(other, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	if size, err = c.check(file); err == nil {
		err = errors.Join(file.Truncate(size), giveTo(other, was), file.Sync())
	}
	return size, errors.Join(err, file.Close())
}

func (c *compaction) eachBucket(fn func(name []byte, rows *bbolt.Bucket) error) error {
	return c.from.View(func(tx *bbolt.Tx) error { return tx.ForEach(fn) })
}

// copyBucket copies a bucket, in as many transactions as it takes.
func (c *compaction) copyBucket(name []byte, rows *bbolt.Bucket) error {
	from := rows.Cursor()
	k, v := from.First()
	for more := true; more; more = k != nil {
		err := c.to.Update(func(tx *bbolt.Tx) error {
			to, err := tx.CreateBucketIfNotExists(name)
			if err != nil {
				return err
			}
			to.FillPercent = 1
			for size := 0; k != nil && size < compactBytes; k, v = from.Next() {
				if err := to.Put(k, v); err != nil {
					return err
				}
				size += len(k) + len(v)
				if err := c.step(k, v); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// step counts a row as done.
func (c *compaction) step(k, v []byte) error {
	c.done = min(c.done+int64(elemBytes+len(k)+len(v)), c.total)
	c.progress(c.done, c.total)
	return c.ctx.Err()
}

var errNotTheSame = errors.New("the copy does not hold what the store does")

// compare sees to it that the other file has the same rows in a bucket, and no
// others.
func (c *compaction) compare(name []byte, rows *bbolt.Bucket) error {
	return c.to.View(func(tx *bbolt.Tx) error {
		a, b := rows.Cursor(), tx.Bucket(name).Cursor()
		ka, va := a.First()
		kb, vb := b.First()
		for ka != nil || kb != nil {
			if !bytes.Equal(ka, kb) || !bytes.Equal(va, vb) {
				return fmt.Errorf("%w: %q is %q under %q", errNotTheSame, ka, kb, name)
			}
			if err := c.step(ka, va); err != nil {
				return err
			}
			ka, va = a.Next()
			kb, vb = b.Next()
		}
		return nil
	})
}

// check looks through the other file's structure. It returns how many bytes of
// it are in use.
func (c *compaction) check(file *os.File) (size int64, err error) {
	var damage error
	err = c.to.View(func(tx *bbolt.Tx) error {
		size = tx.Size()
		return checkStructure(c.ctx, file, tx, func(bad error) { damage = errors.Join(damage, bad) })
	})
	return size, errors.Join(err, damage)
}
