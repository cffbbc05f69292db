package storage

import (
	"testing"
	"time"
)

// A machine is a wall clock and a running time that a test sets apart.
type machine struct {
	wall    time.Time
	running time.Duration
	saved   []byte
	clock   *Clock
}

func newMachine() *machine {
	m := &machine{wall: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	m.start()
	return m
}

func (m *machine) start() {
	began := m.running
	m.clock = newClock(func() (time.Time, time.Duration) { return m.wall, m.running - began }, m.saved)
}

// run lets time pass in a process, which reads its clock every minute.
func (m *machine) run(d time.Duration) {
	for ; d > 0; d -= time.Minute {
		step := min(d, time.Minute)
		m.wall, m.running = m.wall.Add(step), m.running+step
		m.clock.Now()
	}
}

// restart ends the process and starts another after the machine was off.
func (m *machine) restart(off time.Duration) {
	m.saved = m.clock.Saved()
	m.wall = m.wall.Add(off)
	m.start()
}

// want checks by how much the clock is behind the wall clock.
func (m *machine) want(t *testing.T, behind time.Duration) {
	t.Helper()
	if got := m.wall.Sub(m.clock.Now()); got.Round(time.Second) != behind {
		t.Errorf("the clock is %v behind the wall clock, want %v", got, behind)
	}
}

const (
	day    = 24 * time.Hour
	leap   = 40 * day
	lagged = leap - clockSlack
)

func TestClockFollowsAnHonestOne(t *testing.T) {
	m := newMachine()
	for range 50 {
		m.run(time.Hour)
		m.want(t, 0)
		m.wall = m.wall.Add(time.Minute) // a correction
		m.want(t, 0)
		m.wall = m.wall.Add(-time.Minute)
	}
	m.restart(0)
	m.want(t, 0)
}

func TestClockThatLeapsAheadAndBack(t *testing.T) {
	m := newMachine()
	m.run(3 * day)
	m.wall = m.wall.Add(leap)
	m.want(t, lagged)
	m.run(12 * time.Hour)
	m.want(t, lagged)
	m.restart(0)
	m.want(t, lagged)
	m.run(10 * time.Hour)
	m.want(t, lagged)
	m.wall = m.wall.Add(-leap)
	m.want(t, 0)
	m.run(2 * day)
	m.want(t, 0)
}

func TestClockThatStaysAhead(t *testing.T) {
	m := newMachine()
	m.run(3 * day)
	m.wall = m.wall.Add(leap)
	m.run(23 * time.Hour)
	m.want(t, lagged)
	m.run(3 * time.Hour)
	m.want(t, 0)
}

// TestClockOfAMachineThatIsOftenOff: each time that it was off is believed a
// day of running later, though it is never on for a day.
func TestClockOfAMachineThatIsOftenOff(t *testing.T) {
	m := newMachine()
	for range 20 {
		m.run(8 * time.Hour)
		m.restart(16 * time.Hour)
	}
	if behind := m.wall.Sub(m.clock.Now()); behind > 4*16*time.Hour {
		t.Errorf("the clock is %v behind", behind)
	}
	m.run(26 * time.Hour)
	m.want(t, 0)
}

// TestClockThatLeapsWhileAnotherIsTried: the time that an honest absence
// has been tried says nothing for a leap that comes later.
func TestClockThatLeapsWhileAnotherIsTried(t *testing.T) {
	m := newMachine()
	m.run(day)
	m.restart(2 * day)
	m.run(23 * time.Hour)
	m.wall = m.wall.Add(leap)
	m.run(4 * time.Hour)
	m.want(t, lagged)
	m.wall = m.wall.Add(-leap)
	m.want(t, 0)
}

func TestClockWhoseSavedStateIsUnreadable(t *testing.T) {
	for _, saved := range []string{"", "garbage", `{"running":-5}`, `{"running":3,"lows":[{"step":99,"offset":1}]}`} {
		m := newMachine()
		m.saved = []byte(saved)
		m.start()
		m.run(time.Hour)
		m.want(t, 0)
	}
}

func TestClockWithoutMonotonicReading(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	c := NewClock(func() time.Time { return now }, nil)
	for _, step := range []time.Duration{time.Hour, leap, -time.Hour} {
		now = now.Add(step)
		if got := c.Now(); !got.Equal(now) {
			t.Errorf("after a step of %v it is %v, want %v", step, got, now)
		}
	}
}

func BenchmarkClock(b *testing.B) {
	c := NewClock(time.Now, nil)
	for b.Loop() {
		c.Now()
	}
}
