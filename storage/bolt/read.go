package bolt

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"halley/storage"
)

// Read calls fn with each change of page in (after, upTo], oldest first.
func (s *Store) Read(ctx context.Context, page storage.PageID, after, upTo uint64, fn func(storage.Change) error) error {
	if after >= upTo {
		return nil
	}
	r := logReader{folding: s.folding(), page: page, after: after, next: after + 1, upTo: upTo, names: map[string]string{}}
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

// A logReader goes through a page's log chunk by chunk: fetch copies rows, or a
// block, inside a transaction, deliver checks them and hands them out after it.
// Where there are both, since the rows are about to go, they say the same.
type logReader struct {
	folding
	page       storage.PageID
	after      uint64 // what is up to here is checked, and not handed out
	next, upTo uint64
	links      *chain            // of the changes before next; nil before the first fetch
	head       headRow           // as it was at the first fetch
	names      map[string]string // clients and authors met, each string made once

	rows   []logRow
	copy   []byte // what rows lie in
	block  sealedBlock
	packed []byte // of block; nil where rows were fetched
	again  []byte // a change's encoding, made anew
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
	r.packed = nil
	if r.fetchRows(t); len(r.rows) > 0 || r.next > r.upTo {
		return nil
	}
	b, there, err := t.blockOf(r.page, r.next)
	if err != nil || !there {
		return err
	}
	r.block = b
	r.packed, err = t.blockBytes(r.page, b)
	return err
}

// fetchRows copies rows from next on, as far as they follow one another.
func (r *logReader) fetchRows(t *tables) {
	r.rows, r.copy = r.rows[:0], r.copy[:0]
	prefix, c := pageKey(r.page, kindChange), t.pages.Cursor()
	for k, v := c.Seek(changeKey(r.page, r.next)); bytes.HasPrefix(k, prefix); k, v = c.Next() {
		seq := tailNumber(k)
		full := len(r.rows) == chunkRows || len(r.copy)+len(v) > chunkBytes
		if seq > r.upTo || seq != r.next+uint64(len(r.rows)) || full && len(r.rows) > 0 {
			break
		}
		start := len(r.copy)
		r.copy = append(r.copy, v...)
		r.rows = append(r.rows, logRow{seq, start, len(r.copy)})
	}
}

// begin finds the end of what is to be read, and the link that its first
// change stands on. If that is within a block, the whole block is read.
func (r *logReader) begin(t *tables) (err error) {
	if r.head, err = t.head(r.page); err != nil {
		return err
	}
	r.upTo = min(r.upTo, r.head.seq)
	before := r.next - 1
	if before == 0 || before >= r.upTo {
		r.links = newChain(firstLink(r.page))
		return nil
	}
	if _, at, ok := splitLink(t.pages.Get(changeKey(r.page, before))); ok {
		r.links = newChain(at)
		return nil
	}
	b, there, err := t.blockOf(r.page, before)
	if err == nil && there && b.last > before {
		r.next = b.first
		return r.beginBlock(t, b.first-1)
	}
	r.links = newChain(b.end)
	if err == nil && !there {
		err = r.corrupt(before, "it is missing")
	}
	return err
}

// beginBlock finds the link that a block stands on, whose first change follows
// the change before. Only blocks come before a block.
func (r *logReader) beginBlock(t *tables, before uint64) error {
	if before == 0 {
		r.links = newChain(firstLink(r.page))
		return nil
	}
	b, there, err := t.blockOf(r.page, before)
	if err == nil && !there {
		err = r.corrupt(before, "it is missing")
	}
	r.links = newChain(b.end)
	return err
}

// deliver checks what was fetched and calls fn with each change. more: there
// are further ones to be fetched.
func (r *logReader) deliver(fn func(storage.Change) error) (more bool, err error) {
	switch {
	case r.next > r.upTo:
		return false, nil
	case r.packed != nil:
		err = r.deliverBlock(fn)
	case len(r.rows) == 0:
		err = r.corrupt(r.next, "it is missing")
	default:
		err = r.deliverRows(fn)
	}
	return r.next <= r.upTo && err == nil, err
}

func (r *logReader) deliverRows(fn func(storage.Change) error) error {
	for _, row := range r.rows {
		change, err := r.check(row)
		if err != nil {
			return err
		}
		if err := r.hand(change, fn); err != nil {
			return err
		}
	}
	return nil
}

// hand calls fn with a change that was asked for, and goes on to the next.
func (r *logReader) hand(c storage.Change, fn func(storage.Change) error) error {
	if r.next = c.Seq + 1; c.Seq <= r.after {
		return nil
	}
	return fn(c)
}

func (r *logReader) check(row logRow) (storage.Change, error) {
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

// deliverBlock hands out a block once all of it is checked.
func (r *logReader) deliverBlock(fn func(storage.Change) error) error {
	b := r.block
	changes, err := r.unpack(r.packed, b.first, b.count())
	if err != nil {
		return r.corrupt(b.first, "its block: "+err.Error())
	}
	if err := r.checkBlock(changes); err != nil {
		return err
	}
	for _, c := range changes {
		if c.Seq < r.next {
			continue // read before, when it was a row
		}
		if c.Seq > r.upTo {
			break
		}
		if err := r.hand(c, fn); err != nil {
			return err
		}
	}
	return nil
}

// checkBlock follows the chain through a block, from the link before it, over
// the changes that were read already, to its end.
func (r *logReader) checkBlock(changes []storage.Change) error {
	links := newChain(r.block.before)
	for i := range changes {
		c := &changes[i]
		if c.Seq == r.next && links.at != r.links.at {
			return r.corrupt(r.next, "its block does not follow from the change before")
		}
		r.again = appendChange(r.again[:0], c)
		if at := links.next(c.Seq, r.again); c.Seq == r.head.seq && at != r.head.link {
			return r.corrupt(c.Seq, "it is not the change that the log's head names")
		}
	}
	if links.at != r.block.end {
		return r.corrupt(r.block.first, "its block does not hold the changes that it was made of")
	}
	r.links = links
	return nil
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
