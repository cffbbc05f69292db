package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"

	"halley/editor/client"
	"halley/ot"
	"halley/ot/ottest"
)

// TestKill kills the server again and again while 50 programs write on several
// pages, and starts it again on the same folder and port. The programs send
// again what was not acknowledged, and in the end nothing that was is lost or
// there twice.
func TestKill(t *testing.T) {
	rounds := 5
	if soak {
		rounds = 100
	}
	const pages, writers, least, most = 5, 10, 20, 120 // acknowledgements of one page between two kills
	seed := seedOf(t)
	r := ottest.Rand(seed)
	s := serve(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	owner := s.program("Reader")
	var crowds []*crowd
	for i := range pages {
		page, err := owner.Create(ctx, fmt.Sprintf("Killed %d", i+1), ot.Delta{{Insert: "Begin.\n"}}, client.NewID())
		if err != nil {
			t.Fatal(err)
		}
		crowds = append(crowds, newCrowd(ctx, t, s, page, seed+uint64(i*writers), writers))
	}
	for range rounds {
		crowds[r.IntN(pages)].wantAcks(least + r.IntN(most-least))
		s.restart()
	}
	for _, c := range crowds {
		c.stop()
	}
	for _, c := range crowds {
		c.finish()
	}
}

// A crowd is several writers of one page, and a reader.
type crowd struct {
	tb       testing.TB
	ctx      context.Context
	seed     uint64
	c        *client.Client
	page     string
	reader   *follower
	writers  []*writer
	acks     chan ack // closed when all writers have ended
	enough   chan struct{}
	stopping sync.Once           // closes enough
	acked    map[string][]uint64 // by client: the seqs of n 1, 2, …
}

func newCrowd(ctx context.Context, tb testing.TB, s *server, page client.Page, seed uint64, writers int) *crowd {
	tb.Helper()
	owner := s.program("Reader")
	c := &crowd{
		tb: tb, ctx: ctx, seed: seed, c: owner, page: page.ID, reader: follow(ctx, tb, owner, page.ID),
		acks: make(chan ack, 1<<10), enough: make(chan struct{}), acked: map[string][]uint64{},
	}
	var writing sync.WaitGroup
	for i := range writers {
		w := newWriter(ctx, tb, s.program(fmt.Sprintf("Writer %d", i+1)), page, seed+uint64(i)+1)
		c.writers = append(c.writers, w)
		writing.Go(func() { w.run(ctx, c.acks, c.enough) })
	}
	go func() { writing.Wait(); close(c.acks) }()
	return c
}

// wantAcks waits for so many more acknowledgements.
func (c *crowd) wantAcks(count int) {
	c.tb.Helper()
	for range count {
		a, ok := <-c.acks
		if !ok {
			c.tb.Fatalf("the writers gave up (seed %d)", c.seed)
		}
		c.count(a)
	}
}

func (c *crowd) count(a ack) {
	if a.n != uint64(len(c.acked[a.client]))+1 {
		c.tb.Errorf("n %d of %s is acknowledged after n %d (seed %d)", a.n, a.client, len(c.acked[a.client]), c.seed)
	}
	c.acked[a.client] = append(c.acked[a.client], a.seq)
}

// stop lets the writers end.
func (c *crowd) stop() { c.stopping.Do(func() { close(c.enough) }) }

// finish stops the writers, and fails unless what is acknowledged is in the
// log, once, under its seq, and all have the same text.
func (c *crowd) finish() {
	c.tb.Helper()
	c.stop()
	for a := range c.acks {
		c.count(a)
	}
	if c.tb.Failed() {
		c.tb.Fatalf("a writer failed (seed %d)", c.seed)
	}
	log, text := readLog(c.ctx, c.tb, c.c, c.page)
	c.wantLog(log)
	for _, w := range c.writers {
		w.catchUp(uint64(len(log)))
		if got := w.doc.Content().Delta(); !got.Equal(text) {
			c.tb.Errorf("%s ends with %s, want %s (seed %d)", w.id, short([]byte(canonical(got))), short([]byte(canonical(text))), c.seed)
		}
	}
}

func (c *crowd) wantLog(log []client.Change) {
	c.tb.Helper()
	last := map[string]uint64{} // by client: its newest n
	for i, change := range log {
		if got := c.reader.next(); got.Seq != change.Seq || got.Client != change.Client || got.N != change.N || !got.Delta.Equal(change.Delta) {
			c.tb.Fatalf("the reader's change %d is %v, the log's %v (seed %d)", i+1, got, change, c.seed)
		}
		if change.N != last[change.Client]+1 {
			c.tb.Fatalf("change %d is n %d of %s, after n %d (seed %d)", change.Seq, change.N, change.Client, last[change.Client], c.seed)
		}
		last[change.Client] = change.N
		if seqs := c.acked[change.Client]; len(seqs) > 0 && (change.N > uint64(len(seqs)) || seqs[change.N-1] != change.Seq) {
			c.tb.Errorf("n %d of %s is change %d, acknowledged were %v (seed %d)", change.N, change.Client, change.Seq, seqs, c.seed)
		}
	}
	for id, seqs := range c.acked {
		if last[id] != uint64(len(seqs)) {
			c.tb.Errorf("%d edits of %s are acknowledged, %d are in the log (seed %d)", len(seqs), id, last[id], c.seed)
		}
	}
}

// readLog reads all changes of a page, and the content that they make, which
// must be what the server says it is.
func readLog(ctx context.Context, tb testing.TB, c *client.Client, page string) ([]client.Change, ot.Delta) {
	tb.Helper()
	var log []client.Change
	text := contentOf(tb, ot.Delta{{Insert: "\n"}})
	for {
		changes, head, err := c.Changes(ctx, page, uint64(len(log)), 1000)
		if err != nil {
			tb.Fatal(err)
		}
		for _, change := range changes {
			log = append(log, change)
			if change.Seq != uint64(len(log)) {
				tb.Fatalf("the log has change %d in place %d", change.Seq, len(log))
			}
			if err := text.Apply(change.Delta); err != nil {
				tb.Fatalf("change %d does not fit the content before it: %v", change.Seq, err)
			}
		}
		if uint64(len(log)) == head {
			break
		}
		if len(changes) == 0 {
			tb.Fatalf("the log ends at %d, the head is %d", len(log), head)
		}
	}
	stored, err := c.Page(ctx, page)
	if err != nil {
		tb.Fatal(err)
	}
	if !stored.Delta.Equal(text.Delta()) {
		tb.Fatalf("the page is %s, its changes make %s", short([]byte(canonical(stored.Delta))), short([]byte(canonical(text.Delta()))))
	}
	return log, text.Delta()
}

// seedOf is a new seed each time; HALLEY_SEED runs one again.
func seedOf(tb testing.TB) uint64 {
	tb.Helper()
	text := os.Getenv("HALLEY_SEED")
	if text == "" {
		return rand.Uint64()
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		tb.Fatalf("HALLEY_SEED: %v", err)
	}
	return seed
}

// An ack is an edit that the server has acknowledged.
type ack struct {
	client string
	n, seq uint64
}

// A writer is an editor without a screen.
type writer struct {
	tb      testing.TB
	c       *client.Client
	page    string
	id      string
	random  *rand.Rand
	changes *follower

	n   uint64
	doc *client.Document
}

func newWriter(ctx context.Context, tb testing.TB, c *client.Client, page client.Page, seed uint64) *writer {
	tb.Helper()
	doc, err := client.NewDocument(0, ot.Delta{{Insert: "\n"}})
	if err != nil {
		tb.Fatal(err)
	}
	return &writer{
		tb: tb, c: c, page: page.ID, id: client.NewID(), random: ottest.Rand(seed),
		changes: follow(ctx, tb, c, page.ID), doc: doc,
	}
}

// run types and sends until it is enough and all is acknowledged.
func (w *writer) run(ctx context.Context, acks chan<- ack, enough <-chan struct{}) {
	for {
		select {
		case <-enough:
			if !w.doc.Pending() {
				return
			}
		default:
			w.types()
		}
		a, err := w.sendPending(ctx)
		if err != nil {
			w.tb.Errorf("edit %d of %s: %v", w.n, w.id, err)
			return
		}
		if a.n > 0 {
			acks <- a
		}
	}
}

// types makes one random edit, sometimes a few.
func (w *writer) types() {
	for ok := true; ok; ok = w.random.IntN(3) == 0 {
		text := w.doc.Content()
		d := ottest.Change(w.random, text.Delta())
		if text.Len() > 2000 {
			d = ot.Delta{}.Delete(text.Len() / 2) // so that the test stays quick
		}
		_ = w.doc.Edit(d) // one that would leave half of a pair over is refused
	}
}

// sendPending sends what is pending and takes in what comes until it has come
// back.
func (w *writer) sendPending(ctx context.Context) (ack, error) {
	delta, base, ok := w.doc.Send()
	if !ok {
		return ack{}, nil // the edits of this turn undid each other
	}
	w.n++
	type reply struct {
		seq uint64
		err error
	}
	answered := make(chan reply, 1)
	e := client.Edit{Client: w.id, N: w.n, Base: base, Delta: delta}
	go func() {
		seq, err := w.c.Submit(ctx, w.page, e)
		answered <- reply{seq, err}
	}()
	back := uint64(0) // the seq under which it came back
	var got reply
	for back == 0 || got.seq == 0 {
		select {
		case c, ok := <-w.changes.changes:
			if !ok {
				return ack{}, fmt.Errorf("its line ended: %w", w.changes.err)
			}
			mine, err := w.takeIn(c)
			if err != nil {
				return ack{}, err
			}
			if mine {
				back = c.Seq
			} else if back == 0 && w.random.IntN(4) == 0 {
				w.types()
			}
		case got = <-answered:
			if got.err != nil {
				return ack{}, got.err
			}
		}
	}
	if back != got.seq {
		return ack{}, fmt.Errorf("n %d came back as change %d and was acknowledged as %d", w.n, back, got.seq)
	}
	return ack{w.id, w.n, got.seq}, nil
}

// takeIn applies one change of the stream; mine: it is the edit in flight.
func (w *writer) takeIn(c client.Change) (mine bool, err error) {
	mine = c.Client == w.id
	if mine && c.N != w.n {
		return false, fmt.Errorf("n %d comes back while n %d is in flight", c.N, w.n)
	}
	_, err = w.doc.Receive(c.Seq, c.Delta, mine)
	return mine, err
}

// catchUp takes in the rest, up to a seq.
func (w *writer) catchUp(seq uint64) {
	w.tb.Helper()
	for w.doc.Seq() < seq {
		if _, err := w.takeIn(w.changes.next()); err != nil {
			w.tb.Fatalf("%s: %v", w.id, err)
		}
	}
}
