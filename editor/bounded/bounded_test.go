package bounded

import (
	"testing"
	"time"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// TestFloodStaysBounded makes up ten times as many keys as fit.
func TestFloodStaysBounded(t *testing.T) {
	for _, keep := range []time.Duration{0, time.Minute} {
		m := New[int, int](100, keep)
		for key := range 1000 {
			m.Put(key, key, start.Add(time.Duration(key)*time.Millisecond))
		}
		if m.Len() != 100 {
			t.Errorf("keep %v: %d entries after a flood, want 100", keep, m.Len())
		}
	}
}

// TestEntriesInUseStay: making up keys must not reset what is known of one.
func TestEntriesInUseStay(t *testing.T) {
	m := New[string, int](2, time.Minute)
	m.Put("mine", 7, start)
	if !m.Put("other", 1, start.Add(30*time.Second)) {
		t.Fatal("the second of two entries is refused")
	}
	if m.Put("third", 1, start.Add(59*time.Second)) {
		t.Error("a map full of entries in use takes another")
	}
	if v := m.Get("mine", start.Add(59*time.Second)); v == nil || *v != 7 {
		t.Errorf("an entry in use = %v after a refused Put, want 7", v)
	}
	if !m.Put("third", 1, start.Add(90*time.Second)) {
		t.Error("an entry is refused although another has expired")
	}
	if m.Get("other", start.Add(90*time.Second)) != nil {
		t.Error("an expired entry is still there")
	}
	if m.Get("mine", start.Add(90*time.Second)) == nil {
		t.Error("an entry that was used 31 seconds ago is gone")
	}
}

func TestCacheDropsTheLeastRecentlyUsed(t *testing.T) {
	m := New[string, int](2, 0)
	m.Put("a", 1, start)
	m.Put("b", 2, start)
	m.Get("a", start)
	m.Put("c", 3, start)
	if m.Get("b", start) != nil || m.Get("a", start) == nil || m.Get("c", start) == nil {
		t.Error("want a and c to stay and b, which was not used, to go")
	}
	m.Delete("a")
	m.Delete("a")
	if m.Get("a", start) != nil || m.Len() != 1 {
		t.Errorf("after Delete there are %d entries, want 1", m.Len())
	}
}

// TestClockSetBack: entries of a future that never came expire all the same.
func TestClockSetBack(t *testing.T) {
	m := New[string, int](1, time.Minute)
	m.Put("future", 1, start.Add(40*24*time.Hour))
	if m.Put("now", 1, start) {
		t.Error("an entry that was just used is pushed out")
	}
	if !m.Put("later", 1, start.Add(2*time.Minute)) {
		t.Error("an entry stays for longer than keep after the clock was set back")
	}
}

func TestPutReplaces(t *testing.T) {
	m := New[string, int](1, time.Minute)
	m.Put("a", 1, start)
	if !m.Put("a", 2, start) || *m.Get("a", start) != 2 || m.Len() != 1 {
		t.Error("Put does not replace the value of an entry that is there")
	}
}

// TestClear: a map that was cleared is empty and goes on as a new one.
func TestClear(t *testing.T) {
	m := New[int, int](2, 0)
	m.Put(1, 1, start)
	m.Put(2, 2, start)
	m.Clear()
	if m.Len() != 0 || m.Get(1, start) != nil {
		t.Errorf("%d entries after Clear, want none", m.Len())
	}
	for key := range 3 {
		m.Put(key, key, start)
	}
	if m.Len() != 2 || m.Get(0, start) != nil || m.Get(2, start) == nil {
		t.Error("a cleared map does not keep the newest two of three entries")
	}
}
