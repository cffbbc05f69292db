package editor

import (
	"context"
	"fmt"

	"halley/editor/budget"
	"halley/ot"
	"halley/storage"
)

const (
	// sliceCost is how many ops a lagging edit is transformed over before others
	// have their turn: about half a millisecond.
	sliceCost = 20_000
	// maxLaggingOps bounds how many ops a lagging edit may grow to: each change
	// that falls inside a retain or a delete cuts it in two.
	maxLaggingOps = 250_000
	// payloadPerOp is how many bytes of a stored change take as long to decode
	// as an op takes to transform.
	payloadPerOp = 8
)

// laggards transform lagging edits outside of their pages. Edits take turns,
// slice by slice and in order of arrival, on half of the processors, so that a
// small one need not wait until a large one is done.
type laggards struct {
	turns chan struct{} // one place for each edit that is being transformed
	share *budget.Share
}

func newLaggards(processors int, b *budget.Budget) *laggards {
	return &laggards{make(chan struct{}, max(1, processors/2)), b.Share("transforms", 0.25)}
}

// enter waits for a turn.
func (l *laggards) enter(ctx context.Context) error {
	select {
	case l.turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *laggards) leave() { <-l.turns }

// A bringing is one edit on its way to a recent head.
type bringing struct {
	ctx      context.Context
	laggards *laggards
	memory   *budget.Hold
	mostCost int
	edit     *ot.Transformer
	cost     int // as MaxTransformCost counts it
	slice    int // ops left until others have their turn
	length   int // of the content at the edit's base, once all changes are read
}

// bringNear transforms a lagging edit up to the head as it is now, in the
// caller's goroutine, so that nobody else on the page waits for it. It returns
// a *BaseTooOldError where that costs too much, and an error of the budget's
// where there is no memory for it.
func (ps *Pages) bringNear(ctx context.Context, id PageID, r *request) error {
	v, err := ps.look(ctx, id)
	if err != nil {
		return err
	}
	from, delta, times := r.Base, r.normal(), 0
	if r.near != nil {
		from, delta, times = r.near.base, r.near.delta, r.near.times
	}
	// Edits only ever grow, or nearly so: what is too much already need not begin.
	if cost := uint64(max(len(delta), 1)) * (v.seq - from); cost > uint64(ps.cfg.MaxTransformCost) {
		return &BaseTooOldError{r.Base, v.seq}
	}
	b := &bringing{
		ctx: ctx, laggards: ps.laggards, memory: ps.laggards.share.Hold(), mostCost: ps.cfg.MaxTransformCost,
		edit: ot.NewTransformer(delta, false), slice: sliceCost, length: v.content.Len(),
	}
	defer b.memory.Release()
	if delta, err = b.over(ps.store, id, from, v.seq, r.Base); err != nil {
		return err
	}
	if r.near == nil {
		if err := checkFit(r.Delta, b.length); err != nil {
			return err
		}
	}
	r.near = &nearEdit{v.seq, delta, times + 1}
	return nil
}

// over transforms the edit over the changes in (from, upTo].
func (b *bringing) over(log storage.Log, id PageID, from, upTo, base uint64) (ot.Delta, error) {
	if err := b.laggards.enter(b.ctx); err != nil {
		return nil, err
	}
	holds := true
	defer func() {
		if holds {
			b.laggards.leave()
		}
	}()
	err := log.Read(b.ctx, id, from, upTo, func(sc storage.Change) (err error) {
		if b.slice <= 0 {
			b.laggards.leave()
			holds = false
			if err := b.laggards.enter(b.ctx); err != nil {
				return err
			}
			holds, b.slice = true, sliceCost
		}
		fits, err := b.step(sc)
		if err == nil && !fits {
			err = &BaseTooOldError{base, upTo}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("transform an edit of %s from seq %d: %w", id, from, err)
	}
	return b.edit.Delta(), nil
}

// step transforms the edit over one change, and reports false where the edit
// has cost too much or would grow too large.
func (b *bringing) step(sc storage.Change) (bool, error) {
	c, err := decodeChange(sc)
	if err != nil {
		return false, err
	}
	ops := b.edit.StepCost(c.Delta)
	// The result and the one before, and the change itself.
	if err := b.memory.Grow(2*int64(ops)*opBytes + deltaBytes(c.Delta)); err != nil {
		return false, err
	}
	b.cost += max(len(b.edit.Delta()), 1) + len(c.Delta)/16
	b.slice -= ops + len(sc.Payload)/payloadPerOp
	if b.cost > b.mostCost || ops > maxLaggingOps {
		return false, nil
	}
	b.length -= growth(c.Delta)
	b.edit.Over(c.Delta)
	return true, b.ctx.Err()
}
