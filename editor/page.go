package editor

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync/atomic"
	"time"

	"halley/ot"
	"halley/storage"
)

const (
	mailboxSize = 256
	// maxBatch bounds what one append carries, so that a crowd on one page
	// does not hold up the others' commits.
	maxBatch = 512
	// largeEdit is from how many bytes on edits come to their page one at a
	// time, so that the small ones between them are answered.
	largeEdit = 64 << 10
	// resizeBytes is by how much a page grows before it is counted again.
	resizeBytes = 2 << 10
)

// A page is one loaded page: a goroutine that owns its state.
type page struct {
	id      PageID
	store   storage.Store
	publish func(PageID, storage.Change)
	logger  *slog.Logger
	now     func() time.Time
	idle    time.Duration
	retire  func(*page) // takes the page out of the registry, before done closes
	resized func(*page, resident)
	keep    func(PageID, *view) // has a checkpoint written, later

	reads *reads

	mailbox chan *call
	large   chan struct{} // held by the one large edit that may be in the mailbox
	stop    chan struct{} // closed by the registry: finish what is queued and end
	done    chan struct{} // closed by the page: it takes no more calls
	view    atomic.Pointer[view]
	touched atomic.Int64 // when it was last asked for, Unix nanoseconds

	place   *list.Element // in the cache; guarded by Pages.mu
	small   bool          // in which list of the cache; guarded by Pages.mu
	counted resident      // by the cache; guarded by Pages.mu

	st     *state
	size   resident  // as the cache was last told
	last   time.Time // of the newest change
	kept   uint64    // the seq of the newest checkpoint, written or on its way
	broken bool      // the log could not be read again after a doubtful append
}

// A view is what readers see: committed, never changed.
type view struct {
	seq     uint64
	content *ot.Content
	time    time.Time       // of the newest change; zero where there is none
	authors map[string]bool // everybody who made a change; never modified once here
}

// A call is a request in the mailbox, and where its answer goes.
type call struct {
	ctx    context.Context
	req    *request
	answer chan answer // buffered: the page never waits for a caller
}

type answer struct {
	verdict verdict
	err     error
}

// errUnloaded says that the page left memory; the caller loads it again.
var errUnloaded = errors.New("the page was unloaded")

// load reads the page from its newest checkpoint and what the log has after it.
func (p *page) load(ctx context.Context, epoch string, limit ot.Limit) error {
	head, err := p.store.Head(ctx, p.id)
	if err != nil {
		return fmt.Errorf("load page %s: %w", p.id, err)
	}
	read := p.reads.begin()
	defer read.end()
	now, from, err := readPast(ctx, p.store, p.logger, p.id, head, read)
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	now.epoch, now.limit, now.lines = epoch, limit.Bytes, limit.Lines
	p.st, p.last, p.kept = now.state, now.time, from
	p.show(now.authors)
	return nil
}

// measure is what the page holds now.
func (p *page) measure() resident {
	return resident{int64(p.st.content.Size()), p.st.bytes(len(p.view.Load().authors))}
}

// recount tells the cache where the page has grown or shrunk by much.
func (p *page) recount() {
	now := p.measure()
	if grown := now.bytes - p.size.bytes; grown > resizeBytes || grown < -resizeBytes {
		p.size = now
		p.resized(p, now)
	}
}

func (p *page) show(authors map[string]bool) {
	v := &view{p.st.seq, p.st.content.Snapshot(), p.last, authors}
	p.view.Store(v)
	if v.seq-p.kept >= checkpointEvery {
		p.kept = v.seq
		p.keep(p.id, v)
	}
}

// run is the page's goroutine: it answers the mailbox until the page is idle
// or told to stop.
func (p *page) run() {
	idle := time.NewTimer(p.idle)
	defer idle.Stop()
	for {
		select {
		case c := <-p.mailbox:
			batch := p.gather(c)
			p.serve(batch)
			p.recount()
			if p.broken {
				p.end(errUnloaded)
				return
			}
			if len(batch) > 1 {
				runtime.Gosched() // a crowd that was answered comes back as one
			}
			idle.Reset(p.idle)
		case <-idle.C:
			// Before the page was last asked for: the clock was set back. Unloading
			// a page too early costs one load, too late a year of its memory.
			if since := p.now().Sub(time.Unix(0, p.touched.Load())); since >= 0 && since < p.idle {
				idle.Reset(p.idle - since)
				continue
			}
			p.end(errUnloaded)
			return
		case <-p.stop:
			// Who found the page before it was told to end is still answered:
			// where pages come and go quickly, they would hardly get in again.
			for len(p.mailbox) > 0 && !p.broken {
				p.serve(p.gather(<-p.mailbox))
			}
			p.end(errUnloaded)
			return
		}
	}
}

// gather takes what has queued up meanwhile into one batch: what arrives
// while an append is being synced shares the next sync.
func (p *page) gather(first *call) []*call {
	batch := []*call{first}
	for len(batch) < maxBatch {
		select {
		case c := <-p.mailbox:
			batch = append(batch, c)
		default:
			return batch
		}
	}
	return batch
}

