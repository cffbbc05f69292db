package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"time"

	"go.etcd.io/bbolt"

	"halley/storage"
)

// This file reads bbolt's (version 2) as it lies on the disk, beside bbolt: so
// its structure can be looked through while others write, and a pointer that
// is damaged is a number out of range, not a fault in the mapping.
//
// A file is pages of one size. Each begins with its number, its kind, how many
// elements it has and over how many more pages it goes on. The first two are
// metas, written in turn: a transaction's names the root of its tree of
// branches and leaves, and the list of free pages. Integers are as the machine
// has them.

const (
	pageHeadBytes   = 16
	elemBytes       = 16
	bucketHeadBytes = 16
	metaBytes       = 64
	metaSumAt       = 56

	kindOfBranch   = 0x01
	kindOfLeaf     = 0x02
	kindOfMeta     = 0x04
	kindOfFreelist = 0x10

	elemIsBucket = 0x01

	// maxPageBytes bounds a page with those that continue it: bbolt leaves up to
	// four rows together, however large. A number that is damaged must not have
	// the whole file read into memory.
	maxPageBytes = 5 * storage.MaxPayloadBytes
	manyFree     = 0xFFFF // the real number then comes first in the list
	noFreelist   = ^uint64(0)
	firstPage    = 2 // after the metas
)

var native = binary.NativeEndian

// A fileMeta is where a transaction's tree is.
type fileMeta struct {
	tx             uint64
	root, freelist uint64
	pages          uint64 // how many there are, used or free
	isHeaded       bool   // its page's head is a meta's; bbolt does not care
}

// findMeta returns transaction tx's meta; false where it is not, or no longer,
// in the file.
func findMeta(file io.ReaderAt, pageSize int64, tx int) (fileMeta, bool) {
	for id := range int64(firstPage) {
		if m, ok := readMetaPage(file, pageSize, id); ok && m.tx == uint64(tx) {
			return m, true
		}
	}
	return fileMeta{}, false
}

// readMetaPage reads one of the two metas; false where it does not hold.
func readMetaPage(file io.ReaderAt, pageSize, id int64) (m fileMeta, ok bool) {
	var page [pageHeadBytes + metaBytes]byte
	if _, err := file.ReadAt(page[:], id*pageSize); err != nil {
		return m, false
	}
	b := page[pageHeadBytes:]
	sum := fnv.New64a()
	sum.Write(b[:metaSumAt])
	if native.Uint64(b[metaSumAt:]) != sum.Sum64() {
		return m, false
	}
	m = fileMeta{tx: native.Uint64(b[48:]), root: native.Uint64(b[16:]), freelist: native.Uint64(b[32:]), pages: native.Uint64(b[40:])}
	m.isHeaded = native.Uint64(page[:]) == uint64(id) && native.Uint16(page[8:]) == kindOfMeta
	return m, true
}

// checkMetas returns an error unless both metas hold and are of transactions
// that follow one another. Where the newer one does not hold, bbolt takes the
// older one, and the newest transaction is lost without a word. A meta that is
// being written while it is read is read again.
func checkMetas(file io.ReaderAt, pageSize int64) (err error) {
	for range 5 {
		a, aHolds := readMetaPage(file, pageSize, 0)
		b, bHolds := readMetaPage(file, pageSize, 1)
		switch {
		case !aHolds || !bHolds:
			err = errors.New("one of its two first pages is damaged, and the newest changes may be lost")
		case a.tx == b.tx || max(a.tx, b.tx)-min(a.tx, b.tx) > 2: // 2: the first in a copy may take the place of the newest
			err = fmt.Errorf("its two first pages are of transactions %d and %d, which do not follow one another", a.tx, b.tx)
		case !a.isHeaded || !b.isHeaded:
			err = errors.New("one of its two first pages does not say that it is one")
		default:
			return nil
		}
		time.Sleep(time.Millisecond)
	}
	return err
}

// A structure is the look through a file's pages.
type structure struct {
	ctx      context.Context
	file     io.ReaderAt
	pageSize int64
	meta     fileMeta
	bad      func(error)
	damaged  bool
	met      []bool // by page
}

