package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"halley/storage"
	"halley/storage/encoding"
)

// The kinds of rows in the bucket of blobs.
const (
	kindBlob  = 1 + iota // hash: its size. Where there is none, no blob is kept
	kindUse              // hash page: what it is kept for there
	kindUntil            // milliseconds hash page: nothing; uploads in order of their end
)

func blobKey(h storage.Hash) []byte {
	return append([]byte{kindBlob}, h[:]...)
}

func usePrefix(h storage.Hash) []byte {
	return append([]byte{kindUse}, h[:]...)
}

func useKey(h storage.Hash, page storage.PageID) []byte {
	return append(usePrefix(h), page...)
}

func untilKey(until int64, h storage.Hash, page storage.PageID) []byte {
	k := binary.BigEndian.AppendUint64([]byte{kindUntil}, uint64(until))
	return append(append(k, h[:]...), page...)
}

func splitUntilKey(k []byte) (until int64, h storage.Hash, page storage.PageID, err error) {
	if len(k) < 1+8+len(h) {
		return 0, h, "", corruptRow("uploads of blobs", encoding.ErrInvalid)
	}
	copy(h[:], k[9:])
	return int64(binary.BigEndian.Uint64(k[1:])), h, storage.PageID(k[9+len(h):]), nil
}

// A useRow is what a blob is kept for on one page.
type useRow struct {
	changes uint64
	until   int64 // milliseconds since 1970; 0: no upload
}

func (u useRow) encode(key []byte) []byte {
	b := binary.AppendUvarint([]byte{rowVersion}, u.changes)
	return seal(key, binary.AppendVarint(b, u.until))
}

func (u useRow) none() bool { return u == useRow{} }

// now is u without an upload whose time is over.
func (u useRow) now(now time.Time) useRow {
	if u.until <= now.UnixMilli() {
		u.until = 0
	}
	return u
}

func (u useRow) of(page storage.PageID) storage.BlobUse {
	return storage.BlobUse{Page: page, Changes: u.changes, Until: encoding.FromMillis(u.until)}
}

func decodeUse(key, sealed []byte) (useRow, error) {
	value, err := unseal(key, sealed)
	if err != nil {
		return useRow{}, err
	}
	d := encoding.Reader{Rest: value}
	u := useRow{changes: d.Uvarint(), until: d.Varint()}
	return u, d.End()
}

func encodeBlob(key []byte, size int64) []byte {
	return seal(key, binary.AppendUvarint([]byte{rowVersion}, uint64(size)))
}

func decodeBlob(key, sealed []byte) (size int64, err error) {
	value, err := unseal(key, sealed)
	if err != nil {
		return 0, err
	}
	d := encoding.Reader{Rest: value}
	size = int64(d.Uvarint())
	return size, d.End()
}

// blobName is how errors name a blob.
func blobName(h storage.Hash) string { return "blob " + h.String() }

// blob is the size of a blob that is kept; false where none is.
func (t *tables) blob(h storage.Hash) (size int64, kept bool, err error) {
	if err := t.doubt.about(touched{blob: h}); err != nil {
		return 0, false, err
	}
	key := blobKey(h)
	row := t.blobs.Get(key)
	if row == nil {
		return 0, false, nil
	}
	if size, err = decodeBlob(key, row); err != nil {
		return 0, false, corruptRow(blobName(h), err)
	}
	return size, true, nil
}

// use is the zero useRow where page has none.
func (t *tables) use(h storage.Hash, page storage.PageID) (useRow, error) {
	if err := errors.Join(t.doubt.about(touched{blob: h}), t.doubt.about(touched{page: page})); err != nil {
		return useRow{}, err
	}
	key := useKey(h, page)
	row := t.blobs.Get(key)
	if row == nil {
		return useRow{}, nil
	}
	u, err := decodeUse(key, row)
	if err != nil {
		return useRow{}, corruptRow(blobName(h)+" on page "+string(page), err)
	}
	return u, nil
}

