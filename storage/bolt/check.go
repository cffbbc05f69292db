package bolt

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"go.etcd.io/bbolt"

	"halley/storage"
)

// Check calls bad for what does not hold in the file's structure, and in the
// records and the order in which they expire, in what blobs are kept for, and
// which files there are of them, as storage.Checker says. It reads the whole
// file, in one transaction, while others write.
func (s *Store) Check(ctx context.Context, bad func(error)) error {
	file, err := os.Open(s.path)
	if err != nil {
		return fmt.Errorf("check the store's file: %w", err)
	}
	defer file.Close()
	err = s.checkFile(ctx, func(ctx context.Context, tx *bbolt.Tx) error { return checkStructure(ctx, file, tx, bad) })
	if err != nil {
		return err
	}
	for after, more := "", true; more; {
		err := s.view(ctx, func(t *tables) error {
			after, more = t.checkRecords(after, bad)
			return nil
		})
		if err != nil {
			return err
		}
	}
	err = s.view(ctx, func(t *tables) error {
		t.checkExpiries(bad)
		return nil
	})
	if err != nil {
		return err
	}
	if err := s.checkBlobs(ctx, bad); err != nil {
		return err
	}
	return s.checkStrays(ctx, bad)
}

// checkFile calls check with a synced state of the store, until the file still
// holds that state when check looks for it.
func (s *Store) checkFile(ctx context.Context, check func(context.Context, *bbolt.Tx) error) (err error) {
	for err = errMetaGone; errors.Is(err, errMetaGone); {
		err = s.tryCheckFile(ctx, check)
	}
	return err
}

func (s *Store) tryCheckFile(ctx context.Context, check func(context.Context, *bbolt.Tx) error) error {
	tx, stopped, err := s.beginCopy(ctx)
	if err != nil {
		return err
	}
	defer s.copies.running.Done()
	defer tx.Rollback()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(stopped, cancel)()
	err = check(ctx, tx)
	if err != nil {
		err = cmp.Or(context.Cause(stopped), err)
	}
	return err
}

// checkRecords looks at the next records after a key. more: there are further
// ones, after the key that it returns.
func (t *tables) checkRecords(after string, bad func(error)) (last string, more bool) {
	c, rows := t.records.Cursor(), 0
	for k, v := seekAfter(c, []byte(after)); k != nil; k, v = c.Next() {
		if rows++; rows > chunkRows {
			return after, true
		}
		after = string(k)
		r, err := decodeRecord(k, v)
		switch {
		case err != nil:
			bad(corruptRow(after, err))
		case r.expires != 0 && t.expiry.Get(expiryKey(r.expires, after)) == nil:
			bad(corruptRow(after, errors.New("it expires, and is not among what does")))
		}
	}
	return after, false
}

// checkExpiries looks for records that are to expire at another time than they
// say. What is to expire and is gone already does no harm.
func (t *tables) checkExpiries(bad func(error)) {
	c := t.expiry.Cursor()
	for k, _ := c.First(); k != nil; k, _ = c.Next() {
		if len(k) <= 8 {
			bad(corruptRow("expiry", errors.New("a key in it is too short")))
			continue
		}
		at, key := splitExpiryKey(k)
		if r, err := decodeRecord([]byte(key), t.records.Get([]byte(key))); err == nil && r.expires != at {
			bad(corruptRow(key, errors.New("it is to expire at another time than it says")))
		}
	}
}

// CheckLog calls bad for what does not hold in that by which a page's clients
// and their edits are found.
func (s *Store) CheckLog(ctx context.Context, page storage.PageID, bad func(error)) error {
	x := finding{page: page, bad: bad, clients: map[string]clientRow{}, marks: map[uint64][]mark{}, sent: map[string]storage.ClientState{}}
	if err := s.view(ctx, x.fetch); err != nil {
		return err
	}
	err := s.Read(ctx, page, 0, x.head, func(c storage.Change) error {
		x.see(c)
		return nil
	})
	if err != nil {
		return err
	}
	x.end()
	return nil
}

