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
	listen        string
	data          string
	publicURL     string
	open          bool
	rateLimits    switchFlag
	metricsListen string
	logLevel      slog.Level
}

func parseServe(env environ, args []string) (serveConfig, error) {
	cfg := serveConfig{rateLimits: true, logLevel: slog.LevelInfo}
	fs := flag.NewFlagSet("serve", flag.ContinueOnError)
	fs.StringVar(&cfg.listen, "listen", defaultListen, "the `address` to serve on; port 0 picks one")
	fs.StringVar(&cfg.data, "data", defaultData, "the `folder` that holds the workspace; made if it is missing")
	fs.StringVar(&cfg.publicURL, "public-url", "", "the `address` that people type, for links and secure cookies")
	fs.BoolVar(&cfg.open, "open", false, "let everybody who reaches the server in, also from other machines")
	fs.Var(&cfg.rateLimits, "rate-limits", "`on|off`: off lets programs go as fast as they can")
	fs.StringVar(&cfg.metricsListen, "metrics-listen", "", "an `address` that serves /metrics, and nothing else, to whoever reaches it")
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
	at, err := cfg.listenAll()
	if err != nil {
		return err
	}
	defer at.close()
	w, err := openWorkspace(ctx, cfg.data, httpapi.Config{
		PublicURL: cfg.publicURL, AnyHost: cfg.open, RateLimits: bool(cfg.rateLimits), Logger: logger,
	})
	if errors.Is(err, bolt.ErrInUse) {
		return fmt.Errorf("another halley is serving the folder %s; stop it, or give --data another folder", cfg.data)
	}
	if err != nil {
		return err
	}
	err = serveUntil(ctx, env.stdout, w, cfg, at, logger)
	return errors.Join(err, w.close())
}

// addresses are what a server listens on; those that were not asked for are nil.
type addresses struct {
	public, metrics net.Listener
}

// listenAll takes every address before anything else is done: most of what can
// be wrong with a command line is wrong here.
func (cfg serveConfig) listenAll() (at addresses, err error) {
	if at.public, err = listen("--listen", cfg.listen); err != nil {
		return at, err
	}
	if cfg.metricsListen != "" {
		if at.metrics, err = listen("--metrics-listen", cfg.metricsListen); err != nil {
			at.close()
		}
	}
	return at, err
}

func (at addresses) close() {
	for _, l := range []net.Listener{at.public, at.metrics} {
		if l != nil {
			l.Close()
		}
	}
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

func listen(flag, address string) (net.Listener, error) {
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

// A door is a listener and who answers there.
type door struct {
	listener net.Listener
	server   *http.Server
}

// doors are all through which the workspace is reached.
func (w *workspace) doors(cfg serveConfig, at addresses, logger *slog.Logger) []door {
	doors := []door{{at.public, httpServer(w.server, logger)}}
	if at.metrics != nil {
		mux := http.NewServeMux()
		mux.Handle("GET /metrics", w.metrics.Handler(logger))
		doors = append(doors, door{at.metrics, httpServer(mux, logger)})
	}
	if sock, err := listenSocket(cfg.data); err != nil {
		logger.Warn("commands cannot reach this server through its folder", "error", err)
	} else {
		doors = append(doors, door{sock, localServer(w.control(), logger)})
	}
	return doors
}

func serveUntil(ctx context.Context, stdout io.Writer, w *workspace, cfg serveConfig, at addresses, logger *slog.Logger) error {
	doors := w.doors(cfg, at, logger)
	failed := make(chan error, len(doors))
	for _, d := range doors {
		go func() {
			if err := d.server.Serve(d.listener); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("serve: %w", err)
			}
		}()
	}
	fmt.Fprintf(stdout, "listening on http://%s\n", at.public.Addr())
	logger.Info("serving", "address", at.public.Addr().String(), "data", cfg.data, "version", version)
	if at.metrics != nil {
		logger.Info("serving metrics", "address", at.metrics.Addr().String())
	}

	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	logger.Info("draining")
	drain(w, doors, logger)
	return err
}

// drain answers what is in flight, sends readers away to come back, and ends.
// Whoever still holds a connection after all this time is cut off: a reader
// that takes nothing is no failure of ours.
func drain(w *workspace, doors []door, logger *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	if err := w.pages.Drain(ctx); err != nil {
		logger.Warn("readers are cut off", "error", err)
	}
	for _, d := range doors {
		if d.server.Shutdown(ctx) != nil {
			_ = d.server.Close() // connections that are gone already
		}
	}
}
