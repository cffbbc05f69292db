package editor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"halley/editor/budget"
	"halley/ot"
	"halley/push"
	"halley/storage"
)

// Config sets what Pages may take. A field's zero value means its default.
type Config struct {
	MaxPageBytes     int            // content of one page, 10 MB
	MaxPageLines     int            // lines of one page, 500,000
	MaxTransformCost int            // operations × changes of one edit, 4,000,000
	MaxFileBytes     int64          // one picture or attachment, 64 MiB
	QuotaPerson      int64          // bytes of uploads that one person may keep; 0: any number
	QuotaAll         int64          // bytes that all uploads together may keep; 0: any number
	IdleUnload       time.Duration  // a page nobody asks for leaves memory, 10 minutes
	MaxLoadedBytes   int            // content of all loaded pages together, 512 MB
	PresenceEvery    time.Duration  // presence of a page is told at most so often, 100 ms
	Budget           *budget.Budget // bounds what pages and their readers hold; nil: no bound
	Push             push.Config
	Logger           *slog.Logger     // default: discards
	Now              func() time.Time // default: time.Now
}

// DefaultConfig is what a zero Config means.
func DefaultConfig() Config {
	return Config{
		MaxPageBytes:     10_000_000,
		MaxPageLines:     500_000,
		MaxTransformCost: 4_000_000,
		MaxFileBytes:     64 << 20,
		IdleUnload:       10 * time.Minute,
		MaxLoadedBytes:   512_000_000,
		PresenceEvery:    100 * time.Millisecond,
		Logger:           slog.New(slog.DiscardHandler),
		Now:              time.Now,
	}
}

// pageLimit is what one page may hold.
func (c Config) pageLimit() ot.Limit { return ot.Limit{Bytes: c.MaxPageBytes, Lines: c.MaxPageLines} }

func (c Config) withDefaults() Config {
	d := DefaultConfig()
	if c.MaxPageBytes == 0 {
		c.MaxPageBytes = d.MaxPageBytes
	}
	if c.MaxPageLines == 0 {
		c.MaxPageLines = d.MaxPageLines
	}
	if c.MaxTransformCost == 0 {
		c.MaxTransformCost = d.MaxTransformCost
	}
	if c.MaxFileBytes == 0 {
		c.MaxFileBytes = d.MaxFileBytes
	}
	if c.IdleUnload == 0 {
		c.IdleUnload = d.IdleUnload
	}
	if c.MaxLoadedBytes == 0 {
		c.MaxLoadedBytes = d.MaxLoadedBytes
	}
	if c.PresenceEvery == 0 {
		c.PresenceEvery = d.PresenceEvery
	}
	if c.Logger == nil {
		c.Logger = d.Logger
	}
	if c.Now == nil {
		c.Now = d.Now
	}
	if c.Push.Logger == nil {
		c.Push.Logger = c.Logger
	}
	return c
}

// Fractions of the budget. Most is lent: they add up to more than all of it.
const (
	streamsFraction = 0.4
	ringsFraction   = 0.2
	largeFraction   = 8 // events of unusual size have one part in this many
)

// pushConfig has the push line draw on the budget.
func (c Config) pushConfig() push.Config {
	streams := c.Budget.Share("streams", streamsFraction)
	line := c.Push
	line.Streams, line.Rings = streams, c.Budget.Share("rings", ringsFraction)
	if streams.Limit() > 0 && line.LargeBytes == 0 {
		line.LargeBytes = max(1<<20, int64(float64(streams.Limit())/streamsFraction)/largeFraction)
	}
	return line
}

// Pages is all the pages of a store, and the way to them.
type Pages struct {
	cfg    Config
	store  storage.Store
	auth   Authorizer
	people People
	hub    *push.Hub
	damage Damage // what is known to be damaged in the store
	secret []byte // makes the ids of pages that are created under a key

	catalog  *catalog
	presence *presence
	quota    *quota
	edits    [lagging]atomic.Uint64 // answered, by verdict

	laggards *laggards
	reads    *reads
	excerpts *excerpts
	searches *searches

	checkpoints *checkpointer
	stopWriting context.CancelFunc

	mu       sync.Mutex // guards what follows
	loaded   map[PageID]*entry
	cache    cache
	draining bool

	running sync.WaitGroup // page goroutines
	writing sync.WaitGroup // those that write in the background: checkpoints, excerpts
	closing sync.Once
}

