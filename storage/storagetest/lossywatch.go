package storagetest

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"halley/storage"
)

// A LossyWatch is a Store whose Watch delivers late, leaves out changes that a
// later one of the same key follows, repeats changes, and breaks off. It is safe
// for concurrent use.
type LossyWatch struct {
	storage.Store

	mu  sync.Mutex // guards rng
	rng *rand.Rand
}

// NewLossyWatch returns a LossyWatch over store whose choices follow from seed.
func NewLossyWatch(store storage.Store, seed uint64) *LossyWatch {
	return &LossyWatch{Store: store, rng: rand.New(rand.NewPCG(seed, 1))}
}

func (b *LossyWatch) chance(n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rng.IntN(n) == 0
}

// ErrWatchBroken ends a watch that breaks off.
var ErrWatchBroken = errors.New("the watch broke off")

// Watch is the Store's, with losses.
func (b *LossyWatch) Watch(ctx context.Context, prefix string, fn func(storage.RecordChange) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	changes := make(chan storage.RecordChange, 10_000)
	ended := make(chan error, 1)
	go func() {
		ended <- b.Store.Watch(ctx, prefix, func(c storage.RecordChange) error {
			changes <- c
			return nil
		})
	}()
	ready := false
	for {
		select {
		case err := <-ended:
			return err
		case c := <-changes:
			batch := b.gather(c, changes)
			if ready {
				batch = b.spoil(batch)
			}
			for _, c := range batch {
				if ready = ready || c.Key == ""; ready && c.Key != "" && b.chance(60) {
					return ErrWatchBroken
				}
				if err := fn(c); err != nil {
					return err
				}
			}
		}
	}
}

// gather takes the changes that are waiting, more of them if it pauses first.
func (b *LossyWatch) gather(first storage.RecordChange, changes <-chan storage.RecordChange) []storage.RecordChange {
	if b.chance(3) {
		time.Sleep(time.Millisecond)
	}
	batch := []storage.RecordChange{first}
	for {
		select {
		case c := <-changes:
			batch = append(batch, c)
		default:
			return batch
		}
	}
}

func (b *LossyWatch) spoil(batch []storage.RecordChange) (out []storage.RecordChange) {
	last := map[string]int{}
	for i, c := range batch {
		last[c.Key] = i
	}
	for i, c := range batch {
		if i < last[c.Key] && b.chance(2) {
			continue
		}
		if out = append(out, c); b.chance(5) {
			out = append(out, c)
		}
	}
	return out
}
