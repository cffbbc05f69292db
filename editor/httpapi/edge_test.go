package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/gin-gonic/gin"

	"halley/editor"
	"halley/editor/account"
	"halley/storage/bolt"
)

func readSource(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// newServer is the real server over a real store, without a network.
func newServer(t testing.TB, cfg Config) *Server {
	t.Helper()
	return newServerIn(t, t.TempDir(), cfg)
}

// newServerIn is newServer over a folder.
func newServerIn(t testing.TB, dir string, cfg Config) *Server {
	t.Helper()
	store, err := bolt.Open(dir, bolt.Config{})
	if err != nil {
		t.Fatal(err)
	}
	accounts := account.New(store, time.Now)
	pages, err := editor.Open(t.Context(), editor.Config{}, store, editor.OpenWorkspace{}, accounts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		pages.Close()
		store.Close()
	})
	cfg.App = fstest.MapFS{
		"index.html":         {Data: []byte("<!doctype html><title>Halley</title>")},
		"assets/main-123.js": {Data: []byte(strings.Repeat("let halley = 1;\n", 100))},
	}
	s, err := New(t.Context(), cfg, pages, accounts, store)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// browser keeps a session's cookie.
type browser struct {
	t      testing.TB
	s      *Server
	cookie *http.Cookie
	addr   string // "": this machine
	agent  string
}

func signIn(t testing.TB, s *Server) *browser {
	t.Helper()
	b := &browser{t: t, s: s}
	w := b.do("POST", "/api/session", `{"name":"Ann"}`)
	if w.Code != 200 || len(w.Result().Cookies()) != 1 {
		t.Fatalf("sign-in: %d %s", w.Code, w.Body)
	}
	b.cookie = w.Result().Cookies()[0]
	return b
}

func (b *browser) do(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	b.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host, r.RemoteAddr = "localhost:8080", "127.0.0.1:54321"
	if b.addr != "" {
		r.RemoteAddr = b.addr
	}
	if b.agent != "" {
		r.Header.Set("User-Agent", b.agent)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	if b.cookie != nil {
		r.AddCookie(b.cookie)
	}
	w := httptest.NewRecorder()
	b.s.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if b.cookie != nil && c.Name == b.cookie.Name && c.MaxAge > 0 {
			b.cookie = c // a new key for the same session
		}
	}
	return w
}

func (b *browser) want(w *httptest.ResponseRecorder, status int, problem string) {
	b.t.Helper()
	var got struct{ Type, Detail string }
	_ = json.Unmarshal(w.Body.Bytes(), &got) // another form shows as another type
	if w.Code != status || got.Type != "/problems/"+problem || got.Detail == "" {
		b.t.Errorf("answer %d %s, want %d %s", w.Code, w.Body, status, problem)
	}
}

func TestGuards(t *testing.T) {
	s := newServer(t, Config{RateLimits: true})
	b := signIn(t, s)
	for _, c := range []struct {
		name, method, path string
		headers            []string
		status             int
		problem            string
	}{
		{"cross-site by Sec-Fetch-Site", "POST", "/api/pages", []string{"Sec-Fetch-Site", "cross-site"}, 403, "cross-site"},
		{"cross-site by Origin", "POST", "/api/pages", []string{"Origin", "https://evil.example"}, 403, "cross-site"},
		{"a rebound name", "GET", "/api/pages", []string{"Host", "evil.example"}, 403, "forbidden"},
		{"through a proxy", "GET", "/api/pages", []string{"X-Forwarded-For", "10.0.0.1"}, 403, "forbidden"},
		{"through a proxy that says only that it is one", "GET", "/api/pages", []string{"Via", "1.1 proxy.example"}, 403, "forbidden"},
		{"through a proxy that says only for whom", "GET", "/api/pages", []string{"X-Real-IP", "10.0.0.1"}, 403, "forbidden"},
		{"through a network of caches", "GET", "/api/pages", []string{"CF-Connecting-IP", "10.0.0.1"}, 403, "forbidden"},
		{"through a proxy, new style", "GET", "/api/pages", []string{"Forwarded", "for=10.0.0.1"}, 403, "forbidden"},
		{"an unknown token", "GET", "/api/pages", []string{"Authorization", "Bearer abc"}, 401, "signed-out"},
		{"no such address", "GET", "/api/nothing", nil, 404, "not-found"},
		{"no such method", "PUT", "/api/pages", nil, 405, "no-such-method"},
		{"not JSON", "POST", "/api/pages", []string{"Content-Type", "text/plain"}, 415, "unsupported-format"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.t = t
			b.want(b.do(c.method, c.path, "{}", c.headers...), c.status, c.problem)
		})
	}
	b.t = t
	for _, host := range []string{"localhost", "127.0.0.1:99", "[::1]:99", "halley.localhost"} {
		if w := b.do("GET", "/api/pages", "", "Host", host); w.Code != 200 {
			t.Errorf("Host %s: %d %s", host, w.Code, w.Body)
		}
	}
	if w := b.do("GET", "/", "", "Host", "evil.example"); w.Code != 403 || !strings.Contains(w.Body.String(), "--open") {
		t.Errorf("the set-up page: %d %s", w.Code, w.Body)
	}
}

