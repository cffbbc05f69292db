package e2e

import (
	"strings"
	"testing"
)

// TestMetrics: what happens is counted, and only this machine is told.
func TestMetrics(t *testing.T) {
	s := serve(t, "--open", "--metrics-listen=127.0.0.1:0")
	me := s.guest("First")
	page := me.threeChanges()
	l := me.follow(transports[0], "page="+page+"@0", "")
	l.wantChanges(page, 1, 4)

	text := string(me.get("/metrics").ok(200).body)
	for _, line := range []string{
		`halley_edits_total{outcome="committed"} 4`,
		`halley_streams{transport="sse"} 1`,
		`halley_http_requests_total{method="POST",route="/api/pages/:id/changes",status="200"} 3`,
		`halley_edit_ack_seconds_count 3`,
		`halley_pages_loaded 1`,
	} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("no line %q in\n%s", line, text)
		}
	}

	_, port, _ := strings.Cut(s.listen, ":")
	for _, r := range []request{
		to("GET", "/metrics").with("Host", "halley.example:"+port),
		to("GET", "/metrics").with("X-Forwarded-For", "192.0.2.7"),
		to("GET", "/metrics").with("Forwarded", "for=192.0.2.7"),
	} {
		me.send(r).refused(403, "forbidden")
	}

	elsewhere := s.stranger()
	elsewhere.s = &server{tb: t, url: "http://" + s.says(`serving metrics" address=(\S+)`)}
	elsewhere.send(to("GET", "/metrics").with("Host", "halley.example")).ok(200)
	elsewhere.get("/api/pages").ok(404)
}
