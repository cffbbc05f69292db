package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"halley/editor"
	"halley/storage/bolt"
)

// What a folder's socket answers besides the API, to commands alone.
const (
	backupPath = "/control/backup"
	verifyPath = "/control/verify"
)

// writePatience is how long a command may take nothing of a backup: the store
// does not recover from a failing disk while one is written.
const writePatience = 30 * time.Second

// control serves the folder's socket. address is where the workspace is served otherwise.
func (w *workspace) control(address string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", w.server)
	mux.HandleFunc("GET "+backupPath, w.sendBackup)
	mux.HandleFunc("GET "+verifyPath, w.sendVerified)
	mux.HandleFunc("POST "+pagePath, w.receivePage(address))
	return mux
}

func (w *workspace) sendBackup(rw http.ResponseWriter, r *http.Request) {
	err := w.store.Backup(r.Context(), func(size int64) io.Writer {
		rw.Header().Set("Content-Length", fmt.Sprint(size))
		return impatient{rw, http.NewResponseController(rw)}
	})
	if err != nil {
		// Either nothing is sent yet, or the length tells that it was cut off.
		http.Error(rw, err.Error(), http.StatusInternalServerError)
	}
}

// impatient fails where a write takes too long.
type impatient struct {
	io.Writer
	control *http.ResponseController
}

func (w impatient) Write(b []byte) (int, error) {
	if err := w.control.SetWriteDeadline(time.Now().Add(writePatience)); err != nil {
		return 0, err
	}
	return w.Writer.Write(b)
}

// A verifyLine is one line of what the socket says of verifying.
type verifyLine struct {
	Done, Total uint64           `json:",omitempty"`
	Bad         string           `json:",omitempty"`
	Failed      string           `json:",omitempty"`
	Verified    *editor.Verified `json:",omitempty"` // last, and only where nothing failed
}

func (w *workspace) sendVerified(rw http.ResponseWriter, r *http.Request) {
	lines := json.NewEncoder(rw)
	flush := http.NewResponseController(rw)
	say := func(l verifyLine) {
		if lines.Encode(l) == nil {
			_ = flush.Flush() // a command that has gone ends the request's context
		}
	}
	v, err := editor.Verify(r.Context(), w.store, sparse(func(done, total uint64) { say(verifyLine{Done: done, Total: total}) }),
		func(bad error) { say(verifyLine{Bad: bad.Error()}) })
	if err != nil {
		say(verifyLine{Failed: err.Error()})
		return
	}
	say(verifyLine{Verified: &v})
}

// sparse passes on one call in a thousand, and the last.
func sparse(progress func(done, total uint64)) func(done, total uint64) {
	return func(done, total uint64) {
		if done%1000 == 0 || done == total {
			progress(done, total)
		}
	}
}

// askControl asks the server that has a folder open.
func askControl(ctx context.Context, dir, method, path string, body io.Reader) (*http.Response, error) {
	c := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dialSocket(ctx, dir) },
	}}
	req, err := http.NewRequestWithContext(ctx, method, "http://localhost"+path, body)
	if err != nil {
		return nil, err
	}
	resp, err := c.Do(req)
	if err != nil {
		return nil, fmt.Errorf("the folder %s is in use, and who uses it does not answer: %w", dir, err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 1000)) // the status says enough without
		return nil, fmt.Errorf("the server answers: %s", strings.TrimSpace(string(said)))
	}
	return resp, nil
}

// A keepConfig is what the commands are told that keep a workspace safe.
type keepConfig struct {
	data  string
	file  string
	force bool   // of backup
	page  string // of restore
}

// parseKeep reads --data, the flags that more adds, and a command's one
// argument, if its usage begins with one.
func parseKeep(env environ, name, usage string, args []string, more func(*flag.FlagSet, *keepConfig)) (cfg keepConfig, err error) {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.StringVar(&cfg.data, "data", defaultData, "the `folder` that holds the workspace")
	if more != nil {
		more(flags, &cfg)
	}
	if err := parseFlags(env, flags, usage, args); err != nil {
		return cfg, err
	}
	if strings.HasPrefix(usage, "\n") {
		return cfg, noArguments(env, name, flags.Args())
	}
	if flags.NArg() != 1 {
		fmt.Fprintf(env.stderr, "halley %s: it takes one argument, the file; `halley help %s` says more\n", name, name)
		return cfg, errUsage
	}
	cfg.file = flags.Arg(0)
	return cfg, nil
}

