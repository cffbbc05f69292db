package bolt

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"halley/storage"
	"halley/storage/storagetest"
)

// A disk is what ends a store's transactions in a test: it may refuse them
// before, or after, they are in the file.
type disk struct {
	mu     sync.Mutex
	before func(*bbolt.Tx) error // guarded by mu; an error: not even written
	after  func() error          // guarded by mu; an error: written, but the last sync failed
	reopen func() error          // guarded by mu
	health chan error
}

func newDisk() *disk {
	fine := func() error { return nil }
	return &disk{before: func(*bbolt.Tx) error { return nil }, after: fine, reopen: fine, health: make(chan error, 1000)}
}

func (d *disk) config() Config {
	return Config{
		RetryFirst: time.Millisecond, RetryLast: time.Millisecond,
		commit: d.commit,
		open: func() error {
			d.mu.Lock()
			defer d.mu.Unlock()
			return d.reopen()
		},
		health: func(err error) { d.health <- err },
	}
}

func (d *disk) set(change func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change()
}

func (d *disk) commit(tx *bbolt.Tx) error {
	d.mu.Lock()
	before, after := d.before, d.after
	d.mu.Unlock()
	if err := before(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	return after()
}

// awaitHealth waits for the store to take writes again.
func (d *disk) awaitHealth() {
	for <-d.health != nil {
	}
}

// once returns err at its first call, then nil.
func once(err error) func() error {
	var used atomic.Bool
	return func() error {
		if used.CompareAndSwap(false, true) {
			return err
		}
		return nil
	}
}

func always(err error) func() error { return func() error { return err } }

func ignoringTx(fn func() error) func(*bbolt.Tx) error {
	return func(*bbolt.Tx) error { return fn() }
}

func appendOne(s *Store, page storage.PageID, expect uint64) error {
	return s.Append(context.Background(), page, expect, []storage.Change{changeOf("client", expect+1)})
}

func wantIs(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s = %v, want %v", what, err, want)
	}
}

func wantHead(t *testing.T, s *Store, page storage.PageID, want uint64) {
	t.Helper()
	var seen uint64
	err := s.Read(t.Context(), page, 0, want+10, func(c storage.Change) error { seen = c.Seq; return nil })
	if head, headErr := s.Head(t.Context(), page); err != nil || headErr != nil || head != want || seen != want {
		t.Errorf("the head of %s is %d (%v), and %d changes are read (%v), want %d", page, head, headErr, seen, err, want)
	}
}

func TestWriteFailsOnce(t *testing.T) {
	d, dir := newDisk(), t.TempDir()
	s := openStore(t, dir, d.config())
	mustAppend(t, s, "page", 0, changeOf("client", 1))

	d.set(func() { d.before = ignoringTx(once(syscall.ENOSPC)) })
	err := appendOne(s, "page", 1)
	wantIs(t, "an append on a full disk", err, storage.ErrDiskFull)
	wantIs(t, "an append on a full disk", err, syscall.ENOSPC)
	wantHead(t, s, "page", 1)

	d.set(func() { d.after = once(syscall.EIO) })
	if err := appendOne(s, "page", 1); err != nil {
		t.Errorf("an append whose last sync failed, and then held = %v, want nil", err)
	}
	wantHead(t, s, "page", 2)
	if err := s.Healthy(); err != nil {
		t.Errorf("Healthy() = %v, want nil", err)
	}
	s.Close()
	wantHead(t, openStore(t, dir, Config{}), "page", 2)
}

func TestDiskStaysFull(t *testing.T) {
	d := newDisk()
	s := openStore(t, t.TempDir(), d.config())
	mustAppend(t, s, "page", 0, changeOf("client", 1))
	d.set(func() { d.before = ignoringTx(always(syscall.ENOSPC)) })
	for range 5 {
		wantIs(t, "an append on a full disk", appendOne(s, "page", 1), storage.ErrDiskFull)
		_, err := s.Put(t.Context(), storage.Record{Key: "key"})
		wantIs(t, "a put on a full disk", err, storage.ErrDiskFull)
		wantHead(t, s, "page", 1)
	}
	wantIs(t, "Healthy()", s.Healthy(), storage.ErrDiskFull)
	d.set(func() { d.before = ignoringTx(always(nil)) })
	d.awaitHealth()
	if err := s.Healthy(); err != nil {
		t.Errorf("Healthy() = %v, want nil", err)
	}
	mustAppend(t, s, "page", 1, changeOf("client", 2))
	wantHead(t, s, "page", 2)
}

