package storagetest

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"halley/storage"
)

// A Fault is what becomes of one write (Append, Put, Delete or PutBlob) to a Faulty.
type Fault int

const (
	// None: the write goes through.
	None Fault = iota
	// DiskFull: it is refused with storage.ErrDiskFull, and not stored.
	DiskFull
	// UnknownLost: it is answered with storage.ErrUnknown, and not stored.
	UnknownLost
	// UnknownStored: it is answered with storage.ErrUnknown, and stored.
	UnknownStored
)

var errInjected = errors.New("a fault of the test's own")

// A Faulty is a Store that fails on demand. Reads, and writes for which no
// fault is planned, go to the Store within. It is safe for concurrent use;
// the faults meet writes in the order in which these call.
type Faulty struct {
	storage.Store

	mu     sync.Mutex
	plan   []Fault       // guarded by mu: for the next writes, one each
	always Fault         // guarded by mu: for those after them
	delay  time.Duration // guarded by mu
	held   chan struct{} // guarded by mu: writes wait until it is closed; nil: none do
}

// NewFaulty returns a Faulty over store without any fault.
func NewFaulty(store storage.Store) *Faulty { return &Faulty{Store: store} }

// NewFailing returns a Faulty over store that lets one write in eight fail, in
// ways that follow from seed.
func NewFailing(store storage.Store, seed uint64) *Faulty {
	f := NewFaulty(store)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 10_000 {
		fault := None
		if rng.IntN(8) == 0 {
			fault = Fault(1 + rng.IntN(3))
		}
		f.Fail(fault)
	}
	return f
}

// Fail plans faults for the next writes, one each, behind those planned before.
func (f *Faulty) Fail(faults ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.plan = append(f.plan, faults...)
}

// FailAlways plans fault for every write behind those that Fail planned;
// None ends it. Meanwhile Healthy tells of it.
func (f *Faulty) FailAlways(fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.always = fault
}

// Delay makes each write that begins from now on wait for d first.
func (f *Faulty) Delay(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.delay = d
}

// Hold makes writes that begin from now on wait until release is called.
func (f *Faulty) Hold() (release func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	held := make(chan struct{})
	f.held = held
	return sync.OnceFunc(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.held == held {
			f.held = nil
		}
		close(held)
	})
}

// Append is the Store's, with the faults that are planned.
func (f *Faulty) Append(ctx context.Context, page storage.PageID, expect uint64, changes []storage.Change) error {
	return f.write(ctx, func() error { return f.Store.Append(ctx, page, expect, changes) })
}

// Put is the Store's, with the faults that are planned.
func (f *Faulty) Put(ctx context.Context, r storage.Record) (version uint64, err error) {
	err = f.write(ctx, func() error {
		version, err = f.Store.Put(ctx, r)
		return err
	})
	if err != nil {
		return 0, err
	}
	return version, nil
}

// Delete is the Store's, with the faults that are planned.
func (f *Faulty) Delete(ctx context.Context, key string, version uint64) error {
	return f.write(ctx, func() error { return f.Store.Delete(ctx, key, version) })
}

// PutBlob is the Store's, with the faults that are planned.
func (f *Faulty) PutBlob(ctx context.Context, page storage.PageID, until time.Time, r io.Reader) (b storage.Blob, err error) {
	err = f.write(ctx, func() error {
		b, err = f.Store.PutBlob(ctx, page, until, r)
		return err
	})
	if err != nil {
		return storage.Blob{}, err
	}
	return b, nil
}

// Healthy is the Store's, or says what FailAlways has planned.
func (f *Faulty) Healthy() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch f.always {
	case None:
		return f.Store.Healthy()
	case DiskFull:
		return errors.Join(storage.ErrDiskFull, errInjected)
	}
	return errors.Join(storage.ErrUnknown, errInjected)
}

func (f *Faulty) write(ctx context.Context, store func() error) error {
	fault, delay, held := f.next()
	if err := wait(ctx, delay, held); err != nil {
		return err
	}
	switch fault {
	case DiskFull:
		return errors.Join(storage.ErrDiskFull, errInjected)
	case UnknownLost:
		return errors.Join(storage.ErrUnknown, errInjected)
	case UnknownStored:
		if err := store(); err != nil {
			return err
		}
		return errors.Join(storage.ErrUnknown, errInjected)
	}
	return store()
}

func (f *Faulty) next() (Fault, time.Duration, chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fault := f.always
	if len(f.plan) > 0 {
		fault, f.plan = f.plan[0], f.plan[1:]
	}
	return fault, f.delay, f.held
}

func wait(ctx context.Context, delay time.Duration, held chan struct{}) error {
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if held != nil {
		select {
		case <-held:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
