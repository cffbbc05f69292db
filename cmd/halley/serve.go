package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"halley/editor"
	"halley/editor/account"
	"halley/editor/httpapi"
	"halley/push"
	"halley/storage/bolt"
)

const (
	defaultListen = "127.0.0.1:8080"
	defaultData   = "halley-data"

	defaultHeartbeat = 12 * time.Second
	leastHeartbeat   = 100 * time.Millisecond
	mostHeartbeat    = time.Minute

	leastSession       = time.Second
	defaultUpload      = 64
	defaultQuotaPerson = 2048 // MiB
	drainTime          = 10 * time.Second
	defaultScrub       = 7 * 24 * time.Hour
	leastScrub         = time.Minute
)

type serveConfig struct {
	listen          string
	data            string
	publicURL       string
	open            bool
	rateLimits      switchFlag
	metricsListen   string
	httpListen      string
	tls             tlsConfig
	h2c             bool
	proxies         prefixesFlag
	streams         httpapi.StreamLimits
	connsPerAddress int
	heartbeat       time.Duration
	people          account.Config
	maxUpload       mebibytes
	quotaPerson     mebibytes
	quota           mebibytes     // 0: half of the disk
	memory          mebibytes     // 0: of the machine
	scrubEvery      time.Duration // 0: never
	logLevel        slog.Level
}

func parseServe(env environ, args []string) (serveConfig, error) {
	cfg := serveConfig{rateLimits: true, maxUpload: defaultUpload, quotaPerson: defaultQuotaPerson, logLevel: slog.LevelInfo}
	fs := flag.NewFlagSet("serve", flag.ContinueOnError)
	fs.StringVar(&cfg.listen, "listen", defaultListen, "the `address` to serve on; port 0 picks a free one")
	fs.StringVar(&cfg.data, "data", defaultData, "the `folder` that holds the workspace; created if it is missing")
	fs.StringVar(&cfg.publicURL, "public-url", "", "the `address` that people open in their browsers; used in links and for secure cookies")
	fs.BoolVar(&cfg.open, "open", false, "let anybody who can reach the server edit the workspace, also from other machines")
	fs.Var(&cfg.rateLimits, "rate-limits", "whether to limit how fast people and addresses may send requests, `on|off`")
	fs.StringVar(&cfg.metricsListen, "metrics-listen", "", "an `address` that serves /metrics, and nothing else, without signing in")
	fs.Var(&cfg.proxies, "trusted-proxies",
		"the `networks` of your reverse proxies, such as 10.0.0.0/8,::1; X-Forwarded-* and Forwarded headers of others are ignored")
	fs.StringVar(&cfg.tls.cert, "tls-cert", "",
		"a PEM `file` with the certificate, followed by those of its issuers; read again when it changes and at SIGHUP")
	fs.StringVar(&cfg.tls.key, "tls-key", "", "a PEM `file` with the private key of the certificate")
	fs.Var(&cfg.tls.acme, "acme",
		"get certificates for these `domains`, such as a.example,b.example, from Let's Encrypt; this accepts its terms")
	fs.StringVar(&cfg.tls.email, "acme-email", "", "the e-mail `address` that the certificate authority writes to when something is wrong")
	fs.StringVar(&cfg.tls.directory, "acme-directory", "",
		"the `URL` of the ACME directory of a certificate authority other than Let's Encrypt")
	fs.StringVar(&cfg.httpListen, "http-listen", "", "an `address` that redirects plain HTTP to HTTPS, or off; with --acme the default is :80")
	fs.BoolVar(&cfg.h2c, "h2c", false, "also accept HTTP/2 without TLS, for a proxy that uses it")
	fs.Var(&cfg.maxUpload, "max-upload", "the size limit of a picture or an attachment, in `MiB`")
	fs.Var(&cfg.quotaPerson, "quota-person", "the limit of all uploads of one person, in `MiB`")
	fs.Var(&cfg.quota, "quota", "the limit of all uploads together, in `MiB`; by default half of the disk")
	fs.Var(&cfg.memory, "memory",
		"the memory budget in `MiB`, which resident memory may exceed by half; "+
			"by default a quarter of the machine's memory, or of the container's limit if that is lower")
	fs.DurationVar(&cfg.scrubEvery, "scrub-every", defaultScrub,
		"how often to read the whole folder in the background to find damage early, as a `time`; 0 turns it off")
	fs.DurationVar(&cfg.heartbeat, "heartbeat", defaultHeartbeat,
		"the `time` between heartbeats on a quiet stream; keep it below your proxy's idle timeout")
	fs.IntVar(&cfg.streams.Machine, "max-streams", 0,
		"the limit `N` of open streams; by default what the limit of open files allows, less an eighth for edits")
	fs.IntVar(&cfg.streams.PerSession, "max-streams-per-session", 0,
		fmt.Sprintf("the limit `N` of open streams of one session; by default %d, or none with --rate-limits=off", streamsPerSession))
	fs.IntVar(&cfg.streams.PerAddress, "max-streams-per-address", 0,
		fmt.Sprintf("the limit `N` of open streams from one address; by default %d, or none with --rate-limits=off", streamsPerAddress))
	fs.IntVar(&cfg.connsPerAddress, "max-connections-per-address", 0,
		"the limit `N` of connections from one address, most streams not counted; "+
			"by default a quarter of all, or none with --rate-limits=off")
	fs.DurationVar(&cfg.people.SessionIdle, "session-idle", account.DefaultSessionIdle,
		"sign people out after this `time` without a request or an open stream")
	fs.DurationVar(&cfg.people.SessionMax, "session-max", account.DefaultSessionMax,
		"sign people out after this `time`, however active they are")
	fs.TextVar(&cfg.logLevel, "log-level", slog.LevelInfo, "log messages of this `level` and above: debug, info, warn or error")
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
	if err := cfg.settle(); err != nil {
		return err
	}
	if _, err := bolt.Inspect(cfg.data); err != nil {
		return err // before a folder for certificates is made there
	}
	logger := env.logger(cfg.logLevel)
	f, err := openListeners(cfg, logger)
	if err != nil {
		return err
	}
	defer f.close()
	defer f.reloadOnSignal()()
	memory := newBudget(memoryLimit(cfg.memory))
	defer correcting(memory)()
	w, err := openWorkspace(ctx, cfg.data, memory, cfg.people, cfg.pages(), f.edge())
	if errors.Is(err, bolt.ErrInUse) {
		return fmt.Errorf("another halley is serving the folder %s; stop it, or give --data another folder", cfg.data)
	}
	if err != nil {
		return err
	}
	w.startScrub(cfg.scrubEvery, logger)
	endpoints := f.endpoints(w)
	f.announce(env.stdout)
	err = serveUntil(ctx, endpoints, w, logger)
	return errors.Join(err, w.close())
}

