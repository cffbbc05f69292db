// Package metrics shows how a server is doing, in Prometheus' format.
//
// README.md beside this file lists every metric; a test holds it to what is
// served. Counting is cheap enough for every edit: no labels are put together
// on the way, and what the parts count themselves is read only when somebody
// asks.
//
// All methods are safe for concurrent use.
package metrics

import (
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// seconds are the buckets of what takes a disk's sync or so.
var seconds = []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5}

// Metrics counts what happens at the edge and in the store, and gathers what
// the parts below count. Make one with New.
type Metrics struct {
	registry *prometheus.Registry

	acks         prometheus.Histogram
	commits      prometheus.Histogram
	commitWrites prometheus.Histogram
	commitsLost  prometheus.Counter
	turnedAway   *prometheus.CounterVec
	refusals     *prometheus.CounterVec
	requests     *prometheus.CounterVec

	mu    sync.RWMutex // guards known
	known map[request]prometheus.Counter
}

// A request is what the requests are told apart by.
type request struct {
	method, route string
	status        int
}

// New makes the metrics of one server of that version.
func New(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		known:    map[request]prometheus.Counter{},
		acks: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "halley_edit_ack_seconds", Buckets: seconds,
			Help: "From the arrival of an edit's request to its acknowledgement, which comes after the change is synced.",
		}),
		commits: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "halley_commit_seconds", Buckets: seconds,
			Help: "Applying and syncing one transaction of the store.",
		}),
		commitWrites: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "halley_commit_writes", Buckets: prometheus.ExponentialBuckets(1, 2, 12),
			Help: "Writes that shared one transaction of the store.",
		}),
		commitsLost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "halley_commit_failures_total",
			Help: "Transactions of the store that the disk refused.",
		}),
		turnedAway: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "halley_streams_refused_total",
			Help: "Streams that were refused because there were too many, by whose limit was reached.",
		}, []string{"limit"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "halley_refusals_total",
			Help: "Requests that were answered with a problem, by route and the problem's type.",
		}, []string{"route", "type"}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "halley_http_requests_total",
			Help: "Requests answered, by method, route and status. A stream counts when it ends.",
		}, []string{"method", "route", "status"}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "halley_build_info", Help: "Always 1; the version is its label.",
		ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	m.registry.MustRegister(
		build, m.acks, m.commits, m.commitWrites, m.commitsLost, m.turnedAway, m.refusals, m.requests,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

// Acknowledged counts an edit whose request took so long, from its arrival on.
func (m *Metrics) Acknowledged(took time.Duration) { m.acks.Observe(took.Seconds()) }

// Committed counts one transaction of the store.
func (m *Metrics) Committed(writes int, took time.Duration, err error) {
	if err != nil {
		m.commitsLost.Inc()
		return
	}
	m.commits.Observe(took.Seconds())
	m.commitWrites.Observe(float64(writes))
}

// TurnedAway counts a stream for which there was no room under the limit of
// that name.
func (m *Metrics) TurnedAway(limit string) { m.turnedAway.WithLabelValues(limit).Inc() }

// Refused counts a request that was answered with a problem.
func (m *Metrics) Refused(route, problem string) {
	m.refusals.WithLabelValues(named(route), problem).Inc()
}

// Answered counts a request.
func (m *Metrics) Answered(method, route string, status int) {
	r := request{method, route, status}
	m.mu.RLock()
	counter := m.known[r]
	m.mu.RUnlock()
	if counter == nil {
		counter = m.meet(r)
	}
	counter.Inc()
}

// meet makes the counter of requests of a kind. Their number is bounded: by
// the routes, the statuses we give, and the methods there are.
func (m *Metrics) meet(r request) prometheus.Counter {
	switch r.method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
	default:
		r.method = "other" // a caller makes up as many as it likes
	}
	counter := m.requests.WithLabelValues(r.method, named(r.route), strconv.Itoa(r.status))
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.method != "other" {
		m.known[r] = counter
	}
	return counter
}

// named is the route's label; what is no route of the API is the browser app.
func named(route string) string {
	if route == "" {
		return "app"
	}
	return route
}

// Handler serves the metrics to whoever asks.
func (m *Metrics) Handler(logger *slog.Logger) http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(logger.Handler(), slog.LevelError),
		MaxRequestsInFlight: 4,
	})
}
