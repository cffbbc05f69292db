package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"halley/storage"
)

// What a read copies out of one transaction at most: so many rows, and so many
// bytes unless the first row has more. The transaction is over before the
// caller sees any of them.
const (
	chunkRows  = 256
	chunkBytes = 256 << 10
)

// Append stores changes as storage.Log says.
func (s *Store) Append(ctx context.Context, page storage.PageID, expect uint64, changes []storage.Change) error {
	a, err := newAppending(page, expect, changes)
	if err != nil {
		return fmt.Errorf("append to %s at seq %d: %w", page, expect, err)
	}
	if len(changes) == 0 {
		return nil
	}
	err = s.queue.do(ctx, &write{apply: a.apply, touches: []touched{{page: page}}, size: a.size})
	if err != nil {
		return fmt.Errorf("append to %s at seq %d: %w", page, expect, err)
	}
	for i := range changes {
		changes[i].Seq = expect + 1 + uint64(i)
	}
	s.folds.grown(page, expect, expect+uint64(len(changes)), a.size)
	return nil
}

// An appending is one call of Append. What can be done before its turn comes
// is done in the caller's goroutine.
type appending struct {
	page    storage.PageID
	expect  uint64
	changes []storage.Change
	encoded [][]byte // each with room for its link
	size    int
}

func newAppending(page storage.PageID, expect uint64, changes []storage.Change) (*appending, error) {
	if err := page.Validate(); err != nil {
		return nil, err
	}
	a := &appending{page: page, expect: expect, changes: changes, encoded: make([][]byte, len(changes))}
	for i := range changes {
		if err := changes[i].Validate(); err != nil {
			return nil, err
		}
		a.encoded[i] = encodeChange(&changes[i])
		a.size += len(a.encoded[i])
	}
	return a, nil
}

// apply makes every check before its first write.
func (a *appending) apply(t *tables) error {
	c := t.pages.Cursor()
	head, err := t.headBy(c, a.page)
	if err != nil {
		return err
	}
	if head.seq != a.expect {
		return &storage.ConflictError{Expected: a.expect, Actual: head.seq}
	}
	if err := t.checkEnd(c, a.page, head); err != nil {
		return err
	}
	senders, err := a.senders(t)
	if err != nil {
		return err
	}
	namings, err := a.namings(t)
	if err != nil {
		return err
	}
	a.writeChanges(t, head)
	senders.write(t, a.page)
	for _, n := range namings {
		t.putUse(n.hash, a.page, n.use)
	}
	return nil
}

// checkEnd sees to it that nothing is built on a log whose end is damaged. c is
// on its head; the newest change lies right before, but where all are folded.
func (t *tables) checkEnd(c *bbolt.Cursor, page storage.PageID, head headRow) error {
	if head.seq == 0 {
		return nil
	}
	k, v := c.Prev()
	var end link
	switch {
	case !bytes.HasPrefix(k, pageKey(page, kindChange)):
		b, there, err := t.blockOf(page, head.seq)
		if err != nil {
			return err
		}
		if !there || b.last != head.seq {
			return &storage.CorruptError{Page: page, Seq: head.seq, Reason: "it is missing"}
		}
		end = b.end
	case tailNumber(k) > head.seq:
		return &storage.CorruptError{Page: page, Seq: tailNumber(k), Reason: "it lies beyond the log's head"}
	case tailNumber(k) < head.seq:
		return &storage.CorruptError{Page: page, Seq: head.seq, Reason: "it is missing"}
	default:
		_, end, _ = splitLink(v)
	}
	if end != head.link {
		return &storage.CorruptError{Page: page, Seq: head.seq, Reason: "it is not the change that the log's head names"}
	}
	return nil
}

func (a *appending) writeChanges(t *tables, head headRow) {
	links := newChain(head.link)
	for _, encoded := range a.encoded {
		head.seq++
		head.link = links.next(head.seq, encoded)
		t.put(t.pages, changeKey(a.page, head.seq), append(encoded, head.link[:]...))
	}
	head.time = a.changes[len(a.changes)-1].Time
	key := pageKey(a.page, kindHead)
	t.put(t.pages, key, head.encode(key))
}

// Head is the newest seq of page's log.
func (s *Store) Head(ctx context.Context, page storage.PageID) (seq uint64, err error) {
	err = s.view(ctx, func(t *tables) error {
		head, err := t.head(page)
		seq = head.seq
		return err
	})
	return seq, err
}

// Logs calls fn for each page that has changes, in order of id.
func (s *Store) Logs(ctx context.Context, fn func(storage.LogInfo) error) error {
	var after storage.PageID
	for {
		infos, err := s.someLogs(ctx, after)
		for _, info := range infos {
			if err := fn(info); err != nil {
				return err
			}
			after = info.Page
		}
		if err != nil || len(infos) == 0 {
			return err
		}
	}
}

// someLogs returns the next logs after a page; none at the end.
func (s *Store) someLogs(ctx context.Context, after storage.PageID) (infos []storage.LogInfo, err error) {
	err = s.view(ctx, func(t *tables) error {
		c := t.pages.Cursor()
		k, _ := c.Seek(pageKey(after, kindEnd))
		if after == "" {
			k, _ = c.First()
		}
		for ; k != nil && len(infos) < chunkRows; k, _ = stepTo(c, pageKey(after, kindEnd)) {
			if after = pageOf(k); after.Validate() != nil {
				return corruptRow(string(k), errors.New("it is no page's row"))
			}
			head, err := t.headFrom(c, after, k)
			if err != nil {
				return err
			}
			infos = append(infos, storage.LogInfo{Page: after, Head: head.seq, Time: head.time})
		}
		return nil
	})
	return infos, err
}

// headFrom is headBy for a cursor that is on k, the page's first row: the head
// of a short log is a few rows on.
func (t *tables) headFrom(c *bbolt.Cursor, page storage.PageID, k []byte) (headRow, error) {
	if err := t.doubt.about(touched{page: page}); err != nil {
		return headRow{}, err
	}
	key := pageKey(page, kindHead)
	row := []byte(nil)
	if !bytes.Equal(k, key) {
		k, row = stepTo(c, key)
	}
	if row == nil || !bytes.Equal(k, key) {
		return t.headBy(c, page)
	}
	h, err := decodeHead(key, row)
	if err != nil {
		return headRow{}, corruptRow("head of "+string(page), err)
	}
	return h, nil
}

// nearRows is how many rows a cursor goes through one by one before it seeks:
// a seek takes about as long.
const nearRows = 6

// stepTo is c.Seek(key) for a key that follows the cursor's, and is often near.
func stepTo(c *bbolt.Cursor, key []byte) (k, v []byte) {
	for range nearRows {
		if k, v = c.Next(); k == nil || bytes.Compare(k, key) >= 0 {
			return k, v
		}
	}
	return c.Seek(key)
}

// seekAfter moves c to the first key that sorts after key.
func seekAfter(c *bbolt.Cursor, key []byte) (k, v []byte) {
	k, v = c.Seek(key)
	if k != nil && bytes.Equal(k, key) {
		return c.Next()
	}
	return k, v
}
