package httpapi

import (
	"context"
	"crypto/rand"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"

	"halley/editor"
	"halley/editor/account"
	"halley/editor/budget"
	"halley/editor/exchange"
	"halley/editor/metrics"
	"halley/storage"
)

// Config sets how the edge behaves.
type Config struct {
	Version   string // of the program, told in hello
	PublicURL string // what people type; "": unknown. Sets Secure cookies, HSTS, links
	// AnyHost answers whatever Host a request names. Otherwise an open
	// workspace answers only this machine: what reaches it through a proxy or
	// a rebound name is not from here.
	AnyHost    bool
	RateLimits bool // off: a load test may go as fast as it can
	Streams    StreamLimits
	// TrustedProxies are believed about whom they ask for, and nobody else is.
	TrustedProxies []netip.Prefix
	Metrics        *metrics.Metrics // default: those of this server alone
	Budget         *budget.Budget   // bounds what requests hold; nil: no bound
	Logger         *slog.Logger
	Now            func() time.Time
	App            fs.FS  // the built browser app
	Licences       string // the notices of all parts of the program, for people to read
}

// Server is the HTTP face of a workspace.
type Server struct {
	cfg         Config
	pages       *editor.Pages
	accounts    *account.Accounts
	store       storage.Store
	cookies     atomic.Pointer[cookies]
	limits      *limits
	memory      *memory
	turns       turns
	streams     *streams
	metrics     *metrics.Metrics
	logger      *slog.Logger
	name        string // of this process, random
	app         *app
	idempotency *idempotency
	headers     []fixedHeader
	engine      *gin.Engine

	exchange *exchange.Exchange
}

// New makes a server of its parts.
func New(ctx context.Context, cfg Config, pages *editor.Pages, accounts *account.Accounts, store storage.Store) (*Server, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Metrics == nil {
		cfg.Metrics = metrics.New(cfg.Version)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.PublicURL != "" {
		u, err := url.Parse(cfg.PublicURL)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, fmt.Errorf("the public URL %q is no http or https address", cfg.PublicURL)
		}
	}
	s := &Server{
		cfg: cfg, pages: pages, accounts: accounts, store: store, logger: cfg.Logger, metrics: cfg.Metrics,
		limits: newLimits(cfg.RateLimits, cfg.Now), memory: newMemory(cfg.Budget), turns: newTurns(),
		streams: newStreams(cfg.Streams), idempotency: newIdempotency(store, cfg.Now),
		headers:  fixedHeaders(strings.HasPrefix(cfg.PublicURL, "https:")),
		exchange: exchange.New(pages, cfg.Budget.Share("conversions", 0.5), fileType),
	}
	s.name = rand.Text()[:10]
	cookies, err := newCookies(ctx, accounts, store.Epoch())
	if err != nil {
		return nil, err
	}
	s.cookies.Store(cookies)
	if s.app, err = newApp(cfg.App); err != nil {
		return nil, err
	}
	return s, s.route()
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out, r := s.timed(w, s.behindProxies(r))
	defer out.end()
	s.engine.ServeHTTP(out, r)
}

// handle turns a handler that returns its error into one of gin: the only place
// where an error of a handler becomes an answer.
func (s *Server) handle(fn func(c *gin.Context) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := fn(c); err != nil {
			s.fail(c, err)
		}
	}
}

func (s *Server) route() error {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.HandleMethodNotAllowed = true
	e.RedirectTrailingSlash = false
	if err := e.SetTrustedProxies(nil); err != nil {
		return err
	}
	guard, err := s.crossOrigin()
	if err != nil {
		return err
	}
	e.Use(s.trace, s.recover, s.secure, s.handle(s.onlyFromHere), guard, s.handle(s.requireText))

	e.GET("/healthz", s.healthz)
	e.GET("/readyz", s.readyz)
	e.GET("/licences", s.licences)
	e.GET(problemPath+":name", s.handle(s.explainProblem))
	e.GET("/metrics", s.handle(onlyMachine), gin.WrapH(s.metrics.Handler(s.logger)))

	api := e.Group("/api", s.handle(s.identify))
	api.GET("/openapi.json", s.openapi)
	api.GET("/formats", s.handle(s.formats))
	s.sessionRoutes(api)
	s.pageRoutes(api)
	s.changeRoutes(api)
	s.contentRoutes(api)
	s.eventRoutes(api)
	s.fileRoutes(e, api)

	e.NoMethod(s.handle(noSuchMethod))
	e.NoRoute(s.handle(s.serveApp))
	s.engine = e
	return nil
}

func (s *Server) healthz(c *gin.Context) { c.String(http.StatusOK, "alive\n") }

func (s *Server) readyz(c *gin.Context) {
	c.Header("Cache-Control", "no-store")
	switch err := s.store.Healthy(); {
	case s.pages.Draining():
		c.String(http.StatusServiceUnavailable, "going away\n")
	case err != nil && isMachine(c.Request):
		c.String(http.StatusServiceUnavailable, "takes no edits: %v\n", err)
	case err != nil:
		c.String(http.StatusServiceUnavailable, "takes no edits: its disk is full or fails\n")
	default:
		c.String(http.StatusOK, "ready\n")
	}
}