// TestFateUnknown: the write is in the file, but nothing can be synced any
// more. What it touched cannot be read until that is told, all else can.
func TestFateUnknown(t *testing.T) {
	d, dir := newDisk(), t.TempDir()
	s := openStore(t, dir, d.config())
	mustAppend(t, s, "page", 0, changeOf("client", 1))
	mustAppend(t, s, "other", 0, changeOf("client", 1))
	d.set(func() { d.after = always(syscall.EIO) })
	wantIs(t, "an append of unknown fate", appendOne(s, "page", 1), storage.ErrUnknown)
	_, err := s.Head(t.Context(), "page")
	wantIs(t, "Head() of a page in doubt", err, storage.ErrUnknown)
	_, err = s.Client(t.Context(), "page", "client")
	wantIs(t, "Client() of a page in doubt", err, storage.ErrUnknown)
	err = s.Read(t.Context(), "page", 0, 10, func(storage.Change) error { return nil })
	wantIs(t, "Read() of a page in doubt", err, storage.ErrUnknown)
	wantHead(t, s, "other", 1)
	wantIs(t, "an append meanwhile", appendOne(s, "other", 1), storage.ErrDiskFull)

	d.set(func() { d.after = always(nil) })
	d.awaitHealth()
	wantHead(t, s, "page", 2)
	wantHead(t, s, "other", 1)
	mustAppend(t, s, "page", 2, changeOf("client", 3))
}

// TestRecordOfUnknownFate is the same for a record.
func TestRecordOfUnknownFate(t *testing.T) {
	d := newDisk()
	s := openStore(t, t.TempDir(), d.config())
	d.set(func() { d.after = always(syscall.EIO) })
	_, err := s.Put(t.Context(), storage.Record{Key: "key"})
	wantIs(t, "a put of unknown fate", err, storage.ErrUnknown)
	_, err = s.Get(t.Context(), "key")
	wantIs(t, "Get() of a key in doubt", err, storage.ErrUnknown)
	_, err = s.Get(t.Context(), "other")
	wantIs(t, "Get() of another", err, storage.ErrNotFound)
	d.set(func() { d.after = always(nil) })
	d.awaitHealth()
	if r, err := s.Get(t.Context(), "key"); err != nil || r.Version != 1 {
		t.Errorf("Get() = %v, %v, want version 1", r, err)
	}
}

// TestCannotReopen: the file cannot be opened again for a while. Readers go on
// with the one that is open, but for what a write of unknown fate touched.
func TestCannotReopen(t *testing.T) {
	for name, inFile := range map[string]bool{"a write that is in the file": true, "a write that is not": false} {
		t.Run(name, func(t *testing.T) {
			d, dir := newDisk(), t.TempDir()
			s := openStore(t, dir, d.config())
			mustAppend(t, s, "page", 0, changeOf("client", 1))
			mustAppend(t, s, "other", 0, changeOf("client", 1))
			want := storage.ErrDiskFull
			d.set(func() {
				d.reopen = always(syscall.EMFILE)
				if inFile {
					d.after, want = once(syscall.EIO), storage.ErrUnknown
				} else {
					d.before = ignoringTx(once(syscall.EIO))
				}
			})
			wantIs(t, "an append to a failing disk", appendOne(s, "page", 1), want)
			for range 3 {
				wantHead(t, s, "other", 1)
				if _, err := s.Head(t.Context(), "page"); inFile {
					wantIs(t, "Head() of a page in doubt", err, storage.ErrUnknown)
				} else {
					wantHead(t, s, "page", 1)
				}
				wantIs(t, "an append meanwhile", appendOne(s, "other", 1), storage.ErrDiskFull)
				if <-d.health == nil {
					t.Fatal("the store takes writes without having opened its file again")
				}
			}
			_, err := Open(dir, Config{LockWait: time.Millisecond})
			wantIs(t, "Open() of the folder by another", err, ErrInUse)

			d.set(func() { d.reopen = always(nil) })
			d.awaitHealth()
			head := uint64(1)
			if inFile {
				head = 2
			}
			wantHead(t, s, "page", head)
			mustAppend(t, s, "page", head, changeOf("client", head+1))
			_, err = Open(dir, Config{LockWait: time.Millisecond})
			wantIs(t, "Open() of the folder by another", err, ErrInUse)
		})
	}
}

func TestCloseWhileDiskIsFull(t *testing.T) {
	d, dir := newDisk(), t.TempDir()
	s := openStore(t, dir, d.config())
	mustAppend(t, s, "page", 0, changeOf("client", 1))
	d.set(func() { d.before, d.reopen = ignoringTx(always(syscall.EIO)), always(syscall.EMFILE) })
	wantIs(t, "an append", appendOne(s, "page", 1), storage.ErrDiskFull)
	if err := s.Close(); err != nil {
		t.Errorf("Close() = %v", err)
	}
	wantIs(t, "Healthy()", s.Healthy(), storage.ErrClosed)
	wantHead(t, openStore(t, dir, Config{}), "page", 1)
}