// checkStructure calls bad for each thing that does not hold in how tx's state
// lies in the file: pages that are reached twice, or neither used nor free,
// elements that lie beside their page, keys that are out of order. It reads
// all that is in use. The error is of ctx or of reading.
func checkStructure(ctx context.Context, file io.ReaderAt, tx *bbolt.Tx, bad func(error)) error {
	s, err := beginStructure(ctx, file, tx, bad)
	if s == nil {
		return err
	}
	if err := s.tree(s.meta.root, nil, nil); err != nil {
		return err
	}
	if err := s.freelist(); err != nil || s.damaged {
		return err
	}
	for id := firstPage; id < len(s.met); id++ {
		if !s.met[id] {
			s.wrong("page %d of it is neither used nor free", id)
			break // one such tells as much as all
		}
	}
	return nil
}

// beginStructure finds tx's state in the file; nil where there is nothing to
// look through, since the file is cut off, which it has reported.
func beginStructure(ctx context.Context, file io.ReaderAt, tx *bbolt.Tx, bad func(error)) (*structure, error) {
	s := &structure{ctx: ctx, file: file, pageSize: int64(tx.DB().Info().PageSize), bad: bad}
	if err := checkMetas(file, s.pageSize); err != nil {
		s.wrong("%v", err)
	}
	var ok bool
	if s.meta, ok = findMeta(file, s.pageSize, tx.ID()); !ok {
		return nil, errMetaGone
	}
	if size := tx.Size(); int64(s.meta.pages)*s.pageSize != size {
		s.wrong("it should have %d pages and has %d bytes", s.meta.pages, size)
		return nil, nil
	}
	if _, err := file.ReadAt(make([]byte, 1), tx.Size()-1); errors.Is(err, io.EOF) {
		s.wrong("it is cut off: it should have %d bytes", tx.Size())
		return nil, nil
	}
	s.damaged = false // the metas tell nothing of what hangs on this one
	s.met = make([]bool, s.meta.pages)
	return s, nil
}

// errMetaGone: two transactions have been committed since this one began to be
// looked for.
var errMetaGone = errors.New("the store has moved on")

func (s *structure) wrong(format string, args ...any) {
	s.damaged = true
	s.bad(&storage.CorruptError{Key: FileName, Reason: fmt.Sprintf(format, args...)})
}

// read returns a page with all that belongs to it; nil where that is damaged,
// which it has told.
func (s *structure) read(id uint64) ([]byte, error) {
	if err := s.ctx.Err(); err != nil {
		return nil, err
	}
	if id < firstPage || id >= s.meta.pages {
		s.wrong("it refers to a page %d, of %d", id, s.meta.pages)
		return nil, nil
	}
	page := make([]byte, s.pageSize)
	if _, err := s.file.ReadAt(page, int64(id)*s.pageSize); err != nil {
		return nil, fmt.Errorf("read page %d of the store's file: %w", id, err)
	}
	more := uint64(native.Uint32(page[12:]))
	if own := native.Uint64(page); own != id || id+more >= s.meta.pages || int64(more)*s.pageSize > maxPageBytes {
		s.wrong("page %d of it says that it is page %d and %d more, of %d", id, own, more, s.meta.pages)
		return nil, nil
	}
	for i := id; i <= id+more; i++ {
		if s.met[i] {
			s.wrong("page %d of it is used twice", i)
			return nil, nil
		}
		s.met[i] = true
	}
	if more == 0 {
		return page, nil
	}
	page = append(page, make([]byte, int64(more)*s.pageSize)...)
	if _, err := s.file.ReadAt(page[s.pageSize:], int64(id+1)*s.pageSize); err != nil {
		return nil, fmt.Errorf("read page %d of the store's file: %w", id+1, err)
	}
	return page, nil
}

// tree goes through what hangs on page id, whose keys lie in [from, to); nil
// is no bound.
func (s *structure) tree(id uint64, from, to []byte) error {
	page, err := s.read(id)
	if page == nil {
		return err
	}
	return s.elements(fmt.Sprintf("page %d", id), page, from, to)
}

// elements goes through those of a branch or a leaf.
func (s *structure) elements(where string, page, from, to []byte) error {
	kind, elems, ok := s.parse(where, page, from, to)
	if !ok {
		return nil
	}
	for i, e := range elems {
		if err := s.below(where, kind, e, boundOf(elems, i, to)); err != nil {
			return err
		}
	}
	return nil
}

