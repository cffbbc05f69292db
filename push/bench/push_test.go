//go:build linux

package bench

import (
	"slices"
	"testing"
	"time"
)

const (
	manyReaders = 1000
	payload     = 150
)

// A contest measures servers side by side: each gets a short turn, again and
// again, so that whatever else the machine does meets all of them.
type contest struct {
	name    string
	pages   int
	station *process
	readers *readers

	published int
	cpu       time.Duration
	elapsed   time.Duration // until the last reader had all
}

const (
	turns = 5
	turn  = 500 * time.Millisecond
)

func newContest(b *testing.B, name, kind string, pages int) *contest {
	c := &contest{name: name, pages: pages, station: startStation(b, kind)}
	c.readers = connect(b, c.station.address, manyReaders, query(pages))
	warmUp(c.station, c.readers, pages)
	return c
}

// run gives each its turns. A rate of 0 is as fast as readers take changes; it
// is noted how late they are only at a rate.
func run(rate float64, all ...*contest) {
	for range turns {
		for _, c := range all {
			c.readers.again(rate > 0)
			start := time.Now()
			r := c.station.do(order{Pages: c.pages, Rate: rate, For: turn, Size: payload})
			c.readers.await(r.Published)
			c.elapsed += time.Since(start)
			c.published += r.Published
			c.cpu += r.CPU
		}
	}
}

func (c *contest) deliveries() float64 { return float64(c.published * manyReaders) }

func (c *contest) cpuPerDelivery() float64 { return float64(c.cpu.Nanoseconds()) / c.deliveries() }

func (c *contest) perSecond() float64 { return c.deliveries() / c.elapsed.Seconds() }

// The processor time of one delivery, where events come one by one and leave
// nothing to gather: 1,000 readers, 100 changes a second.
func BenchmarkSingleEvents(b *testing.B) {
	halley, five := newContest(b, "halley", "halley", 1), newContest(b, "5-pages", "halley", 5)
	plain, floor := newContest(b, "plain", "plain", 1), newContest(b, "floor", "floor", 1)
	for b.Loop() {
		run(100, halley, five, plain, floor)
	}
	for _, c := range []*contest{halley, five, plain, floor} {
		b.ReportMetric(c.cpuPerDelivery(), c.name+"-cpu-ns")
	}
	b.ReportMetric(halley.cpuPerDelivery()/plain.cpuPerDelivery(), "of-plain")
	b.ReportMetric(halley.cpuPerDelivery()/floor.cpuPerDelivery(), "of-floor")
	b.ReportMetric(five.cpuPerDelivery()/halley.cpuPerDelivery(), "5-pages-of-1")
}

// How many deliveries a second there can be: changes are published as fast as
// readers take them, and none is lost.
func BenchmarkSaturation(b *testing.B) {
	halley := newContest(b, "halley", "halley", 1)
	plain, floor := newContest(b, "plain", "plain", 1), newContest(b, "floor", "floor", 1)
	for b.Loop() {
		run(0, halley, plain, floor)
	}
	b.ReportMetric(halley.perSecond(), "deliveries/s")
	b.ReportMetric(plain.perSecond()/halley.perSecond(), "plain-of-that")
	b.ReportMetric(floor.perSecond()/halley.perSecond(), "floor-of-that")
}

// Changes that are synced to the disk before they are sent, and how late they
// arrive, counted from before that; and how late without.
func BenchmarkSyncedEvents(b *testing.B) {
	p := startStation(b, "halley")
	rs := connect(b, p.address, manyReaders, query(1))
	warmUp(p, rs, 1)
	for b.Loop() {
		var late [2][]float64
		var synced report
		for range turns {
			for i := range late {
				r := p.do(order{Rate: 100, For: turn, Size: payload, Synced: i == 1})
				rs.await(r.Published)
				late[i] = append(late[i], ms(percentile(rs.all, 0.99)))
				if rs.forget(); i == 1 {
					synced.Published += r.Published
					synced.Elapsed += r.Elapsed
				}
			}
		}
		without, with := median(late[0]), median(late[1])
		b.ReportMetric(float64(synced.Published)/synced.Elapsed.Seconds(), "changes/s")
		b.ReportMetric(with, "p99-ms")
		b.ReportMetric(with/without, "p99-of-without")
	}
}

func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

// A hundred readers come back after 10,000 changes that they missed: ours get
// them from the disk, plain's from memory.
func BenchmarkReturn(b *testing.B) {
	const missed, returning = 10_000, 100
	for _, kind := range []string{"halley", "plain"} {
		b.Run(kind, func(b *testing.B) {
			p := startStation(b, kind)
			p.do(order{Count: missed, Size: payload})
			var cpu time.Duration
			returns := 0
			for b.Loop() {
				before := p.cpu()
				rs := connect(b, p.address, returning, "after=0")
				rs.await(missed)
				cpu += p.cpu() - before
				returns++
				rs.close()
			}
			b.ReportMetric(ms(cpu)/float64(returns), "cpu-ms/return")
		})
	}
}

// Five readers of twenty stop reading for six seconds, under 1,000 changes of
// 4 KB a second. They get everything, and the others notice nothing.
func BenchmarkStalledReaders(b *testing.B) {
	const all, stalled = 20, 5
	p := startStation(b, "halley")
	rs := connect(b, p.address, all, query(1))
	warmUp(p, rs, 1)
	for b.Loop() {
		r := p.do(order{Rate: 1000, For: 4 * time.Second, Size: 4 << 10, Weigh: 3 * time.Second})
		rs.await(r.Published)
		without, heap := percentile(rs.all[stalled:], 0.99), r.Heap
		rs.forget()
		for _, slow := range rs.all[:stalled] {
			slow.pause <- 6 * time.Second
		}
		r = p.do(order{Rate: 1000, For: 7 * time.Second, Size: 4 << 10, Weigh: 5 * time.Second})
		rs.await(r.Published)
		b.ReportMetric(float64(r.Heap-heap)/stalled, "B/stalled")
		b.ReportMetric(float64(percentile(rs.all[stalled:], 0.99))/float64(without), "p99-of-without")
		rs.forget()
	}
}

func warmUp(p *process, rs *readers, pages int) {
	p.tb.Helper()
	r := p.do(order{Pages: pages, Rate: 100, Count: 20, Size: payload})
	rs.await(r.Published)
	rs.forget()
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