// TestOneWriteIsTooMuch: in a batch that the disk refuses because of one write,
// the others are stored.
func TestOneWriteIsTooMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		s := openStore(t, t.TempDir(), d.config())
		held := make(chan struct{})
		d.set(func() {
			d.before = func(tx *bbolt.Tx) error {
				<-held
				if tx.Bucket(bucketRecords).Get([]byte("big")) != nil {
					return syscall.ENOSPC
				}
				return nil
			}
		})
		first := make(chan error)
		go func() { first <- appendOne(s, "first", 0) }()
		synctest.Wait() // the committer holds it; what comes now is one batch
		answers := map[string]chan error{"a": make(chan error, 1), "b": make(chan error, 1), "big": make(chan error, 1)}
		for name, answer := range answers {
			go func() {
				if name == "big" {
					_, err := s.Put(t.Context(), storage.Record{Key: name})
					answer <- err
					return
				}
				answer <- appendOne(s, storage.PageID(name), 0)
			}()
		}
		synctest.Wait()
		close(held)
		for name, answer := range answers {
			err := <-answer
			if name == "big" {
				wantIs(t, "the write that is too much", err, storage.ErrDiskFull)
			} else if err != nil {
				t.Errorf("another write of its batch = %v, want nil", err)
			}
		}
		if err := <-first; err != nil {
			t.Errorf("the first write = %v", err)
		}
		wantHead(t, s, "a", 1)
		wantHead(t, s, "b", 1)
		s.Close()
	})
}

// TestNobodyReadsWhatIsNotSynced holds a transaction after its meta page is
// written and before that is synced, when bbolt already shows it.
func TestNobodyReadsWhatIsNotSynced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		s := openStore(t, t.TempDir(), d.config())
		written, synced := make(chan struct{}), make(chan struct{})
		d.set(func() {
			d.before = func(*bbolt.Tx) error { <-written; return nil }
			d.after = func() error { <-synced; return nil }
		})
		stored := make(chan error, 1)
		go func() { stored <- appendOne(s, "page", 0) }()
		synctest.Wait()
		wantHead(t, s, "page", 0) // no reader waits for a write that has only begun

		close(written)
		synctest.Wait()
		heads := make(chan uint64, 1)
		go func() {
			head, err := s.Head(t.Context(), "page")
			if err != nil {
				t.Errorf("Head() = %v", err)
			}
			heads <- head
		}()
		synctest.Wait()
		select {
		case head := <-heads:
			t.Errorf("Head() = %d before the sync, want it to wait", head)
			heads <- head
		case err := <-stored:
			t.Errorf("Append() = %v before the sync", err)
		default:
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := s.Head(ctx, "page")
		wantIs(t, "Head() that gives up", err, context.DeadlineExceeded)

		close(synced)
		if head := <-heads; head != 1 {
			t.Errorf("Head() = %d after the sync, want 1", head)
		}
		if err := <-stored; err != nil {
			t.Errorf("Append() = %v", err)
		}
		s.Close()
	})
}

// TestContextEndsInTheQueue: before its turn a write is taken out; once begun
// it waits for the truth.
func TestContextEndsInTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		s := openStore(t, t.TempDir(), d.config())
		held := make(chan struct{})
		d.set(func() { d.before = func(*bbolt.Tx) error { <-held; return nil } })
		ctx, cancel := context.WithCancel(t.Context())
		begun, waiting := make(chan error, 1), make(chan error, 1)
		go func() { begun <- s.Append(ctx, "begun", 0, []storage.Change{changeOf("client", 1)}) }()
		synctest.Wait()
		go func() { waiting <- s.Append(ctx, "waiting", 0, []storage.Change{changeOf("client", 1)}) }()
		synctest.Wait()
		cancel()
		wantIs(t, "a write that had not begun", <-waiting, context.Canceled)
		synctest.Wait()
		select {
		case err := <-begun:
			t.Errorf("a write that had begun = %v before it was known", err)
		default:
		}
		close(held)
		if err := <-begun; err != nil {
			t.Errorf("a write that had begun = %v, want nil", err)
		}
		wantHead(t, s, "begun", 1)
		wantHead(t, s, "waiting", 0)
		s.Close()
	})
}

