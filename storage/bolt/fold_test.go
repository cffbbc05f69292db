package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"halley/storage"
)

// folds makes blocks of ten changes, and only when it is told to.
func folds(cfg Config) Config {
	cfg.foldRows, cfg.blockChanges, cfg.keepRows, cfg.FoldAfter = 5, 10, 1<<30, 1000*time.Hour
	return cfg
}

// kept counts how page's log is kept: in rows, and in blocks with their parts,
// which may be others' that have no seal.
func kept(t testing.TB, s *Store, page storage.PageID) (rows, blocks, parts, sealed int) {
	t.Helper()
	err := s.view(t.Context(), func(tb *tables) error {
		count := func(b *bbolt.Bucket, kind byte, each func(k []byte)) {
			prefix, c := pageKey(page, kind), b.Cursor()
			for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
				each(k)
			}
		}
		count(tb.pages, kindChange, func([]byte) { rows++ })
		count(tb.blocks, kindPart, func([]byte) { parts++ })
		count(tb.blocks, kindSeal, func(k []byte) {
			b, _, err := tb.blockOf(page, tailNumber(k))
			if err != nil {
				t.Error(err)
			}
			blocks, sealed = blocks+1, sealed+b.parts
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows, blocks, parts, sealed
}

func mustFold(t testing.TB, s *Store, page storage.PageID, keep int) {
	t.Helper()
	if err := s.fold(t.Context(), page, keep); err != nil {
		t.Fatalf("fold(%s, %d) = %v", page, keep, err)
	}
}

// A model is what a page's log ought to be.
type model struct {
	page    storage.PageID
	changes []storage.Change
	counts  map[string]uint64
}

// grow appends some random changes to the store and the model.
func (m *model) grow(t testing.TB, s *Store, rng *rand.Rand) {
	t.Helper()
	var batch []storage.Change
	for range 1 + rng.IntN(12) {
		c := storage.Change{
			Author: "author", Time: time.UnixMilli(1_700_000_000_000 + rng.Int64N(1e6)).UTC(),
			Payload: make([]byte, rng.IntN(200)),
		}
		if rng.IntN(100) == 0 {
			c.Payload = make([]byte, maxBlockPayload/2+rng.IntN(maxBlockPayload))
		}
		for i := range c.Payload {
			c.Payload[i] = byte(rng.Uint32())
		}
		if i := rng.IntN(6); i > 0 {
			c.Client = fmt.Sprint("client-", i)
			m.counts[c.Client]++
			c.N, c.Author = m.counts[c.Client], fmt.Sprint("author-", i/2)
		}
		batch = append(batch, c)
	}
	mustAppend(t, s, m.page, uint64(len(m.changes)), batch...)
	m.changes = append(m.changes, batch...)
}

// check reads a range, and asks for an old edit.
func (m *model) check(t testing.TB, s *Store, after, upTo uint64) {
	t.Helper()
	next := after + 1
	err := s.Read(t.Context(), m.page, after, upTo, func(c storage.Change) error {
		if c.Seq != next || !sameChanges([]storage.Change{c}, m.changes[next-1:next]) {
			return fmt.Errorf("change %d is %+v, want %+v", next, c, m.changes[next-1])
		}
		next++
		return nil
	})
	if end := max(after, min(upTo, uint64(len(m.changes)))); err != nil || next != end+1 {
		t.Fatalf("Read(%s, %d, %d) ends before %d with %v", m.page, after, upTo, next, err)
	}
}

func (m *model) checkFind(t testing.TB, s *Store, i int) {
	t.Helper()
	c := m.changes[i]
	if c.Client == "" {
		return
	}
	if seq, err := s.Find(t.Context(), m.page, c.Client, c.N); err != nil || seq != c.Seq {
		t.Fatalf("Find(%s, %s, %d) = %d, %v, want %d", m.page, c.Client, c.N, seq, err, c.Seq)
	}
}

// TestFoldModel compares a store that folds at random moments with a list.
func TestFoldModel(t *testing.T) {
	t.Parallel()
	seeds, rounds := uint64(6), 120
	if soaking() {
		seeds, rounds = 200, 400
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			rng, dir := rand.New(rand.NewPCG(seed, 4)), t.TempDir()
			s := openStore(t, dir, folds(Config{}))
			models := []*model{{page: "page", counts: map[string]uint64{}}, {page: "page-2", counts: map[string]uint64{}}}
			for range rounds {
				m := models[rng.IntN(len(models))]
				head := uint64(len(m.changes))
				switch rng.IntN(8) {
				case 0:
					mustFold(t, s, m.page, 0)
				case 1, 2:
					mustFold(t, s, m.page, 1+rng.IntN(8))
				case 3:
					s.Close()
					s = openStore(t, dir, folds(Config{}))
				case 4, 5:
					after := rng.Uint64N(head + 2)
					m.check(t, s, after, after+rng.Uint64N(head+2))
				case 6:
					if head > 0 {
						m.checkFind(t, s, rng.IntN(int(head)))
					}
				default:
					m.grow(t, s, rng)
				}
			}
			for _, m := range models {
				m.check(t, s, 0, ^uint64(0))
				for i := range m.changes {
					m.checkFind(t, s, i)
				}
				mustFold(t, s, m.page, 0)
				wantFolded(t, s, m.page)
			}
		})
	}
}

// wantFolded wants page folded to its end, with nothing left over.
func wantFolded(t testing.TB, s *Store, page storage.PageID) {
	t.Helper()
	rows, blocks, parts, sealed := kept(t, s, page)
	if rows >= minFold || blocks == 0 || parts != sealed {
		t.Errorf("%s has %d rows, %d blocks and %d parts, of which %d are valid", page, rows, blocks, parts, sealed)
	}
}

// TestFoldKeepsTheNewest: of a page in use at least so many changes stay rows.
func TestFoldKeepsTheNewest(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), folds(Config{}))
	m := &model{page: "page", counts: map[string]uint64{}}
	rng := rand.New(rand.NewPCG(1, 1))
	for len(m.changes) < 60 {
		m.grow(t, s, rng)
		mustFold(t, s, "page", 4)
		if rows, blocks, _, _ := kept(t, s, "page"); rows < min(4, len(m.changes)) || len(m.changes) > 30 && blocks < 3 || rows >= 4+5 {
			t.Errorf("%d changes leave %d rows and %d blocks", len(m.changes), rows, blocks)
		}
	}
}

