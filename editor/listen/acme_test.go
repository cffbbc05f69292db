package listen

import (
	"net/http/httptest"
	"testing"
)

func TestToHTTPS(t *testing.T) {
	for _, c := range []struct{ method, host, port, want string }{
		{"GET", "halley.example", "443", "https://halley.example/p/x?y=1"},
		{"GET", "halley.example:80", "443", "https://halley.example/p/x?y=1"},
		{"HEAD", "halley.example:8080", "8443", "https://halley.example:8443/p/x?y=1"},
		{"GET", "[2001:db8::1]:80", "443", "https://[2001:db8::1]/p/x?y=1"},
		{"GET", "[2001:db8::1]", "8443", "https://[2001:db8::1]:8443/p/x?y=1"},
		{"POST", "halley.example", "443", ""},
	} {
		r := httptest.NewRequest(c.method, "/p/x?y=1", nil)
		r.Host = c.host
		w := httptest.NewRecorder()
		ToHTTPS(c.port).ServeHTTP(w, r)
		if got := w.Header().Get("Location"); got != c.want {
			t.Errorf("%s of %s is led to %q, want %q", c.method, c.host, got, c.want)
		}
		if want := 301; c.want == "" && w.Code != 403 || c.want != "" && w.Code != want {
			t.Errorf("%s of %s is answered with %d", c.method, c.host, w.Code)
		}
	}
}