func TestSecurityHeaders(t *testing.T) {
	b := signIn(t, newServer(t, Config{PublicURL: "https://halley.example", AnyHost: true}))
	w := b.do("GET", "/", "")
	for name, want := range map[string]string{
		"Content-Security-Policy":   "frame-ancestors 'none'",
		"X-Content-Type-Options":    "nosniff",
		"Referrer-Policy":           "same-origin",
		"Strict-Transport-Security": "max-age=",
	} {
		if !strings.Contains(w.Header().Get(name), want) {
			t.Errorf("%s: %q, want it to hold %q", name, w.Header().Get(name), want)
		}
	}
	if c := b.cookie; !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteLaxMode {
		t.Errorf("the cookie is %v", c)
	}
}

func TestApp(t *testing.T) {
	b := signIn(t, newServer(t, Config{}))
	for path, status := range map[string]int{"/": 200, "/p/abc": 200, "/trash": 200, "/p/": 404, "/nothing": 404} {
		if w := b.do("GET", path, ""); w.Code != status || !strings.Contains(w.Body.String(), "Halley") {
			t.Errorf("GET %s: %d %s, want %d and the app", path, w.Code, w.Body, status)
		}
	}
	w := b.do("GET", "/assets/main-123.js", "", "Accept-Encoding", "gzip")
	if w.Header().Get("Content-Encoding") != "gzip" || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
		t.Errorf("an asset: %v", w.Header())
	}
	if w := b.do("GET", "/assets/main-123.js", "", "If-None-Match", w.Header().Get("ETag")); w.Code != 304 {
		t.Errorf("an asset that is there already: %d", w.Code)
	}
}

func TestRateLimit(t *testing.T) {
	b := signIn(t, newServer(t, Config{RateLimits: true}))
	limited := 0
	for range int(workPerPerson.burst/workCreate) + 20 {
		if w := b.do("POST", "/api/pages", `{}`); w.Code == 429 {
			limited++
			if w.Header().Get("Retry-After") == "" {
				t.Fatal("429 without Retry-After")
			}
		}
	}
	if limited == 0 {
		t.Error("nothing was limited")
	}
}

