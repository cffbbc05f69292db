package httpapi

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestEveryProblemIsExplained: each type that the server gives has a page, and
// says the same as JSON.
func TestEveryProblemIsExplained(t *testing.T) {
	given := slices.Sorted(maps.Keys(problemsInSource(t)))
	if explained := slices.Sorted(maps.Keys(explanations)); !slices.Equal(explained, given) {
		t.Errorf("explained are %v, and given %v", explained, given)
	}
	b := &browser{t: t, s: newServer(t, Config{})}
	for name, e := range explanations {
		if e.Title == "" || e.Meaning == "" || e.Action == "" || strings.Count(e.Meaning+e.Action, "`")%2 != 0 {
			t.Errorf("the problem %s is explained by %+v", name, e)
		}
		w := b.do("GET", "/problems/"+name, "", "Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
		if body := w.Body.String(); w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") ||
			!strings.Contains(body, "<code>/problems/"+name+"</code>") || strings.Contains(body, "`") {
			t.Errorf("GET /problems/%s: %d %s", name, w.Code, body)
		}
		var got explanationJSON
		w = b.do("GET", "/problems/"+name, "", "Accept", "application/json")
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got != (explanationJSON{"/problems/" + name, e.Title, e.Meaning, e.Action}) {
			t.Errorf("GET /problems/%s as JSON: %s, %v", name, w.Body, err)
		}
	}
}

func TestUnknownProblem(t *testing.T) {
	b := &browser{t: t, s: newServer(t, Config{})}
	for _, path := range []string{"/problems/none", "/problems/", "/problems/a/b", "/problems/%3Cscript%3E"} {
		w := b.do("GET", path, "")
		if w.Code != 404 || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") || strings.Contains(w.Body.String(), "<script") {
			t.Errorf("GET %s: %d %s", path, w.Code, w.Body)
		}
		b.want(b.do("GET", path, "", "Accept", "application/problem+json"), 404, "not-found")
	}
	b.want(b.do("POST", "/problems/busy", "{}"), 405, "no-such-method")
}
