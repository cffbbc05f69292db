package bolt

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"halley/storage"
	"halley/storage/durable"
)

// BlobFolder is the folder of the blobs' files, in the store's folder.
const BlobFolder = "blobs"

// incoming is the folder, in BlobFolder, of files that are still being written.
const incoming = "incoming"

// intents is the folder, in BlobFolder, of an empty file for each hash whose file
// is about to come or go, and whose row is not.
const intents = "intents"

// blobFiles are the files of blobs: each in a folder named after the first two
// digits of its hash, under its whole hash. A file has its name only once all of
// it is on the disk.
type blobFiles struct {
	root string

	mu   sync.Mutex
	made map[string]bool // guarded by mu: folders known to be on the disk
}

func newBlobFiles(dir string) *blobFiles {
	return &blobFiles{root: filepath.Join(dir, BlobFolder), made: map[string]bool{}}
}

func (f *blobFiles) path(h storage.Hash) string {
	name := h.String()
	return filepath.Join(f.root, name[:2], name)
}

// folder makes a folder in root. Whoever finds it there may not trust that its
// name is on the disk already, so the first call of a process syncs it anyway.
func (f *blobFiles) folder(name string) (path string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, dir := range []string{f.root, filepath.Join(f.root, name)} {
		if f.made[dir] {
			continue
		}
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return "", err
		}
		if err := durable.SyncFolder(filepath.Dir(dir)); err != nil {
			return "", err
		}
		f.made[dir] = true
	}
	return filepath.Join(f.root, name), nil
}

// clear removes what a process that was killed had not finished writing.
func (f *blobFiles) clear() error {
	return os.RemoveAll(filepath.Join(f.root, incoming))
}

// A received file is on the disk, but nobody can find it yet.
type received struct {
	storage.Blob
	path string
}

// receive copies r into a file. An error of r is returned as it is, wrapped; one
// of the disk wraps storage.ErrDiskFull.
func (f *blobFiles) receive(ctx, stopped context.Context, r io.Reader) (in received, err error) {
	dir, err := f.folder(incoming)
	if err != nil {
		return in, diskFull(err)
	}
	file, err := os.CreateTemp(dir, "")
	if err != nil {
		return in, diskFull(err)
	}
	in.path = file.Name()
	sum := sha256.New()
	in.Size, err = fillFile(file, sum, &copyWriter{ctx: ctx, stopped: stopped}, r)
	if closeErr := file.Close(); err == nil && closeErr != nil {
		err = diskFull(closeErr)
	}
	if err != nil {
		return in, errors.Join(err, os.Remove(in.path))
	}
	sum.Sum(in.Hash[:0])
	return in, nil
}

// fillFile copies r to file and sum through w, and syncs the file.
func fillFile(file *os.File, sum hash.Hash, w *copyWriter, r io.Reader) (size int64, err error) {
	w.to = io.MultiWriter(file, sum)
	size, err = io.Copy(w, r)
	switch {
	case w.err != nil && w.ended():
		return size, w.err
	case w.err != nil:
		return size, diskFull(w.err)
	case err != nil:
		return size, err
	}
	if err := file.Sync(); err != nil {
		return size, diskFull(err)
	}
	return size, nil
}

// place gives a received file its name.
func (f *blobFiles) place(in received) error {
	dir, err := f.folder(in.Hash.String()[:2])
	if err != nil {
		return diskFull(err)
	}
	if err := os.Rename(in.path, f.path(in.Hash)); err != nil {
		return diskFull(err)
	}
	if err := durable.SyncFolder(dir); err != nil {
		return diskFull(err)
	}
	return nil
}

// open opens a blob's file; fs.ErrNotExist. One of another size is none.
func (f *blobFiles) open(b storage.Blob) (*os.File, error) {
	file, err := os.Open(f.path(b.Hash))
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && info.Size() != b.Size {
		err = corruptRow(blobName(b.Hash), fmt.Errorf("its file has %d bytes, not %d", info.Size(), b.Size))
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

func (f *blobFiles) remove(h storage.Hash) error {
	err := os.Remove(f.path(h))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// folders are the names of those that may hold blobs.
func (f *blobFiles) folders() (names []string, err error) {
	entries, err := os.ReadDir(f.root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		if e.IsDir() && e.Name() != incoming && e.Name() != intents {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// in are the blobs whose files are in a folder. What is no blob's is left alone.
func (f *blobFiles) in(folder string) (hashes []storage.Hash, err error) {
	entries, err := os.ReadDir(filepath.Join(f.root, folder))
	for _, e := range entries {
		if h, err := storage.ParseHash(e.Name()); err == nil && strings.HasPrefix(e.Name(), folder) {
			hashes = append(hashes, h)
		}
	}
	return hashes, err
}

// has reports whether there is a file of the blob h.
func (f *blobFiles) has(h storage.Hash) bool {
	_, err := os.Lstat(f.path(h))
	return !errors.Is(err, fs.ErrNotExist)
}

func (f *blobFiles) intent(h storage.Hash) string { return filepath.Join(f.root, intents, h.String()) }

// intend notes that the file of h is about to come or go. The note is not
// synced: without it a stray is kept.
func (f *blobFiles) intend(h storage.Hash) error {
	if _, err := f.folder(intents); err != nil {
		return err
	}
	file, err := os.OpenFile(f.intent(h), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return file.Close()
}

// settle removes the note that intend has made.
func (f *blobFiles) settle(h storage.Hash) error {
	if err := os.Remove(f.intent(h)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// intended are the hashes of which there are notes.
func (f *blobFiles) intended() (map[storage.Hash]bool, error) {
	entries, err := os.ReadDir(filepath.Join(f.root, intents))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	all := make(map[storage.Hash]bool, len(entries))
	for _, e := range entries {
		if h, err := storage.ParseHash(e.Name()); err == nil {
			all[h] = true
		}
	}
	return all, err
}

func diskFull(err error) error { return fmt.Errorf("%w: %w", storage.ErrDiskFull, err) }

// openAny opens the file of a blob, whatever its size.
func (f *blobFiles) openAny(h storage.Hash) (*os.File, error) { return os.Open(f.path(h)) }

// plainMissing says without a path that a blob's file is not there.
func plainMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("its file is missing")
	}
	return err
}
