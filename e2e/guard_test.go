package e2e

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// TestSecurityHeaders: every answer tells browsers what it may not do.
func TestSecurityHeaders(t *testing.T) {
	s := serve(t)
	me := s.guest("First")
	for _, path := range []string{"/", "/healthz", "/api/pages", "/api/nowhere", "/api/openapi.json", "/nowhere"} {
		a := me.get(path)
		for name, want := range map[string]string{
			"X-Content-Type-Options":       "nosniff",
			"X-Frame-Options":              "DENY",
			"Cross-Origin-Opener-Policy":   "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin",
			"Referrer-Policy":              "same-origin",
		} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		policy := a.header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'self'", "object-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: the policy lacks %s: %q", path, want, policy)
			}
		}
		if strings.Contains(policy, "'unsafe-eval'") || strings.Contains(policy, "script-src 'unsafe-inline'") {
			t.Errorf("%s: the policy lets scripts in: %q", path, policy)
		}
		if a.header.Get("X-Request-Id") == "" {
			t.Errorf("%s: no X-Request-Id", path)
		}
	}
}

// TestCrossSite: pages of other sites may change nothing.
func TestCrossSite(t *testing.T) {
	s := serve(t)
	me := s.guest("First")
	page := me.newPage("")
	at := "/api/pages/" + page
	for name, r := range map[string]request{
		"create":   to("POST", "/api/pages").json(`{}`),
		"edit":     to("POST", at+"/changes").json(edit{client: clientA, n: 1, delta: `[{"insert":"x"}]`}.String()),
		"presence": to("POST", at+"/presence").json(here(clientA, 0, 0, "idle")),
		"settings": to("PATCH", at).json(`{"title":"x"}`),
		"trash":    to("DELETE", at),
		"content":  to("PUT", at+"/content?base=0").text("text/plain", "x"),
		"import":   to("POST", "/api/import").file("file", "a.txt", "x"),
		"sign in":  to("POST", "/api/session").json(`{"name":"x"}`),
		"sign out": to("DELETE", "/api/session"),
	} {
		t.Run(name, func(t *testing.T) {
			me := me.in(t)
			me.send(r.with("Sec-Fetch-Site", "cross-site")).refused(403, "cross-site")
			me.send(r.with("Sec-Fetch-Site", "same-site")).refused(403, "cross-site")
			me.send(r.with("Origin", "http://elsewhere.example")).refused(403, "cross-site")
			me.send(r.with("Origin", "null")).refused(403, "cross-site")
		})
	}
	me.get("/api/session").ok(200)
	me.wantPage(page, 0, `[{"insert":"\n"}]`)
	mine := to("POST", at+"/changes").json(edit{client: clientA, n: 1, delta: `[{"insert":"x"}]`}.String())
	me.send(mine.with("Sec-Fetch-Site", "same-origin").with("Origin", s.url)).ok(200)
}

// TestOtherHosts: an open workspace answers only what is asked of this machine
// by its own name.
func TestOtherHosts(t *testing.T) {
	s := serve(t)
	me := s.guest("First")
	_, port, _ := strings.Cut(s.listen, ":")
	for _, r := range []request{
		to("GET", "").with("Host", "halley.example"),
		to("GET", "").with("Host", "halley.example:"+port),
		to("GET", "").with("Host", "192.0.2.7:"+port),
		to("GET", "").with("Host", "127.0.0.1.halley.example"),
		to("GET", "").with("Host", "localhost.halley.example"),
		to("GET", "").with("Forwarded", "for=192.0.2.7"),
		to("GET", "").with("X-Forwarded-For", "127.0.0.1"),
		to("GET", "").with("X-Forwarded-Host", "localhost"),
	} {
		at := func(path string) *answer {
			r.path = path
			return me.send(r)
		}
		at("/api/pages").refused(403, "forbidden")
		at("/api/session").refused(403, "forbidden")
		if a := at("/").ok(403); !strings.Contains(string(a.body), "--open") {
			t.Errorf("host %q, header %v: the set-up page is %s", r.host, r.header, short(a.body))
		}
		at("/healthz").ok(200)
	}
	for _, host := range []string{"localhost", "LOCALHOST:" + port, "127.0.0.1", "[::1]:" + port, "127.8.9.10", "halley.localhost"} {
		s.stranger().send(to("GET", "/api/session").with("Host", host)).refused(401, "signed-out")
	}

	open := serve(t, "--open")
	open.stranger().send(to("GET", "/api/session").with("Host", "halley.example")).refused(401, "signed-out")
}

// TestBodyLimits: what is too large is refused, whether it says so or not.
func TestBodyLimits(t *testing.T) {
	s := serve(t)
	me := s.guest("First")
	page := me.newPage("")
	large := strings.Repeat(" ", 64<<10) + "{}"
	for name, r := range map[string]request{
		"settings": to("PATCH", "/api/pages/"+page).json(large),
		"presence": to("POST", "/api/pages/"+page+"/presence").json(large),
		"sign in":  to("POST", "/api/session").json(large),
	} {
		t.Run(name, func(t *testing.T) {
			me := me.in(t)
			body := func() request { r.body = strings.NewReader(large); return r }
			me.send(body()).refused(413, "too-large").has("limit", 64<<10)
			me.send(body().chunked()).refused(413, "too-large").has("limit", 64<<10)
		})
	}
	created := `{"delta":[{"insert":"` + strings.Repeat("x", 16<<20) + `\n"}]}`
	me.send(to("POST", "/api/pages").json(created)).refused(413, "too-large")
	me.send(to("POST", "/api/pages").json(created).chunked()).refused(413, "too-large")
	file := strings.Repeat("x", 64<<20+1)
	me.send(to("PUT", "/api/pages/"+page+"/content?base=0").text("text/plain", file)).refused(413, "too-large")
	me.send(to("PUT", "/api/pages/"+page+"/content?base=0").text("text/plain", file).chunked()).refused(413, "too-large")
	me.wantPage(page, 0, `[{"insert":"\n"}]`)

	// Who says that much will come is refused before it does.
	conn, err := net.Dial("tcp", s.listen)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST /api/session HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n", s.listen)
	if line, err := bufio.NewReader(conn).ReadString('\n'); !strings.Contains(line, " 413 ") {
		t.Errorf("a body of 99,999,999,999 bytes is answered with %q, %v before it comes; want 413", line, err)
	}
}

func TestAddresses(t *testing.T) {
	s := serve(t)
	me := s.guest("First")
	page := me.newPage("")
	me.get("/api/nowhere").refused(404, "not-found")
	me.send(to("PUT", "/api/pages/"+page)).refused(405, "no-such-method")
	me.send(to("POST", "/nowhere")).refused(405, "no-such-method")
	if got := string(me.get("/healthz").ok(200).body); got != "alive\n" {
		t.Errorf("/healthz says %q", got)
	}
	me.get("/readyz").ok(200)
	me.get("/api/openapi.json").ok(200).value()
	me.get("/api/formats").ok(200)
}
