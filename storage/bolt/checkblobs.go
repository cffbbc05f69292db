package bolt

import (
	"context"
	"errors"

	"halley/storage"
	"halley/storage/encoding"
)

// checkBlobs calls bad for what does not hold in the rows of blobs: each must
// say what another says too, or a blob is swept that is in use, or never.
func (s *Store) checkBlobs(ctx context.Context, bad func(error)) error {
	for after, more := []byte{}, true; more; {
		err := s.view(ctx, func(t *tables) error {
			after, more = t.checkSomeBlobs(after, bad)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// checkSomeBlobs looks at the next rows after a key. more: there are further
// ones, after the key that it returns.
func (t *tables) checkSomeBlobs(after []byte, bad func(error)) (last []byte, more bool) {
	c, rows := t.blobs.Cursor(), 0
	for k, _ := seekAfter(c, after); k != nil; k, _ = c.Next() {
		if rows++; rows > chunkRows {
			return after, true
		}
		after = append([]byte{}, k...)
		if err := t.checkBlobRow(after); err != nil {
			bad(err)
		}
	}
	return after, false
}

func (t *tables) checkBlobRow(k []byte) error {
	var h storage.Hash
	if len(k) < 1+len(h) {
		return corruptRow("blobs", encoding.ErrInvalid)
	}
	if k[0] == kindUntil {
		return t.checkUntil(k)
	}
	copy(h[:], k[1:])
	page := storage.PageID(k[1+len(h):])
	_, kept, err := t.blob(h)
	switch {
	case err != nil:
		return err
	case k[0] == kindBlob && !t.isUsed(h):
		return corruptRow(blobName(h), errors.New("it is kept for nothing"))
	case k[0] == kindBlob:
		return nil
	case k[0] != kindUse:
		return corruptRow("blobs", encoding.ErrInvalid)
	case !kept:
		return corruptRow(blobName(h), errors.New("it is not kept, though page "+string(page)+" has a use for it"))
	}
	u, err := t.use(h, page)
	if err == nil && u.until != 0 && t.blobs.Get(untilKey(u.until, h, page)) == nil {
		err = corruptRow(blobName(h), errors.New("its upload to page "+string(page)+" is not among those that end"))
	}
	return err
}

// checkUntil looks at a row of the uploads in order of their end.
func (t *tables) checkUntil(k []byte) error {
	until, h, page, err := splitUntilKey(k)
	if err != nil {
		return err
	}
	u, err := t.use(h, page)
	if err == nil && u.until != until {
		err = corruptRow(blobName(h), errors.New("its upload to page "+string(page)+" is to end at another time than it says"))
	}
	return err
}
