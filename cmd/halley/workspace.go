package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"halley/editor"
	"halley/editor/account"
	"halley/editor/budget"
	"halley/editor/control"
	"halley/editor/httpapi"
	"halley/editor/licences"
	"halley/editor/metrics"
	"halley/editor/scrub"
	"halley/frontend"
	"halley/push"
	"halley/storage/bolt"
)

// A workspace is a folder with all its parts put together.
type workspace struct {
	store    *bolt.Store
	accounts *account.Accounts
	pages    *editor.Pages
	server   *httpapi.Server
	metrics  *metrics.Metrics
	scrub    *scrub.Scrubber // nil: this process is no server
}

// storeConfig is how every command opens a workspace's store.
func storeConfig(logger *slog.Logger) bolt.Config {
	return bolt.Config{Codec: editor.BlockCodec{}, Logger: logger}
}

// openWorkspace opens the store in a folder and builds the server over it. All
// its parts share the budget; nil bounds nothing.
func openWorkspace(
	ctx context.Context, dir string, memory *budget.Budget, people account.Config, pages editor.Config, cfg httpapi.Config,
) (*workspace, error) {
	cfg.App, cfg.Licences = frontend.Dist(), licences.Text()
	cfg.Version, cfg.Metrics = version, metrics.New(version)
	stored := storeConfig(cfg.Logger)
	stored.Compact = true
	stored.MaxResident = memory.Limit() / budgetPercent * residentPercent
	stored.Observe = func(c bolt.Commit) { cfg.Metrics.Committed(c.Writes, c.Took, c.Err) }
	store, err := bolt.Open(dir, stored)
	if err != nil {
		return nil, err
	}
	people.ExpiryNow, people.Logger = store.Now, cfg.Logger
	w := &workspace{store: store, accounts: account.NewWithConfig(store, people), metrics: cfg.Metrics}
	pages.Logger, pages.Budget, cfg.Budget = cfg.Logger, memory, memory
	w.pages, err = editor.Open(ctx, pages, store, editor.OpenWorkspace{}, w.accounts)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	w.metrics.Watch(w.pages, store)
	w.metrics.WatchMemory(memory)
	w.server, err = httpapi.New(ctx, cfg, w.pages, w.accounts, store)
	if err != nil {
		w.pages.Close()
		return nil, errors.Join(err, store.Close())
	}
	return w, nil
}

// startScrub reads the whole store in the background, once in every; 0: never.
func (w *workspace) startScrub(every time.Duration, logger *slog.Logger) {
	w.scrub = scrub.Start(w.store, w.pages.Damage(), scrub.Config{Every: every, Commits: w.store.Commits, Logger: logger})
	w.metrics.WatchScrub(w.pages.Damage(), w.scrub)
}

func (w *workspace) close() error {
	if w.scrub != nil {
		w.scrub.Stop()
	}
	w.pages.Close()
	w.accounts.Close()
	return w.store.Close()
}

// httpServer serves h with limits against peers that only hold connections.
// Open lines have no write deadline here: the push line sets its own.
func httpServer(h http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10, // 100 pages and clients need 20
		ConnContext:       push.ConnContext,
		HTTP2: &http.HTTP2Config{
			SendPingTimeout:  30 * time.Second, // a peer that is silent is asked whether it is there,
			PingTimeout:      15 * time.Second,
			WriteByteTimeout: 30 * time.Second, // and one that takes nothing is not
		},
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
}

// socketIn is the socket in a data folder by which commands call the server that
// has the folder open.
func socketIn(dir string) string { return filepath.Join(dir, bolt.SocketName) }

// controlOf calls the server that has a data folder open.
func controlOf(dir string) *control.Client { return control.NewClient(socketIn(dir)) }

// control answers such calls. address is the URL of the workspace.
func (w *workspace) control(address string, logger *slog.Logger) http.Handler {
	return control.Handler(control.Workspace{
		Store: w.store, Pages: w.pages, Accounts: w.accounts, EndSessions: w.server.EndSessions, Address: address, Logger: logger,
	}, w.server)
}

// localServer serves the folder's socket: who can open it runs this server.
func localServer(h http.Handler, logger *slog.Logger) *http.Server {
	srv := httpServer(h, logger)
	srv.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return push.ConnContext(httpapi.WithLocal(ctx), c)
	}
	return srv
}
