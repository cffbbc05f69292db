package metrics_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"halley/editor"
	"halley/editor/budget"
	"halley/editor/metrics"
	"halley/editor/scrub"
	"halley/ot"
	"halley/storage/bolt"
)

type nobody struct{}

func (nobody) Author(_ context.Context, id string) (editor.Author, error) {
	return editor.Author{Name: id}, nil
}

// watched is the metrics of real pages over a real store.
func watched(t *testing.T) (*metrics.Metrics, *editor.Pages) {
	t.Helper()
	m := metrics.New("test")
	store, err := bolt.Open(t.TempDir(), bolt.Config{Observe: func(c bolt.Commit) { m.Committed(c.Writes, c.Took, c.Err) }})
	if err != nil {
		t.Fatal(err)
	}
	memory := budget.New(1 << 20)
	memory.Share("test", 0.5)
	pages, err := editor.Open(t.Context(), editor.Config{Budget: memory}, store, editor.OpenWorkspace{}, nobody{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		pages.Close()
		store.Close()
	})
	m.Watch(pages, store)
	m.WatchMemory(memory)
	m.WatchScrub(pages.Damage(), scrub.Start(store, pages.Damage(), scrub.Config{}))
	return m, pages
}

func scrape(t *testing.T, m *metrics.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler(slog.New(slog.DiscardHandler)).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Fatalf("answer %d of type %q: %s", w.Code, w.Header().Get("Content-Type"), w.Body)
	}
	return w.Body.String()
}

// holds fails unless each of the lines is there.
func holds(t *testing.T, text string, lines ...string) {
	t.Helper()
	all := strings.Split(text, "\n")
	for _, line := range lines {
		if !slices.Contains(all, line) {
			name, _, _ := strings.Cut(line, " ")
			var near []string
			for _, other := range all {
				if strings.HasPrefix(other, strings.SplitN(name, "{", 2)[0]) {
					near = append(near, other)
				}
			}
			t.Errorf("%q is missing; there is\n%s", line, strings.Join(near, "\n"))
		}
	}
}

func TestEdits(t *testing.T) {
	m, pages := watched(t)
	ann := editor.Principal{ID: "ann", Name: "Ann", Kind: editor.KindGuest}
	page, err := pages.Create(t.Context(), ann, editor.NewPage{})
	if err != nil {
		t.Fatal(err)
	}
	submit := func(n uint64, d ot.Delta) error {
		_, err := pages.Submit(t.Context(), ann, page.ID, editor.Edit{Client: "client-a", N: n, Delta: d})
		return err
	}
	x := ot.Delta{{Insert: "x"}}
	for _, edit := range []struct {
		n uint64
		d ot.Delta
	}{{1, x}, {1, x}, {2, x}, {1, x}, {3, nil}} {
		if err := submit(edit.n, edit.d); err != nil {
			t.Fatal(err)
		}
	}
	if submit(9, x) == nil {
		t.Fatal("a skipped n is taken")
	}
	pages.Damage().Add(editor.Damaged{Kind: editor.DamagedPage, Name: string(page.ID), Reason: "for the test", Found: time.Now()})
	text := scrape(t, m)
	holds(t, text,
		`halley_edits_total{outcome="committed"} 2`,
		`halley_edits_total{outcome="resent"} 2`,
		`halley_edits_total{outcome="empty"} 1`,
		`halley_edits_queued 0`,
		`halley_pages 1`,
		`halley_pages_loaded 1`,
		`halley_store_healthy 1`,
		`halley_damaged{kind="page"} 1`,
		`halley_damaged{kind="file"} 0`,
		`halley_scrub_passes_total 0`,
		`halley_scrub_last_pass_timestamp_seconds 0`,
		`halley_streams{transport="sse"} 0`,
		`halley_build_info{version="test"} 1`,
	)
	for _, name := range []string{"halley_commit_seconds_count", "halley_commit_writes_sum", "halley_pages_loaded_bytes", "process_max_fds", "go_goroutines"} {
		if !regexp.MustCompile(`(?m)^` + name + ` [1-9]`).MatchString(text) {
			t.Errorf("%s is missing or 0", name)
		}
	}
}

func TestEdge(t *testing.T) {
	m := metrics.New("test")
	m.Answered("GET", "/api/pages/:id", 200)
	m.Answered("GET", "/api/pages/:id", 200)
	m.Answered("GET", "", 304)
	m.Answered("BREW", "", 405)
	m.Answered("STIR", "", 405)
	m.Refused("/api/pages/:id/changes", "n-gap")
	m.TurnedAway("session")
	m.Acknowledged(3 * time.Millisecond)
	m.Committed(3, 4*time.Millisecond, nil)
	m.Committed(1, time.Second, errors.New("disk full"))
	holds(t, scrape(t, m),
		`halley_http_requests_total{method="GET",route="/api/pages/:id",status="200"} 2`,
		`halley_http_requests_total{method="GET",route="app",status="304"} 1`,
		`halley_http_requests_total{method="other",route="app",status="405"} 2`,
		`halley_refusals_total{route="/api/pages/:id/changes",type="n-gap"} 1`,
		`halley_streams_refused_total{limit="session"} 1`,
		`halley_edit_ack_seconds_bucket{le="0.002"} 0`,
		`halley_edit_ack_seconds_bucket{le="0.005"} 1`,
		`halley_commit_seconds_count 1`,
		`halley_commit_writes_sum 3`,
		`halley_commit_failures_total 1`,
	)
}

// TestHotPath: what every edit counts allocates nothing.
func TestHotPath(t *testing.T) {
	m := metrics.New("test")
	m.Answered("POST", "/api/pages/:id/changes", 200)
	if n := testing.AllocsPerRun(100, func() {
		m.Answered("POST", "/api/pages/:id/changes", 200)
		m.Acknowledged(time.Millisecond)
		m.Committed(1, time.Millisecond, nil)
	}); n != 0 {
		t.Errorf("counting an edit allocates %v times, want 0", n)
	}
}

// TestDocumented holds README.md to what is served: names and types.
func TestDocumented(t *testing.T) {
	m, _ := watched(t)
	m.Answered("GET", "", 200)
	m.Refused("", "not-found")
	m.TurnedAway("machine")
	served := map[string]string{}
	for _, line := range regexp.MustCompile(`(?m)^# TYPE (halley_\w+) (\w+)$`).FindAllStringSubmatch(scrape(t, m), -1) {
		served[line[1]] = line[2]
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `(halley_\\w+)` \\| (\\w+) \\|").FindAllStringSubmatch(string(readme), -1) {
		if served[row[1]] != row[2] {
			t.Errorf("README.md says that %s is a %s; served is a %q", row[1], row[2], served[row[1]])
		}
		delete(served, row[1])
	}
	for name := range served {
		t.Errorf("README.md lacks %s", name)
	}
}
