package editor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"halley/storage"
	"halley/storage/bolt"
)

// BenchmarkFolding measures what folding costs a server that never has a quiet
// moment: the processor time of storing a page's history and of folding it, less that
// of storing as many changes on pages that stay too short to be folded.
func BenchmarkFolding(b *testing.B) {
	changes := traceChanges(b, "rustcode")
	for b.Loop() {
		short := storeCPU(b, changes, 2000)
		long := storeCPU(b, changes, len(changes))
		b.ReportMetric(float64(short.Nanoseconds())/float64(len(changes)), "append-cpu-ns/change")
		b.ReportMetric(float64((long-short).Nanoseconds())/float64(len(changes)), "fold-cpu-ns/change")
		b.ReportMetric(float64(long-short)/float64(short), "fold-of-append")
	}
}

// storeCPU returns the processor time that storing changes takes, with length
// of them on each page. What has grown long is folded to its end.
func storeCPU(b *testing.B, changes []storage.Change, length int) time.Duration {
	const batch = 50
	ctx, dir := context.Background(), b.TempDir()
	store, err := bolt.Open(dir, bolt.Config{Codec: BlockCodec{}})
	if err != nil {
		b.Fatal(err)
	}
	began := cpuTime(b)
	for page := 0; page*length < len(changes); page++ {
		rest := numberedAgain(changes[page*length : min((page+1)*length, len(changes))])
		for head := uint64(0); len(rest) > 0; {
			n := min(batch, len(rest))
			if err := store.Append(ctx, PageID(fmt.Sprintf("%s%d", benchPage[:8], 1000+page)), head, rest[:n]); err != nil {
				b.Fatal(err)
			}
			head, rest = head+uint64(n), rest[n:]
		}
	}
	if length == len(changes) {
		if err := store.Fold(ctx); err != nil {
			b.Fatal(err)
		}
	}
	took := cpuTime(b) - began
	if err := store.Close(); err != nil {
		b.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, bolt.FileName))
	if err != nil {
		b.Fatal(err)
	}
	if length == len(changes) {
		b.ReportMetric(float64(info.Size())/float64(len(changes)), "file-B/change")
	}
	return took
}

// numberedAgain returns changes with each client's n counted from 1.
func numberedAgain(changes []storage.Change) []storage.Change {
	changes, newest := slices.Clone(changes), map[string]uint64{}
	for i := range changes {
		newest[changes[i].Client]++
		changes[i].N = newest[changes[i].Client]
	}
	return changes
}

// cpuTime is the processor time that this process has taken.
func cpuTime(b *testing.B) time.Duration {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		b.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}
