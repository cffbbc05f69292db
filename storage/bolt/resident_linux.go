package bolt

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

const residentEvery = 100 * time.Millisecond

// boundResident keeps the pages of mapped files that count as this process's
// memory below most bytes, until ctx ends: reads bring them in, and nothing
// else lets them go before the whole machine is short of memory. A page that is
// let go stays in the system's cache, so the next read of it costs little.
func (s *Store) boundResident(ctx context.Context, most int64) {
	ticker := time.NewTicker(residentEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		n, err := residentFileBytes()
		if err == nil && n > most {
			err = s.releaseResident()
		}
		if err != nil {
			s.cfg.Logger.Warn("the memory of mapped pages is not bounded", "error", err)
			return
		}
	}
}

// residentFileBytes is how much of this process's resident memory is mapped
// from files.
func residentFileBytes() (int64, error) {
	statm, err := os.ReadFile("/proc/self/statm") // proc(5): size resident shared …, in pages
	if err != nil {
		return 0, err
	}
	fields := bytes.Fields(statm)
	if len(fields) < 3 {
		return 0, fmt.Errorf("/proc/self/statm: %q", statm)
	}
	pages, err := strconv.ParseInt(string(fields[2]), 10, 64)
	return pages * int64(os.Getpagesize()), err
}

// releaseResident takes the store's file out of this process's resident memory.
// Readers need not stop: the mapping stays, and a page comes back when it is
// touched. It holds a transaction, so that bbolt does not map the file
// elsewhere: the old address might then be somebody else's memory.
func (s *Store) releaseResident() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.db == nil {
		return nil
	}
	return s.db.View(func(tx *bbolt.Tx) error {
		file, err := os.Stat(s.path)
		if err != nil {
			return err
		}
		page := int64(os.Getpagesize())
		whole := (file.Size() + page - 1) / page * page
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, tx.DB().Info().Data, uintptr(whole), unix.MADV_DONTNEED); errno != 0 {
			return fmt.Errorf("madvise %s: %w", s.path, errno)
		}
		return nil
	})
}
