package bolt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"halley/storage"
)

// A stray is the file of a blob that has no row. A process that is killed
// between the two leaves one, and so does an older halley.db that somebody puts
// beside newer blobs, where the strays are people's pictures. The file's bytes
// do not tell which it is. So each file that is about to come or go, and whose
// row is not, is noted first (blobFiles.intend), and the note goes when both
// agree. What is removed has a note. Where any stray has none, the store does not
// belong to the folder, and nothing is removed at all.

// strayAge is how old a store must be for strays to be removed: a new one may
// have taken the place of another, which knew them.
const strayAge = 24 * time.Hour

// strayFiles are the strays at one moment.
type strayFiles struct {
	noted   []storage.Hash // what a killed process left
	unknown []storage.Hash // what the store never had, or has forgotten
}

// findStrays removes what a process that was killed has left, unless it might
// be something else.
func (s *Store) findStrays(ctx context.Context) error {
	all, err := s.strayFiles(ctx)
	if err != nil {
		return err
	}
	old, err := s.isOld(ctx)
	switch {
	case err != nil:
		return err
	case len(all.unknown) > 0:
		s.cfg.Logger.Error("no attachment is removed: the store does not know some, and may be older than they are; "+
			"`halley verify` lists them",
			"path", s.files.root, "unknown", len(all.unknown), "strays", len(all.noted)+len(all.unknown))
		s.guards.keepAll.Store(true)
		return nil
	case len(all.noted) > 0 && !old:
		s.cfg.Logger.Info("stray attachments are removed when the store is a day old", "path", s.files.root, "strays", len(all.noted))
		return nil
	}
	for some := range slices.Chunk(all.noted, sweepStep) {
		if err := s.removeStrays(ctx, some...); err != nil {
			return err
		}
	}
	return s.dropIntents(ctx)
}

// strayFiles looks for files without a row.
func (s *Store) strayFiles(ctx context.Context) (all strayFiles, err error) {
	folders, err := s.files.folders()
	if err != nil {
		return all, err
	}
	var candidates []storage.Hash
	for _, folder := range folders {
		hashes, err := s.files.in(folder)
		if err != nil {
			return all, err
		}
		for some := range slices.Chunk(hashes, chunkRows) {
			without, err := s.withoutRow(ctx, some)
			if err != nil {
				return all, err
			}
			candidates = append(candidates, without...)
		}
	}
	if len(candidates) == 0 {
		return all, nil
	}
	return s.confirmStrays(ctx, candidates)
}

// confirmStrays looks again while no upload and no sweep is between a file and
// its row.
func (s *Store) confirmStrays(ctx context.Context, candidates []storage.Hash) (all strayFiles, err error) {
	s.guards.placing.Lock()
	defer s.guards.placing.Unlock()
	without, err := s.withoutRow(ctx, candidates)
	if err != nil {
		return all, err
	}
	noted, err := s.files.intended()
	if err != nil {
		return all, err
	}
	for _, h := range without {
		switch {
		case !s.files.has(h):
		case noted[h]:
			all.noted = append(all.noted, h)
		default:
			all.unknown = append(all.unknown, h)
		}
	}
	return all, nil
}

// withoutRow are those of some hashes that have no row. One that is damaged, or
// in doubt, is a row.
func (s *Store) withoutRow(ctx context.Context, hashes []storage.Hash) (without []storage.Hash, err error) {
	err = s.view(ctx, func(t *tables) error {
		for _, h := range hashes {
			if _, kept, err := t.blob(h); err == nil && !kept {
				without = append(without, h)
			}
		}
		return nil
	})
	return without, err
}

// isOld reports whether the store was made strayAge ago. One that does not say
// when is not.
func (s *Store) isOld(ctx context.Context) (old bool, err error) {
	err = s.view(ctx, func(t *tables) error {
		created, err := time.Parse(time.RFC3339, string(t.meta.Get(keyCreated)))
		old = err == nil && s.cfg.now().Sub(created) >= strayAge
		return nil
	})
	return old, err
}

// checkStrays calls bad where files are there that the store does not know.
func (s *Store) checkStrays(ctx context.Context, bad func(error)) error {
	all, err := s.strayFiles(ctx)
	if err != nil || len(all.unknown) == 0 {
		return err
	}
	for _, h := range all.unknown {
		bad(corruptRow(blobName(h), errors.New("its file is there, and the store does not know it")))
	}
	bad(corruptRow(BlobFolder, fmt.Errorf("%d files are there that %s does not know; it may be older than they are, or another store's. "+
		"No file is removed while this lasts", len(all.unknown), FileName)))
	return nil
}

func (s *Store) addStrays(hashes ...storage.Hash) {
	s.guards.mu.Lock()
	defer s.guards.mu.Unlock()
	for _, h := range hashes {
		s.guards.strays[h] = true
	}
}

// clearStrays removes the files that this process has made, or taken the rows
// of, and that have no row. Where that cannot be told, they stay for another time.
func (s *Store) clearStrays(ctx context.Context) error {
	s.guards.mu.Lock()
	strays := s.guards.strays
	s.guards.strays = map[storage.Hash]bool{}
	s.guards.mu.Unlock()
	var all error
	for h := range strays {
		if err := s.removeStrays(ctx, h); err != nil {
			s.addStrays(h)
			all = errors.Join(all, err)
		}
	}
	return all
}

// removeStrays removes the files of those that have no row, and their notes.
func (s *Store) removeStrays(ctx context.Context, hashes ...storage.Hash) error {
	s.guards.placing.Lock()
	defer s.guards.placing.Unlock()
	for _, h := range hashes {
		_, err := s.keptBlob(ctx, h)
		if errors.Is(err, storage.ErrNotFound) {
			err = s.files.remove(h)
		}
		var damaged *storage.CorruptError // a row, so the file stays
		if err != nil && !errors.As(err, &damaged) {
			return fmt.Errorf("remove the file of %s, which nothing names: %w", blobName(h), err)
		}
		if err := s.files.settle(h); err != nil {
			return err
		}
	}
	return nil
}

// intendSweep notes the files that a sweep is about to remove. A disk that is
// full takes no note, and needs the sweep all the more.
func (s *Store) intendSweep(hashes []storage.Hash) {
	for _, h := range hashes {
		if err := s.files.intend(h); err != nil {
			s.cfg.Logger.Debug("a file is about to be removed, and that cannot be noted", "blob", h, "error", err)
		}
	}
}

// settleIntents removes notes. One that stays is removed at the next start.
func (s *Store) settleIntents(hashes ...storage.Hash) {
	for _, h := range hashes {
		if err := s.files.settle(h); err != nil {
			s.cfg.Logger.Debug("a note of a blob stays", "blob", h, "error", err)
		}
	}
}

// dropIntents removes the notes of files that are gone, or have a row.
func (s *Store) dropIntents(ctx context.Context) error {
	noted, err := s.files.intended()
	if err != nil || len(noted) == 0 {
		return err
	}
	s.guards.placing.Lock()
	defer s.guards.placing.Unlock()
	if noted, err = s.files.intended(); err != nil {
		return err
	}
	for h := range noted {
		without, err := s.withoutRow(ctx, []storage.Hash{h})
		if err != nil {
			return err
		}
		if len(without) == 0 || !s.files.has(h) {
			s.settleIntents(h)
		}
	}
	return nil
}