// An entry is a page that is loaded or being loaded.
type entry struct {
	ready chan struct{} // closed when page and err are set
	page  *page
	err   error
}

// Open reads the settings of all pages and starts serving them. The caller
// keeps the store and closes it after Close.
func Open(ctx context.Context, cfg Config, store storage.Store, auth Authorizer, people People) (*Pages, error) {
	ps := &Pages{
		cfg: cfg.withDefaults(), store: store, auth: auth, people: people,
		loaded: map[PageID]*entry{}, laggards: newLaggards(runtime.GOMAXPROCS(0), cfg.Budget),
	}
	ps.quota = newQuota(store, ps.cfg)
	pages := cfg.Budget.Share("pages", 0.75)
	pages.Shrinks(ps.shrink)
	ps.cache.share, ps.cache.maxContent = pages, int64(ps.cfg.MaxLoadedBytes)
	ps.reads = &reads{share: pages}
	ps.searches = newSearches(cfg.Budget)
	ps.excerpts = newExcerpts(ps)
	var err error
	if ps.secret, err = storage.Secret(ctx, store, "secret/page-ids"); err != nil {
		return nil, fmt.Errorf("read the key for page ids: %w", err)
	}
	if ps.catalog, err = openCatalog(ctx, ps.cfg, store); err != nil {
		return nil, err
	}
	ps.hub = push.NewHub(ps.cfg.pushConfig(), source{ps})
	ps.presence = newPresence(ps)
	ps.catalog.notify(ps.settingsChanged)
	ps.checkpoints = newCheckpointer(store, ps.cfg.Logger)
	writing, stop := context.WithCancel(context.Background())
	ps.stopWriting = stop
	ps.writing.Go(func() { ps.checkpoints.run(writing) })
	ps.writing.Go(func() { ps.excerpts.run(writing) })
	return ps, nil
}

// Epoch is the store's.
func (ps *Pages) Epoch() string { return ps.store.Epoch() }

// Drain stops taking edits, tells every reader to come back to the server's
// successor, and waits for edits in flight. It returns when all are gone or
// ctx ends.
func (ps *Pages) Drain(ctx context.Context) error {
	ps.mu.Lock()
	ps.draining = true
	ps.mu.Unlock()
	return ps.hub.Drain(ctx)
}

// Draining reports whether Drain was called.
func (ps *Pages) Draining() bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return ps.draining
}

// Close ends every page's goroutine, after what is in its mailbox, and the
// push line. Closing again does nothing.
func (ps *Pages) Close() { ps.closing.Do(ps.close) }

func (ps *Pages) close() {
	ps.mu.Lock()
	ps.draining = true
	for _, e := range ps.loaded {
		select {
		case <-e.ready:
			if e.page != nil {
				ps.halt(e.page)
			}
		default: // its loader sees draining and halts it
		}
	}
	ps.mu.Unlock()
	ps.running.Wait()
	ps.stopWriting()
	ps.writing.Wait()
	ps.catalog.close()
	ps.presence.close()
	ps.hub.Close()
}

// halt tells a page to end. The caller holds mu.
func (ps *Pages) halt(p *page) {
	select {
	case <-p.stop:
	default:
		close(p.stop)
	}
	ps.cache.leave(p)
}

