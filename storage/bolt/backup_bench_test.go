package bolt

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"halley/storage"
)

// BenchmarkBackup lets 50 people write as fast as they are acknowledged, and
// compares how many edits a second are stored while a backup of a quarter of a
// gigabyte is written to the same disk with how many are without, in turns.
func BenchmarkBackup(b *testing.B) {
	const writers, megabytes = 50, 256
	dir := b.TempDir()
	s := openStore(b, dir, Config{})
	for head := range uint64(megabytes / 4) {
		mustAppend(b, s, "large", head, storage.Change{Author: "author", Payload: make([]byte, 4<<20)})
	}
	stored, stop := writeSteadily(b, s, writers)
	defer stop()
	var during, without rate
	for b.Loop() {
		during.add(stored, func() { backUpTo(b, s, filepath.Join(dir, "backup")) })
		without.add(stored, func() { time.Sleep(during.last) })
	}
	b.ReportMetric(during.perSecond(), "edits/s")
	b.ReportMetric(during.perSecond()/without.perSecond(), "of-without")
	b.ReportMetric(megabytes*float64(b.N)/during.took.Seconds(), "MB/s")
}

// writeSteadily lets writers write, each on a page of its own, until stop.
func writeSteadily(b *testing.B, s *Store, writers int) (stored *atomic.Int64, stop func()) {
	stored = &atomic.Int64{}
	store, ended := pageStorer(s), &atomic.Bool{}
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			page := storage.PageID(fmt.Sprintf("page-%d", w))
			for n := uint64(1); !ended.Load(); n++ {
				if err := store(page, "client", n); err != nil {
					b.Error(err)
					return
				}
				stored.Add(1)
			}
		})
	}
	return stored, func() {
		ended.Store(true)
		all.Wait()
	}
}

// backUpTo writes a backup to a file, and that to the disk.
func backUpTo(b *testing.B, s *Store, path string) {
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if err := s.Backup(b.Context(), func(int64) io.Writer { return &syncing{file: f} }); err != nil {
		b.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
}

// syncing gets a file onto the disk bit by bit, as the command's does.
type syncing struct {
	file   *os.File
	behind int
}

func (s *syncing) Write(b []byte) (int, error) {
	n, err := s.file.Write(b)
	if s.behind += n; s.behind < 8<<20 || err != nil {
		return n, err
	}
	s.behind = 0
	return n, s.file.Sync()
}

// A rate is how much was done in some stretches of time.
type rate struct {
	count      int64
	took, last time.Duration
}

func (r *rate) add(counter *atomic.Int64, stretch func()) {
	before, began := counter.Load(), time.Now()
	stretch()
	r.last = time.Since(began)
	r.took += r.last
	r.count += counter.Load() - before
}

func (r *rate) perSecond() float64 { return float64(r.count) / r.took.Seconds() }
