package scrub

import (
	"context"
	"errors"
	"fmt"

	"halley/editor"
	"halley/storage"
)

// sliceBytes is how much of the store's structure is read in one transaction.
const sliceBytes = 4 << 20

// changeBytes is about what a change takes up besides its payload.
const changeBytes = 64

// size is about how much there is to read, in bytes.
func (s *Scrubber) size(ctx context.Context) (total int64, err error) {
	err = s.store.Blobs(ctx, func(b storage.Blob) error {
		total += b.Size
		return nil
	})
	if err = notDamage(err); err != nil {
		return 0, fmt.Errorf("list the files: %w", err)
	}
	err = s.store.Logs(ctx, func(l storage.LogInfo) error {
		total += int64(l.Head) * 2 * changeBytes
		return nil
	})
	if err = notDamage(err); err != nil {
		return 0, fmt.Errorf("list the pages: %w", err)
	}
	return total, nil
}

// notDamage is err, unless it says that something is damaged: the structure's
// turn reports that.
func notDamage(err error) error {
	var corrupt *storage.CorruptError
	if errors.As(err, &corrupt) {
		return nil
	}
	return err
}

// structure goes through how the store lies on the disk, and its records.
func (s *Scrubber) structure(ctx context.Context) error {
	from := s.at.After
	for {
		next, read, err := s.store.CheckSlice(ctx, from, sliceBytes, func(bad error) { s.found(editor.DamagedStore, bad.Error(), bad) })
		if errors.Is(err, storage.ErrInvalid) && from != nil {
			from = nil // another version has stored the position
			continue
		}
		if err != nil {
			return fmt.Errorf("check the store: %w", err)
		}
		if err := s.throttle.spend(ctx, read); err != nil {
			return err
		}
		if next == nil {
			return nil
		}
		from = next
		s.passed(ctx, from)
	}
}

// pages goes through every page's log and checkpoints.
func (s *Scrubber) pages(ctx context.Context) error {
	after := storage.PageID(s.at.After)
	err := s.store.Logs(ctx, func(l storage.LogInfo) error {
		if l.Page <= after {
			return nil
		}
		sound := true
		err := editor.VerifyPage(ctx, s.store, l, func(bad error) {
			sound = false
			s.found(editor.DamagedPage, string(l.Page), bad)
		})
		if err != nil {
			return fmt.Errorf("verify page %s: %w", l.Page, err)
		}
		if sound {
			s.damage.Sound(editor.DamagedPage, string(l.Page))
		}
		s.passed(ctx, []byte(l.Page))
		return nil
	})
	return s.listed(ctx, err)
}

// files goes through every picture and attachment.
func (s *Scrubber) files(ctx context.Context) error {
	var after storage.Hash
	resumed := copy(after[:], s.at.After) == len(after)
	err := s.store.Blobs(ctx, func(b storage.Blob) error {
		if resumed && string(b.Hash[:]) <= string(after[:]) {
			return nil
		}
		if err := s.file(ctx, b.Hash); err != nil {
			return err
		}
		s.passed(ctx, b.Hash[:])
		return nil
	})
	return s.listed(ctx, err)
}

// listed reports damage that ended a list early. The rest of that list cannot
// be reached, and the pass goes on with what comes after it.
func (s *Scrubber) listed(ctx context.Context, err error) error {
	var corrupt *storage.CorruptError
	if ctx.Err() == nil && errors.As(err, &corrupt) {
		s.found(editor.DamagedStore, corrupt.Error(), corrupt)
		return nil
	}
	return err
}

// file reads a file. One that does not hold is read once more: somebody may have
// uploaded it again, and then the first reader has read the old one.
func (s *Scrubber) file(ctx context.Context, h storage.Hash) error {
	err := editor.VerifyFile(ctx, s.store, h)
	var corrupt *storage.CorruptError
	if errors.As(err, &corrupt) {
		err = editor.VerifyFile(ctx, s.store, h)
	}
	switch {
	case err == nil || errors.Is(err, storage.ErrNotFound): // swept just now
		s.damage.Sound(editor.DamagedFile, h.String())
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &corrupt):
		s.found(editor.DamagedFile, h.String(), corrupt)
	default:
		return fmt.Errorf("read file %v: %w", h, err)
	}
	return nil
}

// A logged damage is one line of the log.
type logged struct{ kind, name, reason string }

// found notes damage, and logs it once in each pass.
func (s *Scrubber) found(kind, name string, bad error) {
	reason := bad.Error()
	var corrupt *storage.CorruptError
	if kind == editor.DamagedFile && errors.As(bad, &corrupt) {
		reason = corrupt.Reason
	}
	d := logged{kind, clip(name), clip(reason)}
	s.damage.Add(editor.Damaged{Kind: kind, Name: d.name, Reason: d.reason, Found: s.cfg.Now()})
	if !s.told[d] && len(s.told) < maxTold {
		s.told[d] = true
		s.cfg.Logger.Error("the store is damaged; `halley verify` checks all of it, and a backup may have what is lost",
			kind, name, "error", bad)
	}
}

// maxTold is how many lines one pass logs: a broken disk says no more with more.
const maxTold = 10_000

// clip keeps what is stored of damage short.
func clip(s string) string {
	const most = 300
	if len(s) > most {
		return s[:most]
	}
	return s
}
