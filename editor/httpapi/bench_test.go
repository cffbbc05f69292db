package httpapi

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// BenchmarkEdge is what an edit costs besides its sync: the same edit is sent
// again and again, over everything but the network, and is answered by its page
// as a resend.
func BenchmarkEdge(b *testing.B) {
	s := newServer(b, Config{RateLimits: false})
	me := signIn(b, s)
	var page struct{ ID string }
	if w := me.do("POST", "/api/pages", `{}`); json.Unmarshal(w.Body.Bytes(), &page) != nil || page.ID == "" {
		b.Fatalf("a new page: %d %s", w.Code, w.Body)
	}
	body := strings.NewReader(`{"client":"client-1","n":1,"base":0,"delta":[{"insert":"x"}]}`)
	r, err := http.NewRequest("POST", "http://localhost:8080/api/pages/"+page.ID+"/changes", body)
	if err != nil {
		b.Fatal(err)
	}
	r.RemoteAddr = "127.0.0.1:54321"
	r.Header.Set("Content-Type", "application/json")
	r.AddCookie(me.cookie)
	b.ReportAllocs()
	for b.Loop() {
		body.Seek(0, io.SeekStart)
		r.Body = io.NopCloser(body)
		w := &answerOnly{header: http.Header{}}
		// A request of its own, since those who serve it keep things in its context.
		s.ServeHTTP(w, r.Clone(b.Context()))
		if w.status != http.StatusOK {
			b.Fatalf("the answer is %d", w.status)
		}
	}
}

// An answerOnly is a ResponseWriter that notes how the answer begins.
type answerOnly struct {
	header http.Header
	status int
}

func (w *answerOnly) Header() http.Header         { return w.header }
func (w *answerOnly) Write(p []byte) (int, error) { return len(p), nil }
func (w *answerOnly) WriteHeader(status int)      { w.status = status }

func (w *answerOnly) SetReadDeadline(time.Time) error  { return nil }
func (w *answerOnly) SetWriteDeadline(time.Time) error { return nil }

// BenchmarkLimits is what an edit's limits cost, with 1,000 people at work.
func BenchmarkLimits(b *testing.B) {
	now := time.Unix(0, 0)
	l := newLimits(true, func() time.Time { now = now.Add(time.Millisecond); return now })
	people := make([]bucketKey, 1000)
	for i := range people {
		people[i].who = fmt.Sprintf("g-%d", i)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := l.take(charge{l.calls, people[i%1000], 1}, charge{l.callsAt, bucketKey{who: "192.0.2.1"}, 1}); err != nil {
			b.Fatal(err)
		}
	}
}