// TestCrowdSharesSyncs: what queues up while one transaction is synced goes
// into the next, in order of arrival.
func TestCrowdSharesSyncs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		s := openStore(t, t.TempDir(), d.config())
		held, commits := make(chan struct{}), 0
		d.set(func() { d.before = func(*bbolt.Tx) error { commits++; <-held; return nil } })
		answers := make(chan error, 51)
		for i := range uint64(51) {
			go func() { answers <- appendOne(s, "page", i) }()
			synctest.Wait()
		}
		close(held)
		for range 51 {
			if err := <-answers; err != nil {
				t.Errorf("Append() = %v", err)
			}
		}
		if commits != 2 {
			t.Errorf("%d transactions for a lone write and a crowd of 50, want 2", commits)
		}
		wantHead(t, s, "page", 51)
		s.Close()
	})
}

func TestSweep(t *testing.T) {
	var now atomic.Int64
	now.Store(1_000_000)
	s := openStore(t, t.TempDir(), Config{now: func() time.Time { return time.UnixMilli(now.Load()) }})
	put := func(key string, version uint64, expires int64) {
		t.Helper()
		r := storage.Record{Key: key, Version: version}
		if expires != 0 {
			r.Expires = time.UnixMilli(expires)
		}
		if _, err := s.Put(t.Context(), r); err != nil {
			t.Fatalf("Put(%s) = %v", key, err)
		}
	}
	const many = 3*sweepStep + 5
	for i := range many {
		put(string(rune('a'+i%26))+string(rune('a'+i/26)), 0, 1_000_100)
	}
	put("prolonged", 0, 1_000_100)
	put("prolonged", 1, 1_000_200)
	put("kept", 0, 1_000_100)
	put("kept", 1, 0)
	rows := func(name []byte) (count int) {
		s.view(t.Context(), func(tb *tables) error {
			b := map[string]*bbolt.Bucket{"records": tb.records, "expiry": tb.expiry}[string(name)]
			count = b.Inspect().KeyN
			return nil
		})
		return count
	}
	for _, step := range []struct {
		now             int64
		records, expiry int
	}{
		{1_000_099, many + 2, many + 1}, {1_000_100, 2, 1}, {1_000_200, 1, 0},
	} {
		now.Store(step.now)
		if err := s.sweep(t.Context()); err != nil {
			t.Fatalf("sweep() = %v", err)
		}
		if r, e := rows(bucketRecords), rows(bucketExpiry); r != step.records || e != step.expiry {
			t.Errorf("at %d: %d records and %d expiries are stored, want %d and %d", step.now, r, e, step.records, step.expiry)
		}
	}
	if _, err := s.Get(t.Context(), "kept"); err != nil {
		t.Errorf("Get(kept) = %v", err)
	}
}

// TestExpiresAtOnce: a record ends at its millisecond, swept or not.
func TestExpiresAtOnce(t *testing.T) {
	var now atomic.Int64
	s := openStore(t, t.TempDir(), Config{now: func() time.Time { return time.UnixMilli(now.Load()) }})
	now.Store(5_000)
	if _, err := s.Put(t.Context(), storage.Record{Key: "key", Expires: time.UnixMilli(5_010)}); err != nil {
		t.Fatal(err)
	}
	now.Store(5_009)
	if _, err := s.Get(t.Context(), "key"); err != nil {
		t.Errorf("Get() before its end = %v", err)
	}
	now.Store(5_010)
	_, err := s.Get(t.Context(), "key")
	wantIs(t, "Get() at its end", err, storage.ErrNotFound)
	if v, err := s.Put(t.Context(), storage.Record{Key: "key"}); v != 1 || err != nil {
		t.Errorf("Put() at its end = %d, %v, want 1", v, err)
	}
}

// TestHistoriesOnAFailingDisk: whatever the disk refuses, before or after a
// transaction is in the file, or when that is opened again, what callers see
// stays linearizable.
func TestHistoriesOnAFailingDisk(t *testing.T) {
	t.Parallel()
	seeds := uint64(3)
	if soaking() {
		seeds = 100
	}
	for seed := range seeds {
		d := newDisk()
		rng := rand.New(rand.NewPCG(seed, 0)) // the committer's alone
		s := openStore(t, t.TempDir(), d.config())
		fail := func() error {
			if rng.IntN(6) == 0 {
				return syscall.EIO
			}
			return nil
		}
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			for range d.health { // nobody else does
			}
		}()
		d.set(func() { d.before, d.after, d.reopen = ignoringTx(fail), fail, fail })
		if err := storagetest.CheckHistories(t.Context(), s, seed); err != nil {
			t.Error(err)
		}
		s.Close()
		close(d.health)
		<-drained
	}
}
