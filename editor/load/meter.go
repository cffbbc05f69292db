package load

import (
	"context"
	"time"
)

// A meter reads the run's counters while people type.
type meter struct {
	run      *run
	began    time.Time
	cpu      time.Duration
	in, out  uint64
	last     time.Time
	acks     counted // all until last
	told     counted
	timeline []Progress
}

func (r *run) startMeter() *meter {
	now := time.Now()
	return &meter{
		run: r, began: now, last: now, cpu: ownCPU(), in: r.target.in.Load(), out: r.target.out.Load(),
		acks: read(r.acks), told: read(r.deliveries),
	}
}

// maxTimeline bounds what is kept, an hour of seconds.
const maxTimeline = 3600

// watch tells of each second until ctx ends.
func (m *meter) watch(ctx context.Context) {
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-every.C:
			p := m.second(now)
			if len(m.timeline) < maxTimeline {
				m.timeline = append(m.timeline, p)
			}
			if m.run.cfg.Progress != nil {
				m.run.cfg.Progress(p)
			}
		}
	}
}

func (m *meter) second(now time.Time) Progress {
	acks, told := read(m.run.acks), read(m.run.deliveries)
	newAcks, newTold := acks.since(m.acks), told.since(m.told)
	took := now.Sub(m.last).Seconds()
	m.acks, m.told, m.last = acks, told, now
	return Progress{
		Second: now.Sub(m.began).Seconds(), Lines: m.run.lines.Load(),
		EditsPerSecond: float64(newAcks.total) / took, DeliveriesASecond: float64(newTold.total) / took,
		Ack: newAcks.latency(), Delivery: newTold.latency(),
	}
}

// stop writes down the whole time.
func (m *meter) stop(res *Result) {
	took := time.Since(m.began).Seconds()
	acks, told := read(m.run.acks), read(m.run.deliveries)
	res.Seconds, res.Timeline = took, append(res.Timeline, m.timeline...)
	res.Edits, res.EditsPerSecond, res.Ack = acks.total, float64(acks.total)/took, acks.latency()
	res.Deliveries, res.DeliveriesASecond, res.Delivery = told.total, float64(told.total)/took, told.latency()
	res.BytesIn, res.BytesOut = m.run.target.in.Load()-m.in, m.run.target.out.Load()-m.out
	res.OwnCPU = (ownCPU() - m.cpu).Seconds()
}
