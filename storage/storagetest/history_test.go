package storagetest_test

import (
	"context"
	"errors"
	"regexp"
	"sync"
	"sync/atomic"
	"testing"

	"halley/storage"
	"halley/storage/bolt"
	"halley/storage/storagetest"
)

// TestCheckHistoriesFindsBrokenDrivers: each of these is a store but for one
// fault, of a kind that drivers have.
func TestCheckHistoriesFindsBrokenDrivers(t *testing.T) {
	const onPage, onRecord = "no order explains the history of contested:|does not follow", "no order explains the history of contested/"
	for name, c := range map[string]struct {
		breakIt func(storage.Store) storage.Store
		want    string // a regular expression
	}{
		"none":                              {func(s storage.Store) storage.Store { return s }, ""},
		"none, but writes that fail":        {func(s storage.Store) storage.Store { return storagetest.NewFailing(s, 1) }, ""},
		"a head from a cache":               {func(s storage.Store) storage.Store { return &staleHead{Store: s} }, onPage},
		"a head that is not synced yet":     {func(s storage.Store) storage.Store { return &earlyHead{Store: storagetest.NewFailing(s, 1)} }, onPage},
		"an append that is lost":            {func(s storage.Store) storage.Store { return &losesAppends{Store: s} }, onPage},
		"an append refused, yet stored":     {func(s storage.Store) storage.Store { return &refusesStored{Store: s} }, onPage},
		"a read that ends too soon":         {func(s storage.Store) storage.Store { return &shortReads{Store: s} }, onPage},
		"a client's count from a cache":     {func(s storage.Store) storage.Store { return &staleClient{Store: s} }, onPage},
		"a put that looks at no version":    {func(s storage.Store) storage.Store { return &blindPuts{Store: s} }, onRecord},
		"a record from a cache":             {func(s storage.Store) storage.Store { return &staleRecord{Store: s} }, onRecord},
		"a watcher that misses changes":     {func(s storage.Store) storage.Store { return &skippingWatch{Store: s} }, "a watcher of contested/"},
		"a watcher that is told beforehand": {func(s storage.Store) storage.Store { return &earlyWatch{Store: storagetest.NewFailing(s, 1)} }, onRecord},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := bolt.Open(t.TempDir(), bolt.Config{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			err = storagetest.CheckHistories(t.Context(), c.breakIt(s), 1)
			switch {
			case c.want == "" && err != nil:
				t.Errorf("a store without fault: %v", err)
			case c.want != "" && (err == nil || !regexp.MustCompile(c.want).MatchString(err.Error())):
				t.Errorf("CheckHistories() = %v, want %q found", err, c.want)
			}
		})
	}
}

// every reports each so-many-th call.
type every struct{ calls atomic.Int64 }

func (e *every) nth(n int64) bool { return e.calls.Add(1)%n == 0 }

type staleHead struct {
	storage.Store
	every
	cached atomic.Uint64
}

func (s *staleHead) Head(ctx context.Context, page storage.PageID) (uint64, error) {
	if s.nth(5) {
		return s.cached.Load(), nil
	}
	head, err := s.Store.Head(ctx, page)
	s.cached.Store(head)
	return head, err
}

type earlyHead struct {
	storage.Store
	ahead atomic.Uint64
}

func (s *earlyHead) Append(ctx context.Context, page storage.PageID, expect uint64, changes []storage.Change) error {
	if head, _ := s.Store.Head(ctx, page); head == expect {
		s.ahead.Store(expect + uint64(len(changes)))
	}
	return s.Store.Append(ctx, page, expect, changes)
}

func (s *earlyHead) Head(ctx context.Context, page storage.PageID) (uint64, error) {
	head, err := s.Store.Head(ctx, page)
	return max(head, s.ahead.Load()), err
}

type losesAppends struct {
	storage.Store
	every
}

func (s *losesAppends) Append(ctx context.Context, page storage.PageID, expect uint64, changes []storage.Change) error {
	if head, _ := s.Store.Head(ctx, page); head == expect && s.nth(20) {
		return nil
	}
	return s.Store.Append(ctx, page, expect, changes)
}

type refusesStored struct {
	storage.Store
	every
}

func (s *refusesStored) Append(ctx context.Context, page storage.PageID, expect uint64, changes []storage.Change) error {
	err := s.Store.Append(ctx, page, expect, changes)
	if err == nil && s.nth(10) {
		return storage.ErrDiskFull
	}
	return err
}

type shortReads struct {
	storage.Store
	every
}

func (s *shortReads) Read(ctx context.Context, page storage.PageID, after, upTo uint64, fn func(storage.Change) error) error {
	if s.nth(2) {
		upTo = after
	}
	return s.Store.Read(ctx, page, after, upTo, fn)
}

type staleClient struct {
	storage.Store
	every
	mu     sync.Mutex
	cached map[string]storage.ClientState // guarded by mu
}

func (s *staleClient) Client(ctx context.Context, page storage.PageID, client string) (storage.ClientState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.cached[client]; ok && s.nth(5) {
		return old, nil
	}
	state, err := s.Store.Client(ctx, page, client)
	if s.cached == nil {
		s.cached = map[string]storage.ClientState{}
	}
	s.cached[client] = state
	return state, err
}

type blindPuts struct {
	storage.Store
	mu sync.Mutex
}

func (s *blindPuts) Put(ctx context.Context, r storage.Record) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, err := s.Get(ctx, r.Key)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return 0, err
	}
	expected := r.Version
	r.Version = now.Version
	_, err = s.Store.Put(ctx, r)
	return expected + 1, err
}

type staleRecord struct {
	storage.Store
	every
	mu     sync.Mutex
	cached map[string]storage.Record // guarded by mu
}

func (s *staleRecord) Get(ctx context.Context, key string) (storage.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.cached[key]; ok && s.nth(3) {
		return old, nil
	}
	r, err := s.Store.Get(ctx, key)
	if s.cached == nil {
		s.cached = map[string]storage.Record{}
	}
	s.cached[key] = r
	return r, err
}

// A skippingWatch does not tell when a record is put for the second time.
type skippingWatch struct{ storage.Store }

func (s *skippingWatch) Watch(ctx context.Context, prefix string, fn func(storage.RecordChange) error) error {
	skipped := map[string]bool{}
	return s.Store.Watch(ctx, prefix, func(c storage.RecordChange) error {
		if c.Version == 2 && !skipped[c.Key] {
			skipped[c.Key] = true
			return nil
		}
		return fn(c)
	})
}

// An earlyWatch tells of puts before they are stored, and whether or not.
type earlyWatch struct {
	storage.Store
	mu sync.Mutex
	fn func(storage.RecordChange) error // guarded by mu
}

func (s *earlyWatch) Watch(ctx context.Context, prefix string, fn func(storage.RecordChange) error) error {
	s.mu.Lock()
	s.fn = fn
	s.mu.Unlock()
	return s.Store.Watch(ctx, prefix, fn)
}

func (s *earlyWatch) Put(ctx context.Context, r storage.Record) (uint64, error) {
	s.mu.Lock()
	fn := s.fn
	s.mu.Unlock()
	if fn != nil {
		early := r
		early.Version++
		if err := fn(storage.RecordChange{Record: early}); err != nil {
			return 0, err
		}
	}
	return s.Store.Put(ctx, r)
}