func wantStore(data string) error {
	if !hasStore(data) {
		return fmt.Errorf("there is no workspace in the folder %s", data)
	}
	return nil
}

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

const restoreUsage = `FILE

Makes a workspace of a backup, in a folder that is empty or missing. It is
verified before it is there; if it does not hold, the folder stays empty.

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
		return err
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

// errDamaged: what is damaged has been said.
var errDamaged = errors.New("it does not hold; what is damaged stands above")

const verifyUsage = `

Reads everything in a workspace, also while a server has it open: the structure
of its file, the checksums of every page's changes, whether each change fits
what came before it, whether each checkpoint is what they amount to, and all
that changes are found by. It says what is damaged, and then ends with status 1.
`

// verify says what in a workspace, served or not, does not hold.
func verify(ctx context.Context, env environ, args []string) error {
	cfg, err := parseKeep(env, "verify", verifyUsage, args, nil)
	if err != nil {
		return err
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

func countsOf(v editor.Verified) string {
	return fmt.Sprintf("%d pages with %d changes and %d checkpoints, %d files and %d records", v.Pages, v.Changes, v.Checkpoints, v.Files, v.Records)
}

// A verdict shows how far verifying has come, and what it finds.
type verdict struct {
	env     environ
	bar     *progress
	damaged bool
}

func (v *verdict) progress(done, total uint64) {
	if v.bar == nil {
		v.bar = newProgress(v.env.stderr, "verify", int(total))
	}
	v.bar.set(int64(done))
}

func (v *verdict) bad(what string) {
	v.damaged = true
	v.bar.print(v.env.stderr, what)
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
	counts, err := editor.Verify(ctx, store, sparse(v.progress), func(bad error) { v.bad(bad.Error()) })
	return counts, v.end(err)
}

func verifyServed(ctx context.Context, env environ, data string) (editor.Verified, error) {
	resp, err := askControl(ctx, data, http.MethodGet, verifyPath, nil)
	if err != nil {
		return editor.Verified{}, err
	}
	defer resp.Body.Close()
	v := verdict{env: env}
	for lines := json.NewDecoder(resp.Body); ; {
		var l verifyLine
		if err := lines.Decode(&l); err != nil {
			return editor.Verified{}, v.end(fmt.Errorf("the server broke off: %w", err))
		}
		switch {
		case l.Verified != nil:
			return *l.Verified, v.end(nil)
		case l.Failed != "":
			return editor.Verified{}, v.end(errors.New(l.Failed))
		case l.Bad != "":
			v.bad(l.Bad)
		default:
			v.progress(l.Done, l.Total)
		}
	}
}

const compactUsage = `

Writes a workspace's file anew, without the room that deletion has left in it:
a server uses that room again, but the file never shrinks by itself. Nobody may
have the workspace open, and there must be room for a second file. A server
does it by itself when it starts, where more than half of a file of some size
is free.
`

// compact makes a workspace's file as small as it can be.
func compact(ctx context.Context, env environ, args []string) error {
	cfg, err := parseKeep(env, "compact", compactUsage, args, nil)
	if err != nil {
		return err
	}
	if err := wantStore(cfg.data); err != nil {
		return err
	}
	var bar *progress
	done, err := bolt.Compact(ctx, cfg.data, func(done, total int64) {
		if bar == nil {
			bar = newByteProgress(env.stderr, "compact", total)
		}
		bar.set(done)
	})
	bar.end()
	if errors.Is(err, bolt.ErrInUse) {
		return fmt.Errorf("the folder %s is in use; stop the server, or restart it: it compacts when it starts, where that pays", cfg.data)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(env.stdout, "compacted %s: %d bytes before, %d after\n", cfg.data, done.Before, done.After)
	return nil
}
