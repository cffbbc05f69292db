package httpapi

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestLargeRequestsTakeTurns: while others take the processors, a large edit
// and a line of many pages wait, an ordinary edit does not, and a sender who
// leaves stops waiting.
func TestLargeRequestsTakeTurns(t *testing.T) {
	s := newServer(t, Config{AnyHost: true})
	b := from(t, s, "192.0.2.1", "")
	b.enter("Ann")
	page := newPageOf(t, b)
	changes := "/api/pages/" + page + "/changes"
	for range cap(s.turns) {
		s.turns <- struct{}{}
	}
	edit := func(n int, text string) string {
		return fmt.Sprintf(`{"client":"client-1","n":%d,"base":%d,"delta":[{"insert":%q}]}`, n, n-1, text)
	}
	if w := b.do("POST", changes, edit(1, "x")); w.Code != 200 {
		t.Fatalf("an ordinary edit while others have their turns: %d %s, want 200", w.Code, w.Body)
	}
	large := edit(2, strings.Repeat("x", smallBytes))
	line := "/api/events?transport=poll&page=" + page + "@0" + strings.Repeat("&client=client-1", fewPlaces+1)
	for _, c := range []struct{ method, path, body string }{{"POST", changes, large}, {"GET", line, ""}} {
		ctx, leave := context.WithTimeout(t.Context(), 50*time.Millisecond)
		r := httptest.NewRequestWithContext(ctx, c.method, c.path, strings.NewReader(c.body))
		r.Host, r.RemoteAddr = "localhost:8080", b.addr
		r.Header.Set("Content-Type", "application/json")
		r.AddCookie(b.cookie)
		s.ServeHTTP(httptest.NewRecorder(), r)
		if ctx.Err() == nil {
			t.Errorf("%s %.30s is answered before its turn", c.method, c.path)
		}
		leave()
	}
	answer := make(chan *httptest.ResponseRecorder, 1)
	go func() { answer <- b.do("POST", changes, large) }()
	<-s.turns
	if w := <-answer; w.Code != 200 || !strings.Contains(w.Body.String(), `"seq":2`) {
		t.Errorf("a large edit in its turn: %d %s, want seq 2", w.Code, w.Body)
	}
	if left := len(s.turns); left != cap(s.turns)-1 {
		t.Errorf("%d turns are taken after all requests, want %d", left, cap(s.turns)-1)
	}
}
