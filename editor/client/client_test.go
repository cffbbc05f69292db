package client

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"halley/ot"
)

// script answers each request with the next of some handlers, and notes what
// came: "METHOD PATH BODY".
type script struct {
	t      *testing.T
	steps  []http.HandlerFunc
	bodies []string
	heads  []http.Header
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.bodies = append(s.bodies, r.Method+" "+r.URL.RequestURI()+" "+string(body))
	s.heads = append(s.heads, r.Header)
	if len(s.bodies) > len(s.steps) {
		s.t.Errorf("one request too many: %s", s.bodies[len(s.bodies)-1])
		panic(http.ErrAbortHandler)
	}
	s.steps[len(s.bodies)-1](w, r)
}

// against is a client of a scripted server.
func against(t *testing.T, patience time.Duration, steps ...http.HandlerFunc) (*Client, *script) {
	t.Helper()
	s := &script{t: t, steps: steps}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	c, err := New(Config{Server: server.URL + "/", Patience: patience})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, s
}

func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if status >= 400 {
			w.Header().Set("Content-Type", "application/problem+json")
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func cuts(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }

func breaksOff(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "100")
	io.WriteString(w, `{"seq"`)
	panic(http.ErrAbortHandler)
}

var anEdit = Edit{Client: "client-1", N: 1, Base: 3, Delta: ot.Delta{{Insert: "x"}}}

// TestResend: an edit is sent again, byte for byte, until it is answered.
func TestResend(t *testing.T) {
	c, s := against(t, 0, cuts, breaksOff, says(503, `{"type":"/problems/draining"}`), says(429, `{}`), says(200, `{"seq":7}`))
	seq, err := c.Submit(t.Context(), "page", anEdit)
	if err != nil || seq != 7 {
		t.Fatalf("Submit = %d, %v; want 7", seq, err)
	}
	want := `POST /api/pages/page/changes {"client":"client-1","n":1,"base":3,"delta":[{"insert":"x"}]}`
	for _, got := range s.bodies {
		if got != want {
			t.Errorf("sent %s, want %s", got, want)
		}
	}
}

// TestRefusal: what is refused is not sent again, and comes back as a Problem.
func TestRefusal(t *testing.T) {
	c, _ := against(t, 0, says(409, `{"type":"/problems/base-ahead","title":"T","status":409,"detail":"A sentence.","head":5}`))
	_, err := c.Submit(t.Context(), "page", anEdit)
	var p *Problem
	if !errors.As(err, &p) || p.Name() != "base-ahead" || p.Head != 5 || p.Status != 409 || p.Error() != "A sentence" {
		t.Errorf("Submit's error is %#v", err)
	}
	c, _ = against(t, 0, says(502, `{"type":`))
	if _, err = c.Session(t.Context()); !errors.As(err, &p) || p.Status != 502 || p.Name() != "" || !strings.Contains(p.Error(), "502") {
		t.Errorf("what is no problem of Halley's is %#v", err)
	}
}

// TestOnce: what would be done twice is sent once only.
func TestOnce(t *testing.T) {
	c, _ := against(t, 0, cuts)
	if _, err := c.SignIn(t.Context(), "Guest"); err == nil {
		t.Error("SignIn succeeded on a cut connection")
	}
	c, _ = against(t, 0, cuts)
	if _, err := c.Create(t.Context(), "Title", nil, ""); err == nil {
		t.Error("Create without a key succeeded on a cut connection")
	}
	c, s := against(t, 0, cuts, says(201, `{"id":"made"}`))
	if p, err := c.Create(t.Context(), "Title", nil, "a-key-of-mine"); err != nil || p.ID != "made" {
		t.Errorf("Create = %v, %v", p, err)
	}
	c, s2 := against(t, 0, cuts, says(201, `{"id":"made","notes":[{"what":"w","count":2,"where":3,"note":"n"}]}`))
	in, err := c.Import(t.Context(), "a.md", []byte("text"), "another-key")
	if err != nil || in.ID != "made" || !slices.Equal(in.Notes, []Note{{"w", 2, 3, "n"}}) {
		t.Errorf("Import = %+v, %v", in, err)
	}
	if s2.bodies[0] != s2.bodies[1] || s.bodies[0] != s.bodies[1] {
		t.Errorf("what was sent again differs: %q", append(s.bodies, s2.bodies...))
	}
	if got := s.heads[1].Get("Idempotency-Key"); got != "a-key-of-mine" {
		t.Errorf("the key is %q", got)
	}
}

