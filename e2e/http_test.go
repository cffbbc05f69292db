package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"reflect"
	"strings"
	"testing"
)

// A caller is somebody at the other end of plain HTTP.
type caller struct {
	tb   testing.TB
	s    *server
	http *http.Client
	id   string // of the principal; "" for somebody who has not signed in
}

// stranger is a caller who has not signed in.
func (s *server) stranger() *caller {
	s.tb.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.tb.Fatal(err)
	}
	transport := carried.transport()
	s.tb.Cleanup(transport.CloseIdleConnections)
	return &caller{tb: s.tb, s: s, http: &http.Client{Jar: jar, Transport: transport}}
}

// guest is a caller who has signed in under a name.
func (s *server) guest(name string) *caller {
	s.tb.Helper()
	c := s.stranger()
	c.id = c.post("/api/session", map[string]string{"name": name}).ok(200).text("id")
	return c
}

// in is the caller in a sub-test, which then is the one that fails.
func (c *caller) in(tb testing.TB) *caller {
	sub := *c
	sub.tb = tb
	return &sub
}

// A request is a call in the making.
type request struct {
	method, path string
	header       http.Header
	body         io.Reader
	host         string
}

// with sets a header; "Host" too.
func (r request) with(name, value string) request {
	if name == "Host" {
		r.host = value
		return r
	}
	r.header = r.header.Clone()
	if r.header == nil {
		r.header = http.Header{}
	}
	r.header.Set(name, value)
	return r
}

func to(method, path string) request { return request{method: method, path: path} }

// json gives the request a JSON body: a string as it stands, anything else encoded.
func (r request) json(body any) request {
	text, ok := body.(string)
	if !ok {
		data, err := json.Marshal(body)
		if err != nil {
			panic(err)
		}
		text = string(data)
	}
	r.body = strings.NewReader(text)
	return r.with("Content-Type", "application/json")
}

// chunked hides the body's length.
func (r request) chunked() request {
	r.body = struct{ io.Reader }{r.body}
	return r
}

func (r request) text(kind, body string) request {
	r.body = strings.NewReader(body)
	return r.with("Content-Type", kind)
}

// file gives the request a form with one file.
func (r request) file(field, name, content string) request {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile(field, name)
	if err == nil {
		_, err = io.WriteString(part, content)
	}
	if err == nil {
		err = form.Close()
	}
	if err != nil {
		panic(err)
	}
	r.body = &body
	return r.with("Content-Type", form.FormDataContentType())
}

// An answer is what came back, read to its end.
type answer struct {
	tb     testing.TB
	what   string
	status int
	header http.Header
	body   []byte
}

// try sends a request; the error is a lost connection.
func (c *caller) try(r request) (*answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.method, c.s.url+r.path, r.body)
	if err != nil {
		return nil, err
	}
	if r.header != nil {
		req.Header = r.header.Clone()
	}
	req.Host = r.host
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.ProtoMajor != carried.major {
		c.tb.Errorf("%s %s came over %s, want HTTP/%d", r.method, r.path, resp.Proto, carried.major)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	return &answer{c.tb, r.method + " " + r.path, resp.StatusCode, resp.Header, body}, nil
}

func (c *caller) send(r request) *answer {
	c.tb.Helper()
	a, err := c.try(r)
	if err != nil {
		c.tb.Fatalf("%s %s: %v", r.method, r.path, err)
	}
	return a
}

func (c *caller) get(path string) *answer {
	c.tb.Helper()
	return c.send(to("GET", path))
}

func (c *caller) post(path string, body any) *answer {
	c.tb.Helper()
	return c.send(to("POST", path).json(body))
}

// ok fails unless the answer has the status.
func (a *answer) ok(status int) *answer {
	a.tb.Helper()
	if a.status != status {
		a.tb.Fatalf("%s answered %d, want %d: %s", a.what, a.status, status, short(a.body))
	}
	return a
}