// pages is how the live pages are to behave.
func (cfg *serveConfig) pages() editor.Config {
	all := int64(cfg.quota) << 20
	if all == 0 {
		all = diskBytes(cfg.data) / 2
	}
	return editor.Config{
		MaxFileBytes: int64(cfg.maxUpload) << 20, QuotaPerson: int64(cfg.quotaPerson) << 20, QuotaAll: all,
		Push: push.Config{Heartbeat: cfg.heartbeat},
	}
}

// settle finds out what was not said, and refuses what cannot be.
func (cfg *serveConfig) settle() error {
	if cfg.heartbeat < leastHeartbeat || cfg.heartbeat > mostHeartbeat {
		return fmt.Errorf("--heartbeat %v: it must be from %v to %v", cfg.heartbeat, leastHeartbeat, mostHeartbeat)
	}
	if cfg.people.SessionIdle < leastSession || cfg.people.SessionMax < cfg.people.SessionIdle {
		return fmt.Errorf("--session-idle %v and --session-max %v: the first must be at least %v, and the second no shorter than the first",
			cfg.people.SessionIdle, cfg.people.SessionMax, leastSession)
	}
	if cfg.scrubEvery != 0 && cfg.scrubEvery < leastScrub {
		return fmt.Errorf("--scrub-every %v: it must be at least %v, or 0", cfg.scrubEvery, leastScrub)
	}
	if err := checkMemory(cfg.memory); err != nil {
		return err
	}
	if err := cfg.settleTLS(); err != nil {
		return err
	}
	return cfg.mayBeOpen()
}

// mayBeOpen refuses to let the whole network into a workspace without
// accounts: directly, or through a proxy.
func (cfg *serveConfig) mayBeOpen() error {
	if cfg.open || isLoopback(cfg.listen) && cfg.publicURL == "" && len(cfg.proxies) == 0 {
		return nil
	}
	return fmt.Errorf("this workspace has no accounts: whoever reaches it may edit everything. " +
		"Listen on 127.0.0.1 without --public-url, --trusted-proxies and --acme, or give --open if that is what you want")
}

func isLoopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return true // what is wrong with it, listen says
	}
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}

// serveUntil answers at the endpoints until ctx ends, then drains the workspace.
func serveUntil(ctx context.Context, endpoints []endpoint, w *workspace, logger *slog.Logger) error {
	failed := make(chan error, len(endpoints))
	var open sync.WaitGroup // each closes its listener
	for _, d := range endpoints {
		open.Go(func() {
			if err := d.serve(); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("serve: %w", err)
			}
		})
	}

	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	logger.Info("draining")
	drain(w, endpoints, logger)
	open.Wait()
	return err
}

// drain answers what is in flight, sends readers away to come back, and ends.
// Whoever still holds a connection after all this time is cut off: a reader
// that takes nothing is no failure of ours.
func drain(w *workspace, endpoints []endpoint, logger *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	w.scrub.Stop()
	if err := w.pages.Drain(ctx); err != nil {
		logger.Warn("readers are cut off", "error", err)
	}
	for _, d := range endpoints {
		if d.server.Shutdown(ctx) != nil {
			_ = d.server.Close() // connections that are gone already
		}
	}
}
