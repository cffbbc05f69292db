// Package budget bounds the memory that callers of a server can take.
//
// One Budget is divided into named shares: loaded pages, request bodies,
// conversions, and so on. Code that is about to hold memory on a caller's behalf
// takes that many bytes from a share first and gives them back afterwards. A
// share may not exceed its own limit, and all shares together may not exceed
// the budget's; what does not fit is refused before any work is done. A cache
// registers how it shrinks, and yields to requests.
//
// The counts are estimates of live bytes made by the callers, not what the
// allocator holds: set the garbage collector's limit (debug.SetMemoryLimit)
// above the budget's.
//
// Everything is safe for concurrent use. A nil *Share grants everything, so a
// zero Config needs no budget.
package budget

import (
	"fmt"
	"sync"
	"time"
)

// retryAfter is when a refused caller may try again: most memory is held for one
// request only.
const retryAfter = 2 * time.Second

// A BusyError reports that a share, or the whole budget, is used up now.
type BusyError struct {
	Share string
	Bytes int64         // that were asked for
	After time.Duration // when to try again
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("the server is at its memory budget; try again in %v", e.After)
}

// A NeverError reports that a share is smaller than the request: trying again
// does not help.
type NeverError struct {
	Share string
	Bytes int64 // that were asked for
	Limit int64 // of the share
}

func (e *NeverError) Error() string {
	return fmt.Sprintf("this needs %s of memory, and the server's budget allows %s for it", mebibytes(e.Bytes), mebibytes(e.Limit))
}

func mebibytes(n int64) string { return fmt.Sprintf("%d MiB", (n+1<<20-1)>>20) }

// A Budget is an amount of memory, in bytes, divided into shares.
type Budget struct {
	limit int64

	mu     sync.Mutex // guards used, shares and the fields of each share
	used   int64
	excess int64 // see SetExcess
	shares []*Share
}

// New returns a budget of limit bytes; 0 grants everything, and still counts.
func New(limit int64) *Budget { return &Budget{limit: limit} }

// Limit is the whole budget, in bytes; 0 for none, and for a nil Budget.
func (b *Budget) Limit() int64 {
	if b == nil {
		return 0
	}
	return b.limit
}

// A Share is the part of a budget that serves one purpose.
type Share struct {
	budget *Budget
	name   string
	limit  int64 // bytes; 0: that of the budget

	// Guarded by budget.mu.
	used    int64
	peak    int64
	refused uint64
	shrink  func(bytes int64)
}

// Share adds a share that may use the given fraction (0 to 1) of the budget.
// The fractions may add up to more than 1: the budget bounds their sum. A nil
// Budget returns a nil Share.
func (b *Budget) Share(name string, fraction float64) *Share {
	if b == nil {
		return nil
	}
	s := &Share{budget: b, name: name, limit: int64(float64(b.limit) * fraction)}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shares = append(b.shares, s)
	return s
}

// Shrinks registers how a cache frees memory: other shares call shrink with
// the number of bytes that they lack, without any lock held. shrink gives back
// what it frees before it returns, and must not call Take. Call Shrinks before
// the share is used.
func (s *Share) Shrinks(shrink func(bytes int64)) {
	if s != nil {
		s.shrink = shrink
	}
}

// Limit is the most that the share may use, in bytes; 0: no limit.
func (s *Share) Limit() int64 {
	if s == nil {
		return 0
	}
	return s.limit
}

// Take takes n bytes. If they do not fit, nothing is taken, and the error is a
// *BusyError, or a *NeverError where n is more than the share may ever use.
func (s *Share) Take(n int64) error {
	if s == nil {
		return nil
	}
	b := s.budget
	if lacking := b.take(s, n); lacking == 0 {
		return nil
	} else if lacking > 0 {
		b.reclaim(s, lacking)
		if b.take(s, n) == 0 {
			return nil
		}
	}
	return s.Refuse(n, s.limit)
}

// TakeOwn takes n bytes within the share's own limit alone, whatever other shares
// hold. Use it for small requests that must not wait for large ones. The errors
// are those of Take.
func (s *Share) TakeOwn(n int64) error {
	if s == nil {
		return nil
	}
	b := s.budget
	b.mu.Lock()
	if s.limit == 0 || s.used+n <= s.limit {
		b.add(s, n)
		b.mu.Unlock()
		return nil
	}
	b.mu.Unlock()
	return s.Refuse(n, s.limit)
}

