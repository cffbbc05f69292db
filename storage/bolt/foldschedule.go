package bolt

import (
	"context"
	"sync"
	"time"

	"halley/storage"
)

// While people type, the processor is theirs: a page that has grown is folded in
// the next second in which few changes are stored. A server that never has such a
// second folds a page when its backlog is foldBacklog blocks, one block at a time,
// so that the backlog of a page in use stays bounded.
const (
	quietChanges = 200         // changes a second, at most, that make a quiet moment
	foldPause    = time.Second // until a fold that was postponed is tried again

	foldBacklog  = 4       // blocks' worth of rows that a page may have while the server is busy
	foldBytes    = 8 << 20 // rows of so many bytes are due, however few they are
	backlogBytes = foldBacklog * foldBytes

	// leftAloneMost is after how many times Config.FoldAfter a page that was left
	// alone is folded even if the server has been busy ever since.
	leftAloneMost = 3
)

// A foldSchedule decides when pages are folded.
type foldSchedule struct {
	foldRows, backlogRows, keepRows int
	after                           time.Duration

	wake chan struct{} // has room for one; filled when a page is due

	mu    sync.Mutex
	pages map[storage.PageID]*growth // guarded by mu
	load  changeRate                 // guarded by mu: changes stored
}

// A growth is what a page has received since it was last folded to its end.
type growth struct {
	newest time.Time
	bytes  int // since it was last folded at all
	due    bool
}

func newFoldSchedule(cfg Config) *foldSchedule {
	return &foldSchedule{
		foldRows: cfg.foldRows, backlogRows: foldBacklog * cfg.blockChanges, keepRows: cfg.keepRows, after: cfg.FoldAfter,
		wake: make(chan struct{}, 1), pages: map[storage.PageID]*growth{},
	}
}

// grown notes an append of bytes, which took page's head from before to head.
func (f *foldSchedule) grown(page storage.PageID, before, head uint64, bytes int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	f.load.add(int(head-before), now)
	g := f.pages[page]
	if g == nil {
		g = &growth{}
		f.pages[page] = g
	}
	g.newest, g.bytes = now, g.bytes+bytes
	size := uint64(f.foldRows)
	enough := before/size != head/size && head >= size+uint64(f.keepRows)
	if g.due || !enough && g.bytes < foldBytes {
		return // a page that is due already was postponed, and is looked at again every foldPause
	}
	g.due = true
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// due returns the pages in use that have enough rows to be folded, perhaps.
func (f *foldSchedule) due() (pages []storage.PageID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for page, g := range f.pages {
		if g.due {
			pages = append(pages, page)
		}
	}
	return pages
}

// begin returns from how many rows on a page in use gets its next block now,
// and whether the server is busy.
func (f *foldSchedule) begin(page storage.PageID) (least int, busy bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	busy = f.busy(time.Now())
	least, most := f.foldRows, foldBytes
	if busy {
		least, most = f.backlogRows, backlogBytes
	}
	if g := f.pages[page]; g != nil && g.bytes >= most {
		least = 1
	}
	return least, busy
}

// ended notes that page has no further block to be made now.
func (f *foldSchedule) ended(page storage.PageID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if g := f.pages[page]; g != nil {
		g.due, g.bytes = false, 0
	}
}

// takeLeftAlone takes the pages that have been left alone for long enough.
// postponed: there are others, which wait for a quiet moment.
func (f *foldSchedule) takeLeftAlone() (pages []storage.PageID, postponed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	after := f.after
	if f.busy(now) {
		after *= leftAloneMost
	}
	for page, g := range f.pages {
		switch alone := now.Sub(g.newest); {
		case alone > after:
			pages = append(pages, page)
			delete(f.pages, page)
		case alone > f.after:
			postponed = true
		}
	}
	return pages, postponed
}

func (f *foldSchedule) inUse(page storage.PageID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.pages[page] != nil
}

func (f *foldSchedule) isBusy() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.busy(time.Now())
}

