package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"halley/editor/httpapi"
	"halley/storage/bolt"
)

const (
	defaultListen = "127.0.0.1:8080"
	defaultData   = "halley-data"
	drainTime     = 10 * time.Second
)

type serveConfig struct {
	listen     string
	data       string
	publicURL  string
	open       bool
	rateLimits switchFlag
	logLevel   slog.Level
}

func parseServe(env environ, args []string) (serveConfig, error) {
	cfg := serveConfig{rateLimits: true, logLevel: slog.LevelInfo}
	fs := flag.NewFlagSet("serve", flag.ContinueOnError)
	fs.StringVar(&cfg.listen, "listen", defaultListen, "the `address` to serve on; port 0 picks one")
	fs.StringVar(&cfg.data, "data", defaultData, "the `folder` that holds the workspace; made if it is missing")
	fs.StringVar(&cfg.publicURL, "public-url", "", "the `address` that people type, for links and secure cookies")
	fs.BoolVar(&cfg.open, "open", false, "let everybody who reaches the server in, also from other machines")
	fs.Var(&cfg.rateLimits, "rate-limits", "`on|off`: off lets programs go as fast as they can")
	fs.TextVar(&cfg.logLevel, "log-level", slog.LevelInfo, "the least `level` to log: debug, info, warn or error")
	if err := parseFlags(env, fs, "", args); err != nil {
		return cfg, err
	}
	return cfg, noArguments(env, "serve", fs.Args())
}

// serve runs the server until ctx ends, then drains it.
func serve(ctx context.Context, env environ, args []string) error {
	cfg, err := parseServe(env, args)
	if err != nil {
		return err
	}
	if err := cfg.mayBeOpen(); err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(env.stderr, &slog.HandlerOptions{Level: cfg.logLevel}))
	listener, err := listen(cfg.listen)
	if err != nil {
		return err
	}
	defer listener.Close()
	w, err := openWorkspace(ctx, cfg.data, httpapi.Config{
		PublicURL: cfg.publicURL, AnyHost: cfg.open, RateLimits: bool(cfg.rateLimits), Logger: logger,
	})
	if errors.Is(err, bolt.ErrInUse) {
		return fmt.Errorf("another halley is serving the folder %s; stop it, or give --data another folder", cfg.data)
	}
	if err != nil {
		return err
	}
	err = serveUntil(ctx, env.stdout, w, cfg.data, listener, logger)
	return errors.Join(err, w.close())
}

// mayBeOpen refuses to let the whole network into a workspace without accounts.
func (cfg serveConfig) mayBeOpen() error {
	if cfg.open || isLoopback(cfg.listen) && cfg.publicURL == "" {
		return nil
	}
	return fmt.Errorf("this workspace has no accounts: whoever reaches it may edit everything. " +
		"Listen on 127.0.0.1 without --public-url, or give --open if that is what you want")
}

func isLoopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return true // what is wrong with it, listen says
	}
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}

func listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("the address %s is taken by another program; stop it, or give --listen another one", address)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("listening on %s is not allowed; ports below 1024 are the administrator's", address)
	case err != nil:
		return nil, fmt.Errorf("cannot listen on %q: %w", address, err)
	}
	return l, nil
}

func serveUntil(ctx context.Context, stdout io.Writer, w *workspace, dir string, l net.Listener, logger *slog.Logger) error {
	failed := make(chan error, 2)
	start := func(srv *http.Server, l net.Listener) {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("serve: %w", err)
		}
	}
	public := httpServer(w.server, logger)
	go start(public, l)
	servers := []*http.Server{public}
	if sock, err := listenSocket(dir); err != nil {
		logger.Warn("commands cannot reach this server through its folder", "error", err)
	} else {
		local := localServer(w.control(), logger)
		servers = append(servers, local)
		go start(local, sock)
	}
	fmt.Fprintf(stdout, "listening on http://%s\n", l.Addr())
	logger.Info("serving", "address", l.Addr().String(), "data", dir, "version", version)

	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	logger.Info("draining")
	drain(w, servers, logger)
	return err
}

// drain answers what is in flight, sends readers away to come back, and ends.
// Whoever still holds a connection after all this time is cut off: a reader
// that takes nothing is no failure of ours.
func drain(w *workspace, servers []*http.Server, logger *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	if err := w.pages.Drain(ctx); err != nil {
		logger.Warn("readers are cut off", "error", err)
	}
	for _, srv := range servers {
		if srv.Shutdown(ctx) != nil {
			_ = srv.Close() // connections that are gone already
		}
	}
}
