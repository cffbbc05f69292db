package bolt

import (
	"errors"
	"fmt"
	"io"

	"go.etcd.io/bbolt"
)

// A treeReader reads the rows of one transaction from the file itself, beside
// bbolt. bbolt faults or panics at a damaged page and cannot go on behind it;
// this reader reports which keys the page would have had, and goes on.
// It is used by one goroutine while the transaction is open.
type treeReader struct {
	file     io.ReaderAt
	pageSize int64
	pages    uint64
	buckets  map[string]bucketAt
	cached   map[uint64][]byte // pages that were read, but for long rows
}

// A bucketAt is where a bucket's tree begins: at a page, or inside its parent.
type bucketAt struct {
	root   uint64
	inline []byte
}

const (
	maxTreeDepth = 64
	maxCached    = 256
)

// A lostRange is a page of the file whose rows cannot be read: those with keys
// in [from, to); nil is no bound.
type lostRange struct {
	from, to []byte
	why      string
}

// newTreeReader finds the buckets of a transaction.
func newTreeReader(file io.ReaderAt, tx *bbolt.Tx) (*treeReader, error) {
	r := &treeReader{file: file, pageSize: int64(tx.DB().Info().PageSize), buckets: map[string]bucketAt{}, cached: map[uint64][]byte{}}
	r.pages = uint64(tx.Size() / r.pageSize)
	var lost error
	err := r.visit(uint64(tx.Cursor().Bucket().Root()), scan{
		row: func(e element) error {
			if !e.isBucket || len(e.value) < bucketHeadBytes {
				return nil
			}
			b := bucketAt{root: native.Uint64(e.value)}
			if b.root == 0 {
				b.inline = append([]byte{}, e.value[bucketHeadBytes:]...)
			}
			r.buckets[string(e.key)] = b
			return nil
		},
		lost: func(l lostRange) { lost = fmt.Errorf("%w: %s", ErrNotStore, l.why) },
	}, 0)
	return r, errors.Join(err, lost)
}

// rows calls fn with each row of a bucket in [from, to), in order of keys, until
// fn returns an error, which rows returns; nil is no bound. It calls lost where
// rows of that range cannot be read. Keys and values are valid during the call.
func (r *treeReader) rows(bucket, from, to []byte, fn func(k, v []byte) error, lost func(lostRange)) error {
	b, ok := r.buckets[string(bucket)]
	if !ok {
		return nil // the format had none, or it was reported
	}
	s := scan{from: from, to: to, lost: lost, row: func(e element) error {
		if e.isBucket {
			return nil
		}
		return fn(e.key, e.value)
	}}
	if b.root == 0 {
		return r.elements("a small bucket", b.inline, s, 0)
	}
	return r.visit(b.root, s, 0)
}

// get is the value of one key; false where there is none, or it cannot be read.
func (r *treeReader) get(bucket, key []byte, lost func(lostRange)) (value []byte, ok bool) {
	_ = r.rows(bucket, key, append(append([]byte{}, key...), 0), func(_, v []byte) error {
		value, ok = v, true
		return nil
	}, lost)
	return value, ok
}

// A scan is a look at the rows with keys in [from, to).
type scan struct {
	from, to []byte
	row      func(element) error
	lost     func(lostRange)
}

func (s scan) bad(format string, args ...any) {
	s.lost(lostRange{s.from, s.to, fmt.Sprintf(format, args...)})
}

// visit goes through what hangs on page id.
func (r *treeReader) visit(id uint64, s scan, depth int) error {
	if depth > maxTreeDepth {
		s.bad("%s is damaged: its tree of pages does not end", FileName)
		return nil
	}
	page, err := r.page(id)
	if err != nil {
		s.bad("page %d of %s is damaged: %v", id, FileName, err)
		return nil
	}
	return r.elements(fmt.Sprintf("page %d", id), page, s, depth)
}

func (r *treeReader) page(id uint64) ([]byte, error) {
	if page, ok := r.cached[id]; ok {
		return page, nil
	}
	if id < firstPage || id >= r.pages {
		return nil, fmt.Errorf("there is no such page, of %d", r.pages)
	}
	page := make([]byte, r.pageSize)
	if _, err := r.file.ReadAt(page, int64(id)*r.pageSize); err != nil {
		return nil, err
	}
	more := uint64(native.Uint32(page[12:]))
	if own := native.Uint64(page); own != id || id+more >= r.pages || int64(more)*r.pageSize > maxPageBytes {
		return nil, fmt.Errorf("it says that it is page %d and %d more, of %d", own, more, r.pages)
	}
	if more > 0 {
		page = append(page, make([]byte, int64(more)*r.pageSize)...)
		if _, err := r.file.ReadAt(page[r.pageSize:], int64(id+1)*r.pageSize); err != nil {
			return nil, err
		}
	}
	if more == 0 {
		if len(r.cached) >= maxCached {
			clear(r.cached)
		}
		r.cached[id] = page
	}
	return page, nil
}

// elements goes through those of a branch or a leaf.
func (r *treeReader) elements(where string, page []byte, s scan, depth int) error {
	if len(page) < pageHeadBytes {
		s.bad("%s of %s is damaged", where, FileName)
		return nil
	}
	kind, count := native.Uint16(page[8:]), int(native.Uint16(page[10:]))
	if kind != kindOfBranch && kind != kindOfLeaf {
		s.bad("%s of %s is damaged: it is of kind %d", where, FileName, kind)
		return nil
	}
	elems := make([]element, count)
	for i := range elems {
		var ok bool
		if elems[i], ok = elementOf(page, kind, i); !ok {
			s.bad("%s of %s is damaged: its element %d lies beside it", where, FileName, i)
			return nil
		}
	}
	if i := outOfOrder(elems, nil, nil); i >= 0 {
		s.bad("%s of %s is damaged: its keys are out of order", where, FileName)
		return nil
	}
	for i, e := range elems {
		below := s
		if kind == kindOfBranch && i > 0 && (s.from == nil || string(s.from) < string(e.key)) {
			below.from = e.key
		}
		if kind == kindOfBranch && i+1 < count && (s.to == nil || string(elems[i+1].key) < string(s.to)) {
			below.to = elems[i+1].key
		}
		var err error
		switch {
		case kind == kindOfBranch && below.from != nil && below.to != nil && string(below.from) >= string(below.to):
		case kind == kindOfBranch:
			err = r.visit(e.child, below, depth+1)
		case (s.from == nil || string(e.key) >= string(s.from)) && (s.to == nil || string(e.key) < string(s.to)):
			err = s.row(e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// String says for people which keys the page may have had.
func (l lostRange) String() string {
	return fmt.Sprintf("%s; rows from %q to %q on it are lost", l.why, l.from, l.to)
}
