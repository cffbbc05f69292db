package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"halley/editor"
	"halley/editor/scrub"
)

// WatchScrub shows also what is known to be damaged in the store, and how far
// the scrub that looks for it has come. Call it once.
func (m *Metrics) WatchScrub(damage *editor.Damage, s *scrub.Scrubber) {
	m.registry.MustRegister(&scrubbing{damage, s})
}

type scrubbing struct {
	damage *editor.Damage
	scrub  *scrub.Scrubber
}

var (
	damaged     = describe("damaged", "Things in the store that are known not to hold.", "kind")
	scrubRead   = describe("scrub_read_bytes_total", "Bytes that the scrub has read in this workspace's life.")
	scrubPasses = describe("scrub_passes_total", "Times that the scrub has read the whole store.")
	scrubWhole  = describe("scrub_last_pass_timestamp_seconds",
		"When the scrub last had read the whole store, in seconds since 1970; 0: never.")
)

func (s *scrubbing) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{damaged, scrubRead, scrubPasses, scrubWhole} {
		out <- d
	}
}

func (s *scrubbing) Collect(out chan<- prometheus.Metric) {
	counts := map[string]int{editor.DamagedFile: 0, editor.DamagedPage: 0, editor.DamagedStore: 0}
	for _, d := range s.damage.List() {
		counts[d.Kind]++
	}
	for kind, n := range counts {
		gauge(out, damaged, float64(n), kind)
	}
	stats := s.scrub.Stats()
	count(out, scrubRead, stats.Read)
	count(out, scrubPasses, stats.Passes)
	whole := 0.0
	if !stats.Whole.IsZero() {
		whole = float64(stats.Whole.UnixMilli()) / 1000
	}
	gauge(out, scrubWhole, whole)
}
