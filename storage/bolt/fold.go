package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"go.etcd.io/bbolt"

	"halley/storage"
)

// Folding turns rows of the log into blocks, in the background and in steps of
// one small commit each, behind edits. At each moment every change is a row, or
// in a sealed block, or both:
//
//	1. the parts of a block are put; without a seal they are none
//	2. its seal is put, in one commit with the last parts; the seal of an open
//	   block that it takes the place of goes
//	3. the rows that it holds go, oldest first, and parts of no use
//
// Whatever is left undone is done when the page is folded the next time.

// The newest changes of a page in use stay rows, so that its readers and writers
// meet rows only. The others are folded a whole block at a time. A page that is
// left alone is folded to its end, unless too little has come to be worth a block.
// Its last block stays open then: it is packed again with what follows, until it
// is large enough for its text to be compressed well.
const (
	defaultBlockChanges = 6144
	defaultFoldRows     = defaultBlockChanges
	defaultKeepRows     = 1000
	defaultFoldAfter    = 10 * time.Minute

	maxBlockPayload = 2 << 20 // a block with more is full
	minFold         = 16
)

// What one commit writes, or removes, at most. Whole pages of the file go with
// their rows, so that a commit which removes many rows still writes little.
const (
	foldStepBytes = 64 << 10
	sweepRows     = 1024
)

// blockPart is how much of a block one row has, so that two rows fill a leaf of
// the file, with its header and theirs.
func blockPart(page storage.PageID) int {
	const leaf, leafHeader, rowHeader = 4096, 16, 16
	return (leaf-leafHeader)/2 - rowHeader - len(partKey(page, 0, 0))
}

// Fold folds every page to its end, now. Of several pages that fail it returns
// all errors.
func (s *Store) Fold(ctx context.Context) error {
	var failed []error
	err := s.Logs(ctx, func(l storage.LogInfo) error {
		if err := s.fold(ctx, l.Page, 0); err != nil {
			failed = append(failed, err)
		}
		return ctx.Err()
	})
	return errors.Join(append(failed, err)...)
}

// fold folds page but for its newest keep changes, block by block.
func (s *Store) fold(ctx context.Context, page storage.PageID, keep int) error {
	least := s.folds.foldRows
	if keep == 0 {
		least = min(least, minFold)
	}
	for more := true; more; least = 1 {
		var err error
		if more, err = s.foldSome(ctx, page, keep, least, false); err != nil {
			return err
		}
	}
	return nil
}

// foldSome removes the rows that page's newest block holds, and makes the next
// block if at least least changes are left for it. more: it made one. While the
// server is busy, a block is not read back before its rows are removed: readers of
// the block and Check verify it.
func (s *Store) foldSome(ctx context.Context, page storage.PageID, keep, least int, busy bool) (more bool, err error) {
	release, err := s.holdBackground(ctx)
	if err != nil {
		return false, err
	}
	defer release()
	if err := s.sweepFolded(ctx, page); err != nil {
		return false, fmt.Errorf("fold %s: %w", page, err)
	}
	plan, err := s.planFold(ctx, page, keep, least)
	if err == nil && plan.upTo > plan.last.last {
		more, err = true, s.foldBlock(ctx, page, plan, busy)
	}
	if err != nil {
		return false, fmt.Errorf("fold %s: %w", page, err)
	}
	return more, nil
}

func (s *Store) folding() folding { return folding{s.cfg.Codec} }

// A foldPlan is what a page's next block is to be made of.
type foldPlan struct {
	last        sealedBlock // page's newest
	first, upTo uint64      // of the next block; it may be full before upTo
	before      link        // of the change before first
}

func (s *Store) planFold(ctx context.Context, page storage.PageID, keep, least int) (p foldPlan, err error) {
	err = s.view(ctx, func(t *tables) error {
		head, err := t.head(page)
		if err != nil {
			return err
		}
		if p.last, err = t.lastBlock(page); err != nil {
			return err
		}
		size := uint64(s.cfg.blockChanges)
		switch {
		case p.last.last == 0:
			p.first, p.before = 1, firstLink(page)
		case p.last.open && uint64(p.last.count()) < size:
			p.first, p.before = p.last.first, p.last.before
		default:
			p.first, p.before = p.last.last+1, p.last.end
		}
		if cold := head.seq - min(head.seq, uint64(keep)); cold >= p.last.last+uint64(least) {
			p.upTo = min(cold, p.first-1+size)
		}
		return nil
	})
	return p, err
}

