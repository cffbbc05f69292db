package bolt

import (
	"bytes"
	"errors"

	"go.etcd.io/bbolt"

	"halley/storage"
)

// pagesFill is how full a leaf is left when it splits. A page's changes are
// only ever added at their end, so little room is needed between them.
const pagesFill = 0.9

// tables are the buckets in one transaction. The first write that fails sticks
// in err, and the transaction must not be committed.
type tables struct {
	meta, pages, records, expiry, checkpoints, blocks, blobs *bbolt.Bucket

	tx    int    // its number
	doubt *doubt // of reads; a read of what is in doubt is refused
	err   error
	// changed is what watchers are told once it is synced.
	changed []storage.RecordChange
}

func tablesOf(tx *bbolt.Tx) *tables {
	t := &tables{
		tx: tx.ID(),

		meta:    tx.Bucket(bucketMeta),
		pages:   tx.Bucket(bucketPages),
		records: tx.Bucket(bucketRecords),
		expiry:  tx.Bucket(bucketExpiry),

		checkpoints: tx.Bucket(bucketCheckpoints),
		blocks:      tx.Bucket(bucketBlocks),
		blobs:       tx.Bucket(bucketBlobs),
	}
	t.pages.FillPercent = pagesFill
	t.blocks.FillPercent = 1 // blocks are only ever added at a page's end
	return t
}

// put keeps value, which must not change until the transaction ends.
func (t *tables) put(b *bbolt.Bucket, key, value []byte) {
	t.err = errors.Join(t.err, b.Put(key, value))
}

func (t *tables) remove(b *bbolt.Bucket, key []byte) {
	t.err = errors.Join(t.err, b.Delete(key))
}

// head is the zero headRow, with the page's first link, for a page without changes.
func (t *tables) head(page storage.PageID) (headRow, error) {
	return t.headBy(t.pages.Cursor(), page)
}

// headBy is head, and leaves c on its row if there is one.
func (t *tables) headBy(c *bbolt.Cursor, page storage.PageID) (headRow, error) {
	if err := t.doubt.about(touched{page: page}); err != nil {
		return headRow{}, err
	}
	key := pageKey(page, kindHead)
	k, row := c.Seek(key)
	if !bytes.Equal(k, key) {
		return headRow{link: firstLink(page)}, t.checkNone(page)
	}
	h, err := decodeHead(key, row)
	if err != nil {
		return headRow{}, corruptRow("head of "+string(page), err)
	}
	return h, nil
}

// checkNone sees to it that a page without a head has no changes either.
func (t *tables) checkNone(page storage.PageID) error {
	k, _ := t.pages.Cursor().Seek(changeKey(page, 0))
	b, err := t.lastBlock(page)
	if err != nil {
		return err
	}
	if bytes.HasPrefix(k, pageKey(page, kindChange)) || b.last > 0 {
		return corruptRow("head of "+string(page), errors.New("it is missing, though there are changes"))
	}
	return nil
}

// client is the zero clientRow for one that page does not know.
func (t *tables) client(page storage.PageID, client string) (clientRow, error) {
	if err := t.doubt.about(touched{page: page}); err != nil {
		return clientRow{}, err
	}
	key := clientKey(page, client)
	row := t.pages.Get(key)
	if row == nil {
		return clientRow{}, nil
	}
	c, err := decodeClient(key, row)
	if err != nil {
		return clientRow{}, corruptRow("client "+client+" of "+string(page), err)
	}
	return c, nil
}

// record returns false for a key that has none, or one that has expired, of
// which it returns the row nevertheless.
func (t *tables) record(key string, expired func(recordRow) bool) (recordRow, bool, error) {
	if err := t.doubt.about(touched{key: key}); err != nil {
		return recordRow{}, false, err
	}
	row := t.records.Get([]byte(key))
	if row == nil {
		return recordRow{}, false, nil
	}
	r, err := t.recordIn(key, []byte(key), row)
	return r, err == nil && !expired(r), err
}

// recordIn is the record in a row that a cursor has come to.
func (t *tables) recordIn(key string, k, row []byte) (recordRow, error) {
	if err := t.doubt.about(touched{key: key}); err != nil {
		return recordRow{}, err
	}
	r, err := decodeRecord(k, row)
	if err != nil {
		return recordRow{}, corruptRow(key, err)
	}
	return r, nil
}

func corruptRow(key string, err error) error {
	return &storage.CorruptError{Key: key, Reason: err.Error()}
}
