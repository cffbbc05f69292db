package editor

import (
	"context"
	"fmt"
	"iter"
	"log/slog"

	"halley/ot/diff"
	"halley/storage"
)

// NewReplay returns a function that replays one page's changes, in order from
// change 1 on, and returns the files that each names. It returns an error for a
// change that no page could have taken.
func NewReplay(PageID) func(storage.Change) ([]storage.Hash, error) {
	s := newState("", 0)
	return func(sc storage.Change) ([]storage.Hash, error) {
		c, err := decodeChange(sc)
		if err == nil {
			err = s.replay(c)
		}
		if err != nil {
			return nil, err
		}
		return FilesIn(c.Delta), nil
	}
}

// Salvage puts the newest content of a page on top of its log, which a restore
// had to end early because a change in the middle is damaged. later is a sound
// checkpoint from behind the damage (zero: there is none), and changes yields what
// follows it, or else the log, without a gap. So no text is lost, only who wrote it: the change that Salvage appends has no author. It
// returns the seq of that change, 0 where there is nothing newer, and the seq
// whose content it restored.
func Salvage(
	ctx context.Context, store storage.Store, id PageID, later storage.Checkpoint, changes iter.Seq2[storage.Change, error],
) (seq, of uint64, err error) {
	head, err := store.Head(ctx, id)
	if err != nil {
		return 0, 0, err
	}
	have, _, err := pastOf(ctx, store, slog.New(slog.DiscardHandler), id, head)
	if err != nil {
		return 0, 0, err
	}
	newest := past{state: have.fork(), time: have.time}
	if later.Seq > 0 {
		if newest, err = decodeCheckpoint(later); err != nil {
			return 0, 0, err
		}
	}
	for sc, err := range changes {
		if err != nil {
			return 0, 0, err
		}
		if !newest.salvage(sc) {
			break // what fits up to here is worth keeping
		}
	}
	delta := diff.Contents(have.content.Delta(), newest.content.Delta())
	if len(delta) == 0 {
		return 0, newest.seq, nil
	}
	change := storage.Change{Time: newest.time, Payload: delta.AppendJSON(nil)}
	for _, h := range FilesIn(delta) {
		if blob, err := store.OpenBlob(ctx, h); err == nil { // one that is lost is lost, and the text is not
			change.Blobs = append(change.Blobs, h)
			_ = blob.Close()
		}
	}
	if err := store.Append(ctx, id, head, []storage.Change{change}); err != nil {
		return 0, 0, fmt.Errorf("keep what was newest: %w", err)
	}
	return head + 1, newest.seq, nil
}

// salvage applies a change that may be damaged, if it is one that a page takes.
func (p *past) salvage(sc storage.Change) bool {
	c, err := decodeChange(sc)
	if err != nil {
		return false
	}
	for _, op := range c.Delta {
		if (Schema{}).CheckOp(op) != nil {
			return false
		}
	}
	if p.replay(c) != nil {
		return false
	}
	p.time = c.Time
	return true
}