// TestFoldStopsAnywhere lets the disk refuse each commit of a fold in turn,
// before it is written or after: nothing is lost, and the next fold ends it.
func TestFoldStopsAnywhere(t *testing.T) {
	t.Parallel()
	for _, written := range []bool{false, true} {
		for stop := int64(1); ; stop++ {
			d, dir := newDisk(), t.TempDir()
			s := openStore(t, dir, folds(d.config()))
			m := foldable(t, s)
			var commits atomic.Int64
			d.set(func() {
				if written {
					// Neither can be told then, until the disk works again.
					d.after = func() error { return failIf(commits.Add(1) >= stop) }
				} else {
					d.before = func(*bbolt.Tx) error { return failIf(commits.Add(1) == stop) }
				}
			})
			err := s.fold(t.Context(), "page", 0)
			if over := commits.Load() < stop; over != (err == nil) {
				t.Fatalf("fold() = %v (commits are written: %v) where commit %d of %d is refused", err, written, stop, commits.Load())
			}
			d.set(func() { d.after, d.before = always(nil), ignoringTx(always(nil)) })
			if s.Healthy() != nil {
				d.awaitHealth()
			}
			m.check(t, s, 0, ^uint64(0))
			s.Close()
			s = openStore(t, dir, folds(Config{}))
			m.check(t, s, 0, ^uint64(0))
			m.check(t, s, 17, 23)
			m.grow(t, s, rand.New(rand.NewPCG(9, uint64(stop))))
			mustFold(t, s, "page", 0)
			m.check(t, s, 0, ^uint64(0))
			wantFolded(t, s, "page")
			s.Close()
			if err == nil {
				if stop < 10 {
					t.Errorf("a fold took %d commits; did it go in steps?", stop-1)
				}
				break
			}
		}
	}
}

func failIf(refused bool) error {
	if refused {
		return syscall.EIO
	}
	return nil
}

// foldable has an open block, changes behind it, and one that takes several
// commits by itself.
func foldable(t testing.TB, s *Store) *model {
	t.Helper()
	m := &model{page: "page", counts: map[string]uint64{}}
	rng := rand.New(rand.NewPCG(2, 2))
	for len(m.changes) < minFold {
		m.grow(t, s, rng)
	}
	mustFold(t, s, "page", 0)
	big := storage.Change{Author: "author", Time: time.UnixMilli(1_700_000_000_000).UTC(), Payload: make([]byte, 3*foldStepBytes)}
	for i := range big.Payload {
		big.Payload[i] = byte(rng.Uint32())
	}
	mustAppend(t, s, "page", uint64(len(m.changes)), big)
	big.Seq = uint64(len(m.changes)) + 1
	m.changes = append(m.changes, big)
	for len(m.changes) < 60 {
		m.grow(t, s, rng)
	}
	return m
}

