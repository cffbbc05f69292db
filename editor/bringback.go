package editor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"halley/storage"
)

// StoredPages are the settings of all pages in a store, those in the trash too,
// in order of id. Nobody need serve it.
func StoredPages(ctx context.Context, store storage.Records) (all []Settings, err error) {
	err = store.List(ctx, "page/", "", func(r storage.Record) error {
		set, err := decodeSettings(r)
		all = append(all, set)
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

// BringBack makes a new page of one that was elsewhere, as in a backup: with
// its settings, and all its changes by whom and when they were made. history
// yields them in order, in batches for one write each; its error is returned
// as it is. Whoever may do this is for the caller to know. Until all of them
// are stored nobody sees the page; where that fails, nobody ever does.
func (ps *Pages) BringBack(ctx context.Context, was Settings, history iter.Seq2[[]storage.Change, error]) (Settings, uint64, error) {
	b := bringingBack{ps: ps, id: ps.newID(Principal{}, ""), past: past{state: newState("", 0), authors: map[string]bool{}}}
	for batch, err := range history {
		if err == nil {
			err = b.take(ctx, batch)
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
	set, err := ps.catalog.add(ctx, set, b.seq, cmp.Or(b.time, set.Created))
	if err != nil {
		return Settings{}, 0, err
	}
	ps.listChanged(set.ID)
	return set, b.seq, nil
}

// restoredTitle tells a page that was brought back from one of the same title.
const restoredTitle = " (restored)"

// A bringingBack is a page on its way in. It is replayed as it comes: what does
// not fit is no page's history.
type bringingBack struct {
	ps *Pages
	id PageID
	past
	kept uint64 // the seq of the newest checkpoint
}

func (b *bringingBack) take(ctx context.Context, batch []storage.Change) error {
	if b.ps.Draining() {
		return ErrDraining
	}
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
		return min(distance(string(id), string(set.ID)), distance(strings.ToLower(string(id)), strings.ToLower(set.Title)))
	}
	slices.SortStableFunc(near, func(a, b Settings) int { return unlike(a) - unlike(b) })
	return Settings{}, &NoSuchPageError{ID: id, Near: near[:min(most, len(near))]}
}

// distance is how many characters of a have to be put in, left out or changed
// to make b of it.
func distance(a, b string) int {
	from, to := []rune(a), []rune(b)
	row := make([]int, len(to)+1)
	for j := range row {
		row[j] = j
	}
	for i, r := range from {
		before := row[0]
		row[0] = i + 1
		for j, other := range to {
			cost := 1
			if r == other {
				cost = 0
			}
			before, row[j+1] = row[j+1], min(before+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(to)]
}

// StoredHistory yields a page's changes out of a store, in batches of about
// 256 KB.
func StoredHistory(ctx context.Context, store storage.Log, id PageID) iter.Seq2[[]storage.Change, error] {
	const batchBytes, batchChanges = 256 << 10, 500
	errStop := errors.New("the reader has enough")
	return func(yield func([]storage.Change, error) bool) {
		var batch []storage.Change
		size := 0
		err := store.Read(ctx, id, 0, MaxWhole, func(c storage.Change) error {
			c.Payload = slices.Clone(c.Payload)
			batch, size = append(batch, c), size+len(c.Payload)
			if size < batchBytes && len(batch) < batchChanges {
				return nil
			}
			if !yield(batch, nil) {
				return errStop
			}
			batch, size = nil, 0
			return nil
		})
		switch {
		case errors.Is(err, errStop):
		case err != nil:
			yield(nil, err)
		case len(batch) > 0:
			yield(batch, nil)
		}
	}
}
