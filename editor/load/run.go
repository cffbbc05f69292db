package load

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"halley/editor/client"
	"halley/ot"
)

// A run is one Run under way.
type run struct {
	cfg    Config
	target *target
	began  time.Time

	people  []*person
	pages   []*page
	readers []*reader // the typists' too
	typists []*typist

	acks       [shards]*histogram
	deliveries [shards]*histogram

	lines      atomic.Int64          // that are open
	failed     atomic.Pointer[error] // why the first reader ended that did
	reconnects atomic.Uint64
	resends    atomic.Uint64
	limited    atomic.Uint64 // answers 429
	wrongs     atomic.Uint64 // acknowledged edits that are not in the log as acknowledged
	troubles   troubles
}

// shards keep processors from counting in the same memory.
const shards = 8

// A person is a principal at the server.
type person struct {
	client *client.Client
	header string
}

const (
	// mostPeople is what a server lets sign in at once from one address. More
	// writers share them.
	mostPeople = 100
	patience   = 20 * time.Second
	settleTime = 30 * time.Second
	cleanTime  = 20 * time.Second
	// opening is how many lines are opened at a time.
	opening = 64
	// viewersAText is how many viewers one is among that keeps the text.
	viewersAText = 10
)

// Run puts the load on and returns what it measured. When ctx ends, people stop
// typing, and the result is of the time until then. The error says why there is
// none.
func Run(ctx context.Context, cfg Config) (Result, error) {
	if err := cfg.check(); err != nil {
		return Result{}, err
	}
	r := &run{cfg: cfg, began: time.Now()}
	for i := range shards {
		r.acks[i], r.deliveries[i] = &histogram{}, &histogram{}
	}
	var err error
	if r.target, err = newTarget(cfg.Server); err != nil {
		return Result{}, err
	}
	defer r.clean(ctx)
	if err := r.prepare(ctx); err != nil {
		return Result{}, err
	}
	return r.measure(ctx)
}

// clock is the time of the run in nanoseconds; never 0 when people type.
func (r *run) clock() int64 { return int64(time.Since(r.began)) }

func (r *run) acked(number int) *histogram     { return r.acks[number%shards] }
func (r *run) delivered(number int) *histogram { return r.deliveries[number%shards] }

func (r *run) noteRefusal(err error) {
	var p *client.Problem
	if errors.As(err, &p) && p.Status == http.StatusTooManyRequests {
		r.limited.Add(1)
	}
}

// prepare signs people in and makes the pages, readers and typists.
func (r *run) prepare(ctx context.Context) error {
	for i := range min(max(r.cfg.Writers, 1), mostPeople) {
		p, err := r.signIn(ctx, i)
		if err != nil {
			return err
		}
		r.people = append(r.people, p)
		if r.cfg.Token != "" {
			break // all are who the token says
		}
	}
	seed := maphash.MakeSeed()
	for i := range r.cfg.Pages {
		if err := r.makePage(ctx, i, seed); err != nil {
			return fmt.Errorf("make a page: %w", err)
		}
	}
	content := ot.Delta{{Insert: firstLine}}
	for i := range r.cfg.Writers + r.cfg.Viewers {
		if err := r.addReader(i, content); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) signIn(ctx context.Context, number int) (*person, error) {
	c, err := client.New(client.Config{Server: r.cfg.Server, Token: r.cfg.Token, Patience: patience})
	if err != nil {
		return nil, err
	}
	for r.cfg.Token == "" {
		_, err := c.SignIn(ctx, fmt.Sprintf("Load %d", number+1))
		var p *client.Problem
		if err == nil {
			break
		}
		if !errors.As(err, &p) || p.Status != http.StatusTooManyRequests || !pause(ctx, backOff(0, err)) {
			return nil, fmt.Errorf("sign in: %w", err)
		}
		r.noteRefusal(err)
	}
	return &person{c, headerLines(c.Credentials())}, nil
}

// firstLine is what every page of a run begins with.
const firstLine = "Written by halley load\n"

func (r *run) makePage(ctx context.Context, i int, seed maphash.Seed) error {
	who := r.people[i%len(r.people)].client
	made, err := who.Create(ctx, fmt.Sprintf("halley load %d", i+1), ot.Delta{{Insert: firstLine}}, client.NewID())
	if err != nil {
		return err
	}
	r.pages = append(r.pages, &page{id: made.ID, epoch: made.Epoch, start: made.Seq, typists: map[string]*typist{}, seed: seed})
	return nil
}

// addReader adds the line of a writer, and after them those of viewers.
func (r *run) addReader(number int, content ot.Delta) error {
	p := r.pages[number%len(r.pages)]
	l := &reader{run: r, page: p, who: r.people[number%len(r.people)], number: number, opened: make(chan struct{})}
	l.seq.Store(p.start)
	writes := number < r.cfg.Writers
	if writes || (number-r.cfg.Writers)/len(r.pages)%viewersAText == 0 {
		var err error
		if l.text, err = newText(p.start, content); err != nil {
			return err
		}
	}
	if writes {
		t := &typist{run: r, line: l, client: client.NewID(), hand: newHand(r.cfg.Seed, uint64(number)), heard: make(chan echo, 1)}
		l.self, p.typists[t.client] = t, t
		r.typists = append(r.typists, t)
	}
	r.readers = append(r.readers, l)
	return nil
}

// measure opens the lines, lets people type, and looks at what came of it.
func (r *run) measure(ctx context.Context) (Result, error) {
	following, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var reading sync.WaitGroup
	if err := r.openLines(ctx, following, &reading); err != nil {
		stop()
		reading.Wait()
		return Result{}, err
	}
	res := r.newResult()
	m := r.startMeter()
	r.letType(ctx, following, m)
	m.stop(&res)

	settling, done := context.WithTimeout(following, settleTime)
	defer done()
	heads := r.settle(settling)
	stop()
	reading.Wait()
	r.compare(heads, &res)
	return res, nil
}

// openLines returns when every line was told hello, or one of them has failed.
func (r *run) openLines(ctx, following context.Context, reading *sync.WaitGroup) error {
	slots := make(chan struct{}, opening)
	for _, l := range r.readers {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return r.notAllOpen()
		}
		if r.failed.Load() != nil {
			return r.notAllOpen()
		}
		reading.Go(func() { l.follow(following) })
		go func() {
			<-l.opened
			<-slots
		}()
	}
	for range opening { // all of them are free again when the last lines are open
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return r.notAllOpen()
		}
	}
	return r.notAllOpen()
}

