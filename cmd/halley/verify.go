package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"halley/editor"
	"halley/editor/control"
	"halley/storage/backup"
	"halley/storage/bolt"
)

// errDamaged: what is damaged has been printed.
var errDamaged = errors.New("verification failed: what is damaged is listed above")

const verifyUsage = `[FILE]

Without FILE it reads everything in a workspace, also while a server has it open:
the structure of its file, the checksums of every page's changes, whether each
change fits what came before it, whether each checkpoint is what they amount to,
the indexes of changes, and whether the attachments are those that the workspace
knows. It lists what is damaged, and then ends with status 1.

With FILE it reads a backup: the checksums of all its parts, and what was damaged
in the workspace when it was made.
`

// verify lists what is damaged in a workspace, served or not, or in a backup.
func verify(ctx context.Context, env environ, args []string) error {
	cfg, err := parseKeep(env, "verify", verifyUsage, args, nil)
	if err != nil {
		return err
	}
	if cfg.file != "" {
		return verifyBackup(env, cfg.file)
	}
	data := cfg.data
	if err := wantStore(data); err != nil {
		return err
	}
	var v editor.Verified
	store, err := bolt.Open(data, storeConfig(nil))
	switch {
	case err == nil:
		v, err = verifyStore(ctx, env, store)
		err = errors.Join(err, store.Close())
	case errors.Is(err, bolt.ErrInUse):
		v, err = verifyServed(ctx, env, data)
	}
	if err != nil {
		return fmt.Errorf("verify %s: %w", data, err)
	}
	fmt.Fprintf(env.stdout, "%s holds: %s\n", data, countsOf(v))
	return nil
}

// verifyBackup lists what is damaged in a backup's file.
func verifyBackup(env environ, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("the backup cannot be read: %w", plainPathError(err))
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	f, err := backup.Open(file, info.Size())
	if errors.Is(err, backup.ErrNotBackup) && bolt.IsBackup(path) {
		return fmt.Errorf("verify %s: it was written by an earlier version, whose backups have no checksums of their own; "+
			"restore it to verify it", path)
	}
	if err != nil {
		return fmt.Errorf("verify %s: %w", path, plainBackupError(bolt.ErrNotStore))
	}
	v := verdict{env: env}
	f.Verify(control.Sparse(v.progress), v.bad)
	if err := v.end(nil); err != nil {
		return fmt.Errorf("verify %s: %w", path, err)
	}
	c := f.Counts
	fmt.Fprintf(env.stdout, "%s holds: %d pages with %d changes and %d checkpoints, %d files and %d records\n",
		path, c.Pages, c.Changes, c.Checkpoints, c.Blobs, c.Records)
	return nil
}

func countsOf(v editor.Verified) string {
	counts := fmt.Sprintf("%d pages with %d changes and %d checkpoints, %d files and %d records",
		v.Pages, v.Changes, v.Checkpoints, v.Files, v.Records)
	if v.Unlisted > 0 {
		counts += fmt.Sprintf("; %d of the logs belong to no page, as where creating one was cut off", v.Unlisted)
	}
	return counts
}

// A verdict shows how far verifying has come, and what it finds.
type verdict struct {
	env     environ
	bar     *progress
	damaged bool
	say     func(string) // nil: standard error
}

func (v *verdict) progress(done, total uint64) {
	if v.bar == nil {
		v.bar = newProgress(v.env.stderr, "verify", int64(total))
	}
	v.bar.set(int64(done))
}

func (v *verdict) bad(what string) {
	v.damaged = true
	if v.say != nil {
		v.say(what)
		return
	}
	v.bar.print(v.env.stderr, inOneLine(what))
}

// end is err, or that something is damaged.
func (v *verdict) end(err error) error {
	v.bar.end()
	if err == nil && v.damaged {
		return errDamaged
	}
	return err
}

func verifyStore(ctx context.Context, env environ, store *bolt.Store) (editor.Verified, error) {
	v := verdict{env: env}
	counts, err := editor.Verify(ctx, store, control.Sparse(v.progress), func(bad error) { v.bad(bad.Error()) })
	return counts, v.end(err)
}

func verifyServed(ctx context.Context, env environ, data string) (editor.Verified, error) {
	v := verdict{env: env}
	counts, err := controlOf(data).Verify(ctx, v.progress, v.bad)
	return counts, v.end(err)
}
