package bolt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"halley/storage"
	"halley/storage/backup"
	"halley/storage/durable"
)

// ErrNotEmpty: a backup is restored into an empty folder only.
var ErrNotEmpty = errors.New("the folder is not empty")

// restoring begins the name of the folder, in the one that a backup is restored
// into, where the store is made until it takes its place.
const restoring = "restoring-"

// A Backup is a backup's file.
type Backup interface {
	io.ReaderAt
	io.Seeker
}

// Restoring says how a backup is restored. Only Check must be set.
type Restoring struct {
	// Check is called with the restored store before it takes its place. Its
	// error ends the restore, and the folder stays empty.
	Check func(*Store) error
	// Lost is called with a sentence for each thing that the backup does not have,
	// or not soundly. Nil: the sentences are dropped.
	Lost func(sentence string)
	// Replay returns a function for the changes of one page, which is called with
	// each in order, and returns the blobs that it names. An error means that the
	// change does not fit: the page then ends before it. Nil: every change fits,
	// and what blobs are used for is taken from the backup alone.
	Replay func(storage.PageID) func(storage.Change) ([]storage.Hash, error)
	// Salvage is called, before Check, for each page whose log is damaged and of
	// which there is something newer. Nil: that is dropped.
	Salvage func(*Store, Later) error
	// Only restores one page with the records and the blobs that it names, which
	// Replay finds. Damage elsewhere is not reported. Empty: everything.
	Only storage.PageID
}

// A Later is what a backup has of a page behind the end of its sound log.
type Later struct {
	Page       storage.PageID
	Kept       uint64             // the newest change that was restored
	Checkpoint storage.Checkpoint // the newest one behind Kept; the zero one where there is none
	// Changes yields the changes that follow the checkpoint, or else Kept, without
	// a gap. They are sound, but for some whose checksum does not hold: these are
	// as they were found, and better than nothing.
	Changes iter.Seq2[storage.Change, error]
}

// Restore makes a store of a backup in dir, which must be empty or missing, with
// an epoch of its own, opened as cfg says. An earlier restore that was broken off
// there is removed. Everything that is sound in the backup is restored, and the
// rest is reported to o.Lost; if anything else fails, dir stays empty. Backups of
// both versions are read, and the file of a store that nobody has open.
// ErrNotEmpty, ErrNotStore, a *NewerError.
func Restore(dir string, cfg Config, from Backup, o Restoring) error {
	if o.Lost == nil {
		o.Lost = func(string) {}
	}
	if err := makeFolder(dir); err != nil {
		return err
	}
	if err := sweepRestoring(dir); err != nil {
		return err
	}
	aside, err := os.MkdirTemp(dir, restoring)
	if err != nil {
		return sayWhy(filepath.Join(dir, FileName), err)
	}
	err = restoreAside(aside, cfg, from, o)
	// The store's file comes last: without it there is no store yet.
	for _, name := range []string{BlobFolder, FileName} {
		if err == nil {
			err = moveIn(filepath.Join(aside, name), filepath.Join(dir, name))
		}
		if name == BlobFolder && errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	if removed := os.RemoveAll(aside); err != nil || removed != nil {
		return errors.Join(err, removed)
	}
	return durable.SyncFolder(dir)
}

// sweepRestoring removes what a restore that was broken off has left in dir;
// ErrNotEmpty where there is anything else.
func sweepRestoring(dir string) error {
	there, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("the data folder %s cannot be read: %w", dir, err)
	}
	isAside := func(e fs.DirEntry) bool { return e.IsDir() && strings.HasPrefix(e.Name(), restoring) }
	// The blobs are moved before the file. Where no file waits to be moved, they
	// are a store's whose file is lost, and no restore's.
	moving := slices.ContainsFunc(there, func(e fs.DirEntry) bool {
		_, err := os.Stat(filepath.Join(dir, e.Name(), FileName))
		return isAside(e) && err == nil
	})
	for _, e := range there {
		if !isAside(e) && !(moving && e.Name() == BlobFolder) {
			return fmt.Errorf("%s: %w: it holds %s; move that elsewhere first, or restore into another folder", dir, ErrNotEmpty, e.Name())
		}
	}
	for _, e := range there { // in order of name: the blobs before that by which they are known
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("the data folder %s cannot be written: %w", dir, err)
		}
		if err := durable.SyncFolder(dir); err != nil {
			return err
		}
	}
	return nil
}

// moveIn renames a file to a name that must still be free.
func moveIn(from, to string) error {
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", filepath.Dir(to), ErrNotEmpty)
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return durable.SyncFolder(filepath.Dir(to)) // so that a power cut does not move the file alone
}

// restoreAside makes a store in dir, a folder that goes afterwards.
func restoreAside(dir string, cfg Config, from Backup, o Restoring) error {
	size, err := from.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	f, err := backup.Open(from, size)
	if errors.Is(err, backup.ErrNotBackup) {
		converted, convertErr := convertVersion1(filepath.Join(dir, "old"), cfg, from, size, o.Lost)
		if convertErr != nil {
			return convertErr
		}
		defer converted.Close()
		if size, err = converted.Seek(0, io.SeekEnd); err == nil {
			f, err = backup.Open(converted, size)
		}
	}
	var newer *backup.NewerError
	if errors.As(err, &newer) {
		return err
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotStore, err)
	}
	r := &restorer{
		cfg: cfg, file: f, o: o, fold: folding{cfg.Codec}, blobs: newBlobFiles(dir),
		kept: map[storage.Hash]bool{}, named: map[storage.Hash]bool{},
	}
	if err := r.restore(filepath.Join(dir, FileName)); err != nil {
		return err
	}
	s, err := Open(dir, cfg)
	if err != nil {
		return err
	}
	if err = r.salvage(s); err == nil {
		err = o.Check(s)
	}
	return errors.Join(err, s.Close())
}

// salvage brings what is newer than the end of pages' sound logs to o.Salvage.
func (r *restorer) salvage(s *Store) error {
	for _, b := range r.broken {
		if r.o.Salvage == nil {
			break
		}
		later, err := r.later(b)
		if err == nil {
			err = r.o.Salvage(s, later)
		}
		if err != nil {
			return fmt.Errorf("restore what is newer of page %s: %w", b.page, err)
		}
	}
	return nil
}

// restoreBlob makes a file of the bytes of a blob; false where they are not sound.
func (r *restorer) restoreBlob(p backup.Part, h storage.Hash) (size int64, ok bool, err error) {
	pieces, sink := io.Pipe()
	read := make(chan string, 1)
	go func() {
		gap := ""
		err := r.file.Read(p, func(f backup.Frame) error {
			_, err := sink.Write(f.Payload)
			return err
		}, func(why string) { gap = why })
		sink.CloseWithError(err)
		read <- gap
	}()
	in, err := r.blobs.receive(context.Background(), context.Background(), pieces)
	pieces.CloseWithError(errors.New("nobody takes the file"))
	gap := <-read
	if gap != "" {
		r.o.Lost(blobName(h) + ": " + gap)
	}
	switch {
	case err != nil:
		return 0, false, err
	case in.Hash == h:
		return in.Size, true, r.blobs.place(in)
	case gap == "" && r.o.Only != "":
		r.o.Lost(blobName(h) + ": its bytes are not those that it is named after")
	}
	return 0, false, os.Remove(in.path) // what was damaged when the backup was made has been reported
}