// putUse keeps u, or nothing where it says nothing.
func (t *tables) putUse(h storage.Hash, page storage.PageID, u useRow) {
	key := useKey(h, page)
	if u.none() {
		t.remove(t.blobs, key)
		return
	}
	t.put(t.blobs, key, u.encode(key))
}

// isUsed reports whether a blob is kept for any page.
func (t *tables) isUsed(h storage.Hash) bool {
	k, _ := t.blobs.Cursor().Seek(usePrefix(h))
	return bytes.HasPrefix(k, usePrefix(h))
}

// putUpload notes that a blob, whose file is in its place, was uploaded to page.
func (t *tables) putUpload(b storage.Blob, page storage.PageID, until int64) error {
	u, err := t.use(b.Hash, page)
	if err != nil {
		return err
	}
	key := blobKey(b.Hash)
	t.put(t.blobs, key, encodeBlob(key, b.Size))
	if until <= u.until {
		return nil
	}
	t.forgetUpload(b.Hash, page, u)
	u.until = until
	t.putUse(b.Hash, page, u)
	t.put(t.blobs, untilKey(until, b.Hash, page), nil)
	return nil
}

func (t *tables) forgetUpload(h storage.Hash, page storage.PageID, u useRow) {
	if u.until != 0 {
		t.remove(t.blobs, untilKey(u.until, h, page))
	}
}

// A naming is a blob that one append's changes name, and how many of them.
type naming struct {
	hash storage.Hash
	use  useRow // with these changes
}

// namings checks that the blobs that the changes name are kept.
func (a *appending) namings(t *tables) ([]naming, error) {
	var all []naming
	var at map[storage.Hash]int // most appends name none
	for i := range a.changes {
		for _, h := range a.changes[i].Blobs {
			n, met := at[h]
			if !met {
				use, err := t.useOfKept(h, a.page)
				if err != nil {
					return nil, err
				}
				if at == nil {
					at = map[storage.Hash]int{}
				}
				n = len(all)
				at[h], all = n, append(all, naming{h, use})
			}
			all[n].use.changes++
		}
	}
	return all, nil
}

// useOfKept is what page uses a blob for, which must be kept.
func (t *tables) useOfKept(h storage.Hash, page storage.PageID) (useRow, error) {
	_, kept, err := t.blob(h)
	if err != nil {
		return useRow{}, err
	}
	if !kept {
		return useRow{}, fmt.Errorf("it names %s, which is not kept: %w", blobName(h), storage.ErrInvalid)
	}
	return t.use(h, page)
}

// someDue returns the keys of some uploads that have been over for so long that
// nobody counts on them any more.
func (t *tables) someDue(now time.Time) (due [][]byte) {
	over := now.Add(-storage.BlobGrace).UnixMilli()
	c := t.blobs.Cursor()
	for k, _ := c.Seek([]byte{kindUntil}); len(k) > 8 && k[0] == kindUntil && len(due) < sweepStep; k, _ = c.Next() {
		if int64(binary.BigEndian.Uint64(k[1:])) > over {
			break
		}
		due = append(due, bytes.Clone(k))
	}
	return due
}

// endUploads removes uploads, and returns the blobs of which nothing is left
// then: nothing is known of them any more.
func (t *tables) endUploads(due [][]byte) (unused []storage.Hash, err error) {
	for _, k := range due {
		until, h, page, err := splitUntilKey(k)
		if err != nil {
			return nil, err
		}
		t.remove(t.blobs, k)
		u, err := t.use(h, page)
		if err != nil {
			continue // a row that is damaged keeps its blob
		}
		if u.until == until {
			u.until = 0
			t.putUse(h, page, u)
		}
		if !t.isUsed(h) {
			t.remove(t.blobs, blobKey(h))
			unused = append(unused, h)
		}
	}
	return unused, nil
}
