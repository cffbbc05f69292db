//go:build linux

package bench

import (
	"testing"
	"time"
)

// kinds are the servers, and where it matters with how many pages a line.
var kinds = []struct {
	name  string
	kind  string
	pages int
}{{"halley", "halley", 1}, {"halley, 5 pages", "halley", 5}, {"plain", "plain", 1}, {"floor", "floor", 1}}

const (
	manyReaders = 1000
	payload     = 150
)

// The processor time of one delivery, where events come one by one and leave
// nothing to gather: 1,000 readers, 100 changes a second.
func BenchmarkSingleEvents(b *testing.B) {
	for _, k := range kinds {
		b.Run(k.name, func(b *testing.B) {
			p := startStation(b, k.kind)
			rs := connect(b, p.address, manyReaders, query(k.pages))
			warmUp(p, rs, k.pages)
			for b.Loop() {
				r := p.do(order{Pages: k.pages, Rate: 100, For: 2 * time.Second, Size: payload})
				rs.await(r.Published)
				b.ReportMetric(float64(r.CPU.Nanoseconds())/float64(r.Published*manyReaders), "cpu-ns/delivery")
				b.ReportMetric(ms(percentile(rs.all, 0.99)), "p99-ms")
				rs.forget()
			}
		})
	}
}

// The same with each change synced to the disk before it is sent.
func BenchmarkSyncedEvents(b *testing.B) {
	p := startStation(b, "halley")
	rs := connect(b, p.address, manyReaders, query(1))
	warmUp(p, rs, 1)
	for b.Loop() {
		r := p.do(order{Rate: 100, For: 2 * time.Second, Size: payload, Synced: true})
		rs.await(r.Published)
		b.ReportMetric(float64(r.Published)/r.Elapsed.Seconds(), "changes/s")
		b.ReportMetric(ms(percentile(rs.all, 0.99)), "p99-ms")
		rs.forget()
	}
}

// How many deliveries a second there can be: changes are published as fast as
// readers take them, and none is lost.
func BenchmarkSaturation(b *testing.B) {
	for _, k := range kinds {
		if k.pages > 1 {
			continue
		}
		b.Run(k.name, func(b *testing.B) {
			p := startStation(b, k.kind)
			rs := connect(b, p.address, manyReaders, query(1))
			warmUp(p, rs, 1)
			for b.Loop() {
				start := time.Now()
				r := p.do(order{For: 2 * time.Second, Size: payload})
				rs.await(r.Published)
				b.ReportMetric(float64(r.Published*manyReaders)/time.Since(start).Seconds(), "deliveries/s")
				b.ReportMetric(float64(r.CPU.Nanoseconds())/float64(r.Published*manyReaders), "cpu-ns/delivery")
				rs.forget()
			}
		})
	}
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
