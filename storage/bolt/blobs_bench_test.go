package bolt

import (
	"bytes"
	"fmt"
	"halley/storage/durable"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// BenchmarkUpload compares uploads with the least that a durable file costs:
// written under another name, synced, renamed, and its folder synced; no hash,
// no row, no group.
func BenchmarkUpload(b *testing.B) {
	for _, size := range []int{100 << 10, 5 << 20} {
		for _, writers := range []int{1, 8} {
			for _, v := range []struct {
				name string
				make func(*testing.B) func(data []byte) error
			}{{"store", benchUploads}, {"bare-file", benchBareFiles}} {
				b.Run(fmt.Sprintf("%dKB/%d-writers/%s", size>>10, writers, v.name), func(b *testing.B) {
					runUploads(b, v.make(b), size, writers)
				})
			}
		}
	}
}

func benchUploads(b *testing.B) func([]byte) error {
	s := openStore(b, b.TempDir(), Config{})
	return func(data []byte) error {
		_, err := s.PutBlob(b.Context(), "page", stays(), bytes.NewReader(data))
		return err
	}
}

func benchBareFiles(b *testing.B) func([]byte) error {
	dir := b.TempDir()
	var count atomic.Int64
	return func(data []byte) error {
		file, err := os.CreateTemp(dir, "")
		if err != nil {
			return err
		}
		if _, err := file.Write(data); err != nil {
			return err
		}
		if err := file.Sync(); err != nil {
			return err
		}
		if err := file.Close(); err != nil {
			return err
		}
		if err := os.Rename(file.Name(), filepath.Join(dir, fmt.Sprint(count.Add(1)))); err != nil {
			return err
		}
		return durable.SyncFolder(dir)
	}
}

// runUploads uploads b.N files of size bytes, no two the same.
func runUploads(b *testing.B, upload func([]byte) error, size, writers int) {
	b.SetBytes(int64(size))
	var all sync.WaitGroup
	b.ResetTimer()
	for w := range writers {
		all.Go(func() {
			data := someBytes(uint64(w), size)
			for i := w; i < b.N; i += writers {
				copy(data, fmt.Sprint(i, " "))
				if err := upload(data); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}
