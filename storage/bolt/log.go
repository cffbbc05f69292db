package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

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
	head, err := t.head(a.page)
	if err != nil {
		return err
	}
	if head.seq != a.expect {
		return &storage.ConflictError{Expected: a.expect, Actual: head.seq}
	}
	if err := t.checkEnd(a.page, head); err != nil {
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

// checkEnd sees to it that nothing is built on a log whose end is damaged.
func (t *tables) checkEnd(page storage.PageID, head headRow) error {
	if head.seq == 0 {
		return nil
	}
	key, c := changeKey(page, head.seq), t.pages.Cursor()
	k, v := c.Seek(key)
	_, l, ok := splitLink(v)
	if !bytes.Equal(k, key) || !ok || l != head.link {
		return &storage.CorruptError{Page: page, Seq: head.seq, Reason: "it is not the change that the log's head names"}
	}
	if k, _ := c.Next(); bytes.HasPrefix(k, pageKey(page, kindChange)) {
		return &storage.CorruptError{Page: page, Seq: tailNumber(k), Reason: "it lies beyond the log's head"}
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
		for ; k != nil && len(infos) < chunkRows; k, _ = c.Seek(pageKey(after, kindEnd)) {
			if after = pageOf(k); after.Validate() != nil {
				return corruptRow(string(k), errors.New("it is no page's row"))
			}
			head, err := t.head(after)
			if err != nil {
				return err
			}
			infos = append(infos, storage.LogInfo{Page: after, Head: head.seq, Time: head.time})
		}
		return nil
	})
	return infos, err
}

// seekAfter moves c to the first key that sorts after key.
func seekAfter(c *bbolt.Cursor, key []byte) (k, v []byte) {
	k, v = c.Seek(key)
	if k != nil && bytes.Equal(k, key) {
		return c.Next()
	}
	return k, v
}

// Read calls fn with each change of page in (after, upTo], oldest first.
func (s *Store) Read(ctx context.Context, page storage.PageID, after, upTo uint64, fn func(storage.Change) error) error {
	r := logReader{page: page, next: after + 1, upTo: upTo, names: map[string]string{}}
	if after >= upTo {
		return nil
	}
	for more := true; more; {
		err := s.view(ctx, r.fetch)
		if err != nil {
			return fmt.Errorf("read %s after seq %d: %w", page, r.next-1, err)
		}
		if more, err = r.deliver(fn); err != nil {
			return err
		}
	}
	return nil
}

// A logReader goes through a page's log chunk by chunk: fetch copies rows
// inside a transaction, deliver checks them and hands them out after it.
type logReader struct {
	page       storage.PageID
	next, upTo uint64
	links      *chain            // nil before the first fetch
	head       headRow           // as it was at the first fetch
	names      map[string]string // clients and authors met, each string made once

	rows []logRow
	copy []byte // what rows lie in
}

type logRow struct {
	seq        uint64
	start, end int // in copy
}

func (r *logReader) fetch(t *tables) error {
	if r.links == nil {
		if err := r.begin(t); err != nil {
			return err
		}
	}
	r.rows, r.copy = r.rows[:0], r.copy[:0]
	prefix, c := pageKey(r.page, kindChange), t.pages.Cursor()
	for k, v := c.Seek(changeKey(r.page, r.next)); bytes.HasPrefix(k, prefix); k, v = c.Next() {
		seq := tailNumber(k)
		full := len(r.rows) == chunkRows || len(r.copy)+len(v) > chunkBytes
		if seq > r.upTo || full && len(r.rows) > 0 {
			break
		}
		start := len(r.copy)
		r.copy = append(r.copy, v...)
		r.rows = append(r.rows, logRow{seq, start, len(r.copy)})
	}
	return nil
}

// begin finds the end of what is to be read, and the link that its first
// change stands on.
func (r *logReader) begin(t *tables) (err error) {
	if r.head, err = t.head(r.page); err != nil {
		return err
	}
	r.upTo = min(r.upTo, r.head.seq)
	at := firstLink(r.page)
	if before := r.next - 1; before > 0 && before < r.upTo {
		var ok bool
		if _, at, ok = splitLink(t.pages.Get(changeKey(r.page, before))); !ok {
			return r.corrupt(before, "it is missing")
		}
	}
	r.links = newChain(at)
	return nil
}

// deliver checks the fetched rows and calls fn with each. more: there are
// further ones to be fetched.
func (r *logReader) deliver(fn func(storage.Change) error) (more bool, err error) {
	if len(r.rows) == 0 && r.next <= r.upTo {
		return false, r.corrupt(r.next, "it is missing")
	}
	for _, row := range r.rows {
		change, err := r.check(row)
		if err != nil {
			return false, err
		}
		if err := fn(change); err != nil {
			return false, err
		}
		r.next++
	}
	return r.next <= r.upTo, nil
}

func (r *logReader) check(row logRow) (storage.Change, error) {
	if row.seq != r.next {
		return storage.Change{}, r.corrupt(r.next, "it is missing")
	}
	encoded, want, ok := splitLink(r.copy[row.start:row.end])
	if !ok || r.links.next(row.seq, encoded) != want {
		return storage.Change{}, r.corrupt(row.seq, "its checksum does not hold, or does not follow from the change before")
	}
	if row.seq == r.head.seq && want != r.head.link {
		return storage.Change{}, r.corrupt(row.seq, "it is not the change that the log's head names")
	}
	c, err := decodeChange(encoded)
	if err != nil {
		return storage.Change{}, r.corrupt(row.seq, err.Error())
	}
	return storage.Change{
		Seq: row.seq, Client: r.name(c.client), N: c.n, Author: r.name(c.author),
		Time: time.UnixMilli(c.time).UTC(), Payload: c.payload,
	}, nil
}

// name makes a string of b, the same one each time.
func (r *logReader) name(b []byte) string {
	if s, ok := r.names[string(b)]; ok {
		return s
	}
	s := string(b)
	r.names[s] = s
	return s
}

func (r *logReader) corrupt(seq uint64, reason string) error {
	return &storage.CorruptError{Page: r.page, Seq: seq, Reason: reason}
}
