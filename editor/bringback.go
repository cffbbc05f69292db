package editor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/agnivade/levenshtein"

	"halley/storage"
)

// StoredPages are the settings of all pages in a store, those in the trash too,
// in order of id. Nobody need serve it.
func StoredPages(ctx context.Context, store storage.Records) (all []Settings, err error) {
	err = store.List(ctx, pagePrefix, "", func(r storage.Record) error {
		set, err := decodeSettings(r)
		all = append(all, set.Settings)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the list of pages: %w", err)
	}
	return all, nil
}

// bringBackEvery is how many changes lie between two checkpoints of a page that
// is brought back; more would be thinned again.
const bringBackEvery = storage.CheckpointReach / 2

// A Piece of a page's history is either some changes, for one write, or a file
// that later ones name, which is read before the next piece is asked for.
type Piece struct {
	Changes []storage.Change
	File    io.Reader
}

// BringBack makes a new page of one that was elsewhere, as in a backup: with
// its settings, its files, and all its changes by whom and when they were made.
// history yields them in order; its error is returned as it is. Whoever may do
// this is for the caller to know. Until all is stored nobody sees the page;
// where that fails, nobody ever does.
func (ps *Pages) BringBack(ctx context.Context, was Settings, history iter.Seq2[Piece, error]) (Settings, uint64, error) {
	b := bringingBack{
		ps: ps, id: ps.NewID(Principal{}, ""),
		past: past{state: newState("", 0), authors: map[string]bool{}}, files: map[storage.Hash]bool{},
	}
	for piece, err := range history {
		if err == nil {
			err = b.take(ctx, piece)
		}
		if err != nil {
			return Settings{}, 0, err
		}
	}
	if err := b.keep(ctx); err != nil {
		return Settings{}, 0, err
	}
	set := was
	set.ID, set.Trashed, set.Version = b.id, time.Time{}, 0
	if ps.catalog.hasTitle(set.Title) && CheckTitle(set.Title+restoredTitle) == nil {
		set.Title += restoredTitle
	}
	set, err := ps.catalog.add(ctx, set)
	return set, b.seq, err
}

// restoredTitle tells a page that was brought back from one of the same title.
const restoredTitle = " (restored)"

// A bringingBack is a page on its way in. It is replayed as it comes: what does
// not fit is no page's history.
type bringingBack struct {
	ps *Pages
	id PageID
	past
	kept  uint64                // the seq of the newest checkpoint
	files map[storage.Hash]bool // that have come
}

func (b *bringingBack) take(ctx context.Context, piece Piece) error {
	if b.ps.Draining() {
		return ErrDraining
	}
	if piece.File != nil {
		blob, err := b.ps.store.PutBlob(ctx, b.id, b.ps.cfg.Now().Add(keepUploads), piece.File)
		b.files[blob.Hash] = err == nil
		return err
	}
	return b.append(ctx, piece.Changes)
}

func (b *bringingBack) append(ctx context.Context, batch []storage.Change) error {
	expect := b.seq
	for i := range batch {
		c, err := decodeChange(batch[i])
		if err == nil {
			err = b.replay(c)
		}
		if err != nil {
			return &storage.CorruptError{Page: b.id, Seq: batch[i].Seq, Reason: err.Error()}
		}
		b.authors[c.Author], b.time = true, c.Time
		// A file that was lost before stays lost, and the text is not.
		batch[i].Blobs = slices.DeleteFunc(FilesIn(c.Delta), func(h storage.Hash) bool { return !b.files[h] })
	}
	if err := b.ps.store.Append(ctx, b.id, expect, batch); err != nil {
		return err
	}
	if b.seq-b.kept < bringBackEvery {
		return nil
	}
	return b.keep(ctx)
}

// keep has a checkpoint written, so that the page opens as quickly as others.
func (b *bringingBack) keep(ctx context.Context) error {
	if b.seq-b.kept < checkpointEvery {
		return nil
	}
	b.kept = b.seq
	data := encodeCheckpoint(&view{b.seq, b.content, b.time, b.authors})
	return b.ps.store.PutCheckpoint(ctx, b.id, storage.Checkpoint{Seq: b.seq, Data: data})
}

// hasTitle reports whether a page outside the trash has that title.
func (c *catalog) hasTitle(title string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.pages {
		if l.set.Title == title && l.set.Trashed.IsZero() {
			return true
		}
	}
	return false
}

// A NoSuchPageError says that pages have none that was asked for, and which of
// them may have been meant.
type NoSuchPageError struct {
	ID   PageID
	Near []Settings
}

func (e *NoSuchPageError) Error() string {
	if len(e.Near) == 0 {
		return fmt.Sprintf("there is no page %s, nor any other", e.ID)
	}
	var near []string
	for _, set := range e.Near {
		near = append(near, fmt.Sprintf("%s (%q)", set.ID, set.Title))
	}
	return fmt.Sprintf("there is no page %s; was it %s?", e.ID, strings.Join(near, ", or "))
}

// FindPage finds a page among some by its id; a *NoSuchPageError with those
// whose id or title is most like it.
func FindPage(pages []Settings, id PageID) (Settings, error) {
	const most = 4
	if i := slices.IndexFunc(pages, func(set Settings) bool { return set.ID == id }); i >= 0 {
		return pages[i], nil
	}
	near := slices.Clone(pages)
	unlike := func(set Settings) int {
		title := levenshtein.ComputeDistance(strings.ToLower(string(id)), strings.ToLower(set.Title))
		return min(levenshtein.ComputeDistance(string(id), string(set.ID)), title)
	}
	slices.SortStableFunc(near, func(a, b Settings) int { return unlike(a) - unlike(b) })
	return Settings{}, &NoSuchPageError{ID: id, Near: near[:min(most, len(near))]}
}

// A StoredHistory reads a page's history out of a store.
type StoredHistory struct {
	Store storage.Store
	Page  PageID
	// Lost is told of each file that the page names and the store does not have.
	Lost func(storage.Hash, error)
}

// Pieces yields the history: of changes about 256 KB at a time, each file
// before the first change that names it.
func (s StoredHistory) Pieces(ctx context.Context) iter.Seq2[Piece, error] {
	return func(yield func(Piece, error) bool) {
		r := historyReader{StoredHistory: s, ctx: ctx, yield: yield, met: map[storage.Hash]bool{}}
		err := s.Store.Read(ctx, s.Page, 0, MaxWhole, r.take)
		if err == nil {
			err = r.flush()
		}
		if err != nil && !errors.Is(err, errEnough) {
			yield(Piece{}, err)
		}
	}
}

// errEnough: the reader wants no more.
var errEnough = errors.New("the reader has enough")

type historyReader struct {
	StoredHistory
	ctx   context.Context
	yield func(Piece, error) bool
	met   map[storage.Hash]bool
	batch []storage.Change
	size  int
}

func (r *historyReader) take(sc storage.Change) error {
	const batchBytes, batchChanges = 256 << 10, 500
	c, err := decodeChange(sc)
	if err != nil {
		return err
	}
	for _, h := range FilesIn(c.Delta) {
		if err := r.file(h); err != nil {
			return err
		}
	}
	sc.Payload = slices.Clone(sc.Payload)
	r.batch, r.size = append(r.batch, sc), r.size+len(sc.Payload)
	if r.size < batchBytes && len(r.batch) < batchChanges {
		return nil
	}
	return r.flush()
}

// flush yields the changes gathered.
func (r *historyReader) flush() error {
	batch := r.batch
	r.batch, r.size = nil, 0
	if len(batch) > 0 && !r.yield(Piece{Changes: batch}, nil) {
		return errEnough
	}
	return nil
}

// file yields a file at its first mention.
func (r *historyReader) file(h storage.Hash) error {
	if r.met[h] {
		return nil
	}
	r.met[h] = true
	blob, err := r.Store.OpenBlob(r.ctx, h)
	var damaged *storage.CorruptError
	switch {
	case errors.Is(err, storage.ErrNotFound), errors.As(err, &damaged):
		r.Lost(h, err)
		return nil
	case err != nil:
		return err
	}
	defer blob.Close()
	if !r.yield(Piece{File: blob}, nil) {
		return errEnough
	}
	return nil
}
