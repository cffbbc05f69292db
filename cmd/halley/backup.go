package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"

	"halley/storage/bolt"
)

const backupUsage = `FILE

Writes a consistent copy of the workspace to FILE, also while a server has it
open. FILE takes its name only when it is whole and on the disk. An earlier
backup of that name is replaced then, so a script may always write to the same
one; any other file is refused. To keep one a day:

  halley backup --data /srv/halley /backups/$(date +%F).halley
`

// backup writes a copy of the workspace, served or not, to a file.
func backup(ctx context.Context, env environ, args []string) error {
	cfg, err := parseKeep(env, "backup", backupUsage, args, func(flags *flag.FlagSet, cfg *keepConfig) {
		flags.BoolVar(&cfg.force, "force", false, "replace FILE whatever it is")
	})
	if err != nil {
		return err
	}
	if err := wantStore(cfg.data); err != nil {
		return err
	}
	if err := cfg.mayReplace(); err != nil {
		return err
	}
	size, err := writeBackup(ctx, env, cfg)
	if err != nil {
		return fmt.Errorf("back up %s: %w", cfg.data, err)
	}
	fmt.Fprintf(env.stdout, "backed up %s to %s: %d bytes\n", cfg.data, cfg.file, size)
	return nil
}

// mayReplace refuses to write a backup over what is none.
func (cfg keepConfig) mayReplace() error {
	there, err := os.Stat(cfg.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return plainPathError(err)
	}
	store, err := os.Stat(filepath.Join(cfg.data, bolt.FileName))
	switch {
	case err == nil && os.SameFile(there, store):
		return fmt.Errorf("%s is the workspace itself; give the backup another name", cfg.file)
	case !there.Mode().IsRegular():
		return fmt.Errorf("%s is there already, and no file", cfg.file)
	case cfg.force || there.Size() == 0 || bolt.IsBackup(cfg.file):
		return nil
	}
	return fmt.Errorf("%s is there already, and no backup that nobody uses; give another name, or --force to replace it", cfg.file)
}

// writeBackup writes a backup aside and then gives it its name.
func writeBackup(ctx context.Context, env environ, cfg keepConfig) (size int64, err error) {
	folder := filepath.Dir(cfg.file)
	temp, err := os.CreateTemp(folder, ".halley-*")
	var path *fs.PathError
	if errors.As(err, &path) {
		return 0, fmt.Errorf("the folder %s cannot be written: %w", folder, path.Err)
	}
	if err != nil {
		return 0, err
	}
	defer os.Remove(temp.Name()) // once it is renamed there is none
	size, err = copyStore(ctx, env, cfg.data, &syncing{file: temp})
	if err == nil {
		err = temp.Sync()
	}
	if err = errors.Join(err, temp.Close()); err == nil {
		err = os.Rename(temp.Name(), cfg.file)
	}
	if err != nil {
		return 0, err
	}
	return size, syncFolder(folder)
}

// syncEvery is how much of a backup may wait to be written to the disk: all of
// it at the end would hold up the edits that wait for the disk then.
const syncEvery = 8 << 20

// syncing gets a file onto the disk bit by bit.
type syncing struct {
	file   *os.File
	behind int
}

func (s *syncing) Write(b []byte) (int, error) {
	n, err := s.file.Write(b)
	if s.behind += n; s.behind < syncEvery || err != nil {
		return n, err
	}
	s.behind = 0
	return n, s.file.Sync()
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// copyStore copies a folder's store, itself or by the server that has it.
func copyStore(ctx context.Context, env environ, data string, to io.Writer) (size int64, err error) {
	var bar *progress
	defer func() { bar.end() }()
	begin := func(n int64) io.Writer {
		size, bar = n, newByteProgress(env.stderr, "backup", n)
		return io.MultiWriter(to, bar)
	}
	store, err := bolt.Open(data, storeConfig(nil))
	if err == nil {
		return size, errors.Join(store.Backup(ctx, begin), store.Close())
	}
	if !errors.Is(err, bolt.ErrInUse) {
		return 0, err
	}
	resp, err := askControl(ctx, data, http.MethodGet, backupPath, nil)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(begin(resp.ContentLength), resp.Body)
	return size, err
}