// notAllOpen says what kept lines from being opened; nil: nothing.
func (r *run) notAllOpen() error {
	open := slices.IndexFunc(r.readers, func(l *reader) bool { return !l.greeted.Load() })
	first := r.failed.Load()
	switch {
	case first == nil && open < 0:
		return nil
	case first == nil:
		return fmt.Errorf("not all of %d lines were open when it was stopped", len(r.readers))
	case isFull(*first):
		return fmt.Errorf("a line could not be opened: %w. To measure the machine and not the limits, "+
			"run the server with --rate-limits=off", *first)
	}
	return fmt.Errorf("a line could not be opened: %w", *first)
}

// letType returns when the time is over and every edit is answered, or cannot be.
func (r *run) letType(ctx, following context.Context, m *meter) {
	typing, over := context.WithTimeout(ctx, r.cfg.For)
	defer over()
	answering, late := context.WithCancel(following)
	defer late()
	var all sync.WaitGroup
	for _, t := range r.typists {
		all.Go(func() { t.write(typing, answering) })
	}
	m.watch(typing)
	timer := time.AfterFunc(patience, late)
	defer timer.Stop()
	all.Wait()
}

// A head is a page as the server has it at the end.
type head struct {
	seq     uint64
	content [32]byte
	length  int
}

// settle asks for each page's head and waits until every reader has got there.
func (r *run) settle(ctx context.Context) map[*page]head {
	heads := map[*page]head{}
	for i, p := range r.pages {
		now, err := r.people[i%len(r.people)].client.Page(ctx, p.id)
		var content *ot.Content
		if err == nil {
			content, err = ot.NewContent(now.Delta)
		}
		if err != nil {
			r.troubles.add("a page could not be read at the end: " + err.Error())
			continue
		}
		heads[p] = head{now.Seq, content.Hash(), content.Len()}
	}
	for _, l := range r.readers {
		for l.seq.Load() < heads[l.page].seq && l.ended() == nil && pause(ctx, 5*time.Millisecond) {
		}
	}
	return heads
}

// clean lets go of what the run made at the server.
func (r *run) clean(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTime)
	defer cancel()
	for i, p := range r.pages {
		if r.cfg.Keep {
			break
		}
		if err := r.people[i%len(r.people)].client.Trash(ctx, p.id); err != nil {
			r.troubles.add("a page is not in the trash: " + err.Error())
		}
	}
	for _, p := range r.people {
		if r.cfg.Token == "" {
			// A session that stays ends by itself.
			_ = p.client.SignOut(ctx)
		}
		p.client.Close()
	}
}
