package bolt

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"halley/storage"
)

func writesOf(pages ...int) []*write {
	var batch []*write
	for _, n := range pages {
		batch = append(batch, &write{touches: []touched{{page: storage.PageID(fmt.Sprintf("page-%d", n))}}})
	}
	return batch
}

// TestCompany: only many pages at the same time are company.
func TestCompany(t *testing.T) {
	now := time.Now()
	at := func(ms float64) time.Time { return now.Add(time.Duration(ms * float64(time.Millisecond))) }
	for _, c := range []struct {
		name  string
		notes map[float64][]*write // by milliseconds
		want  int
	}{
		{"nobody", nil, 0},
		{"one page, fast", map[float64][]*write{1: writesOf(1, 1, 1, 1, 1, 1), 2: writesOf(1, 1, 1, 1)}, 0},
		{"three pages", map[float64][]*write{1: writesOf(1, 2, 3), 2: writesOf(1, 2, 3)}, 0},
		{"four pages", map[float64][]*write{1: writesOf(1, 2), 2: writesOf(3, 4)}, 4},
		{"twenty pages", map[float64][]*write{1: writesOf(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20)}, companyMost},
		{"four pages, too long ago", map[float64][]*write{-3: writesOf(1, 2, 3, 4)}, 0},
		{"records", map[float64][]*write{1: {{touches: []touched{{key: "a"}, {key: "b"}, {key: "c"}, {key: "d"}}}}}, 0},
	} {
		var with company
		for ms := -3.0; ms < 3; ms++ {
			with.note(c.notes[ms], at(ms))
		}
		if got := with.expected(at(3)); got != c.want {
			t.Errorf("%s: %d writes are waited for, want %d", c.name, got, c.want)
		}
	}
}

// TestAwait: a write waits no longer than until company has come, and a moment
// at most.
func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		q.add(&write{})
		for _, c := range []struct {
			writes int
			comes  time.Duration // then another write does
			want   time.Duration
		}{
			{0, 0, 0},
			{1, 0, 0},
			{2, time.Millisecond, time.Millisecond},
			{4, time.Millisecond, companyTime},
		} {
			began := time.Now()
			if c.comes > 0 {
				go func() {
					time.Sleep(c.comes)
					q.add(&write{})
				}()
			}
			q.await(c.writes)
			if took := time.Since(began); took != c.want {
				t.Errorf("for %d writes it waits %v, want %v", c.writes, took, c.want)
			}
		}
	})
}