// foldBlock makes and seals one block. It reads the block back first, unless the
// server is busy.
func (s *Store) foldBlock(ctx context.Context, page storage.PageID, plan foldPlan, busy bool) error {
	changes, err := s.readRun(ctx, page, plan.first, plan.upTo)
	if err != nil {
		return err
	}
	packed, size := s.folding().pack(changes, !busy), blockPart(page)
	b := sealedBlock{
		first: plan.first, last: plan.first + uint64(len(changes)) - 1,
		open:  len(changes) < s.cfg.blockChanges && payloadBytes(changes) < maxBlockPayload,
		parts: (len(packed) + size - 1) / size, size: len(packed), sum: sumOf(packed),
		before: plan.before, end: endOfRun(plan.before, changes),
	}
	partsPerStep := foldStepBytes / size
	for from := 0; from < b.parts; from += partsPerStep {
		step := &write{behind: true, size: foldStepBytes}
		step.apply = func(t *tables) error {
			upTo := min(from+partsPerStep, b.parts)
			if upTo == b.parts {
				if err := t.sealBlock(page, plan.last, b); err != nil {
					return err
				}
			}
			for part := from; part < upTo; part++ {
				bytes := packed[part*size : min((part+1)*size, len(packed))]
				t.put(t.blocks, partKey(page, b.last, part), bytes)
			}
			return nil
		}
		if err := s.queue.do(ctx, step); err != nil {
			return err
		}
	}
	return nil
}

// readRun reads changes first to upTo, or fewer: as many as one block takes.
func (s *Store) readRun(ctx context.Context, page storage.PageID, first, upTo uint64) (changes []storage.Change, err error) {
	size := 0
	err = s.Read(ctx, page, first-1, upTo, func(c storage.Change) error {
		c.Payload = bytes.Clone(c.Payload)
		changes = append(changes, c)
		if size += len(c.Payload); size >= maxBlockPayload {
			return errFound
		}
		return nil
	})
	if errors.Is(err, errFound) {
		err = nil
	}
	return changes, err
}

func payloadBytes(changes []storage.Change) (size int) {
	for i := range changes {
		size += len(changes[i].Payload)
	}
	return size
}

// endOfRun is the link of the last of changes that follow the link before.
func endOfRun(before link, changes []storage.Change) link {
	links := newChain(before)
	var encoded []byte
	for i := range changes {
		encoded = appendChange(encoded[:0], &changes[i])
		links.next(changes[i].Seq, encoded)
	}
	return links.at
}

// sealBlock makes b page's newest block, behind last or, where that is open, in
// its place. It checks before it writes.
func (t *tables) sealBlock(page storage.PageID, last, b sealedBlock) error {
	now, err := t.lastBlock(page)
	if err != nil {
		return err
	}
	_, end, ok := splitLink(t.pages.Get(changeKey(page, b.last)))
	if now != last || !ok || end != b.end {
		return &storage.CorruptError{Page: page, Seq: b.last, Reason: "it is not the change that was to be folded"}
	}
	if last.last >= b.first {
		t.remove(t.blocks, sealKey(page, last.last))
	}
	key := sealKey(page, b.last)
	t.put(t.blocks, key, b.encode(key))
	return nil
}

// sweepFolded removes page's rows that are in blocks, once the newest block has
// been seen to be whole in the file, and parts of blocks that have no seal.
func (s *Store) sweepFolded(ctx context.Context, page storage.PageID) error {
	var last sealedBlock
	err := s.view(ctx, func(t *tables) (err error) {
		if last, err = t.lastBlock(page); err == nil {
			_, err = t.blockBytes(page, last)
		}
		return err
	})
	if err != nil {
		return err
	}
	err = s.sweepRows(ctx, func(t *tables) *bbolt.Bucket { return t.pages }, func(t *tables) (idle [][]byte) {
		prefix, c := pageKey(page, kindChange), t.pages.Cursor()
		for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix) && tailNumber(k) <= last.last && len(idle) < sweepRows; k, _ = c.Next() {
			idle = append(idle, bytes.Clone(k))
		}
		return idle
	})
	if err != nil {
		return err
	}
	blocks := func(t *tables) *bbolt.Bucket { return t.blocks }
	return s.sweepRows(ctx, blocks, func(t *tables) [][]byte {
		return idleParts(t.blocks, page, last.first, func(seq uint64) int {
			b, _, err := t.blockOf(page, seq)
			switch {
			case err != nil:
				return math.MaxInt // to be told by who reads it
			case b.last != seq:
				return 0
			}
			return b.parts
		})
	})
}

// sweepRows removes what some names, step by step, until that is nothing. The
// caller is the only one who writes any.
func (s *Store) sweepRows(ctx context.Context, from func(*tables) *bbolt.Bucket, some func(*tables) [][]byte) error {
	for {
		var idle [][]byte
		err := s.view(ctx, func(t *tables) error {
			idle = some(t)
			return nil
		})
		if err != nil || len(idle) == 0 {
			return err
		}
		err = s.queue.do(ctx, &write{behind: true, apply: func(t *tables) error {
			for _, key := range idle {
				t.remove(from(t), key)
			}
			return nil
		}})
		if err != nil {
			return err
		}
	}
}
