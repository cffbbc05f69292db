package httpapi

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
)

// trace names the request and logs it when it ends.
func (s *Server) trace(c *gin.Context) {
	callerOf(c).nameRequest(c.Writer.Header())
	start := time.Now()
	c.Next()
	s.metrics.Answered(c.Request.Method, c.FullPath(), c.Writer.Status())
	s.logCall(c, time.Since(start))
	if !s.logger.Enabled(c.Request.Context(), slog.LevelDebug) {
		return // before the arguments are allocated
	}
	s.logger.Debug("request", "request", requestID(c), "method", c.Request.Method, "path", c.Request.URL.Path,
		"status", c.Writer.Status(), "bytes", c.Writer.Size(), "took", time.Since(start), "from", addressOf(c))
}

// recover turns a broken invariant of ours into a 500 for one caller.
func (s *Server) recover(c *gin.Context) {
	defer func() {
		switch r := recover(); {
		case r == nil:
		case r == http.ErrAbortHandler:
			panic(r)
		default:
			s.logger.Error("panic", "request", requestID(c), "path", c.Request.URL.Path, "panic", r, "stack", string(debug.Stack()))
			if !c.Writer.Written() {
				s.fail(c, fmt.Errorf("panic: %v", r))
			}
		}
	}()
	c.Next()
}

// contentSecurity allows what the app needs and nothing else. Inline styles
// are the editing surface's: it sizes and colours by them.
const contentSecurity = "default-src 'self'; img-src 'self' https: data: blob:; style-src 'self' 'unsafe-inline'; " +
	"object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// A fixedHeader is a header of every answer. Answers share its value, which
// nobody may change in place.
type fixedHeader struct {
	name  string // in canonical form
	value []string
}

func fixedHeaders(https bool) []fixedHeader {
	headers := []fixedHeader{
		{"Content-Security-Policy", []string{contentSecurity}},
		{"X-Content-Type-Options", []string{"nosniff"}},
		{"X-Frame-Options", []string{"DENY"}},
		{"Referrer-Policy", []string{"same-origin"}},
		{"Cross-Origin-Opener-Policy", []string{"same-origin"}},
		{"Cross-Origin-Resource-Policy", []string{"same-origin"}},
		{"Permissions-Policy", []string{"camera=(), microphone=(), geolocation=()"}},
	}
	if https {
		headers = append(headers, onlyHTTPS)
	}
	return headers
}

// onlyHTTPS tells browsers to come over TLS from now on.
var onlyHTTPS = fixedHeader{"Strict-Transport-Security", []string{"max-age=31536000"}}

func (s *Server) secure(c *gin.Context) {
	h := c.Writer.Header()
	for _, fixed := range s.headers {
		h[fixed.name] = fixed.value
	}
	// What is learnt of localhost would hold for every other server there.
	if s.isHTTPS(c.Request) && !isHere(c.Request.Host) {
		h[onlyHTTPS.name] = onlyHTTPS.value
	}
}

// crossOrigin refuses requests that change something and come from another
// site's page.
func (s *Server) crossOrigin() (gin.HandlerFunc, error) {
	protection := http.NewCrossOriginProtection()
	if origin := s.cfg.PublicURL; origin != "" {
		if err := protection.AddTrustedOrigin(strings.TrimRight(origin, "/")); err != nil {
			return nil, fmt.Errorf("the public URL %q: %w", origin, err)
		}
	}
	return s.handle(func(c *gin.Context) error {
		if err := protection.Check(c.Request); err != nil {
			return &problem{
				status: 403, name: "cross-site", title: "A request from another site",
				detail: "This request was made by a page of another site, which may change nothing here.",
			}
		}
		return nil
	}), nil
}

