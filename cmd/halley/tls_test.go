package main

import (
	"io"
	"path/filepath"
	"testing"
)

// TestServeRefuses: what cannot be is said in one line, before anything is opened.
func TestServeRefuses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "never")
	for _, c := range []struct {
		flags []string
		what  string
	}{
		{[]string{"--tls-cert", "a.pem"}, "--tls-cert and --tls-key go together"},
		{[]string{"--tls-key", "a.pem"}, "--tls-cert and --tls-key go together"},
		{[]string{"--tls-cert", "a.pem", "--tls-key", "b.pem", "--acme", "halley.example"}, "not from both"},
		{[]string{"--tls-cert", filepath.Join(dir, "a.pem"), "--tls-key", "b.pem"}, "there is no file"},
		{[]string{"--acme-email", "ann@halley.example"}, "--acme"},
		{[]string{"--http-listen", "127.0.0.1:0"}, "--http-listen leads to https"},
		{[]string{"--acme", "halley.example"}, "--open"},
		{[]string{"--public-url", "https://halley.example"}, "--open"},
		{[]string{"--trusted-proxies", "127.0.0.1"}, "--open"},
		{[]string{"--max-streams", "99999999"}, "ulimit -n"},
		{[]string{"--metrics-listen", "nowhere.invalid:x"}, "cannot listen"},
	} {
		h := halley(t.Context(), io.Discard, nil, append(serveArgs(dir), c.flags...)...)
		h.wantOneLine(t, 1, c.what)
	}
	if wantStore(dir) == nil {
		t.Error("a store was made")
	}
	h := halley(t.Context(), io.Discard, nil, append(serveArgs(dir), "--trusted-proxies", "10.0.0.0/8,proxy.example")...)
	if h.status != 2 {
		t.Errorf("a name among the proxies: ended with %d and said %q, want 2", h.status, h.stderr)
	}
}

func TestPrefixesFlag(t *testing.T) {
	var p prefixesFlag
	if err := p.Set("10.1.2.3/8, ::1,127.0.0.1,::ffff:192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	if got, want := p.String(), "10.0.0.0/8,::1/128,127.0.0.1/32,192.0.2.1/32"; got != want {
		t.Errorf("the networks are %s, want %s", got, want)
	}
}
