package bolt

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"go.etcd.io/bbolt"

	"halley/storage"
)

// In a backup the blobs stand behind the store's file, not in it: so they are
// sent as they are read, and neither the one who serves nor the one who asks
// needs room for a second copy, or a transaction as large as they are. bbolt
// does not look behind its last page, so the whole is still a store's file.
//
//	the store's file   as many bytes as it has
//	each blob          hash, size (8 bytes, big endian), its bytes
//	the end            blobsMagic, and where the blobs begin (8 bytes)
//
// A store that has no blobs has nothing behind its file.
const (
	blobsMagic    = "halley blobs 1\r\n"
	blobHeadBytes = sha256.Size + 8
	blobEndBytes  = len(blobsMagic) + 8
)

// A blobSection is the blobs that a copied state names; nil where it names none.
type blobSection struct {
	begins int64
	blobs  []storage.Blob
}

func (b *blobSection) size() int64 {
	if b == nil {
		return 0
	}
	size := int64(blobEndBytes)
	for _, blob := range b.blobs {
		size += blobHeadBytes + blob.Size
	}
	return size
}

// blobSection lists the blobs that tx shows. One whose file is missing, or has
// another size, is left out: the others are worth keeping, and verify tells of it.
func (s *Store) blobSection(tx *bbolt.Tx) (*blobSection, error) {
	section := &blobSection{begins: tx.Size()}
	t, named := tablesOf(tx), 0
	for after := []byte{kindBlob}; ; {
		some, err := t.someBlobs(after)
		if err != nil {
			return nil, err
		}
		for _, b := range some {
			named++
			if info, err := os.Stat(s.files.path(b.Hash)); err == nil && info.Size() == b.Size {
				section.blobs = append(section.blobs, b)
			} else {
				s.cfg.Logger.Error("a blob is damaged and not in the backup", "blob", b.Hash, "error", err)
			}
			after = blobKey(b.Hash)
		}
		if len(some) > 0 {
			continue
		}
		if named == 0 {
			return nil, nil
		}
		return section, nil
	}
}

// copyBlobs writes what stands behind the store's file. The sweep leaves the
// files alone meanwhile.
func (s *Store) copyBlobs(w *copyWriter, section *blobSection) error {
	for _, b := range section.blobs {
		if err := s.copyBlob(w, b); err != nil {
			return fmt.Errorf("copy %s: %w", blobName(b.Hash), err)
		}
	}
	_, err := w.Write(binary.BigEndian.AppendUint64([]byte(blobsMagic), uint64(section.begins)))
	return err
}

func (s *Store) copyBlob(w *copyWriter, b storage.Blob) error {
	file, err := s.files.open(b)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := w.Write(binary.BigEndian.AppendUint64(b.Hash[:], uint64(b.Size))); err != nil {
		return err
	}
	n, err := io.Copy(w, file)
	if err == nil && n != b.Size {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// splitBackup says how many bytes of a backup are the store's file, and how
// many the blobs behind it. It leaves the reader at its start.
func splitBackup(backup io.ReadSeeker) (rows, blobs int64, err error) {
	size, err := backup.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, 0, err
	}
	end := make([]byte, blobEndBytes)
	if size > int64(blobEndBytes) {
		if _, err := backup.Seek(-int64(blobEndBytes), io.SeekEnd); err != nil {
			return 0, 0, err
		}
		if _, err := io.ReadFull(backup, end); err != nil {
			return 0, 0, err
		}
	}
	if _, err := backup.Seek(0, io.SeekStart); err != nil {
		return 0, 0, err
	}
	if string(end[:len(blobsMagic)]) != blobsMagic {
		return size, 0, nil
	}
	rows = int64(binary.BigEndian.Uint64(end[len(blobsMagic):]))
	if rows <= 0 || rows > size-int64(blobEndBytes) {
		return 0, 0, fmt.Errorf("%w: its end says that its blobs begin at %d", ErrNotStore, rows)
	}
	return rows, size - rows - int64(blobEndBytes), nil
}

// restoreBlobs makes files of the blobs of a backup, in dir.
func restoreBlobs(dir string, from io.Reader) error {
	files := newBlobFiles(dir)
	for {
		var head [blobHeadBytes]byte
		if _, err := io.ReadFull(from, head[:]); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("%w: a blob in it is cut off", ErrNotStore)
		}
		b := storage.Blob{Size: int64(binary.BigEndian.Uint64(head[sha256.Size:]))}
		copy(b.Hash[:], head[:])
		in, err := files.receive(context.Background(), context.Background(), io.LimitReader(from, b.Size))
		if err != nil {
			return err
		}
		if in.Blob != b {
			return fmt.Errorf("%w: in it, %s is damaged", ErrNotStore, blobName(b.Hash))
		}
		if err := files.place(in); err != nil {
			return err
		}
	}
}

// wantNoBlobs refuses a backup that names blobs and has lost them all.
func (s *Store) wantNoBlobs() error {
	return s.Blobs(context.Background(), func(b storage.Blob) error {
		if _, err := os.Stat(s.files.path(b.Hash)); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w: %s is not in it", ErrNotStore, blobName(b.Hash))
		}
		return nil
	})
}