// parse returns the elements of a branch or a leaf; ok is false where one of
// them is damaged, which it has reported.
func (s *structure) parse(where string, page, from, to []byte) (kind uint16, elems []element, ok bool) {
	kind, count := native.Uint16(page[8:]), int(native.Uint16(page[10:]))
	if kind != kindOfBranch && kind != kindOfLeaf || kind == kindOfBranch && count == 0 {
		s.wrong("%s of it is of kind %d with %d elements, and neither a branch nor a leaf", where, kind, count)
		return kind, nil, false
	}
	elems = make([]element, count)
	for i := range elems {
		if elems[i], ok = elementOf(page, kind, i); !ok {
			s.wrong("%s of it has an element %d that lies beside it", where, i)
			return kind, nil, false
		}
	}
	if i := outOfOrder(elems, from, to); i >= 0 {
		s.wrong("%s of it has its keys out of order, at element %d", where, i)
		return kind, nil, false
	}
	return kind, elems, true
}

// boundOf returns the key below which everything under element i lies: the next
// element's, or to for the last one.
func boundOf(elems []element, i int, to []byte) []byte {
	if i+1 < len(elems) {
		return elems[i+1].key
	}
	return to
}

// below goes through what an element refers to.
func (s *structure) below(where string, kind uint16, e element, next []byte) error {
	switch {
	case kind == kindOfBranch:
		return s.tree(e.child, e.key, next)
	case !e.isBucket:
		return nil
	case len(e.value) < bucketHeadBytes:
		s.wrong("%s of it has a bucket of %d bytes", where, len(e.value))
		return nil
	}
	if root := native.Uint64(e.value); root != 0 {
		return s.tree(root, nil, nil)
	}
	inside := e.value[bucketHeadBytes:] // a small bucket lies in its parent
	if len(inside) < pageHeadBytes {
		s.wrong("%s of it has a bucket of %d bytes", where, len(e.value))
		return nil
	}
	return s.elements(fmt.Sprintf("bucket %q", e.key), inside, nil, nil)
}

// An element is one of a branch (key and child) or of a leaf.
type element struct {
	key, value []byte
	child      uint64
	isBucket   bool
}

// elementOf is the i-th element of a page; false where it does not lie inside.
func elementOf(page []byte, kind uint16, i int) (e element, ok bool) {
	at := pageHeadBytes + i*elemBytes // a leaf's are as long
	if at+elemBytes > len(page) {
		return e, false
	}
	b := page[at:]
	if kind == kindOfBranch {
		e.child = native.Uint64(b[8:])
		e.key, ok = within(b, native.Uint32(b), native.Uint32(b[4:]))
		return e, ok
	}
	pos, keySize := native.Uint32(b[4:]), native.Uint32(b[8:])
	e.isBucket = native.Uint32(b)&elemIsBucket != 0
	if e.key, ok = within(b, pos, keySize); !ok {
		return e, false
	}
	e.value, ok = within(b[pos:], keySize, native.Uint32(b[12:]))
	return e, ok
}

func within(b []byte, at, size uint32) ([]byte, bool) {
	if uint64(at)+uint64(size) > uint64(len(b)) {
		return nil, false
	}
	return b[at:][:size], true
}

// outOfOrder is the first element whose key does not belong where it is; -1
// where all do.
func outOfOrder(elems []element, from, to []byte) int {
	for i, e := range elems {
		switch {
		case i == 0 && from != nil && bytes.Compare(e.key, from) < 0,
			i > 0 && bytes.Compare(elems[i-1].key, e.key) >= 0,
			to != nil && bytes.Compare(e.key, to) >= 0:
			return i
		}
	}
	return -1
}

// freelist goes through the list of free pages.
func (s *structure) freelist() error {
	if s.meta.freelist == noFreelist {
		return nil
	}
	page, err := s.read(s.meta.freelist)
	if page == nil {
		return err
	}
	kind, count, ids := native.Uint16(page[8:]), uint64(native.Uint16(page[10:])), page[pageHeadBytes:]
	if count == manyFree {
		count, ids = native.Uint64(ids), ids[8:]
	}
	if kind != kindOfFreelist || count > uint64(len(ids)/8) {
		s.wrong("page %d of it is of kind %d with %d elements, and no list of free pages", s.meta.freelist, kind, count)
		return nil
	}
	for ; count > 0; count, ids = count-1, ids[8:] {
		id := native.Uint64(ids)
		switch {
		case id < firstPage || id >= s.meta.pages:
			s.wrong("its list of free pages has a page %d, of %d", id, s.meta.pages)
		case s.met[id]:
			s.wrong("page %d of it is free and used, or free twice", id)
		default:
			s.met[id] = true
		}
	}
	return nil
}
