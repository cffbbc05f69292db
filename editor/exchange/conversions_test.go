package exchange

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"halley/editor/budget"
	"halley/editor/convert"
)

// A small conversion runs while large ones hold all of their places and more wait.
func TestSmallConversionsDoNotWaitForLargeOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newConversions(nil)
		end := make(chan struct{})
		var running atomic.Int32
		for range cap(q.large.free) + 2 {
			go q.run(t.Context(), smallConversion+1, func(convert.Limits) error { running.Add(1); <-end; return nil })
		}
		synctest.Wait()
		if int(running.Load()) != cap(q.large.free) {
			t.Errorf("%d large conversions run, want %d", running.Load(), cap(q.large.free))
		}
		var done atomic.Bool
		go q.run(t.Context(), smallConversion, func(convert.Limits) error { done.Store(true); return nil })
		synctest.Wait()
		if !done.Load() {
			t.Error("a small conversion waits for large ones")
		}
		close(end)
		synctest.Wait()
		if len(q.large.free) != 0 {
			t.Errorf("%d places are not given back", len(q.large.free))
		}
	})
}

func TestConversionsThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newConversions(nil)
		end := make(chan struct{})
		for range cap(q.large.free) {
			go q.run(t.Context(), smallConversion+1, func(convert.Limits) error { <-end; return nil })
		}
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		var gone atomic.Int32
		for range maxWaiting {
			go func() {
				if err := q.run(ctx, smallConversion+1, nil); errors.Is(err, context.Canceled) {
					gone.Add(1)
				}
			}()
		}
		synctest.Wait()
		if err := q.run(t.Context(), smallConversion+1, nil); !errors.Is(err, ErrTooMany) {
			t.Errorf("run with a full queue = %v, want ErrTooMany", err)
		}
		cancel()
		synctest.Wait()
		if gone.Load() != maxWaiting || q.large.waiting.Load() != 0 {
			t.Errorf("%d left the queue and %d wait, want %d and 0", gone.Load(), q.large.waiting.Load(), maxWaiting)
		}
		close(end)
	})
}

func TestConversionsGiveBackWhatTheyTook(t *testing.T) {
	memory := budget.New(64<<20).Share("conversions", 0.5)
	q := newConversions(memory)
	for range 2 * cap(q.large.free) {
		func() {
			defer func() { _ = recover() }()
			_ = q.run(t.Context(), smallConversion+1, func(l convert.Limits) error {
				if err := l.Reserve(20 << 20); err != nil {
					t.Error(err)
				}
				panic("a bug")
			})
		}()
	}
	if len(q.large.free) != 0 || memory.Used() != 0 {
		t.Errorf("after panics %d places and %d bytes are held", len(q.large.free), memory.Used())
	}
	var limit *convert.LimitError
	err := q.run(t.Context(), 1, func(l convert.Limits) error { return l.Reserve(40 << 20) })
	if !errors.As(err, &limit) || memory.Used() != 0 {
		t.Errorf("err = %v with %d bytes held, want a *convert.LimitError and none", err, memory.Used())
	}
}