// A finding is what a page's log has to find clients and their edits by, as it
// was in one transaction.
type finding struct {
	page    storage.PageID
	bad     func(error)
	head    uint64
	clients map[string]clientRow           // what is known of each
	marks   map[uint64][]mark              // by seq, those not met yet
	sent    map[string]storage.ClientState // each client's newest change met; no digest
}

func (x *finding) wrong(seq uint64, format string, args ...any) {
	x.bad(&storage.CorruptError{Page: x.page, Seq: seq, Reason: fmt.Sprintf(format, args...)})
}

func (x *finding) fetch(t *tables) error {
	head, err := t.head(x.page)
	if err != nil {
		return err
	}
	x.head = head.seq
	x.fetchClients(t)
	newest := x.fetchMarks(t)
	for _, client := range slices.Sorted(maps.Keys(x.clients)) {
		row := x.clients[client]
		if m := newest[client]; m.n != row.markedN || m.seq != row.markedSeq {
			x.wrong(row.Seq, "client %s has its newest mark at edit %d, change %d; it should be at %d, %d",
				client, m.n, m.seq, row.markedN, row.markedSeq)
		}
	}
	return nil
}

func (x *finding) fetchClients(t *tables) {
	prefix, c := pageKey(x.page, kindClient), t.pages.Cursor()
	for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = c.Next() {
		client := string(k[len(prefix):])
		row, err := decodeClient(k, v)
		if err != nil {
			x.bad(corruptRow("client "+client+" of "+string(x.page), err))
			continue
		}
		x.clients[client] = row
	}
}

// fetchMarks returns each client's newest one.
func (x *finding) fetchMarks(t *tables) map[string]mark {
	newest := map[string]mark{}
	prefix, c := pageKey(x.page, kindMark), t.pages.Cursor()
	for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = c.Next() {
		name, _, _ := bytes.Cut(k[len(prefix):], []byte{0})
		seq, err := decodeMark(k, v)
		if err != nil {
			x.bad(corruptRow("mark of client "+string(name)+" of "+string(x.page), err))
			continue
		}
		m := mark{string(name), tailNumber(k), seq}
		if _, known := newest[m.client]; !known && m.n != 1 {
			x.wrong(seq, "the first mark of client %s is at its edit %d", m.client, m.n)
		}
		newest[m.client] = m
		x.marks[seq] = append(x.marks[seq], m)
	}
	return newest
}

// see takes in a change of the log.
func (x *finding) see(c storage.Change) {
	if c.Client != "" {
		x.sent[c.Client] = storage.ClientState{Author: c.Author, N: c.N, Seq: c.Seq}
	}
	left := slices.DeleteFunc(x.marks[c.Seq], func(m mark) bool { return m.client == c.Client && m.n == c.N })
	if len(left) == 0 {
		delete(x.marks, c.Seq)
		return
	}
	x.marks[c.Seq] = left
}

// end compares what was met with what is known.
func (x *finding) end() {
	for _, client := range slices.Sorted(maps.Keys(x.sent)) {
		got, want := x.clients[client], x.sent[client]
		if got.N != want.N || got.Seq != want.Seq || got.Author != want.Author {
			x.wrong(want.Seq, "it is edit %d of client %s by %q, of whom the log knows edit %d as change %d by %q",
				want.N, client, want.Author, got.N, got.Seq, got.Author)
		}
		delete(x.clients, client)
	}
	for _, client := range slices.Sorted(maps.Keys(x.clients)) {
		x.wrong(x.clients[client].Seq, "it should be of client %s, who sent nothing", client)
	}
	for _, seq := range slices.Sorted(maps.Keys(x.marks)) {
		for _, m := range x.marks[seq] {
			x.wrong(seq, "a mark says that it is edit %d of client %s, and it is not", m.n, m.client)
		}
	}
}
