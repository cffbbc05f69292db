package editor

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"sync"
	"time"
	"unicode"

	"halley/storage"
)

const (
	excerptChars = 160
	// excerptEvery is how often excerpts are brought up to date: what a page's
	// readers type in the meantime costs one write.
	excerptEvery = 5 * time.Second
	// maxStale bounds the pages whose excerpt is to be made. One that is left
	// out is found again when it changes or is listed.
	maxStale = 10_000
	// excerptWrites is how many are stored at a time: they share a commit.
	excerptWrites = 32
)

// excerpts keeps the beginning of each page's text as a record of its own, so
// that a list need not load the page. They are made in the background: a list
// shows what there is, and its readers are sent the row when there is more.
type excerpts struct {
	ps   *Pages
	wake chan struct{} // has room for one; filled when a list lacks an excerpt

	mu    sync.Mutex
	stale map[PageID]bool // guarded by mu: whose excerpt may be of an older seq
}

func newExcerpts(ps *Pages) *excerpts {
	return &excerpts{ps: ps, wake: make(chan struct{}, 1), stale: map[PageID]bool{}}
}

func excerptKey(id PageID) string { return "excerpt/" + string(id) }

// changed notes that a page's excerpt may no longer be right.
func (x *excerpts) changed(id PageID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.stale) < maxStale {
		x.stale[id] = true
	}
}

// of is a page's excerpt as it is known now; head is the page's.
func (x *excerpts) of(ctx context.Context, id PageID, head uint64) string {
	if head == 0 {
		return ""
	}
	text, seq, _, err := x.stored(ctx, id)
	if err == nil && seq == head {
		return text
	}
	if v := x.ps.peek(id); v != nil {
		return excerptOf(v)
	}
	x.changed(id)
	select {
	case x.wake <- struct{}{}:
	default:
	}
	return text
}

// stored reads a page's excerpt, the seq that it is of, and its record's
// version; zeros where there is none.
func (x *excerpts) stored(ctx context.Context, id PageID) (text string, seq, version uint64, err error) {
	r, err := x.ps.store.Get(ctx, excerptKey(id))
	if errors.Is(err, storage.ErrNotFound) {
		return "", 0, 0, nil
	}
	seq, n := binary.Uvarint(r.Value)
	if n <= 0 {
		return "", 0, r.Version, err
	}
	return string(r.Value[n:]), seq, r.Version, err
}

// run brings excerpts up to date until ctx ends. What is stale then is found
// again when it is listed.
func (x *excerpts) run(ctx context.Context) {
	ticker := time.NewTicker(excerptEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-x.wake:
		case <-ctx.Done():
			return
		}
		x.update(ctx)
	}
}

// update makes and stores what is stale.
func (x *excerpts) update(ctx context.Context) {
	x.mu.Lock()
	stale := x.stale
	x.stale = map[PageID]bool{}
	x.mu.Unlock()
	writes := make(chan struct{}, excerptWrites)
	var writing sync.WaitGroup
	defer writing.Wait()
	for id := range stale {
		v, err := x.read(ctx, id)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			x.ps.cfg.Logger.Error("cannot read the beginning of a page for the list", "page", id, "error", err)
			continue
		}
		text := excerptOf(v)
		writes <- struct{}{}
		writing.Go(func() {
			defer func() { <-writes }()
			x.keep(ctx, id, v.seq, text)
		})
	}
}

// read is the page as it is now, read past the cache where it is not there.
func (x *excerpts) read(ctx context.Context, id PageID) (*view, error) {
	if v := x.ps.peek(id); v != nil {
		return v, nil
	}
	turn, err := x.ps.searches.turn(ctx)
	if err != nil {
		return nil, err
	}
	defer turn.end()
	return x.ps.readText(ctx, id)
}

// keep stores a page's excerpt if it is news, and has the list's readers sent
// the row.
func (x *excerpts) keep(ctx context.Context, id PageID, head uint64, text string) {
	old, seq, version, err := x.stored(ctx, id)
	if err != nil || seq == head {
		return
	}
	value := append(binary.AppendUvarint(nil, head), text...)
	_, err = x.ps.store.Put(ctx, storage.Record{Key: excerptKey(id), Value: value, Version: version})
	if err != nil {
		// The list shows the older one, and asks for this one again.
		x.ps.cfg.Logger.Debug("an excerpt is not stored", "page", id, "error", err)
		return
	}
	if text != old {
		x.ps.listChanged(id)
	}
}

// excerptOf is the excerpt of a page.
func excerptOf(v *view) string {
	var text strings.Builder
	for _, op := range v.content.Slice(0, 4*excerptChars) {
		text.WriteString(op.Insert)
	}
	return excerpt(text.String())
}

// excerpt is the beginning of a text in one line, cut between words.
func excerpt(text string) string {
	var out strings.Builder
	chars := 0
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || r == '\ufffc' }) {
		n := len([]rune(word)) + 1
		if chars > 0 && chars+n > excerptChars {
			return out.String() + " …"
		}
		if chars > 0 {
			out.WriteByte(' ')
		}
		out.WriteString(word)
		chars += n
		if chars > excerptChars { // one word that is longer than an excerpt
			return string([]rune(out.String())[:excerptChars]) + "…"
		}
	}
	return out.String()
}
