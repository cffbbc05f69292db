package bolt

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"

	"halley/storage"
	"halley/storage/backup"
)

// Version 1 of a backup was the store's file, with the blobs behind it:
//
//	the store's file   as many bytes as it has
//	each blob          hash, size (8 bytes, big endian), its bytes
//	the end            blobsMagic, and where the blobs begin (8 bytes)
//
// A store without blobs has nothing behind its file.
const (
	blobsMagic    = "halley blobs 1\r\n"
	blobHeadBytes = sha256.Size + 8
	blobEndBytes  = len(blobsMagic) + 8
)

// convertVersion1 writes a backup of version 1, of size bytes, as one of version
// 2 into the folder old, so that damage in it is met in one way. Blobs that are
// damaged are reported to lost.
func convertVersion1(old string, cfg Config, from io.ReaderAt, size int64, lost func(string)) (*os.File, error) {
	if err := makeFolder(old); err != nil {
		return nil, err
	}
	rows, blobs := splitVersion1(from, size)
	path := filepath.Join(old, FileName)
	if err := copyFile(path, io.NewSectionReader(from, 0, rows)); err != nil {
		return nil, err
	}
	files := newBlobFiles(old)
	if err := extractBlobs(files, io.NewSectionReader(from, rows, blobs), lost); err != nil {
		return nil, err
	}
	to, err := os.OpenFile(filepath.Join(old, "backup"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	err = readFile(path, func(epoch string, tree *treeReader, structure []error) error {
		d := &dumper{ctx: context.Background(), tree: tree, files: files}
		d.w = backup.NewWriter(to, backup.Header{Epoch: epoch, Made: cfg.withDefaults().now()})
		for _, bad := range structure {
			d.w.Damage(bad.Error())
		}
		blobs, err := d.rows()
		if err != nil {
			return err
		}
		return d.finish(context.Background(), &backupTarget{}, blobs)
	})
	if err != nil {
		return nil, errors.Join(err, to.Close())
	}
	return to, nil
}

// readFile calls fn with a reader of the store's file at path, which nobody has
// open, and what is damaged in its structure. ErrNotStore, a *NewerError.
func readFile(path string, fn func(epoch string, tree *treeReader, structure []error) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	guardErr := guard(func() {
		db, openErr := bbolt.Open(path, 0, &bbolt.Options{ReadOnly: true, Timeout: defaultLockWait})
		if openErr != nil {
			err = sayWhy(path, openErr)
			return
		}
		defer db.Close()
		err = db.View(func(tx *bbolt.Tx) error {
			epoch, _, err := readMeta(tx, path)
			if err != nil {
				return err
			}
			var structure []error
			err = checkStructure(context.Background(), file, tx, func(bad error) { structure = append(structure, bad) })
			if err != nil {
				return err
			}
			tree, err := newTreeReader(file, tx)
			if err != nil {
				return err
			}
			return fn(epoch, tree, structure)
		})
	})
	if guardErr != nil {
		return fmt.Errorf("%w (%w)", ErrNotStore, guardErr)
	}
	return err
}

// splitVersion1 says how many bytes of a backup are the store's file, and how
// many the blobs behind it. Where the end is lost, all of it is the file.
func splitVersion1(from io.ReaderAt, size int64) (rows, blobs int64) {
	end := make([]byte, blobEndBytes)
	if size <= int64(blobEndBytes) {
		return size, 0
	}
	if _, err := from.ReadAt(end, size-int64(blobEndBytes)); err != nil || string(end[:len(blobsMagic)]) != blobsMagic {
		return size, 0
	}
	rows = int64(binary.BigEndian.Uint64(end[len(blobsMagic):]))
	if rows <= 0 || rows > size-int64(blobEndBytes) {
		return size, 0
	}
	return rows, size - rows - int64(blobEndBytes)
}

func copyFile(path string, from io.Reader) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	size, err := io.Copy(f, from)
	if err == nil && size == 0 {
		err = fmt.Errorf("the backup is empty: %w", ErrNotStore) // bbolt would make a new store of it
	}
	return errors.Join(err, f.Close())
}

// extractBlobs makes files of the blobs of a backup, as far as they are sound.
func extractBlobs(files *blobFiles, from *io.SectionReader, lost func(string)) error {
	for at := int64(0); at < from.Size(); {
		var head [blobHeadBytes]byte
		if _, err := from.ReadAt(head[:], at); err != nil {
			lost("the end of the blobs in the backup is cut off")
			return nil
		}
		b := storage.Blob{Hash: storage.Hash(head[:sha256.Size]), Size: int64(binary.BigEndian.Uint64(head[sha256.Size:]))}
		at += blobHeadBytes
		if b.Size < 0 || b.Size > from.Size()-at {
			lost(fmt.Sprintf("the backup is damaged at %s: it and the blobs behind it are left out", blobName(b.Hash)))
			return nil
		}
		in, err := files.receive(context.Background(), context.Background(), io.NewSectionReader(from, at, b.Size))
		if err != nil {
			return err
		}
		if at += b.Size; in.Hash != b.Hash {
			lost(fmt.Sprintf("the backup is damaged at %s", blobName(b.Hash)))
		}
		if err := files.place(in); err != nil { // under the name that it has, whatever was said
			return err
		}
	}
	return nil
}

// IsBackup reports whether the file at path is a backup of some store, or the
// file of one that nobody has open.
func IsBackup(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	if backup.Is(f, info.Size()) {
		return true
	}
	is := false
	err = guard(func() {
		db, err := bbolt.Open(path, 0, &bbolt.Options{ReadOnly: true, Timeout: defaultLockWait})
		if err != nil {
			return
		}
		defer db.Close()
		err = db.View(func(tx *bbolt.Tx) error {
			_, _, err := readMeta(tx, path)
			return err
		})
		var newer *NewerError
		is = err == nil || errors.As(err, &newer)
	})
	return is && err == nil
}

// BackupCounts is how much the backup at path holds; false where that cannot be
// told. It reads the end of a backup of version 2, and the heads of all pages in
// one of version 1.
func BackupCounts(path string) (counts backup.Counts, ok bool) {
	f, err := os.Open(path)
	if err != nil {
		return counts, false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return counts, false
	}
	if b, err := backup.Open(f, info.Size()); err == nil {
		return b.Counts, !b.Cut
	}
	err = readFile(path, func(_ string, tree *treeReader, _ []error) error {
		counts = tree.counts()
		return nil
	})
	return counts, err == nil
}

// counts counts pages, their changes by their heads, and blobs.
func (r *treeReader) counts() (c backup.Counts) {
	none := func(lostRange) {}
	for from := []byte{}; from != nil; {
		var next []byte
		_ = r.rows(bucketPages, from, nil, func(k, _ []byte) error {
			next = pageKey(pageOf(k), kindEnd)
			key := pageKey(pageOf(k), kindHead)
			if v, ok := r.get(bucketPages, key, none); ok {
				if h, err := decodeHead(key, v); err == nil {
					c.Pages, c.Changes = c.Pages+1, c.Changes+h.seq
				}
			}
			return errFound
		}, none)
		if bytes.Compare(next, from) <= 0 {
			break
		}
		from = next
	}
	_ = r.rows(bucketBlobs, []byte{kindBlob}, []byte{kindUse}, func(k, v []byte) error {
		if n, err := decodeBlob(k, v); err == nil {
			c.Blobs, c.BlobBytes = c.Blobs+1, c.BlobBytes+uint64(n)
		}
		return nil
	}, none)
	return c
}
