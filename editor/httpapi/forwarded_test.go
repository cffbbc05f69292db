package httpapi

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func TestBehindProxies(t *testing.T) {
	s := &Server{cfg: Config{TrustedProxies: []netip.Prefix{
		netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8"),
	}}}
	type headers [][2]string
	for _, c := range []struct {
		name    string
		peer    string
		headers headers
		from    string // as limits count it
		host    string
		https   bool
	}{
		{"nobody's proxy", "192.0.2.1:99", headers{{"X-Forwarded-For", "198.51.100.7"}, {"X-Forwarded-Proto", "https"}, {"X-Forwarded-Host", "evil.example"}}, "192.0.2.1", "inner", false},
		{"one proxy", "127.0.0.1:99", headers{{"X-Forwarded-For", "198.51.100.7"}, {"X-Forwarded-Proto", "https"}, {"X-Forwarded-Host", "halley.example"}}, "198.51.100.7", "halley.example", true},
		{"made up before it", "127.0.0.1:99", headers{{"X-Forwarded-For", "203.0.113.1, 198.51.100.7"}}, "198.51.100.7", "inner", false},
		{"made up in a line of its own", "127.0.0.1:99", headers{{"X-Forwarded-For", "203.0.113.1"}, {"X-Forwarded-For", "198.51.100.7"}}, "198.51.100.7", "inner", false},
		{"two proxies", "127.0.0.1:99", headers{{"X-Forwarded-For", "203.0.113.1, 198.51.100.7, 10.1.2.3"}}, "198.51.100.7", "inner", false},
		{"a client among the proxies", "127.0.0.1:99", headers{{"X-Forwarded-For", "10.1.2.3"}}, "10.1.2.3", "inner", false},
		{"what is no address", "127.0.0.1:99", headers{{"X-Forwarded-For", "198.51.100.7, <script>"}}, "127.0.0.1", "inner", false},
		{"a port", "10.0.0.1:99", headers{{"X-Forwarded-For", "198.51.100.7:1234"}}, "198.51.100.7", "inner", false},
		{"IPv6, counted by network", "[fd00::1]:99", headers{{"X-Forwarded-For", "2001:db8:1:2:3:4:5:6"}}, "2001:db8:1:2::/64", "inner", false},
		{"IPv4 in IPv6", "[::ffff:127.0.0.1]:99", headers{{"X-Forwarded-For", "::ffff:198.51.100.7"}}, "198.51.100.7", "inner", false},
		{"the standard's header", "127.0.0.1:99", headers{{"Forwarded", `for=203.0.113.1, for="[2001:db8:1:2::6]:4711";proto=https;host="halley.example", For=10.0.0.2`}}, "2001:db8:1:2::/64", "halley.example", true},
		{"the standard's, hidden", "127.0.0.1:99", headers{{"Forwarded", "for=203.0.113.1, for=_hidden;proto=https"}}, "127.0.0.1", "inner", false},
		{"both, agreeing", "127.0.0.1:99", headers{{"Forwarded", "for=198.51.100.7"}, {"X-Forwarded-For", "198.51.100.7"}}, "198.51.100.7", "inner", false},
		{"both, one made up", "127.0.0.1:99", headers{{"Forwarded", "for=203.0.113.1;proto=https"}, {"X-Forwarded-For", "198.51.100.7"}}, "127.0.0.1", "inner", false},
		{"a proxy that says nothing", "127.0.0.1:99", nil, "127.0.0.1", "inner", false},
		{"a list of protocols", "127.0.0.1:99", headers{{"X-Forwarded-For", "198.51.100.7"}, {"X-Forwarded-Proto", "https, http"}}, "198.51.100.7", "inner", false},
	} {
		r := httptest.NewRequest("GET", "http://inner/", nil)
		r.RemoteAddr = c.peer
		for _, h := range c.headers {
			r.Header.Add(h[0], h[1])
		}
		got := s.behindProxies(r)
		if from := address(got); from != c.from || got.Host != c.host || s.isHTTPS(got) != c.https {
			t.Errorf("%s: from %s for %s, https %v, want %s, %s, %v", c.name, from, got.Host, s.isHTTPS(got), c.from, c.host, c.https)
		}
	}
}

// TestOverHTTPS: the cookie and the headers follow how the client came.
func TestOverHTTPS(t *testing.T) {
	s := newServer(t, Config{AnyHost: true, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	for _, c := range []struct {
		host, proto   string
		secure, onTLS bool
	}{
		{"halley.example", "https", true, true},
		{"halley.example", "http", false, false},
		{"localhost", "https", true, false},
	} {
		b := &browser{t: t, s: s}
		w := b.do("POST", "/api/session", `{"name":"Ann"}`, "Host", c.host, "X-Forwarded-For", "198.51.100.7", "X-Forwarded-Proto", c.proto)
		cookies := w.Result().Cookies()
		if len(cookies) != 1 || cookies[0].Secure != c.secure {
			t.Errorf("%s over %s: cookies %v, want Secure %v", c.host, c.proto, cookies, c.secure)
		}
		if got := w.Header().Get("Strict-Transport-Security") != ""; got != c.onTLS {
			t.Errorf("%s over %s: Strict-Transport-Security %v, want %v", c.host, c.proto, got, c.onTLS)
		}
	}
}

// TestMetricsBehindProxies: whoever comes through a proxy is not the machine itself.
func TestMetricsBehindProxies(t *testing.T) {
	b := &browser{t: t, s: newServer(t, Config{AnyHost: true, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})}
	b.want(b.do("GET", "/metrics", ""), http.StatusForbidden, "forbidden")
	b.s = newServer(t, Config{AnyHost: true})
	if w := b.do("GET", "/metrics", ""); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "halley_build_info") {
		t.Errorf("from the machine itself: %d %s", w.Code, w.Body)
	}
}