// refused fails unless the answer is a problem of that status and name, whole
// in its form.
func (a *answer) refused(status int, name string) *answer {
	a.tb.Helper()
	a.ok(status)
	if kind := a.header.Get("Content-Type"); kind != "application/problem+json" {
		a.tb.Fatalf("%s: a refusal of type %q, want application/problem+json: %s", a.what, kind, short(a.body))
	}
	if got, want := a.text("type"), "/problems/"+name; got != want {
		a.tb.Fatalf("%s: problem %s, want %s: %s", a.what, got, want, short(a.body))
	}
	if a.number("status") != float64(status) || a.text("title") == "" || a.text("detail") == "" {
		a.tb.Fatalf("%s: a problem without its status, title or detail: %s", a.what, short(a.body))
	}
	return a
}

// value decodes the answer's JSON.
func (a *answer) value() map[string]any {
	a.tb.Helper()
	var v map[string]any
	if err := json.Unmarshal(a.body, &v); err != nil {
		a.tb.Fatalf("%s answered what is no JSON object: %s", a.what, short(a.body))
	}
	return v
}

func (a *answer) text(member string) string {
	a.tb.Helper()
	s, ok := a.value()[member].(string)
	if !ok {
		a.tb.Fatalf("%s: no text %q in %s", a.what, member, short(a.body))
	}
	return s
}

func (a *answer) number(member string) float64 {
	a.tb.Helper()
	n, ok := a.value()[member].(float64)
	if !ok {
		a.tb.Fatalf("%s: no number %q in %s", a.what, member, short(a.body))
	}
	return n
}

// raw is a member's JSON in one canonical form.
func (a *answer) raw(member string) string {
	a.tb.Helper()
	v, ok := a.value()[member]
	if !ok {
		a.tb.Fatalf("%s: no %q in %s", a.what, member, short(a.body))
	}
	return canonical(v)
}

func (a *answer) has(member string, want any) *answer {
	a.tb.Helper()
	got, _ := json.Marshal(a.value()[member])
	if text, _ := json.Marshal(want); string(got) != string(text) {
		a.tb.Fatalf("%s: %q is %s, want %s, in %s", a.what, member, got, text, short(a.body))
	}
	return a
}

func mustURL(text string) *url.URL {
	u, err := url.Parse(text)
	if err != nil {
		panic(err)
	}
	return u
}

func canonical(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(data)
}

// sameJSON reports whether two JSON texts mean the same.
func sameJSON(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
}

func short(body []byte) string {
	const most = 600
	if len(body) > most {
		return fmt.Sprintf("%s… (%d bytes)", body[:most], len(body))
	}
	return string(body)
}

// newPage makes a page, with a delta of its content if that is not "".
func (c *caller) newPage(delta string) string {
	c.tb.Helper()
	body := `{"title":"A page"}`
	if delta != "" {
		body = fmt.Sprintf(`{"title":"A page","delta":%s}`, delta)
	}
	return c.post("/api/pages", body).ok(201).text("id")
}

// An edit is one to submit, its delta as JSON.
type edit struct {
	client string
	n      int
	base   int
	delta  string
	epoch  string
}

func (e edit) String() string {
	if e.epoch != "" {
		return fmt.Sprintf(`{"client":%q,"n":%d,"base":%d,"delta":%s,"epoch":%q}`, e.client, e.n, e.base, e.delta, e.epoch)
	}
	return fmt.Sprintf(`{"client":%q,"n":%d,"base":%d,"delta":%s}`, e.client, e.n, e.base, e.delta)
}

// submit sends an edit of a page and wants it under seq.
func (c *caller) submit(page string, e edit, seq int) {
	c.tb.Helper()
	c.post("/api/pages/"+page+"/changes", e.String()).ok(200).has("seq", seq)
}

// wantPage fails unless the page is at seq with that content.
func (c *caller) wantPage(page string, seq int, delta string) {
	c.tb.Helper()
	a := c.get("/api/pages/"+page).ok(200).has("seq", seq)
	if got := a.raw("delta"); !sameJSON(got, delta) {
		c.tb.Fatalf("page at seq %d holds %s, want %s", seq, got, delta)
	}
}
