package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"

	"go.etcd.io/bbolt"

	"halley/storage"
)

// partBytes is how much of a checkpoint one commit takes, so that the edits
// that share it, or come next, hardly notice.
const partBytes = 64 << 10

// sweepParts is how many parts that are of no use one commit removes.
const sweepParts = 64

// PutCheckpoint stores c as storage.Checkpoints says: part by part, and at last
// a seal, in the same commit as which older ones that are too many lose theirs.
// What lies there without a seal, for whatever reason, is swept afterwards.
func (s *Store) PutCheckpoint(ctx context.Context, page storage.PageID, c storage.Checkpoint) error {
	if err := errors.Join(page.Validate(), c.Validate()); err != nil {
		return fmt.Errorf("checkpoint of %s at seq %d: %w", page, c.Seq, err)
	}
	release, err := s.holdBackground(ctx)
	if err != nil {
		return err
	}
	defer release()
	if err := s.putParts(ctx, page, c); err != nil {
		return fmt.Errorf("checkpoint of %s at seq %d: %w", page, c.Seq, err)
	}
	if err := s.sweepCheckpoints(ctx, page); err != nil {
		return fmt.Errorf("sweep older checkpoints of %s: %w", page, err)
	}
	return nil
}

// holdBackground waits until nobody else writes what goes behind edits.
func (s *Store) holdBackground(ctx context.Context) (release func(), err error) {
	select {
	case s.background <- struct{}{}:
		return func() { <-s.background }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *Store) putParts(ctx context.Context, page storage.PageID, c storage.Checkpoint) error {
	row := sealRow{size: len(c.Data), sum: sumOf(c.Data)}
	for rest := c.Data; len(rest) > 0; row.parts++ {
		part := rest[:min(len(rest), partBytes)]
		rest = rest[len(part):]
		key := partKey(page, c.Seq, row.parts)
		err := s.queue.do(ctx, &write{behind: true, size: len(part), apply: func(t *tables) error {
			if _, there, err := t.sealOf(page, c.Seq); there || err != nil {
				return err // the same again: what is sealed stays as it is
			}
			t.put(t.checkpoints, key, part)
			return nil
		}})
		if err != nil {
			return err
		}
	}
	return s.queue.do(ctx, &write{behind: true, apply: func(t *tables) error { return t.sealCheckpoint(page, c.Seq, row) }})
}

// sealOf is the seal of the checkpoint at exactly seq, if there is one.
func (t *tables) sealOf(page storage.PageID, seq uint64) (row sealRow, there bool, err error) {
	key := sealKey(page, seq)
	v := t.checkpoints.Get(key)
	if v == nil {
		return sealRow{}, false, nil
	}
	if row, err = decodeSeal(key, v); err != nil {
		return sealRow{}, true, &storage.CorruptError{Page: page, Seq: seq, Reason: "its checkpoint's seal: " + err.Error()}
	}
	return row, true, nil
}

func (t *tables) sealCheckpoint(page storage.PageID, seq uint64, row sealRow) error {
	head, err := t.head(page)
	if err != nil {
		return err
	}
	if seq > head.seq {
		return fmt.Errorf("the head is %d: %w", head.seq, storage.ErrInvalid)
	}
	if _, there, err := t.sealOf(page, seq); there || err != nil {
		return err
	}
	key := sealKey(page, seq)
	t.put(t.checkpoints, key, row.encode(key))
	t.thin(page, seq)
	return nil
}

// thin takes the seal off the checkpoint before the one at seq, unless the one
// before that lies too far behind to stand in for it.
func (t *tables) thin(page storage.PageID, seq uint64) {
	prefix, c := pageKey(page, kindSeal), t.checkpoints.Cursor()
	c.Seek(sealKey(page, seq))
	k, _ := c.Prev()
	if !bytes.HasPrefix(k, prefix) {
		return
	}
	last := bytes.Clone(k)
	before := uint64(0) // the beginning needs no checkpoint
	if k, _ := c.Prev(); bytes.HasPrefix(k, prefix) {
		before = tailNumber(k)
	}
	if seq-before <= storage.CheckpointReach {
		t.remove(t.checkpoints, last)
	}
}

// sweepCheckpoints removes page's parts that have no seal.
func (s *Store) sweepCheckpoints(ctx context.Context, page storage.PageID) error {
	checkpoints := func(t *tables) *bbolt.Bucket { return t.checkpoints }
	return s.sweepRows(ctx, checkpoints, func(t *tables) [][]byte {
		return idleParts(t.checkpoints, page, 0, func(seq uint64) int {
			row, there, err := t.sealOf(page, seq)
			if there && err != nil {
				return math.MaxInt // to be told by who reads it
			}
			return row.parts
		})
	})
}

// idleParts returns the keys of page's parts, from a seq on, that are not among
// the first as many as sealed says that their seal makes valid; some of them.
func idleParts(b *bbolt.Bucket, page storage.PageID, from uint64, sealed func(seq uint64) int) (idle [][]byte) {
	prefix, c := pageKey(page, kindPart), b.Cursor()
	for k, _ := c.Seek(partsOf(page, from)); bytes.HasPrefix(k, prefix) && len(idle) < sweepParts; {
		seq := partSeq(k)
		if valid := sealed(seq); valid > partNumber(k) {
			k, _ = c.Seek(partKey(page, seq, valid))
			continue
		}
		idle = append(idle, bytes.Clone(k))
		k, _ = c.Next()
	}
	return idle
}

// Checkpoint returns page's newest checkpoint at or before a seq.
func (s *Store) Checkpoint(ctx context.Context, page storage.PageID, atOrBelow uint64) (found storage.Checkpoint, err error) {
	if page.Validate() != nil {
		return found, storage.ErrNotFound
	}
	err = s.view(ctx, func(t *tables) error {
		found, err = t.checkpoint(page, atOrBelow)
		return err
	})
	return found, err
}

func (t *tables) checkpoint(page storage.PageID, atOrBelow uint64) (storage.Checkpoint, error) {
	c := t.checkpoints.Cursor()
	want := sealKey(page, atOrBelow)
	k, _ := c.Seek(want)
	if !bytes.Equal(k, want) {
		if k == nil {
			k, _ = c.Last()
		} else {
			k, _ = c.Prev()
		}
	}
	if !bytes.HasPrefix(k, pageKey(page, kindSeal)) {
		return storage.Checkpoint{}, storage.ErrNotFound
	}
	seq := tailNumber(k)
	row, _, err := t.sealOf(page, seq)
	if err != nil {
		return storage.Checkpoint{}, err
	}
	data := make([]byte, 0, row.size)
	for part := range row.parts {
		data = append(data, t.checkpoints.Get(partKey(page, seq, part))...)
	}
	if len(data) != row.size || sumOf(data) != row.sum {
		return storage.Checkpoint{}, &storage.CorruptError{Page: page, Seq: seq, Reason: "its checkpoint's checksum does not hold"}
	}
	return storage.Checkpoint{Seq: seq, Data: data}, nil
}
