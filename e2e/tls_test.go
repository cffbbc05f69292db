package e2e

import (
	"crypto/tls"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// over has the server of one test and its callers speak another carrier.
func (c carrier) over(t *testing.T) {
	before := carried
	carried = c
	t.Cleanup(func() { carried = before })
}

// newPair is a carrier over TLS whose certificate a test may replace.
func newPair(t *testing.T) (c carrier, cert, key string) {
	t.Helper()
	dir := t.TempDir()
	c, err := overTLS(dir)
	if err != nil {
		t.Fatal(err)
	}
	return c, filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
}

// serial is the number of the certificate that a new connection is shown.
func (s *server) serial() string {
	s.tb.Helper()
	conn, err := tls.Dial("tcp", s.listen, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		s.tb.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

// TestNewCertificate: a certificate that is replaced is taken up, by itself and
// at SIGHUP; connections that are there stay.
func TestNewCertificate(t *testing.T) {
	c, cert, key := newPair(t)
	c.over(t)
	s := serve(t)
	me := s.guest("First")
	page := me.newPage("")
	l := me.follow(transports[0], "page="+page, "")
	l.next("hello")
	replace := func() string {
		signed, err := writeCertificate(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		c.roots.AddCert(signed)
		return signed.SerialNumber.String()
	}
	want := replace()
	for end := time.Now().Add(patience); s.serial() != want; {
		if time.Now().After(end) {
			t.Fatal("the new certificate is not taken up")
		}
	}
	want = replace()
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.says("SIGHUP: the certificate was read again")
	if got := s.serial(); got != want {
		t.Errorf("after SIGHUP the certificate is %s, want %s", got, want)
	}
	me.submit(page, edit{client: clientA, n: 1, delta: `[{"insert":"x"}]`}, 1)
	l.wantChanges(page, 1, 1)
}

// TestOnlyTLS: over TLS cookies go over TLS only, old versions are refused, and
// plain HTTP leads there.
func TestOnlyTLS(t *testing.T) {
	c, _, _ := newPair(t)
	c.over(t)
	s := serve(t, "--open", "--http-listen=127.0.0.1:0")
	me := s.stranger()
	a := me.post("/api/session", `{"name":"First"}`).ok(200)
	if cookie := a.header.Get("Set-Cookie"); !strings.Contains(cookie, "; Secure") {
		t.Errorf("the cookie over TLS is %q, want it Secure", cookie)
	}
	if a := me.send(to("GET", "/").with("Host", "halley.example")); a.header.Get("Strict-Transport-Security") == "" {
		t.Error("no Strict-Transport-Security over TLS")
	}
	if a := me.get("/"); a.header.Get("Strict-Transport-Security") != "" {
		t.Error("Strict-Transport-Security for 127.0.0.1, whose other servers it would bind")
	}
	if _, err := tls.Dial("tcp", s.listen, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	plain := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := plain.Get("http://" + s.plainAddress() + "/p/x")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got, want := resp.Header.Get("Location"), s.url+"/p/x"; resp.StatusCode != 301 || got != want {
		t.Errorf("plain HTTP answers %d to %q, want 301 to %q", resp.StatusCode, got, want)
	}
}