// TestPatience: without an answer a call ends in time, saying why.
func TestPatience(t *testing.T) {
	c, err := New(Config{Server: "http://127.0.0.1:1", Patience: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Submit(t.Context(), "page", anEdit)
	if err == nil || !strings.Contains(err.Error(), "cannot reach http://127.0.0.1:1") {
		t.Errorf("Submit to nobody: %v", err)
	}
	for _, bad := range []string{"", "nowhere", "ftp://host", "http://"} {
		if _, err := New(Config{Server: bad}); err == nil {
			t.Errorf("New takes the address %q", bad)
		}
	}
}

func streams(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, text)
	}
}

func hello(epoch string) string {
	return fmt.Sprintf("id: 3\nevent: hello\ndata: {\"epoch\":%q}\n\n", epoch)
}

// TestFollow: over cut lines, byes and refusals that pass, a follower goes on
// after the last event that it has.
func TestFollow(t *testing.T) {
	c, s := against(t, 0,
		streams(hello("E1")+"id: 4\nevent: change\ndata: {\"seq\":4}\n\nid: 5\nevent: change\ndata: {\"se"),
		cuts,
		says(503, `{}`),
		streams(hello("E1")+":\n\nid: 5\nevent: change\ndata: {\"seq\":5}\n\nevent: bye\ndata: {\"after_ms\":1}\n\n"),
		streams(hello("E2")+"id: 9\nevent: reset\ndata: {\"seq\":9}\n\nevent: bye\ndata: {\"after_ms\":1,\"why\":\"signed-out\"}\n\n"),
	)
	var got []string
	var last error
	for e, err := range c.Follow(t.Context(), Line{Pages: []Place{{Page: "a", After: 3}, {Page: "b", AtHead: true}}, Clients: []string{"client-1"}}) {
		if err != nil {
			last = err
			continue
		}
		got = append(got, e.Type+e.ID)
	}
	want := "[hello3 change4 hello3 change5 bye hello3 reset9 bye]"
	if fmt.Sprint(got) != want || !errors.Is(last, ErrSignedOut) {
		t.Errorf("followed %v, %v; want %s and that the session is over", got, last, want)
	}
	first := "GET /api/events?client=client-1&page=a%403&page=b "
	later := "GET /api/events?client=client-1&epoch=E1&page=a%403&page=b "
	for i, position := range []string{"", "4", "4", "4", "5"} {
		if s.heads[i].Get("Last-Event-ID") != position || s.bodies[i] != first && i == 0 || s.bodies[i] != later && i > 0 {
			t.Errorf("request %d is %q at %q, want position %q", i, s.bodies[i], s.heads[i].Get("Last-Event-ID"), position)
		}
	}
}

// TestFollowEnds: a caller that has enough, and a refusal for good.
func TestFollowEnds(t *testing.T) {
	c, _ := against(t, 0, streams(hello("E1")))
	for range c.Follow(t.Context(), Line{Pages: []Place{{Page: "a"}}}) {
		break
	}
	c, _ = against(t, 0, says(410, `{"type":"/problems/trashed"}`))
	count := 0
	for _, err := range c.Follow(t.Context(), Line{Pages: []Place{{Page: "a"}}}) {
		var p *Problem
		if count++; !errors.As(err, &p) || p.Name() != "trashed" {
			t.Errorf("a page in the trash: %v", err)
		}
	}
	if count != 1 {
		t.Errorf("the end is told %d times", count)
	}
}

func TestPages(t *testing.T) {
	c, s := against(t, 0,
		says(200, `{"pages":[{"id":"1"},{"id":"2"}],"cursor":"next one"}`),
		says(200, `{"pages":[{"id":"3"}],"cursor":null}`))
	ids := ""
	for p, err := range c.Pages(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		ids += p.ID
	}
	if ids != "123" || s.bodies[1] != "GET /api/pages?cursor=next+one&limit=500 " {
		t.Errorf("pages %s by %q", ids, s.bodies)
	}
}
