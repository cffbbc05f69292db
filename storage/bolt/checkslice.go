package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"

	"go.etcd.io/bbolt"

	"halley/storage"
)

// Where CheckSlice goes on: one of these bytes, and then a key. Of the file it
// is the bucket's name behind its length, and the key within the bucket.
const (
	sliceOfFile    = 'f'
	sliceOfRecords = 'r'
	sliceOfExpiry  = 'e'
	sliceOfBlobs   = 'b'
)

// rowBytes is what CheckSlice counts for a row that it does not measure.
const rowBytes = 256

// CheckSlice does a part of what Check does, as storage.Checker says. A slice of
// the file holds a transaction only while it is read: one that lasted as long as
// a slow pass would keep every page that is freed during it from being used again.
func (s *Store) CheckSlice(ctx context.Context, from []byte, size int, bad func(error)) (next []byte, read int, err error) {
	kind, at := byte(sliceOfFile), []byte(nil)
	if len(from) > 0 {
		kind, at = from[0], from[1:]
	}
	switch kind {
	case sliceOfFile:
		next, read, err = s.checkFileSlice(ctx, at, size, bad)
		return orBegin(next, sliceOfRecords), read, err
	case sliceOfRecords:
		next, err = s.checkRowsSlice(ctx, kind, func(t *tables) ([]byte, bool) {
			last, more := t.checkRecords(string(at), bad)
			return []byte(last), more
		})
		return orBegin(next, sliceOfExpiry), chunkRows * rowBytes, err
	case sliceOfExpiry:
		err = s.view(ctx, func(t *tables) error {
			t.checkExpiries(bad)
			return nil
		})
		return []byte{sliceOfBlobs}, chunkRows * rowBytes, err
	case sliceOfBlobs:
		next, err = s.checkRowsSlice(ctx, kind, func(t *tables) ([]byte, bool) { return t.checkSomeBlobs(at, bad) })
		return next, chunkRows * rowBytes, err
	}
	return nil, 0, fmt.Errorf("a slice that begins with %q: %w", kind, storage.ErrInvalid)
}

func orBegin(next []byte, kind byte) []byte {
	if next == nil {
		return []byte{kind}
	}
	return next
}

// checkRowsSlice looks at the rows of one transaction's chunk.
func (s *Store) checkRowsSlice(ctx context.Context, kind byte, check func(*tables) (last []byte, more bool)) (next []byte, err error) {
	err = s.view(ctx, func(t *tables) error {
		if last, more := check(t); more {
			next = append([]byte{kind}, last...)
		}
		return nil
	})
	return next, err
}

func (s *Store) checkFileSlice(ctx context.Context, at []byte, size int, bad func(error)) (next []byte, read int, err error) {
	file, err := os.Open(s.path)
	if err != nil {
		return nil, 0, fmt.Errorf("check the store's file: %w", err)
	}
	defer file.Close()
	bucket, after, err := splitSlice(at)
	if err != nil {
		return nil, 0, err
	}
	err = s.checkFile(ctx, func(ctx context.Context, tx *bbolt.Tx) error {
		w, err := beginSlice(ctx, file, tx, bad)
		if w == nil {
			return err
		}
		w.bucket, w.after, w.left = bucket, after, size
		err = w.tree(w.meta.root, nil, nil, nil)
		if next = nil; w.more {
			next = w.position()
		}
		read = size - w.left
		return err
	})
	return next, read, err
}

func splitSlice(at []byte) (bucket, after []byte, err error) {
	if len(at) == 0 {
		return nil, nil, nil
	}
	n, used := binary.Uvarint(at)
	if used <= 0 || n > uint64(len(at)-used) {
		return nil, nil, fmt.Errorf("where a slice of the file begins: %w", storage.ErrInvalid)
	}
	bucket, after = at[used:][:n], at[used:][n:]
	if len(after) == 0 {
		after = nil
	}
	return bucket, after, nil
}

// A fileSlice is the look through a part of the file's trees: in order of bucket
// and key, from a position on. The free pages count as met before it begins, so
// a page that is in use and free is found.
type fileSlice struct {
	*structure
	bucket, after []byte // where to begin; after nil: at the bucket's first key
	left          int    // bytes that are still to be read
	leaves        int    // that were read
	more          bool   // there are further leaves,
	atBucket, at  []byte // from here on
}

func beginSlice(ctx context.Context, file io.ReaderAt, tx *bbolt.Tx, bad func(error)) (*fileSlice, error) {
	s, err := beginStructure(ctx, file, tx, bad)
	if s == nil {
		return nil, err
	}
	if err := s.freelist(); err != nil {
		return nil, err
	}
	return &fileSlice{structure: s}, nil
}

func (w *fileSlice) position() []byte {
	b := binary.AppendUvarint([]byte{sliceOfFile}, uint64(len(w.atBucket)))
	return append(append(b, w.atBucket...), w.at...)
}

// tree goes through what hangs on page id and was not looked through before, as
// structure.tree does. bucket is nil in the tree of the buckets themselves.
func (w *fileSlice) tree(id uint64, bucket, from, to []byte) error {
	if w.left <= 0 && w.leaves > 0 {
		w.more = true
		return nil
	}
	page, err := w.read(id)
	if page == nil {
		w.passed(bucket, to)
		return err
	}
	w.left -= len(page)
	where := fmt.Sprintf("page %d", id)
	kind, elems, ok := w.parse(where, page, from, to)
	if !ok {
		w.passed(bucket, to)
		return nil
	}
	for i, e := range elems {
		bound := boundOf(elems, i, to)
		switch {
		case kind == kindOfBranch && w.isPassed(bucket, bound):
		case kind == kindOfBranch:
			err = w.tree(e.child, bucket, e.key, bound)
		case bucket == nil:
			err = w.below(where, e, bound)
		}
		if err != nil || w.more {
			return err
		}
	}
	if kind == kindOfLeaf {
		w.passed(bucket, to)
	}
	return nil
}

// below goes through a bucket, unless that was done.
func (w *fileSlice) below(where string, e element, next []byte) error {
	if !e.isBucket || bytes.Compare(e.key, w.bucket) < 0 {
		return nil
	}
	if len(e.value) >= bucketHeadBytes {
		if root := native.Uint64(e.value); root != 0 {
			return w.tree(root, e.key, nil, nil)
		}
	}
	return w.structure.below(where, kindOfLeaf, e, next) // it lies in its parent, or is damaged
}

// passed notes that everything in a bucket below a key (nil: everything) was
// looked through.
func (w *fileSlice) passed(bucket, to []byte) {
	if bucket == nil {
		return
	}
	w.leaves++
	w.atBucket, w.at = bucket, to
	if to == nil {
		w.atBucket = append(bytes.Clone(bucket), 0) // what sorts next
	}
}

// isPassed reports whether an earlier slice has looked through all of a bucket
// below a key.
func (w *fileSlice) isPassed(bucket, to []byte) bool {
	return bucket != nil && w.after != nil && to != nil && bytes.Equal(bucket, w.bucket) && bytes.Compare(to, w.after) <= 0
}