// end leaves the registry first, so that a caller who is turned away finds no
// trace of this page and loads it anew.
func (p *page) end(reason error) {
	p.retire(p)
	close(p.done)
	for {
		select {
		case c := <-p.mailbox:
			c.answer <- answer{err: reason}
		default:
			return
		}
	}
}

// serve steps a batch on a working root, appends what came of it in one go,
// and only then lets anybody see or know of it.
func (p *page) serve(batch []*call) {
	work := p.st.fork()
	var changes []storage.Change
	var waiting []*call // those whose answer depends on the append
	verdicts := make(map[*call]verdict, len(batch))
	for _, c := range batch {
		v, err := p.stepOne(work, c)
		switch {
		case err != nil:
			c.answer <- answer{err: err}
		case v.seq > p.st.seq:
			// New, or a resend of what is still on its way to the disk, or an
			// empty edit that would name such a change as the head.
			waiting = append(waiting, c)
			verdicts[c] = v
			if v.kind == committed {
				changes = append(changes, p.record(c.req, v, work))
			}
		default:
			c.answer <- answer{verdict: v}
		}
	}
	if len(waiting) == 0 {
		return
	}
	if err := p.commit(work, changes); err != nil {
		for _, c := range waiting {
			c.answer <- answer{err: err}
		}
		return
	}
	for _, c := range waiting {
		c.answer <- answer{verdict: verdicts[c]}
	}
}

func (p *page) stepOne(work *state, c *call) (verdict, error) {
	if err := c.ctx.Err(); err != nil {
		return verdict{}, err
	}
	if err := p.know(work, c.req.Client); err != nil {
		return verdict{}, err
	}
	return work.step(c.req)
}

// know fetches what the log has of a client that the page has not met since it
// was loaded, so that a resend is recognised after a restart too.
func (p *page) know(work *state, client string) error {
	if _, ok := work.client(client); ok {
		return nil
	}
	// The append outlives its caller, so does what it depends on.
	c, err := p.store.Client(context.Background(), p.id, client)
	if err != nil {
		return fmt.Errorf("look up client %s of page %s: %w", client, p.id, err)
	}
	if c.N == 0 {
		return nil
	}
	// A batch may bring more than maxClients; adopt drops what is too much.
	p.st.clients[client] = clientState{c.Author, c.N, c.Seq, c.Digest}
	return nil
}

// maxClockStep is how far back the clock may step without a page's times going
// back with it. A longer step ends an error: changes must not keep the wrong
// time until the clock reaches it again, which may take a year.
const maxClockStep = time.Minute

// record makes the log's form of a change. A page's times never run backwards by
// a small step of the clock. Only seq orders changes.
func (p *page) record(r *request, v verdict, work *state) storage.Change {
	now := p.now().UTC().Truncate(time.Millisecond)
	if back := p.last.Sub(now); back > 0 && back <= maxClockStep {
		now = p.last
	}
	return storage.Change{
		Seq: v.seq, Client: r.Client, N: r.N, Author: r.author, Time: now,
		Digest: r.digest, Payload: v.delta.AppendJSON(nil), Blobs: FilesIn(v.delta),
	}
}

// commit makes the changes durable, then advances what readers see, then
// publishes. The order is the promise: nobody hears of what is not on disk.
func (p *page) commit(work *state, changes []storage.Change) error {
	if len(changes) > 0 {
		if err := p.append(changes); err != nil {
			return err
		}
	}
	before := p.st.seq
	p.st.adopt(work)
	authors := p.view.Load().authors
	for _, c := range changes {
		authors = with(authors, c.Author)
		p.last = c.Time
	}
	p.show(authors)
	for _, c := range changes {
		p.publish(p.id, c)
	}
	p.logger.Debug("committed", "page", p.id, "seq", p.st.seq, "changes", p.st.seq-before)
	return nil
}

// append stores the changes. Where the log turns out not to be where this page
// thinks it is, or it cannot be told, the page is loaded again.
func (p *page) append(changes []storage.Change) error {
	err := p.store.Append(context.Background(), p.id, p.st.seq, changes)
	if err == nil {
		return nil
	}
	var conflict *storage.ConflictError
	if errors.As(err, &conflict) || errors.Is(err, storage.ErrUnknown) {
		if again := p.load(context.Background(), p.st.epoch, ot.Limit{Bytes: p.st.limit, Lines: p.st.lines}); again != nil {
			p.logger.Error("cannot load the page again", "page", p.id, "error", again)
			// A page that cannot tell what is on disk serves nobody.
			p.broken = true
		}
		return fmt.Errorf("append to %s: %w: %w", p.id, storage.ErrUnknown, err)
	}
	return fmt.Errorf("append to %s at seq %d: %w", p.id, p.st.seq, err)
}

func with(set map[string]bool, member string) map[string]bool {
	if set[member] {
		return set
	}
	grown := make(map[string]bool, len(set)+1)
	for m := range set {
		grown[m] = true
	}
	grown[member] = true
	return grown
}

func decodeChange(sc storage.Change) (Change, error) {
	var d ot.Delta
	if err := d.UnmarshalJSON(sc.Payload); err != nil {
		return Change{}, fmt.Errorf("change %d: %w", sc.Seq, err)
	}
	return Change{sc.Seq, d, sc.Author, sc.Client, sc.N, sc.Time}, nil
}