// Refuse counts a refusal of n bytes and returns its error. limit is the most
// that one caller may hold, in bytes; 0: no limit.
func (s *Share) Refuse(n, limit int64) error {
	s.budget.mu.Lock()
	defer s.budget.mu.Unlock()
	s.refused++
	if limit > 0 && n > limit {
		return &NeverError{s.name, n, limit}
	}
	return &BusyError{s.name, n, retryAfter}
}

// take returns 0 if it took n bytes, -1 if they would exceed the share's own
// limit, and otherwise the number of bytes that the budget lacks.
func (b *Budget) take(s *Share, n int64) (lacking int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case s.limit > 0 && s.used+n > s.limit:
		return -1
	case b.limit > 0 && b.used+b.excess+n > b.limit:
		return b.used + b.excess + n - b.limit
	}
	b.add(s, n)
	return 0
}

// Add counts n bytes that are held already; a negative n gives bytes back. It may
// exceed the limits, and then Take refuses others. A cache calls it and shrinks by
// itself.
func (s *Share) Add(n int64) {
	if s == nil {
		return
	}
	s.budget.mu.Lock()
	defer s.budget.mu.Unlock()
	s.budget.add(s, n)
}

// Give gives back n bytes that were taken.
func (s *Share) Give(n int64) { s.Add(-n) }

// add counts; the caller holds mu.
func (b *Budget) add(s *Share, n int64) {
	b.used += n
	s.used += n
	s.peak = max(s.peak, s.used)
}

// Over is the number of bytes by which the share exceeds its own limit or the
// rest of the budget. A cache shrinks by that much.
func (s *Share) Over() int64 {
	if s == nil {
		return 0
	}
	b := s.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	over := int64(0)
	if s.limit > 0 {
		over = s.used - s.limit
	}
	if b.limit > 0 {
		over = max(over, b.used+b.excess-b.limit)
	}
	return max(0, min(over, s.used))
}

// SetExcess corrects the estimates: bytes is the measured memory of the process
// beyond what it should hold. Until the next call the budget is that much smaller,
// so that callers are refused and caches shrink.
func (b *Budget) SetExcess(bytes int64) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.excess = max(0, bytes)
}

// reclaim has the caches of other shares, and s's own, free bytes.
func (b *Budget) reclaim(s *Share, bytes int64) {
	b.mu.Lock()
	shares := b.shares // only ever appended to
	b.mu.Unlock()
	for _, other := range shares {
		if other.shrink != nil && bytes > 0 {
			before := other.Used()
			other.shrink(bytes)
			bytes -= max(0, before-other.Used())
		}
	}
}

// Used is how many bytes the share uses now.
func (s *Share) Used() int64 {
	if s == nil {
		return 0
	}
	s.budget.mu.Lock()
	defer s.budget.mu.Unlock()
	return s.used
}

// A Hold is memory that grows in steps and is given back as a whole. It is not
// safe for concurrent use.
type Hold struct {
	share *Share
	bytes int64
}

// Hold returns an empty hold of the share.
func (s *Share) Hold() *Hold { return &Hold{share: s} }

// Grow makes the hold at least bytes large, as Take would; it never shrinks.
func (h *Hold) Grow(bytes int64) error {
	if bytes <= h.bytes {
		return nil
	}
	if err := h.share.Take(bytes - h.bytes); err != nil {
		return err
	}
	h.bytes = bytes
	return nil
}

// Release gives everything back; the hold is empty then.
func (h *Hold) Release() {
	h.share.Give(h.bytes)
	h.bytes = 0
}

// A Usage is what one share uses, in bytes.
type Usage struct {
	Name        string
	Used, Limit int64 // Limit 0: none
	Peak        int64 // the highest Used so far
	Refused     uint64
}

// Usage lists the shares in the order in which they were made, the whole
// budget under the name "all" last.
func (b *Budget) Usage() []Usage {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []Usage
	all := Usage{Name: "all", Used: b.used, Limit: b.limit}
	for _, s := range b.shares {
		list = append(list, Usage{s.name, s.used, s.limit, s.peak, s.refused})
		all.Refused += s.refused
	}
	return append(list, all)
}