// onlyFromHere keeps an open workspace to this machine: a name that resolves
// to loopback only now (DNS rebinding) and a proxy that forgot to protect it
// are both turned away.
func (s *Server) onlyFromHere(c *gin.Context) error {
	if s.cfg.AnyHost || isLocal(c.Request.Context()) || fromHere(c.Request) {
		return nil
	}
	switch path := c.Request.URL.Path; {
	case path == "/healthz" || path == "/readyz" || path == "/metrics":
		// The first two say nothing; the last one asks by itself.
	case strings.HasPrefix(path, "/api/"):
		return &problem{status: 403, name: "forbidden", title: "Not set up for this address", detail: setUpSentence}
	default:
		c.Data(http.StatusForbidden, "text/html; charset=utf-8", []byte(setUpPage))
		c.Abort()
	}
	return nil
}

const setUpSentence = "This Halley is an open workspace and answers only at localhost, on the machine where it runs. " +
	"Whoever runs it can let others in by starting it with --open."

const setUpPage = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Halley is not set up for this address</title>
<style>:root{color-scheme:light dark}body{font:1.1rem/1.6 system-ui,sans-serif;max-width:34rem;margin:18vh auto;padding:0 1.5rem}</style>
<h1>Not set up for this address</h1><p>` + setUpSentence + `</p></html>`

// fromHere reports whether a request was made on this machine, as far as it
// says itself: for this machine's name, and not passed on by a proxy.
func fromHere(r *http.Request) bool {
	for name := range r.Header {
		if isProxyHeader(name) {
			return false
		}
	}
	return isHere(r.Host)
}

// isProxyHeader reports whether only a proxy or a content delivery network sends
// a header with this name, which is in canonical form.
func isProxyHeader(name string) bool {
	switch name {
	case "Forwarded", "Via", "X-Real-Ip", "X-Client-Ip", "X-Cluster-Client-Ip", "X-Original-Host", "X-Original-Url",
		"True-Client-Ip", "Cf-Connecting-Ip", "Cf-Ray", "Cdn-Loop", "Fastly-Client-Ip", "X-Envoy-External-Address",
		"X-Appengine-User-Ip", "X-Azure-Clientip", "X-Arr-Log-Id", "X-Proxyuser-Ip":
		return true
	}
	return strings.HasPrefix(name, "X-Forwarded-") || strings.HasPrefix(name, "X-Original-Forwarded-")
}

// isHere reports whether a Host names the machine itself.
func isHere(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSuffix(host, "]"), "["), ".")
	if strings.EqualFold(host, "localhost") || strings.HasSuffix(strings.ToLower(host), ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// onlyMachine keeps what only the server's own machine may read from everybody
// else, also where AnyHost lets them in.
func onlyMachine(c *gin.Context) error {
	if isMachine(c.Request) {
		return nil
	}
	return &problem{
		status: 403, name: "forbidden", title: "Only for this machine",
		detail: "This is answered only on the machine where Halley runs, at localhost; --metrics-listen serves it elsewhere.",
	}
}

// isMachine reports whether a request comes from the machine where the server
// runs. A proxy there that does not name its client differs from a program by
// its HTTP/1.0, which nginx speaks by default.
func isMachine(r *http.Request) bool {
	return isLocal(r.Context()) || fromHere(r) && peer(r).IsLoopback() && !fromProxy(r) && r.ProtoAtLeast(1, 1)
}

type localKey struct{}

// WithLocal marks a connection's context as one of the socket in the data
// folder: whoever can open it runs this server.
func WithLocal(ctx context.Context) context.Context { return context.WithValue(ctx, localKey{}, true) }

func isLocal(ctx context.Context) bool { return ctx.Value(localKey{}) != nil }

// plainWriter is net/http's own writer under gin's: its flush reports a gone
// peer, and net/http knows it again.
func plainWriter(c *gin.Context) http.ResponseWriter {
	var w http.ResponseWriter = c.Writer
	for {
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return w
		}
		w = u.Unwrap()
	}
}

// A streamWriter is net/http's own writer, and lets gin know when the response
// has begun or the connection is taken over: gin then leaves it alone.
type streamWriter struct {
	http.ResponseWriter
	gin gin.ResponseWriter
}

func (w streamWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w streamWriter) WriteHeader(status int) {
	w.gin.WriteHeader(status)
	w.gin.WriteHeaderNow()
}

func (w streamWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) { return w.gin.Hijack() }
