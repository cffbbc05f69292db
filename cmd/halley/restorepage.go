package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"halley/editor"
	"halley/editor/account"
	"halley/editor/control"
	"halley/editor/httpapi"
	"halley/storage"
	"halley/storage/bolt"
)

// restorePage brings one page of a backup back as a new page.
func restorePage(ctx context.Context, env environ, cfg keepConfig) error {
	if err := wantStore(cfg.data); err != nil {
		return err
	}
	from, err := os.Open(cfg.file)
	if err != nil {
		return fmt.Errorf("the backup cannot be read: %w", plainPathError(err))
	}
	defer from.Close()
	aside, err := os.MkdirTemp("", "halley-restore-")
	if err != nil {
		return fmt.Errorf("there is no place for the backup to be opened in; TMPDIR names one: %w", plainPathError(err))
	}
	defer os.RemoveAll(aside)
	losses := &losses{to: env.stderr}
	o := restoring(ctx, losses)
	o.Only = storage.PageID(idOf(cfg.page))
	o.Check = func(s *bolt.Store) error { return bringPage(ctx, env, cfg, s, losses) }
	if err := bolt.Restore(aside, storeConfig(nil), from, o); err != nil {
		return fmt.Errorf("restore a page of %s: %w", cfg.file, plainBackupError(err))
	}
	if losses.count > 0 {
		return fmt.Errorf("restore a page of %s: it was damaged (listed above); everything else of it is restored", cfg.file)
	}
	return nil
}

// bringPage brings a page from an opened backup into the workspace.
func bringPage(ctx context.Context, env environ, cfg keepConfig, backup *bolt.Store, losses *losses) error {
	pages, err := editor.StoredPages(ctx, backup)
	if err != nil {
		return err
	}
	was, err := editor.FindPage(pages, editor.PageID(idOf(cfg.page)))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	parts, sink := io.Pipe()
	packed := make(chan error, 1)
	go func() {
		err := packPage(ctx, env, backup, was, losses, sink)
		sink.CloseWithError(err)
		packed <- err
	}()
	got, address, err := deliverPage(ctx, env, cfg.data, parts)
	parts.CloseWithError(errors.New("nobody takes the page"))
	if packErr := <-packed; err == nil {
		err = packErr
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(env.stdout, "restored page %s with %d changes as %q: %s/p/%s\n", was.ID, got.Changes, got.Title, address, got.ID)
	return nil
}

// packPage writes a page of a backup as parts.
func packPage(ctx context.Context, env environ, backup *bolt.Store, was editor.Settings, losses *losses, to io.Writer) error {
	people := account.New(backup, time.Now)
	defer people.Close()
	var bar *progress
	defer func() { bar.end() }()
	return control.PackPage(ctx, control.PageSource{
		Store: backup, Page: was, Author: people.Author,
		Lost: func(h storage.Hash) {
			losses.add(fmt.Sprintf("the file %v, which the page names, is not in the backup, or damaged there", h))
		},
		Progress: func(done, total uint64) {
			if bar == nil {
				bar = newProgress(env.stderr, "restore", int64(total))
			}
			bar.set(int64(done))
		},
	}, to)
}

// deliverPage makes a page of the parts in the workspace: by the server that has
// the folder open, or in the folder itself. address is the URL of the workspace.
func deliverPage(ctx context.Context, env environ, data string, parts io.Reader) (got control.RestoredPage, address string, err error) {
	w, err := openWorkspace(ctx, data, nil, account.Config{}, editor.Config{}, httpapi.Config{Logger: warnings(env)})
	if err == nil {
		got, err = control.UnpackPage(ctx, parts, w.pages, w.accounts)
		return got, "", errors.Join(err, w.close())
	}
	var damaged *bolt.DamagedError
	if errors.As(err, &damaged) {
		return got, "", errors.New(damaged.Error()) // the workspace, which must not pass for the backup
	}
	if !errors.Is(err, bolt.ErrInUse) {
		return got, "", err
	}
	return controlOf(data).RestorePage(ctx, parts)
}
