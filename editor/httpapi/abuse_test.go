package httpapi

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"halley/editor/budget"
)

// TestTypistBesideAbuse: one session that does all it can at full speed keeps
// nobody else's edit from being acknowledged.
func TestTypistBesideAbuse(t *testing.T) {
	memory := budget.New(64 * mib)
	s := newServer(t, Config{RateLimits: true, AnyHost: true, Budget: memory})
	typist := from(t, s, "198.51.100.7", "Browser/1.0")
	typist.enter("Ann")
	page := newPageOf(t, typist)
	abuser := from(t, s, "192.0.2.1", "script")
	abuser.enter("Eve")
	again := from(t, s, "192.0.2.1", "script")
	again.enter("Eve")

	large := `{"delta":[{"insert":"` + strings.Repeat("word ", 200_000) + `\n"}]}`
	calls := []func(n int){
		func(int) { abuser.do("POST", "/api/pages", large) },
		func(int) { abuser.do("GET", "/api/pages?q=nothing+like+this", "") },
		func(int) { abuser.do("GET", "/api/pages/"+page+"/content?format=html", "") },
		func(int) { abuser.do("GET", "/api/pages/"+page+"/changes?limit=1000", "") },
		func(n int) {
			abuser.do("POST", "/api/pages/"+page+"/presence", fmt.Sprintf(`{"client":"client-of-eve-%d","base":0,"state":"typing"}`, n))
		},
		func(n int) {
			edit := `{"client":"client-of-eve-%d","n":1,"base":0,"delta":[{"insert":"%s"}]}`
			abuser.do("POST", "/api/pages/"+page+"/changes", fmt.Sprintf(edit, n, strings.Repeat("x", 100)))
		},
		func(int) { again.do("POST", "/api/session", `{"name":"Eve again"}`) }, // its cookie changes
		func(n int) { from(t, s, "192.0.2.1", "script").enter(fmt.Sprintf("Eve %d", n)) },
	}
	stop := make(chan struct{})
	var running sync.WaitGroup
	for _, call := range calls {
		running.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
					call(n)
				}
			}
		})
	}
	deadline := time.Now().Add(2 * time.Minute)
	for n := range 30 {
		edit := fmt.Sprintf(`{"client":"client-of-ann","n":%d,"base":0,"delta":[{"insert":"x"}]}`, n+1)
		if w := typist.do("POST", "/api/pages/"+page+"/changes", edit); w.Code != 200 {
			t.Errorf("edit %d: %d %s", n+1, w.Code, w.Body)
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d edits took two minutes", n+1)
		}
	}
	close(stop)
	running.Wait()
	if got := heldInAll(memory); got != 0 {
		t.Errorf("%d bytes are held in the end, want none", got)
	}
}
