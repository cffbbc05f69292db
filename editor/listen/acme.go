package listen

import (
	"crypto/tls"
	"net"
	"net/http"
	"strings"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// An Authority is asked for certificates by ACME (RFC 8555). Using it accepts
// its terms of service.
type Authority struct {
	Domains   []string // certificates are got for these alone
	Email     string   // where it writes about them; may be empty
	Directory string   // its address; "": Let's Encrypt
	Folder    string   // keeps certificates and keys, 0700 and 0600; made if it is missing
}

// Manager gets certificates when they are first asked for, and again before
// they expire. Its TLSConfig answers tls-alpn-01; its HTTPHandler, on port 80,
// answers http-01.
func (a Authority) Manager() *autocert.Manager {
	m := &autocert.Manager{
		Prompt:     autocert.AcceptTOS,
		Cache:      autocert.DirCache(a.Folder),
		HostPolicy: autocert.HostWhitelist(a.Domains...),
		Email:      a.Email,
	}
	if a.Directory != "" {
		m.Client = &acme.Client{DirectoryURL: a.Directory}
	}
	return m
}

// TLS is a configuration for servers of our time over certificates that get
// gives.
func TLS(get func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *tls.Config {
	return &tls.Config{GetCertificate: get, MinVersion: tls.VersionTLS12}
}

// WithoutPort takes the port off a request's Host: a Manager, which looks for
// the domain there, knows it only without one.
func WithoutPort(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name, _, err := net.SplitHostPort(r.Host); err == nil {
			r = r.WithContext(r.Context())
			r.Host = name
		}
		h.ServeHTTP(w, r)
	})
}

// ToHTTPS leads whoever comes over plain HTTP to the same address over TLS, at
// that port. Only reading is led: what was sent openly is refused, so that
// nobody goes on doing so.
func ToHTTPS(port string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			http.Error(w, "Only over https.", http.StatusForbidden)
			return
		}
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		host = strings.Trim(host, "[]")
		if port != "443" {
			host = net.JoinHostPort(host, port)
		} else if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		w.Header().Set("Connection", "close")
		http.Redirect(w, r, "https://"+host+r.URL.RequestURI(), http.StatusMovedPermanently)
	})
}