func TestIdempotencyKey(t *testing.T) {
	b := signIn(t, newServer(t, Config{}))
	const key = "key-0001"
	first := b.do("POST", "/api/pages", `{"title":"One"}`, "Idempotency-Key", key)
	var page struct{ ID string }
	if err := json.Unmarshal(first.Body.Bytes(), &page); err != nil || first.Code != 201 {
		t.Fatalf("create: %d %s", first.Code, first.Body)
	}
	b.do("PATCH", "/api/pages/"+page.ID, `{"title":"Two"}`)
	again := b.do("POST", "/api/pages", `{"title":"One"}`, "Idempotency-Key", key)
	if again.Code != 201 || again.Body.String() != first.Body.String() || again.Header().Get("Location") != first.Header().Get("Location") {
		t.Errorf("again: %d %s, want the first answer %s", again.Code, again.Body, first.Body)
	}
	b.want(b.do("POST", "/api/pages", `{"title":"Other"}`, "Idempotency-Key", key), 409, "key-reused")
	b.want(b.do("POST", "/api/pages", `{}`, "Idempotency-Key", "a b"), 400, "bad-request")

	put := func() *httptest.ResponseRecorder {
		return b.do("PUT", "/api/pages/"+page.ID+"/content?base=0&format=txt", "hello\n", "Idempotency-Key", "key-0002")
	}
	if one, two := put(), put(); one.Code != 200 || one.Body.String() != two.Body.String() || !strings.Contains(one.Body.String(), `"seq":1`) {
		t.Errorf("PUT twice: %d %s, then %s", one.Code, one.Body, two.Body)
	}
	var list struct{ Pages []any }
	if err := json.Unmarshal(b.do("GET", "/api/pages", "").Body.Bytes(), &list); err != nil || len(list.Pages) != 1 {
		t.Errorf("%d pages, %v, want 1", len(list.Pages), err)
	}
}

func TestCountOps(t *testing.T) {
	for in, want := range map[string]int{
		`[]`:                                        0,
		`[{"insert":"a"},{"retain":1}]`:             2,
		`[{"insert":"{[{,{\"[{"}]`:                  1,
		`[{"insert":{"image":"x"}}]`:                1,
		`[ {"insert":"a"} , {"x":[{}]}]`:            3,
		`[{"retain":1,"attributes":{"a":{"b":1}}}]`: 1,
	} {
		if got := countOps([]byte(in)); got != want {
			t.Errorf("countOps(%s) = %d, want %d", in, got, want)
		}
	}
}

func TestTooManyOps(t *testing.T) {
	b := signIn(t, newServer(t, Config{}))
	body := `{"delta":[` + strings.Repeat(`{"insert":"x"},`, maxEditOps) + `{"insert":"\n"}]}`
	b.want(b.do("POST", "/api/pages", body), 413, "too-large")
	b.want(b.do("PATCH", "/api/pages/x", `{"title":"`+strings.Repeat("x", maxOtherBytes)+`"}`), 413, "too-large")
}

func TestByPreference(t *testing.T) {
	for accept, want := range map[string]string{
		"":                                    "[]",
		"text/html":                           "[text/html]",
		"text/html;q=0.5, text/markdown":      "[text/markdown text/html]",
		"text/html;q=0, */*;q=0.1":            "[*/*]",
		"Text/Event-Stream ; charset=utf-8  ": "[text/event-stream]",
	} {
		if got := fmt.Sprint(byPreference(accept)); got != want {
			t.Errorf("byPreference(%q) = %s, want %s", accept, got, want)
		}
	}
}

// The OpenAPI document and the router say the same.
func TestOpenAPIMatchesRoutes(t *testing.T) {
	s := newServer(t, Config{})
	var doc struct {
		OpenAPI string                    `json:"openapi"`
		Paths   map[string]map[string]any `json:"paths"`
	}
	if err := json.NewDecoder(bytes.NewReader(openAPI)).Decode(&doc); err != nil || !strings.HasPrefix(doc.OpenAPI, "3.") {
		t.Fatalf("openapi.json: version %q, %v", doc.OpenAPI, err)
	}
	documented := map[string]bool{}
	for path, methods := range doc.Paths {
		for method := range methods {
			if method != "parameters" {
				documented[strings.ToUpper(method)+" "+path] = true
			}
		}
	}
	for _, r := range s.engine.Routes() {
		if r.Method == http.MethodHead {
			continue // as GET, by HTTP's own rule
		}
		key := r.Method + " " + openAPIPath(r)
		if !documented[key] {
			t.Errorf("openapi.json lacks %s", key)
		}
		delete(documented, key)
	}
	for key := range documented {
		t.Errorf("openapi.json has %s, which the server does not", key)
	}
}

func openAPIPath(r gin.RouteInfo) string {
	parts := strings.Split(r.Path, "/")
	for i, part := range parts {
		if strings.HasPrefix(part, ":") {
			parts[i] = "{" + part[1:] + "}"
		}
	}
	return strings.Join(parts, "/")
}