// TestDamageOfBlocks: damage of a block is found, and told with its page and
// the seq where it begins, or where what is missing does.
func TestDamageOfBlocks(t *testing.T) {
	t.Parallel()
	const length, hurt = 60, 35 // in the block of 31 to 40
	for name, c := range map[string]struct {
		seq  uint64
		harm func(t *testing.T, blocks *bbolt.Bucket) error
	}{
		"a flipped bit": {31, func(t *testing.T, blocks *bbolt.Bucket) error {
			key := partKey("page", 40, 0)
			part := slices.Clone(blocks.Get(key))
			part[len(part)/2] ^= 4
			return blocks.Put(key, part)
		}},
		"a lost part": {31, func(t *testing.T, blocks *bbolt.Bucket) error { return blocks.Delete(partKey("page", 40, 0)) }},
		"a lost seal": {31, func(t *testing.T, blocks *bbolt.Bucket) error { return blocks.Delete(sealKey("page", 40)) }},
		"a flipped bit in its seal": {31, func(t *testing.T, blocks *bbolt.Bucket) error {
			key := sealKey("page", 40)
			v := slices.Clone(blocks.Get(key))
			v[3] ^= 1
			return blocks.Put(key, v)
		}},
		"another page's": {31, func(t *testing.T, blocks *bbolt.Bucket) error { return copyBlock(blocks, "other", 40, 40) }},
		"an earlier one": {31, func(t *testing.T, blocks *bbolt.Bucket) error { return copyBlock(blocks, "page", 30, 40) }},
		"one that was altered, and sealed": {31, func(t *testing.T, blocks *bbolt.Bucket) error {
			return alterBlock(blocks, func(changes []storage.Change) { changes[4].Payload = []byte("forged") })
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := openStore(t, dir, folds(Config{}))
			var batch []storage.Change
			for n := range uint64(length) {
				batch = append(batch, changeOf("client", n+1))
			}
			for _, page := range []storage.PageID{"page", "other"} {
				mustAppend(t, s, page, 0, batch...)
				mustFold(t, s, page, 0)
			}
			s.Close()
			if err := edit(dir, func(tx *bbolt.Tx) error { return c.harm(t, tx.Bucket(bucketBlocks)) }); err != nil {
				t.Fatal(err)
			}
			s = openStore(t, dir, folds(Config{}))
			for _, after := range []uint64{0, 29, 30, hurt} {
				got := after
				err := s.Read(t.Context(), "page", after, length, func(c storage.Change) error { got = c.Seq; return nil })
				var corrupt *storage.CorruptError
				if !errors.As(err, &corrupt) || corrupt.Page != "page" || corrupt.Seq < c.seq || corrupt.Seq > c.seq+9 || got != max(after, 30) {
					t.Errorf("Read() after %d = %v, after it gave all up to %d, want a *CorruptError of change %d", after, err, got, c.seq)
				}
			}
			(&model{page: "other", changes: numbered(batch)}).check(t, s, 0, length)
		})
	}
}

func numbered(changes []storage.Change) []storage.Change {
	for i := range changes {
		changes[i].Seq = uint64(i) + 1
	}
	return changes
}

// copyBlock puts the block of page that ends at from in the place of the one
// of "page" that ends at to, under a seal that holds.
func copyBlock(blocks *bbolt.Bucket, page storage.PageID, from, to uint64) error {
	b, err := decodeSealedBlock(sealKey(page, from), blocks.Get(sealKey(page, from)))
	if err != nil {
		return err
	}
	for part := range b.parts {
		err = errors.Join(err, blocks.Put(partKey("page", to, part), slices.Clone(blocks.Get(partKey(page, from, part)))))
	}
	key := sealKey("page", to)
	return errors.Join(err, blocks.Put(key, b.encode(key)))
}

// alterBlock packs the block of 31 to 40 anew.
func alterBlock(blocks *bbolt.Bucket, alter func([]storage.Change)) error {
	key := sealKey("page", 40)
	b, err := decodeSealedBlock(key, blocks.Get(key))
	if err != nil {
		return err
	}
	packed := slices.Clone(blocks.Get(partKey("page", 40, 0)))
	changes, err := folding{}.unpack(packed, b.first, b.count())
	if err != nil {
		return err
	}
	alter(changes)
	packed = folding{}.pack(changes, true)
	b.size, b.sum = len(packed), sumOf(packed)
	return errors.Join(blocks.Put(partKey("page", 40, 0), packed), blocks.Put(key, b.encode(key)))
}

