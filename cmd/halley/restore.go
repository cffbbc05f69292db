package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"

	"halley/editor"
	"halley/storage/bolt"
)

const restoreUsage = `FILE

Makes a workspace of a backup, in a folder that is empty or missing. It is
verified before it is there; if it does not hold, the folder stays empty. All
sessions in it end: everybody signs in again.

With --page it brings one page back as a new page, with its whole history, into
the workspace in the folder, also while a server has it open. What is there
stays as it is. The backup is opened in a temporary folder (TMPDIR).
`

// restore makes a workspace of a backup in an empty folder.
func restore(ctx context.Context, env environ, args []string) error {
	cfg, err := parseKeep(env, "restore", restoreUsage, args, func(flags *flag.FlagSet, cfg *keepConfig) {
		flags.StringVar(&cfg.page, "page", "", "bring this page alone back, by its `ID` or address")
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
	var v editor.Verified
	err = bolt.Restore(cfg.data, storeConfig(nil), from, func(s *bolt.Store) (err error) {
		v, err = verifyStore(ctx, env, s)
		return errors.Join(err, endSessions(ctx, s))
	})
	if err != nil {
		return fmt.Errorf("restore %s: %w", cfg.file, plainBackupError(err))
	}
	fmt.Fprintf(env.stdout, "restored %s to %s: %s\n", cfg.file, cfg.data, countsOf(v))
	return nil
}

// plainBackupError says of a file that is no backup just that, without where it
// was tried.
func plainBackupError(err error) error {
	if errors.Is(err, bolt.ErrNotStore) {
		return errors.New("this is no backup, or one that is damaged or cut off")
	}
	return err
}
