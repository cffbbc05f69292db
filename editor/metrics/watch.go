package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"halley/editor"
	"halley/editor/budget"
	"halley/push"
)

// A Store is what is asked of the storage: how much waits, and why it takes
// no writes.
type Store interface {
	Queued() int
	Healthy() error
}

// Watch shows also what pages, their push line and their store count. Call it
// once.
func (m *Metrics) Watch(pages *editor.Pages, store Store) {
	m.registry.MustRegister(&parts{pages: pages, store: store})
}

// parts asks the parts when it is asked.
type parts struct {
	pages *editor.Pages
	store Store
}

var _ prometheus.Collector = (*parts)(nil)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("halley_"+name, help, labels, nil)
}

var (
	streams   = describe("streams", "Streams that are open now, waiting long polls among them.", "transport")
	topics    = describe("topics", "Topics that are followed now, or were lately.")
	published = describe("events_published_total", "Events given to the push line.")
	delivered = describe("events_delivered_total", "Events written to readers, counted for each.")
	gathers   = describe("stream_gather_events", "Events that went to a reader in one write.")
	catchUps  = describe("stream_catchups_total",
		"Times that a reader fell behind what is in memory, or came from there, and was caught up from the log.")
	resets  = describe("stream_resets_total", "Times that a reader was told to load its page again.")
	dropped = describe("stream_presence_drops_total", "Times that a slow reader missed presence and was told all of it again.")
	dead    = describe("stream_dead_total", "Streams that were cut because their reader took nothing for too long.")
	edits   = describe("edits_total",
		"Edits answered with a seq: new changes, resends of committed ones, edits with nothing to do.", "outcome")
	editsQueued  = describe("edits_queued", "Edits that wait for their page.")
	pagesAll     = describe("pages", "Pages that there are, those in the trash among them.")
	pagesLoaded  = describe("pages_loaded", "Pages in memory.")
	loadedBytes  = describe("pages_loaded_bytes", "Content of the pages in memory.")
	present      = describe("presence_clients", "Open editors that are on some page.")
	writesQueued = describe("commit_queue_writes", "Writes that wait for the store's next transaction.")
	storeHealthy = describe("store_healthy", "1 while the store takes writes.")
	descriptions = []*prometheus.Desc{
		streams, topics, published, delivered, gathers, catchUps, resets, dropped, dead, edits, editsQueued,
		pagesAll, pagesLoaded, loadedBytes, present, writesQueued, storeHealthy,
	}
	transportNames = []push.Transport{push.SSE, push.NDJSON, push.LongPoll}
)

func (p *parts) Describe(out chan<- *prometheus.Desc) {
	for _, d := range descriptions {
		out <- d
	}
}

func (p *parts) Collect(out chan<- prometheus.Metric) {
	p.collectLine(out, p.pages.Hub().Stats())
	p.collectPages(out, p.pages.Stats())
	gauge(out, writesQueued, float64(p.store.Queued()))
	healthy := 1.0
	if p.store.Healthy() != nil {
		healthy = 0
	}
	gauge(out, storeHealthy, healthy)
}

func (p *parts) collectLine(out chan<- prometheus.Metric, s push.Stats) {
	for _, t := range transportNames {
		gauge(out, streams, float64(s.Lines[t]), t.String())
	}
	gauge(out, topics, float64(s.Topics))
	count(out, published, s.Published)
	count(out, delivered, s.Delivered)
	count(out, catchUps, s.CatchUps)
	count(out, resets, s.Resets)
	count(out, dropped, s.Dropped)
	count(out, dead, s.Dead)
	out <- gatherHistogram(s)
}

// gatherHistogram has cumulative buckets, as Prometheus wants them.
func gatherHistogram(s push.Stats) prometheus.Metric {
	buckets := map[float64]uint64{}
	writes := uint64(0)
	for i, n := range s.Gathers {
		writes += n
		if i < push.Gathers-1 {
			buckets[float64(uint64(1)<<i)] = writes
		}
	}
	return prometheus.MustNewConstHistogram(gathers, writes, float64(s.Delivered), buckets)
}

func (p *parts) collectPages(out chan<- prometheus.Metric, s editor.Stats) {
	count(out, edits, s.Committed, "committed")
	count(out, edits, s.Resent, "resent")
	count(out, edits, s.Empty, "empty")
	gauge(out, editsQueued, float64(s.Queued))
	gauge(out, pagesAll, float64(s.Pages))
	gauge(out, pagesLoaded, float64(s.Loaded))
	gauge(out, loadedBytes, float64(s.LoadedBytes))
	gauge(out, present, float64(s.Present))
}

func gauge(out chan<- prometheus.Metric, d *prometheus.Desc, value float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

func count(out chan<- prometheus.Metric, d *prometheus.Desc, n uint64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
}

// WatchMemory shows also who uses how much of the budget. Call it once; a nil
// Budget shows nothing.
func (m *Metrics) WatchMemory(b *budget.Budget) {
	if b != nil {
		m.registry.MustRegister(memory{b})
	}
}

// memory reads the budget each time that its metrics are collected.
type memory struct{ budget *budget.Budget }

var (
	memoryUsed = describe("memory_used_bytes",
		"Memory that callers hold, by the budget's estimate; share \"all\" is the whole budget.", "share")
	memoryLimit   = describe("memory_limit_bytes", "The most that a share of the budget may hold.", "share")
	memoryRefused = describe("memory_refusals_total", "Requests that a share of the budget had no memory for.", "share")
)

func (memory) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{memoryUsed, memoryLimit, memoryRefused} {
		out <- d
	}
}

func (m memory) Collect(out chan<- prometheus.Metric) {
	for _, u := range m.budget.Usage() {
		gauge(out, memoryUsed, float64(u.Used), u.Name)
		gauge(out, memoryLimit, float64(u.Limit), u.Name)
		count(out, memoryRefused, u.Refused, u.Name)
	}
}