// busy reports whether now is no quiet moment. The caller holds mu.
func (f *foldSchedule) busy(now time.Time) bool { return f.load.most(now) > quietChanges }

// A changeRate counts changes by the second. The zero value is ready.
type changeRate struct {
	began          time.Time // of this second
	before, within int       // changes in the second before, and so far in this one
}

func (r *changeRate) add(n int, now time.Time) {
	r.advance(now)
	r.within += n
}

// most returns how many changes the busier one of the last two seconds had.
func (r *changeRate) most(now time.Time) int {
	r.advance(now)
	return max(r.before, r.within)
}

func (r *changeRate) advance(now time.Time) {
	switch past := now.Sub(r.began); {
	case past >= 2*time.Second:
		r.began, r.before, r.within = now, 0, 0
	case past >= time.Second:
		r.began, r.before, r.within = r.began.Add(time.Second), r.within, 0
	}
}

// foldAll folds until ctx ends: pages in use that have grown, pages that are
// left alone, and once, after the same time, those that were left alone before the
// store was opened.
func (s *Store) foldAll(ctx context.Context) {
	ticker := time.NewTicker(s.cfg.FoldAfter)
	defer ticker.Stop()
	again := time.NewTimer(foldPause)
	again.Stop()
	defer again.Stop()
	for swept := false; ; {
		postponed := false
		select {
		case <-s.folds.wake:
			postponed = s.foldDue(ctx)
		case <-ticker.C:
			postponed = s.foldLeftAlone(ctx)
			if !swept {
				swept = s.foldOld(ctx) == nil
			}
		case <-again.C:
			inUse, leftAlone := s.foldDue(ctx), s.foldLeftAlone(ctx)
			postponed = inUse || leftAlone
		case <-ctx.Done():
			return
		}
		if postponed {
			again.Reset(foldPause)
		}
	}
}

// foldDue folds the pages in use that have grown. postponed: some of them wait
// for a quiet moment.
func (s *Store) foldDue(ctx context.Context) (postponed bool) {
	for _, page := range s.folds.due() {
		if !s.foldInUse(ctx, page) {
			postponed = true
		}
	}
	return postponed && ctx.Err() == nil
}

// foldInUse makes blocks of page until none is due. done: none will be due
// before the page has grown again, or the last fold failed.
func (s *Store) foldInUse(ctx context.Context, page storage.PageID) (done bool) {
	for {
		least, busy := s.folds.begin(page)
		more, err := s.foldSome(ctx, page, s.folds.keepRows, least, busy)
		s.warnOfFold(ctx, page, err)
		switch {
		case err != nil:
			s.folds.ended(page)
			return true
		case !more && busy && least > 1:
			return false
		case !more:
			s.folds.ended(page)
			return true
		}
	}
}

// foldLeftAlone folds the pages that nobody writes to any more, to their ends.
func (s *Store) foldLeftAlone(ctx context.Context) (postponed bool) {
	pages, postponed := s.folds.takeLeftAlone()
	for _, page := range pages {
		s.warnOfFold(ctx, page, s.fold(ctx, page, 0))
	}
	return postponed
}

// foldOld folds all pages that nobody has written to yet. While the server is
// busy it rests before each.
func (s *Store) foldOld(ctx context.Context) error {
	return s.Logs(ctx, func(l storage.LogInfo) error {
		if s.folds.inUse(l.Page) {
			return ctx.Err()
		}
		if s.folds.isBusy() {
			rest(ctx, foldPause)
		}
		s.warnOfFold(ctx, l.Page, s.fold(ctx, l.Page, 0))
		return ctx.Err()
	})
}

// warnOfFold logs err. A fold that failed has lost nothing, and is tried again
// when the page grows, or after the store was opened the next time.
func (s *Store) warnOfFold(ctx context.Context, page storage.PageID, err error) {
	if err != nil && ctx.Err() == nil && s.Healthy() == nil {
		s.cfg.Logger.Warn("a page cannot be folded", "page", page, "error", err)
	}
}
