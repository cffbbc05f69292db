package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/crypto/acme/autocert"

	"halley/editor/control"
	"halley/editor/httpapi"
	"halley/editor/listen"
	"halley/push"
)

// listeners are a server's network listeners, and its capacity. They are opened
// before the workspace, since most mistakes in a command line show here.
type listeners struct {
	cfg      serveConfig
	capacity capacity
	logger   *slog.Logger

	public, metrics, plain net.Listener      // nil: not asked for
	keys                   *listen.KeyPair   // nil: not asked for
	acme                   *autocert.Manager // nil: not asked for
}

func openListeners(cfg serveConfig, logger *slog.Logger) (*listeners, error) {
	f := &listeners{cfg: cfg, logger: logger}
	var err error
	if f.capacity, err = cfg.capacity(descriptors()); err != nil {
		return nil, err
	}
	if err := f.openTLS(); err != nil {
		return nil, err
	}
	if err := f.listen(); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

func (f *listeners) listen() (err error) {
	if f.public, err = listenTCP("--listen", f.cfg.listen); err != nil {
		return err
	}
	if f.cfg.metricsListen != "" {
		if f.metrics, err = listenTCP("--metrics-listen", f.cfg.metricsListen); err != nil {
			return err
		}
	}
	if f.cfg.httpListen != "" {
		f.plain, err = listenTCP("--http-listen", f.cfg.httpListen)
	}
	return err
}

func (f *listeners) close() {
	for _, l := range []net.Listener{f.public, f.metrics, f.plain} {
		if l != nil {
			l.Close()
		}
	}
}

func listenTCP(flag, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("the address %s is taken by another program; stop it, or give %s another one", address, flag)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("listening on %s is not allowed; ports below 1024 are the administrator's", address)
	case err != nil:
		return nil, fmt.Errorf("cannot listen on %q: %w", address, err)
	}
	return l, nil
}

// edge is the configuration of the HTTP server behind these listeners.
func (f *listeners) edge() httpapi.Config {
	return httpapi.Config{
		PublicURL: f.cfg.publicURL, AnyHost: f.cfg.open, RateLimits: bool(f.cfg.rateLimits),
		Streams: f.capacity.streams, TrustedProxies: f.cfg.proxies, Logger: f.logger,
	}
}

// An endpoint is a listener and the server behind it.
type endpoint struct {
	listener net.Listener
	server   *http.Server
}

func (d endpoint) serve() error {
	if d.server.TLSConfig != nil {
		return d.server.ServeTLS(d.listener, "", "")
	}
	return d.server.Serve(d.listener)
}

// endpoints returns every listener with its server.
func (f *listeners) endpoints(w *workspace) []endpoint {
	endpoints := []endpoint{{f.public, f.publicServer(w)}}
	if f.metrics != nil {
		mux := http.NewServeMux()
		mux.Handle("GET /metrics", w.metrics.Handler(f.logger))
		endpoints = append(endpoints, endpoint{f.metrics, httpServer(mux, f.logger)})
	}
	if f.plain != nil {
		endpoints = append(endpoints, endpoint{f.plain, f.plainServer()})
	}
	if sock, err := control.Listen(socketIn(f.cfg.data)); err != nil {
		f.logger.Warn("commands cannot reach this server through its folder", "error", err)
	} else {
		endpoints = append(endpoints, endpoint{sock, localServer(w.control(f.address(), f.logger), f.logger)})
	}
	return endpoints
}

// address is the URL of the workspace.
func (f *listeners) address() string {
	if f.cfg.publicURL != "" {
		return strings.TrimSuffix(f.cfg.publicURL, "/")
	}
	return "http://" + f.public.Addr().String()
}

// publicServer bounds the connections. Streams that took over their connection
// from net/http are counted separately.
func (f *listeners) publicServer(w *workspace) *http.Server {
	srv := httpServer(w.server, f.logger)
	srv.Protocols = f.protocols()
	srv.TLSConfig = f.tlsConfig()
	limit := listen.NewCapacity(listen.Limits{
		All:        func() int { return min(f.capacity.requests, f.capacity.conns-w.server.StreamsApart()) },
		PerAddress: func() int { return f.capacity.connsPerAddress },
		Exempt:     f.isProxy,
	})
	srv.ConnState = limit.Watch
	srv.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return httpapi.WithPeer(push.ConnContext(ctx, c), limit.Slot(c))
	}
	return srv
}

// isProxy reports whether addr is a trusted proxy's, behind which many people are.
func (f *listeners) isProxy(addr netip.Addr) bool {
	return slices.ContainsFunc(f.cfg.proxies, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// announce logs the addresses, and then prints on standard output that the server
// is ready.
func (f *listeners) announce(stdout io.Writer) {
	f.logger.Info("serving", "address", f.public.Addr().String(), "data", f.cfg.data, "version", version)
	f.capacity.log(f.logger)
	f.logger.Info("memory", "limit", memoryLimit(f.cfg.memory))
	if f.plain != nil {
		f.logger.Info("redirecting to https", "address", f.plain.Addr().String())
	}
	if f.metrics != nil {
		f.logger.Info("serving metrics", "address", f.metrics.Addr().String())
	}
	scheme := "http"
	if f.cfg.tls.on() {
		scheme = "https"
	}
	fmt.Fprintf(stdout, "listening on %s://%s\n", scheme, f.public.Addr())
}