// open returns the page, loading it from the log where it is not in memory.
func (ps *Pages) open(ctx context.Context, id PageID) (*page, error) {
	ps.mu.Lock()
	e, ok := ps.loaded[id]
	if !ok {
		e = &entry{ready: make(chan struct{})}
		ps.loaded[id] = e
	} else if e.page != nil {
		ps.cache.touch(e.page)
	}
	ps.mu.Unlock()
	if !ok {
		// Others wait for this load, so it does not end with its first caller.
		ps.load(context.WithoutCancel(ctx), id, e)
	}
	select {
	case <-e.ready:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if e.err != nil {
		return nil, e.err
	}
	e.page.touched.Store(ps.cfg.Now().UnixNano())
	return e.page, nil
}

func (ps *Pages) load(ctx context.Context, id PageID, e *entry) {
	p := &page{
		id: id, store: ps.store, publish: ps.published, retire: ps.retire, resized: ps.resized, keep: ps.checkpoints.keep,
		logger: ps.cfg.Logger, now: ps.cfg.Now, idle: ps.cfg.IdleUnload, reads: ps.reads,
		mailbox: make(chan *call, mailboxSize), large: make(chan struct{}, 1),
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	p.touched.Store(ps.cfg.Now().UnixNano())
	err := p.load(ctx, ps.store.Epoch(), ps.cfg.pageLimit())
	ps.mu.Lock()
	defer ps.mu.Unlock()
	defer close(e.ready)
	if err != nil {
		e.err = err
		delete(ps.loaded, id) // the next caller tries again
		return
	}
	e.page = p
	p.size = p.measure()
	ps.cache.add(p)
	if ps.draining {
		ps.halt(p)
	}
	ps.running.Go(p.run)
	ps.makeRoom()
}

// retire is called by a page that ends.
func (ps *Pages) retire(p *page) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if e := ps.loaded[p.id]; e != nil && e.page == p {
		delete(ps.loaded, p.id)
	}
	ps.cache.ended(p)
}

// look returns what readers of a page may see now. Nothing is checked.
func (ps *Pages) look(ctx context.Context, id PageID) (*view, error) {
	p, err := ps.open(ctx, id)
	if err != nil {
		return nil, err
	}
	return p.view.Load(), nil
}

// Submit takes one edit of a page and returns the seq under which it is
// committed, once it is durable. An edit that was committed before, by the
// same client under the same n, gets the first one's seq. The errors
// are, in the order in which they are checked: ErrSignedOut, ErrNotFound,
// ErrClientTaken, ErrTrashed, ErrForbidden, ErrEpochChanged, *BaseAheadError,
// *NReusedError, *NGapError, *ot.InvalidError, ErrPageFull, *BaseTooOldError,
// storage.ErrDiskFull, storage.ErrUnknown, ErrDraining.
func (ps *Pages) Submit(ctx context.Context, p Principal, id PageID, e Edit) (uint64, error) {
	set, role, err := ps.see(ctx, p, id)
	if err != nil {
		return 0, err
	}
	if err := e.checkForm(); err != nil {
		return 0, err
	}
	if err := ps.presence.claim(id, e.Client, p.ID); err != nil {
		return 0, err
	}
	r := newRequest(e, p.ID)
	switch {
	case !set.Trashed.IsZero():
		r.refused = ErrTrashed
	case role < RoleEdit:
		r.refused = ErrForbidden
	case ps.Draining():
		r.refused = ErrDraining
	}
	if r.Invalid == nil {
		r.Invalid = checkContents(e.Delta)
	}
	if r.Invalid == nil && r.refused == nil {
		ps.checkRequest(ctx, p, id, r)
	}
	return ps.submit(ctx, id, r)
}

// checkRequest notes what is wrong with the files that an edit names.
func (ps *Pages) checkRequest(ctx context.Context, p Principal, id PageID, r *request) {
	err := ps.checkFiles(ctx, p, id, r.Delta)
	var bad *ot.InvalidError
	switch {
	case errors.As(err, &bad):
		r.Invalid = bad
	case err != nil:
		r.refused = err // in its turn: a resend is recognised all the same
	}
}

// submit carries a request to its page, as often as it takes: the page may
// leave memory meanwhile, and an edit that lags is first brought near.
func (ps *Pages) submit(ctx context.Context, id PageID, r *request) (uint64, error) {
	r.maxCost = ps.cfg.MaxTransformCost
	for {
		v, err := ps.ask(ctx, id, r)
		if err == nil && v.kind < lagging {
			ps.edits[v.kind].Add(1)
		}
		switch {
		case errors.Is(err, errUnloaded):
			if ps.Draining() {
				return 0, ErrDraining
			}
			continue
		case err != nil:
			return 0, ps.blame(ctx, id, r, err)
		case v.kind == resentOlder:
			return ps.store.Find(ctx, id, r.Client, r.N)
		case v.kind == lagging:
			if err := ps.bringNear(ctx, id, r); err != nil {
				return 0, err
			}
			continue
		}
		return v.seq, nil
	}
}

func (ps *Pages) ask(ctx context.Context, id PageID, r *request) (verdict, error) {
	p, err := ps.open(ctx, id)
	if err != nil {
		return verdict{}, err
	}
	c := &call{ctx: ctx, req: r, answer: make(chan answer, 1)}
	if r.bytes > largeEdit {
		select {
		case p.large <- struct{}{}:
			defer func() { <-p.large }()
			r.normal() // here, not in the page's goroutine
		case <-p.done:
			return verdict{}, errUnloaded
		case <-ctx.Done():
			return verdict{}, ctx.Err()
		}
	}
	select {
	case p.mailbox <- c:
	case <-p.done:
		return verdict{}, errUnloaded
	case <-ctx.Done():
		return verdict{}, ctx.Err()
	}
	select {
	case a := <-c.answer:
		return a.verdict, a.err
	case <-p.done:
		// The page may have answered just before it ended.
		select {
		case a := <-c.answer:
			return a.verdict, a.err
		default:
			return verdict{}, errUnloaded
		}
	case <-ctx.Done():
		return verdict{}, ctx.Err()
	}
}

// blame turns the index of an op that cuts a surrogate pair, found in the
// edit as transformed, into the index of the op as it was sent.
func (ps *Pages) blame(ctx context.Context, id PageID, r *request, err error) error {
	var cut *cutError
	if !errors.As(err, &cut) {
		return err
	}
	content, _, readErr := ps.contentAt(ctx, id, r.Base)
	if readErr != nil {
		return err
	}
	// Halved, not tried op by op: of many ops each trial is long.
	i := sort.Search(len(r.Delta), func(i int) bool {
		return content.Snapshot().Apply(normal(r.Delta[:i+1])) != nil
	})
	if i == len(r.Delta) {
		return err
	}
	return invalid(i, "cuts through a surrogate pair: a character that takes two UTF-16 units")
}

// contentAt is the content as it was at seq, and when that was.
func (ps *Pages) contentAt(ctx context.Context, id PageID, seq uint64) (*ot.Content, time.Time, error) {
	v, err := ps.look(ctx, id)
	if err != nil {
		return nil, time.Time{}, err
	}
	if seq == v.seq {
		return v.content, v.time, nil
	}
	if seq > v.seq {
		return nil, time.Time{}, ErrNoSuchSeq
	}
	read := ps.reads.begin()
	defer read.end()
	p, _, err := readPast(ctx, ps.store, ps.cfg.Logger, id, seq, read)
	if err != nil {
		return nil, time.Time{}, err
	}
	return p.content, p.time, nil
}

// Changes calls fn with each committed change in (after, upTo], oldest first.
// It stops at fn's first error and returns it.
func (ps *Pages) Changes(ctx context.Context, p Principal, id PageID, after, upTo uint64, fn func(Change) error) error {
	if _, _, err := ps.see(ctx, p, id); err != nil {
		return err
	}
	return ps.changes(ctx, id, after, upTo, fn)
}

func (ps *Pages) changes(ctx context.Context, id PageID, after, upTo uint64, fn func(Change) error) error {
	return ps.store.Read(ctx, id, after, upTo, func(sc storage.Change) error {
		c, err := decodeChange(sc)
		if err != nil {
			return err
		}
		return fn(c)
	})
}

// see answers who may see the page: its settings and p's role there.
func (ps *Pages) see(ctx context.Context, p Principal, id PageID) (Settings, Role, error) {
	if p.Nobody() {
		return Settings{}, RoleNone, ErrSignedOut
	}
	set, ok := ps.catalog.get(id)
	if !ok {
		return Settings{}, RoleNone, ErrNotFound
	}
	role, err := ps.auth.Role(ctx, p, set)
	if err != nil {
		return Settings{}, RoleNone, fmt.Errorf("role of %s on %s: %w", p.ID, id, err)
	}
	if role < RoleView {
		return Settings{}, RoleNone, ErrNotFound
	}
	return set, role, nil
}

// Role is p's role on a page; ErrNotFound where p may not even see it.
func (ps *Pages) Role(ctx context.Context, p Principal, id PageID) (Role, error) {
	_, role, err := ps.see(ctx, p, id)
	return role, err
}
