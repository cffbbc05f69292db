package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"halley/editor"
	"halley/editor/control"
	"halley/storage/bolt"
)

const restoreUsage = `FILE

Makes a workspace of a backup, in a folder that is empty or missing, and verifies
it before it is there. What is damaged in the backup is named and left out, and
everything else is restored; the command then ends with status 1. A page with a
damaged change has its history up to there, and its newest text, as far as the
backup has it, as one more change. Backups of earlier versions are restored too.
All sessions end: everybody signs in again.

With --page it brings one page back as a new page, with its whole history, into
the workspace in the folder, also while a server has it open. What is there
stays as it is, and damage elsewhere in the backup does not matter. The page is
opened in a temporary folder (TMPDIR).
`

// restore makes a workspace of a backup in an empty folder.
func restore(ctx context.Context, env environ, args []string) error {
	cfg, err := parseKeep(env, "restore", restoreUsage, args, func(flags *flag.FlagSet, cfg *keepConfig) {
		flags.StringVar(&cfg.page, "page", "", "restore only this page, named by its `ID` or address")
	})
	if err != nil {
		return err
	}
	if cfg.page != "" {
		return restorePage(ctx, env, cfg)
	}
	from, err := os.Open(cfg.file)
	if err != nil {
		return fmt.Errorf("the backup cannot be read: %w", plainPathError(err))
	}
	defer from.Close()
	losses := &losses{to: env.stderr}
	o := restoring(ctx, losses)
	var v editor.Verified
	o.Check = func(s *bolt.Store) (err error) {
		v, err = checkRestored(ctx, env, s, losses)
		return errors.Join(err, endSessions(ctx, s))
	}
	if err := bolt.Restore(cfg.data, storeConfig(nil), from, o); err != nil {
		return fmt.Errorf("restore %s: %w", cfg.file, plainBackupError(err))
	}
	fmt.Fprintf(env.stdout, "restored %s to %s: %s\n", cfg.file, cfg.data, countsOf(v))
	if losses.count > 0 {
		return fmt.Errorf("restore %s: it was damaged (listed above); everything else is in %s", cfg.file, cfg.data)
	}
	return nil
}

// losses are the sentences on what a restore could not bring back. Each is
// printed once.
type losses struct {
	to    io.Writer
	count int
	said  map[string]bool
}

func (l *losses) add(sentence string) {
	l.count++
	if l.said == nil {
		l.said = map[string]bool{}
	}
	if !l.said[sentence] {
		l.said[sentence] = true
		fmt.Fprintln(l.to, inOneLine(sentence))
	}
}

// restoring says how a backup is restored: pages are replayed, and what is newer
// than damage in the middle of a page goes on top.
func restoring(ctx context.Context, losses *losses) bolt.Restoring {
	return bolt.Restoring{
		Lost:   losses.add,
		Replay: editor.NewReplay,
		Salvage: func(s *bolt.Store, l bolt.Later) error {
			seq, of, err := editor.Salvage(ctx, s, l.Page, l.Checkpoint, l.Changes)
			if err != nil {
				losses.add(fmt.Sprintf("page %s: what is newer than change %d cannot be restored: %v", l.Page, l.Kept, err))
				return nil // the page as it is restored is better than none
			}
			if seq > 0 {
				losses.add(fmt.Sprintf("page %s: its text as of change %d is restored as change %d", l.Page, of, seq))
			}
			return nil
		},
	}
}

// checkRestored prepares a restored store to be a workspace, before it takes its
// place, and verifies it. What does not hold is added to losses: the sound rest
// is worth having.
func checkRestored(ctx context.Context, env environ, s *bolt.Store, losses *losses) (editor.Verified, error) {
	view := verdict{env: env, say: losses.add}
	v, err := editor.Verify(ctx, s, control.Sparse(view.progress), func(bad error) { view.bad(bad.Error()) })
	view.bar.end()
	return v, err
}

// plainBackupError says of a file that is no backup just that, without where it
// was tried.
func plainBackupError(err error) error {
	if errors.Is(err, bolt.ErrNotStore) {
		return errors.New("this is no backup, or one that is damaged or cut off")
	}
	return err
}
