package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/term"

	"halley/storage/backup"
	"halley/storage/bolt"
	"halley/storage/durable"
)

const backupUsage = `FILE

Writes a consistent copy of the workspace to FILE, also while a server has it
open. FILE takes its name only when it is complete and on the disk. An earlier
backup of that name is replaced then, so a script may always write to the same
one; any other file is refused. To keep one a day:

  halley backup --data /srv/halley /backups/$(date +%F).halley

Everything that is copied is checked. If something in the workspace is damaged,
it is named, the backup holds everything else, and the command ends with status
1. Such a backup does not replace an earlier one that was complete. A backup that
has less than half of the pages, changes or files of the earlier one (where that
had ten or more) replaces it only after a question, which needs a terminal. With
--force both replace it.
`

// backUp writes a backup of the workspace, served or not, to a file.
func backUp(ctx context.Context, env environ, args []string) error {
	cfg, err := parseKeep(env, "backup", backupUsage, args, func(flags *flag.FlagSet, cfg *keepConfig) {
		flags.BoolVar(&cfg.force, "force", false, "replace FILE even if it is not a backup, or a more complete one")
	})
	if err != nil {
		return err
	}
	if err := wantStore(cfg.data); err != nil {
		return err
	}
	if linked, err := filepath.EvalSymlinks(cfg.file); err == nil {
		cfg.file = linked // a link to the newest backup stays one
	}
	if err := cfg.mayReplace(); err != nil {
		return err
	}
	made, err := writeBackup(ctx, env, cfg)
	if err != nil {
		return fmt.Errorf("back up %s: %w", cfg.data, err)
	}
	fmt.Fprintf(env.stdout, "backed up %s to %s: %d bytes\n", cfg.data, cfg.file, made.size)
	if n := len(made.damage); n > 0 {
		return fmt.Errorf("back up %s: the backup is not complete: %s in the workspace (listed above); everything else is in it",
			cfg.data, damagedThings(n))
	}
	return nil
}

func damagedThings(n int) string {
	if n == 1 {
		return "1 thing is damaged"
	}
	return fmt.Sprintf("%d things are damaged", n)
}

// mayReplace refuses to write a backup over a file that is not one.
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
		return fmt.Errorf("%s is there already, and is not a regular file", cfg.file)
	case cfg.force || there.Size() == 0 || bolt.IsBackup(cfg.file):
		return nil
	}
	return fmt.Errorf("%s is there already, and is not a backup, or a server has it open; give another name, or --force to replace it",
		cfg.file)
}

// A madeBackup is a backup that was written.
type madeBackup struct {
	size   int64
	counts backup.Counts
	damage []string // in the workspace
}

// writeBackup writes a backup aside and then gives it its name.
func writeBackup(ctx context.Context, env environ, cfg keepConfig) (made madeBackup, err error) {
	folder := filepath.Dir(cfg.file)
	temp, err := createPartial(cfg.file)
	var path *fs.PathError
	if errors.As(err, &path) {
		return made, fmt.Errorf("the folder %s cannot be written: %w", folder, path.Err)
	}
	if err != nil {
		return made, err
	}
	defer os.Remove(temp.Name()) // which fails once it is renamed
	defer temp.Close()           // which releases its lock
	if err := copyStore(ctx, env, cfg.data, &syncing{file: temp}); err != nil {
		return made, err
	}
	if err := temp.Sync(); err != nil {
		return made, err
	}
	if made, err = examineBackup(temp); err != nil {
		return made, err
	}
	for _, damage := range made.damage {
		fmt.Fprintln(env.stderr, inOneLine(damage))
	}
	if err := mayTakePlace(env, cfg, made); err != nil {
		return made, err
	}
	if err := os.Rename(temp.Name(), cfg.file); err != nil {
		return made, err
	}
	return made, durable.SyncFolder(folder)
}

// examineBackup reads the end of a backup that was just written.
func examineBackup(file *os.File) (made madeBackup, err error) {
	info, err := file.Stat()
	if err != nil {
		return made, err
	}
	f, err := backup.Open(file, info.Size())
	if err != nil || f.Cut {
		return made, errors.New("the copy ended too early")
	}
	return madeBackup{info.Size(), f.Counts, f.Made}, nil
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

// copyStore copies a folder's store, itself or by the server that has it. What
// was copied is complete if it has a backup's end.
func copyStore(ctx context.Context, env environ, data string, to io.Writer) error {
	var bar *progress
	defer func() { bar.end() }()
	begin := func(size int64) io.Writer {
		bar = newByteProgress(env.stderr, "backup", size)
		return io.MultiWriter(to, bar)
	}
	store, err := bolt.Open(data, storeConfig(nil))
	if err == nil {
		return errors.Join(store.Backup(ctx, begin), store.Close())
	}
	if !errors.Is(err, bolt.ErrInUse) {
		return err
	}
	return controlOf(data).Backup(ctx, begin)
}

// fewFrom is from how many things on a backup that has less than half of them
// is suspicious.
const fewFrom = 10

// mayTakePlace refuses to replace an earlier backup by one that lacks something.
func mayTakePlace(env environ, cfg keepConfig, made madeBackup) error {
	if cfg.force {
		return nil
	}
	earlier, good := earlierBackup(cfg.file)
	if good && len(made.damage) > 0 {
		return fmt.Errorf("%s in the workspace (listed above), so the earlier backup %s stays as it is; "+
			"give the new one another name, or --force to replace it", damagedThings(len(made.damage)), cfg.file)
	}
	fewer := fewerThan(made.counts, earlier)
	if fewer == "" {
		return nil
	}
	said := fmt.Sprintf("the new backup has far less than %s, which it would replace: %s", cfg.file, fewer)
	if confirmed(env, said+". Replace it? [y/N] ") {
		return nil
	}
	return fmt.Errorf("%s; give it another name, or --force to replace it", said)
}

// earlierBackup is what the backup at path holds, and whether it was complete
// when it was made.
func earlierBackup(path string) (counts backup.Counts, good bool) {
	counts, known := bolt.BackupCounts(path)
	if !known {
		return counts, false
	}
	file, err := os.Open(path)
	if err != nil {
		return counts, false
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return counts, false
	}
	f, err := backup.Open(file, info.Size())
	return counts, err != nil || len(f.Made) == 0 // one of version 1 does not say
}

// fewerThan says which counts of now are less than half of those of before.
func fewerThan(now, before backup.Counts) string {
	var fewer []string
	for _, c := range []struct {
		what        string
		now, before uint64
	}{{"pages", now.Pages, before.Pages}, {"changes", now.Changes, before.Changes}, {"files", now.Blobs, before.Blobs}} {
		if c.before >= fewFrom && c.now < (c.before+1)/2 {
			fewer = append(fewer, fmt.Sprintf("%d %s instead of %d", c.now, c.what, c.before))
		}
	}
	return strings.Join(fewer, ", ")
}

// confirmed asks on a terminal; without one the answer is no.
func confirmed(env environ, question string) bool {
	in, isFile := env.stdin.(*os.File)
	if !isFile || !term.IsTerminal(int(in.Fd())) || terminalOf(env.stderr) == nil {
		return false
	}
	fmt.Fprint(env.stderr, question)
	answer, _ := bufio.NewReader(in).ReadString('\n') // no answer is no
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}
