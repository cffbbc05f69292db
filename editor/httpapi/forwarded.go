package httpapi

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
)

// behindProxies makes a request that a trusted proxy passes on what it was
// before: RemoteAddr is the client's (without a port), Host what it asked for,
// and isHTTPS whether it came over TLS. What anybody else says of that is not
// believed; an open workspace refuses it.
//
// A proxy appends to what it is told, so the list is read from its end: the
// first address that is no trusted proxy's is the client, and what stands
// before it may be made up.
func (s *Server) behindProxies(r *http.Request) *http.Request {
	if len(s.cfg.TrustedProxies) == 0 || !s.trusts(peer(r)) {
		return r
	}
	w := s.forwarding(r.Header)
	r = r.WithContext(context.WithValue(r.Context(), proxiedKey{}, w))
	if w.client.IsValid() {
		r.RemoteAddr = w.client.String()
	}
	if w.host != "" {
		r.Host = w.host
	}
	return r
}

type proxiedKey struct{}

// A forwarding is what proxies say of a request. Its zero value: nothing.
type forwarding struct {
	client netip.Addr
	host   string
	proto  string
}

// peer is who is at the other end of the connection; invalid for a socket.
func peer(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap().WithZone("")
}

func (s *Server) trusts(addr netip.Addr) bool {
	for _, prefix := range s.cfg.TrustedProxies {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// forwarding reads both kinds of headers. A proxy that writes one kind passes the
// other on as its client wrote it: where they name two clients, neither is
// believed, and the proxy itself is who asks.
func (s *Server) forwarding(h http.Header) forwarding {
	old, standard := s.forwardedFor(h), s.forwarded(h)
	switch {
	case standard == forwarding{}:
		return old
	case old == forwarding{}:
		return standard
	case old.client != standard.client:
		return forwarding{}
	}
	return old
}

// forwardedFor reads X-Forwarded-For, -Host and -Proto.
func (s *Server) forwardedFor(h http.Header) forwarding {
	w := forwarding{host: lastOf(h.Values("X-Forwarded-Host")), proto: lastOf(h.Values("X-Forwarded-Proto"))}
	list := strings.Split(strings.Join(h.Values("X-Forwarded-For"), ","), ",")
	for i := len(list) - 1; i >= 0; i-- {
		addr, ok := parseNode(strings.TrimSpace(list[i]))
		if !ok {
			break
		}
		if w.client = addr; !s.trusts(addr) {
			break
		}
	}
	return w
}

func lastOf(values []string) string {
	if len(values) == 0 {
		return ""
	}
	list := strings.Split(values[len(values)-1], ",")
	return strings.TrimSpace(list[len(list)-1])
}

// forwarded reads Forwarded (RFC 7239).
func (s *Server) forwarded(h http.Header) (w forwarding) {
	list := splitQuoted(strings.Join(h.Values("Forwarded"), ","), ',')
	for i := len(list) - 1; i >= 0; i-- {
		hop := parseHop(list[i])
		if !hop.client.IsValid() {
			break
		}
		if w = hop; !s.trusts(hop.client) {
			break
		}
	}
	return w
}

func parseHop(text string) (w forwarding) {
	for _, pair := range splitQuoted(text, ';') {
		name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		value = strings.Trim(value, `"`)
		switch strings.ToLower(name) {
		case "for":
			w.client, _ = parseNode(value)
		case "host":
			w.host = value
		case "proto":
			w.proto = value
		}
	}
	return w
}

// splitQuoted splits at sep, but not within quotes.
func splitQuoted(text string, sep rune) []string {
	quoted := false
	return strings.FieldsFunc(text, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return r == sep && !quoted
	})
}

// parseNode reads an address as proxies write it: with or without a port, an
// IPv6 address in brackets or not.
func parseNode(text string) (netip.Addr, bool) {
	if at, err := netip.ParseAddrPort(text); err == nil {
		return at.Addr().Unmap().WithZone(""), true
	}
	addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
	return addr.Unmap().WithZone(""), err == nil
}

// isHTTPS reports whether the client came over TLS, be it to the server, to a
// trusted proxy, or as the public URL says.
func (s *Server) isHTTPS(r *http.Request) bool {
	w, _ := r.Context().Value(proxiedKey{}).(forwarding)
	return r.TLS != nil || strings.EqualFold(w.proto, "https") || strings.HasPrefix(s.cfg.PublicURL, "https:")
}

func fromProxy(r *http.Request) bool { return r.Context().Value(proxiedKey{}) != nil }
