package editor

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestChangeTimes: a small step back of the clock leaves a page's times in order;
// a wrong time does not stay longer than the clock was wrong, also after a
// restart, and not in the list either.
func TestChangeTimes(t *testing.T) {
	const year = 365 * 24 * time.Hour
	start := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	var now atomic.Int64
	clock := func() time.Time { return start.Add(time.Duration(now.Load())) }
	store := openStore(t, t.TempDir())
	t.Cleanup(func() { store.Close() })
	ps := openPages(t, store, Config{Now: clock})
	id := newPage(t, ps, "hello")
	seq := uint64(1)
	change := func(at, want time.Duration) {
		t.Helper()
		now.Store(int64(at))
		seq = submit(t, ps, ann, id, edit("client-a", seq, seq, `[{"insert":"x"}]`))
		page, err := ps.Page(t.Context(), ann, id)
		if got := page.Updated.Sub(start); err != nil || got != want {
			t.Errorf("a change at %v has the time %v, %v; want %v", at, got, err, want)
		}
	}
	change(time.Hour, time.Hour)
	change(time.Hour-time.Second, time.Hour)
	change(time.Hour-maxClockStep, time.Hour)
	change(time.Hour+time.Second, time.Hour+time.Second)
	change(year, year)
	change(2*time.Hour, 2*time.Hour)
	change(year, year)
	ps.Close()
	ps = openPages(t, store, Config{Now: clock})
	change(3*time.Hour, 3*time.Hour)

	other := newPage(t, ps, "other")
	now.Store(int64(4 * time.Hour))
	submit(t, ps, ann, other, edit("client-b", 1, 1, `[{"insert":"x"}]`))
	rows, _, err := ps.List(t.Context(), ann, ListQuery{Limit: 10})
	if err != nil || len(rows) != 2 || rows[0].ID != other {
		t.Errorf("the list is %v, %v; want the page first that was changed last", rows, err)
	}
}

// TestIdlePageAfterTheClockWentBack: it leaves memory all the same.
func TestIdlePageAfterTheClockWentBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var back atomic.Int64
		store := openStore(t, t.TempDir())
		t.Cleanup(func() { store.Close() })
		ps := openPages(t, store, Config{
			IdleUnload: time.Minute, Now: func() time.Time { return time.Now().Add(-time.Duration(back.Load())) },
		})
		submit(t, ps, ann, newPage(t, ps, "hello"), edit("client-a", 1, 1, `[{"insert":"x"}]`))
		back.Store(int64(365 * 24 * time.Hour))
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if n := ps.Stats().Loaded; n != 0 {
			t.Errorf("%d pages are loaded, want none", n)
		}
	})
}