// TestNothingIsBuiltOnALostBlock: a log that is folded to its end takes changes,
// unless its end is lost.
func TestNothingIsBuiltOnALostBlock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, folds(Config{}))
	m := &model{page: "page", counts: map[string]uint64{}}
	rng := rand.New(rand.NewPCG(3, 3))
	for len(m.changes) < 40 {
		m.grow(t, s, rng)
	}
	for range 2 {
		mustFold(t, s, "page", 0)
		m.check(t, s, 0, ^uint64(0))
		for range minFold {
			m.grow(t, s, rng)
		}
	}
	mustFold(t, s, "page", 0)
	last := uint64(len(m.changes))
	s.Close()
	if err := edit(dir, func(tx *bbolt.Tx) error { return tx.Bucket(bucketBlocks).Delete(sealKey("page", last)) }); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir, folds(Config{}))
	err := s.Append(t.Context(), "page", last, []storage.Change{{Author: "a"}})
	var corrupt *storage.CorruptError
	if !errors.As(err, &corrupt) || corrupt.Page != "page" || corrupt.Seq != last {
		t.Errorf("Append() behind a lost block = %v, want a *CorruptError of change %d", err, last)
	}
}

// TestFoldRefusesDamage: rows that do not hold are not folded, and stay.
func TestFoldRefusesDamage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, folds(Config{}))
	for n := range uint64(40) {
		mustAppend(t, s, "page", n, changeOf("client", n+1))
	}
	s.Close()
	err := edit(dir, func(tx *bbolt.Tx) error {
		log, key := tx.Bucket(bucketPages), changeKey("page", 15)
		row := slices.Clone(log.Get(key))
		row[9] ^= 1
		return log.Put(key, row)
	})
	if err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir, folds(Config{}))
	var corrupt *storage.CorruptError
	if err := s.Fold(t.Context()); !errors.As(err, &corrupt) || corrupt.Seq != 15 {
		t.Errorf("Fold() = %v, want a *CorruptError of change 15", err)
	}
	if rows, blocks, _, _ := kept(t, s, "page"); rows != 30 || blocks != 1 {
		t.Errorf("%d rows and %d blocks are left, want 30 and 1", rows, blocks)
	}
}

// TestFoldsByItself: what grows, what is left alone, and what was left alone
// before the store was opened.
func TestFoldsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		cfg := Config{foldRows: 10, blockChanges: 20, keepRows: 30}
		s := openStore(t, dir, cfg)
		var batch []storage.Change
		for n := range uint64(60) {
			batch = append(batch, changeOf("client", n+1))
		}
		mustAppend(t, s, "page", 0, batch...)
		synctest.Wait()
		if rows, blocks, _, _ := kept(t, s, "page"); rows != 30 || blocks != 2 {
			t.Errorf("a page in use has %d rows and %d blocks, want 30 and 2", rows, blocks)
		}
		mustAppend(t, s, "page", 60, changeOf("client", 61), changeOf("client", 62))
		mustAppend(t, s, "old", 0, batch[:minFold]...)
		s.Close()

		s = openStore(t, dir, cfg)
		mustAppend(t, s, "page", 62, batchFrom(63, 70)...)
		time.Sleep(2*defaultFoldAfter + time.Second)
		synctest.Wait()
		for _, page := range []storage.PageID{"page", "old"} {
			if rows, _, _, _ := kept(t, s, page); rows != 0 {
				t.Errorf("%s has %d rows, though it was left alone", page, rows)
			}
		}
		wantHead(t, s, "page", 70)
		wantHead(t, s, "old", minFold)
		s.Close()
	})
}

func batchFrom(n, upTo uint64) (batch []storage.Change) {
	for ; n <= upTo; n++ {
		batch = append(batch, changeOf("client", n))
	}
	return batch
}

// TestFoldWhileWriting: readers and writers of a page never notice.
func TestFoldWhileWriting(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), folds(Config{}))
	m := &model{page: "page", counts: map[string]uint64{}}
	rng := rand.New(rand.NewPCG(5, 5))
	ctx, stop := context.WithCancel(t.Context())
	folded := make(chan error)
	go func() {
		var err error
		for ctx.Err() == nil && err == nil {
			err = s.fold(ctx, "page", 4)
		}
		folded <- err
	}()
	for len(m.changes) < 600 {
		m.grow(t, s, rng)
		head := uint64(len(m.changes))
		m.check(t, s, rng.Uint64N(head), head)
		m.checkFind(t, s, rng.IntN(int(head)))
	}
	stop()
	if err := <-folded; err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("fold() = %v", err)
	}
	m.check(t, s, 0, ^uint64(0))
}
