package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"halley/storage"
)

// A mark tells the seq of one of a client's changes, so that an older n is
// found without reading the whole log. A client gets one for its n = 1, and
// then wherever markEvery of its own changes or markReach changes of the page
// lie behind the last one. So Find reads markReach changes at most, and marks
// cost next to nothing unless hundreds type on one page at once.
const (
	markEvery = 1024
	markReach = 4096
)

// senders are the clients that one append moves on.
type senders struct {
	rows  []senderRow
	at    map[string]int // of each client among rows, from the second on
	marks []mark
}

type senderRow struct {
	client string
	clientRow
}

type mark struct {
	client string
	n, seq uint64
}

// senders checks that each change is its client's next, by its author.
func (a *appending) senders(t *tables) (senders, error) {
	var moved senders
	for i := range a.changes {
		c := &a.changes[i]
		if c.Client == "" {
			continue
		}
		row, err := moved.row(t, a.page, c.Client)
		if err != nil {
			return senders{}, err
		}
		if c.N != row.N+1 {
			return senders{}, fmt.Errorf("n %d of client %s does not follow %d: %w", c.N, c.Client, row.N, storage.ErrInvalid)
		}
		if row.N > 0 && c.Author != row.Author {
			return senders{}, fmt.Errorf("client %s is %q's, not %q's: %w", c.Client, row.Author, c.Author, storage.ErrInvalid)
		}
		moved.advance(row, c, a.expect+1+uint64(i))
	}
	return moved, nil
}

// row is what is known of client, changed by whoever calls. Most appends have
// one client, for whom no map is made.
func (m *senders) row(t *tables, page storage.PageID, client string) (*senderRow, error) {
	if len(m.rows) > 0 && m.rows[len(m.rows)-1].client == client {
		return &m.rows[len(m.rows)-1], nil
	}
	if at, met := m.at[client]; met {
		return &m.rows[at], nil
	}
	row, err := t.client(page, client)
	if err != nil {
		return nil, err
	}
	if m.at == nil && len(m.rows) > 0 {
		m.at = map[string]int{m.rows[0].client: 0}
	}
	if m.at != nil {
		m.at[client] = len(m.rows)
	}
	m.rows = append(m.rows, senderRow{client, row})
	return &m.rows[len(m.rows)-1], nil
}

func (m *senders) advance(row *senderRow, c *storage.Change, seq uint64) {
	row.ClientState = storage.ClientState{Author: c.Author, N: c.N, Seq: seq, Digest: c.Digest}
	if c.N == 1 || c.N-row.markedN >= markEvery || seq-row.markedSeq >= markReach {
		row.markedN, row.markedSeq = c.N, seq
		m.marks = append(m.marks, mark{c.Client, c.N, seq})
	}
}

func (m *senders) write(t *tables, page storage.PageID) {
	for i := range m.rows {
		key := clientKey(page, m.rows[i].client)
		t.put(t.pages, key, m.rows[i].encode(key))
	}
	for _, mark := range m.marks {
		key := markKey(page, mark.client, mark.n)
		t.put(t.pages, key, encodeMark(key, mark.seq))
	}
}

// Client says what page's log knows of client.
func (s *Store) Client(ctx context.Context, page storage.PageID, client string) (state storage.ClientState, err error) {
	if page.Validate() != nil {
		return state, nil
	}
	err = s.view(ctx, func(t *tables) error {
		row, err := t.client(page, client)
		state = row.ClientState
		return err
	})
	return state, err
}

// Find returns the seq of the change that client sent as n. It reads at most
// 4,096 changes.
func (s *Store) Find(ctx context.Context, page storage.PageID, client string, n uint64) (seq uint64, err error) {
	if page.Validate() != nil || client == "" || n == 0 {
		return 0, storage.ErrNotFound
	}
	var row clientRow
	var from uint64 // where to look
	err = s.view(ctx, func(t *tables) error {
		if row, err = t.client(page, client); err == nil && n < row.N {
			from, err = t.markBefore(page, client, n)
		}
		return err
	})
	switch {
	case err != nil:
		return 0, err
	case n > row.N:
		return 0, storage.ErrNotFound
	case n == row.N:
		return row.Seq, nil
	}
	err = s.Read(ctx, page, from-1, row.Seq, func(c storage.Change) error {
		if c.Client == client && c.N == n {
			seq = c.Seq
			return errFound
		}
		return nil
	})
	if err == nil {
		reason := fmt.Sprintf("edit %d of client %s is not after it, where it belongs", n, client)
		err = &storage.CorruptError{Page: page, Seq: from, Reason: reason}
	}
	if !errors.Is(err, errFound) {
		return 0, err
	}
	return seq, nil
}

// errFound ends a Read.
var errFound = errors.New("found")

// markBefore is the seq of the newest mark of client that is at n or older.
func (t *tables) markBefore(page storage.PageID, client string, n uint64) (uint64, error) {
	c := t.pages.Cursor()
	want := markKey(page, client, n)
	k, v := c.Seek(want)
	if !bytes.Equal(k, want) {
		k, v = c.Prev()
	}
	if !bytes.HasPrefix(k, markPrefix(page, client)) {
		return 0, corruptRow("marks of client "+client+" of "+string(page), fmt.Errorf("none at or before n %d", n))
	}
	seq, err := decodeMark(k, v)
	if err != nil {
		return 0, corruptRow("mark of client "+client+" of "+string(page), err)
	}
	return seq, nil
}
