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

	"halley/editor/httpapi"
	"halley/editor/listen"
	"halley/push"
)

// A front is what a server shows the network: its addresses, and how much it
// has room for. It is there before the workspace is opened, since most of what
// can be wrong with a command line is wrong here.
type front struct {
	cfg    serveConfig
	room   capacity
	logger *slog.Logger

	public, metrics, plain net.Listener      // nil: not asked for
	keys                   *listen.KeyPair   // nil: not asked for
	acme                   *autocert.Manager // nil: not asked for
}

func openFront(cfg serveConfig, logger *slog.Logger) (*front, error) {
	f := &front{cfg: cfg, logger: logger}
	var err error
	if f.room, err = cfg.capacity(descriptors()); err != nil {
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

func (f *front) listen() (err error) {
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

func (f *front) close() {
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

// edge is how the HTTP edge is to behave behind this front.
func (f *front) edge() httpapi.Config {
	return httpapi.Config{
		PublicURL: f.cfg.publicURL, AnyHost: f.cfg.open, RateLimits: bool(f.cfg.rateLimits),
		Streams: f.room.streams, TrustedProxies: f.cfg.proxies, Logger: f.logger,
	}
}

// A door is a listener and who answers there.
type door struct {
	listener net.Listener
	server   *http.Server
}

func (d door) serve() error {
	if d.server.TLSConfig != nil {
		return d.server.ServeTLS(d.listener, "", "")
	}
	return d.server.Serve(d.listener)
}

// doors are all through which the workspace is reached.
func (f *front) doors(w *workspace) []door {
	doors := []door{{f.public, f.publicServer(w)}}
	if f.metrics != nil {
		mux := http.NewServeMux()
		mux.Handle("GET /metrics", w.metrics.Handler(f.logger))
		doors = append(doors, door{f.metrics, httpServer(mux, f.logger)})
	}
	if f.plain != nil {
		doors = append(doors, door{f.plain, f.plainServer()})
	}
	if sock, err := listenSocket(f.cfg.data); err != nil {
		f.logger.Warn("commands cannot reach this server through its folder", "error", err)
	} else {
		doors = append(doors, door{sock, localServer(w.control(f.address()), f.logger)})
	}
	return doors
}

// address is what people type.
func (f *front) address() string {
	if f.cfg.publicURL != "" {
		return strings.TrimSuffix(f.cfg.publicURL, "/")
	}
	return "http://" + f.public.Addr().String()
}

// publicServer counts connections; streams that have left net/http with theirs
// are counted apart.
func (f *front) publicServer(w *workspace) *http.Server {
	srv := httpServer(w.server, f.logger)
	srv.Protocols = f.protocols()
	srv.TLSConfig = f.tlsConfig()
	room := listen.NewRoom(listen.RoomLimits{
		All:        func() int { return min(f.room.requests, f.room.conns-w.server.StreamsApart()) },
		PerAddress: func() int { return f.room.connsPerAddress },
		Exempt:     f.isProxy,
	})
	srv.ConnState = room.Watch
	srv.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return httpapi.WithPeer(push.ConnContext(ctx, c), room.Seat(c))
	}
	return srv
}

// isProxy reports whether many people come from an address.
func (f *front) isProxy(addr netip.Addr) bool {
	return slices.ContainsFunc(f.cfg.proxies, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// announce says where the server is, and last, on standard output, that it is
// ready.
func (f *front) announce(stdout io.Writer) {
	f.logger.Info("serving", "address", f.public.Addr().String(), "data", f.cfg.data, "version", version)
	f.room.log(f.logger)
	f.logger.Info("memory", "limit", memoryLimit(f.cfg.memory))
	if f.plain != nil {
		f.logger.Info("leading to https", "address", f.plain.Addr().String())
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
