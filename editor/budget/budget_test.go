package budget

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
)

func TestTakeWithinBothLimits(t *testing.T) {
	b := New(100)
	bodies, work := b.Share("bodies", 0.5), b.Share("work", 0.8)
	if err := bodies.Take(50); err != nil {
		t.Fatalf("50 of 50 = %v, want no error", err)
	}
	var busy *BusyError
	if err := bodies.Take(1); !errors.As(err, &busy) || busy.Share != "bodies" {
		t.Errorf("one more than the share = %v, want a BusyError of bodies", err)
	}
	if err := work.Take(51); !errors.As(err, &busy) {
		t.Errorf("51 of the 50 left = %v, want a BusyError", err)
	}
	var never *NeverError
	if err := work.Take(81); !errors.As(err, &never) || never.Limit != 80 {
		t.Errorf("81 of at most 80 = %v, want a NeverError with limit 80", err)
	}
	bodies.Give(50)
	if err := work.Take(80); err != nil {
		t.Errorf("80 after all was given back = %v, want no error", err)
	}
}

func TestCacheYieldsToRequests(t *testing.T) {
	b := New(100)
	cache, work := b.Share("pages", 1), b.Share("work", 0.5)
	cache.Shrinks(func(bytes int64) { cache.Give(bytes) })
	cache.Add(90)
	if err := work.Take(50); err != nil {
		t.Fatalf("50 beside a cache of 90 = %v, want the cache to yield", err)
	}
	if got := cache.Used(); got != 50 {
		t.Errorf("the cache uses %d afterwards, want 50", got)
	}
	cache.Add(20)
	if got := cache.Over(); got != 20 {
		t.Errorf("Over = %d, want 20", got)
	}
}

func TestHoldGrowsAndReleases(t *testing.T) {
	b := New(100)
	s := b.Share("bodies", 1)
	h := s.Hold()
	for _, size := range []int64{10, 5, 60, 100} {
		if err := h.Grow(size); err != nil {
			t.Fatalf("Grow(%d) = %v", size, err)
		}
	}
	if err := h.Grow(101); err == nil {
		t.Error("Grow(101) of 100 = nil, want an error")
	}
	if got := s.Used(); got != 100 {
		t.Errorf("used %d, want 100", got)
	}
	h.Release()
	h.Release()
	if got := s.Used(); got != 0 {
		t.Errorf("used %d after Release, want 0", got)
	}
}

// TestNeverOver has many goroutines take and give, and wants the sum to stay
// within the budget and to end at nothing.
func TestNeverOver(t *testing.T) {
	const limit = 1000
	b := New(limit)
	shares := []*Share{b.Share("a", 0.7), b.Share("b", 0.7)}
	var running sync.WaitGroup
	for seed := range uint64(8) {
		running.Go(func() {
			random := rand.New(rand.NewPCG(seed, 0))
			for range 2000 {
				s, n := shares[random.IntN(2)], random.Int64N(300)
				if s.Take(n) != nil {
					continue
				}
				if used := b.Usage()[2].Used; used > limit {
					t.Errorf("used %d of %d", used, limit)
				}
				s.Give(n)
			}
		})
	}
	running.Wait()
	for _, u := range b.Usage() {
		if u.Used != 0 {
			t.Errorf("%s uses %d in the end, want 0", u.Name, u.Used)
		}
	}
}

// TestTakeOwn: a share of small requests is bounded, but not by what large ones
// hold.
func TestTakeOwn(t *testing.T) {
	b := New(100)
	large, small := b.Share("large", 1), b.Share("small", 0.1)
	if err := large.Take(100); err != nil {
		t.Fatal(err)
	}
	if err := small.TakeOwn(10); err != nil {
		t.Errorf("10 of an own 10 beside a full budget = %v, want no error", err)
	}
	var busy *BusyError
	if err := small.TakeOwn(1); !errors.As(err, &busy) {
		t.Errorf("11 of an own 10 = %v, want a BusyError", err)
	}
	if got := b.Usage()[1].Refused; got != 1 {
		t.Errorf("%d refusals are counted, want 1", got)
	}
}

// What is measured beyond the estimates is taken from everybody, until it is gone.
func TestExcessLeavesLess(t *testing.T) {
	b := New(100)
	s, cache := b.Share("work", 1), b.Share("pages", 1)
	cache.Shrinks(func(bytes int64) { cache.Give(min(bytes, cache.Used())) })
	b.SetExcess(70)
	var busy *BusyError
	if err := s.Take(31); !errors.As(err, &busy) {
		t.Errorf("31 of 100 with an excess of 70 = %v, want a BusyError", err)
	}
	cache.Add(20)
	if err := s.Take(30); err != nil || cache.Used() != 0 {
		t.Errorf("30 = %v with the cache at %d, want the cache to yield", err, cache.Used())
	}
	b.SetExcess(-5)
	if err := s.Take(70); err != nil {
		t.Errorf("70 more without an excess = %v, want no error", err)
	}
}

func TestNilShareGrantsAll(t *testing.T) {
	var b *Budget
	s := b.Share("none", 1)
	h := s.Hold()
	if err := errors.Join(s.Take(1<<60), s.TakeOwn(1<<60), h.Grow(1<<60)); err != nil {
		t.Errorf("a nil share refused: %v", err)
	}
	h.Release()
	s.Add(1)
	b.SetExcess(1)
	if s.Used() != 0 || s.Over() != 0 || s.Limit() != 0 {
		t.Error("a nil share counts")
	}
}
