package bolt

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
)

// TestReadersAreBounded: however many callers read, few transactions are open
// at a time, and a caller who leaves stops waiting for one.
func TestReadersAreBounded(t *testing.T) {
	s := openStore(t, t.TempDir(), Config{})
	var readers sync.WaitGroup
	var open, most atomic.Int32
	var once sync.Once
	full, release := make(chan struct{}), make(chan struct{})
	for range 20 * maxReaders() {
		readers.Go(func() {
			err := s.view(t.Context(), func(*tables) error {
				n := open.Add(1)
				defer open.Add(-1)
				for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
				}
				if int(n) == maxReaders() {
					once.Do(func() { close(full) })
				}
				<-release
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	<-full
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() { left <- s.view(ctx, func(*tables) error { return nil }) }()
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("a caller who left: %v, want %v", err, context.Canceled)
	}
	close(release)
	readers.Wait()
	if n := most.Load(); int(n) != maxReaders() {
		t.Errorf("%d transactions were open at a time, want %d", n, maxReaders())
	}
}
