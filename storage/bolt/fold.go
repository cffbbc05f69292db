package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
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

// What is folded. Of a page in use the newest changes stay rows, so that its
// readers and writers meet rows only, and the others are folded about 3,000 at a
// time; a page that is left alone is folded to its end, unless so little has come
// that it is not worth a block. A block stays open, to be packed again with what
// follows, until it is large enough for its text to be compressed well. In much
// smaller steps the packing again would cost more than the edits themselves.
const (
	defaultFoldRows     = 3072
	defaultBlockChanges = 2 * defaultFoldRows
	defaultKeepRows     = 1000
	defaultFoldAfter    = 10 * time.Minute

	maxBlockPayload = 2 << 20 // then a block is full
	minFold         = 16
)

// What one commit writes, or removes, at most.
const (
	foldStepBytes = 64 << 10
	sweepRows     = 256
)

// blockPart is how much of a block one row has, so that two rows fill a leaf of
// the file, with its header and theirs.
func blockPart(page storage.PageID) int {
	const leaf, leafHeader, rowHeader = 4096, 16, 16
	return (leaf-leafHeader)/2 - rowHeader - len(partKey(page, 0, 0))
}

// A folder knows which pages have something to be folded.
type folder struct {
	folding
	foldRows, blockChanges, keepRows int

	wake chan struct{} // has room for one; filled when due is not empty

	mu      sync.Mutex
	due     map[storage.PageID]bool      // guarded by mu: have rows to be folded, perhaps
	touched map[storage.PageID]time.Time // guarded by mu: when the newest rows came
}

func newFolder(cfg Config) *folder {
	return &folder{
		folding: folding{cfg.Codec}, foldRows: cfg.foldRows, blockChanges: cfg.blockChanges, keepRows: cfg.keepRows,
		wake: make(chan struct{}, 1), due: map[storage.PageID]bool{}, touched: map[storage.PageID]time.Time{},
	}
}

// grown is told of each append.
func (f *folder) grown(page storage.PageID, before, head uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.touched[page] = time.Now()
	size := uint64(f.foldRows)
	if before/size == head/size || head < size+uint64(f.keepRows) {
		return
	}
	f.due[page] = true
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (f *folder) takeDue() map[storage.PageID]bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	due := f.due
	f.due = map[storage.PageID]bool{}
	return due
}

// takeLeftAlone takes the pages that nobody has written to since a time.
func (f *folder) takeLeftAlone(since time.Time) (pages []storage.PageID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for page, at := range f.touched {
		if at.Before(since) {
			pages = append(pages, page)
			delete(f.touched, page)
		}
	}
	return pages
}

func (f *folder) inUse(page storage.PageID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, in := f.touched[page]
	return in
}

// foldAll folds until ctx ends: what grows, what is left alone, and once, after
// the same time, what was left alone before the store was opened.
func (s *Store) foldAll(ctx context.Context) {
	ticker := time.NewTicker(s.cfg.FoldAfter)
	defer ticker.Stop()
	swept := false
	for {
		select {
		case <-s.folder.wake:
			for page := range s.folder.takeDue() {
				s.foldCalmly(ctx, page, s.folder.keepRows)
			}
		case now := <-ticker.C:
			for _, page := range s.folder.takeLeftAlone(now.Add(-s.cfg.FoldAfter)) {
				s.foldCalmly(ctx, page, 0)
			}
			if !swept {
				swept = s.foldOld(ctx) == nil
			}
		case <-ctx.Done():
			return
		}
	}
}

// foldCalmly folds a page; what fails is tried again when the page grows, or
// the store is opened the next time, and nothing is lost meanwhile.
func (s *Store) foldCalmly(ctx context.Context, page storage.PageID, keep int) {
	if err := s.fold(ctx, page, keep); err != nil && ctx.Err() == nil && s.Healthy() == nil {
		s.cfg.Logger.Warn("a page is not folded", "page", page, "error", err)
	}
}

// foldOld folds all pages that nobody has written to yet.
func (s *Store) foldOld(ctx context.Context) error {
	return s.Logs(ctx, func(l storage.LogInfo) error {
		if !s.folder.inUse(l.Page) {
			s.foldCalmly(ctx, l.Page, 0)
		}
		return ctx.Err()
	})
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
	least := s.folder.foldRows
	if keep == 0 {
		least = min(least, minFold)
	}
	for ; ; least = 1 {
		more, err := s.foldSome(ctx, page, keep, least)
		if err != nil {
			return fmt.Errorf("fold %s: %w", page, err)
		}
		if !more {
			return nil
		}
	}
}

// foldSome finishes what the block before left undone, and makes page's next, of
// least rows or more, if it has one to be made.
func (s *Store) foldSome(ctx context.Context, page storage.PageID, keep, least int) (more bool, err error) {
	release, err := s.holdBackground(ctx)
	if err != nil {
		return false, err
	}
	defer release()
	if err := s.sweepFolded(ctx, page); err != nil {
		return false, err
	}
	plan, err := s.planFold(ctx, page, keep, least)
	if err != nil || plan.upTo <= plan.last.last {
		return false, err
	}
	return true, s.foldBlock(ctx, page, plan)
}

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
		size := uint64(s.folder.blockChanges)
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

// foldBlock makes and seals one block.
func (s *Store) foldBlock(ctx context.Context, page storage.PageID, plan foldPlan) error {
	changes, err := s.readRun(ctx, page, plan.first, plan.upTo)
	if err != nil {
		return err
	}
	packed, size := s.folder.pack(changes), blockPart(page)
	b := sealedBlock{
		first: plan.first, last: plan.first + uint64(len(changes)) - 1,
		open:  len(changes) < s.folder.blockChanges && payloadBytes(changes) < maxBlockPayload,
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
