package bolt

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"

	"halley/storage"
)

// watchBytes is how much a watcher may be behind, in bytes of values.
const watchBytes = 4 << 20

// watchers are all who watch records. The committer tells them of a transaction
// after its sync and before any reader is let at it: so whoever has read the
// state of some transaction has been told of all changes up to it, and can drop
// those that the state holds already.
type watchers struct {
	mu  sync.Mutex
	all map[*watcher]bool // guarded by mu
}

func newWatchers() *watchers { return &watchers{all: map[*watcher]bool{}} }

// A watcher is one call of Watch. Changes that it has not told yet wait in
// order; where they are too many, only their keys are remembered, each once, and
// their records read again when their turn comes.
type watcher struct {
	prefix string
	wake   chan struct{} // has room for one; filled when there is something to tell

	changes []recordChange // guarded by watchers.mu; told before what is stale
	size    int            // guarded by watchers.mu: of the changes' values
	stale   map[string]int // guarded by watchers.mu: the key's newest transaction
	order   []string       // guarded by watchers.mu: the keys of stale
}

// A recordChange is a change and the transaction that made it.
type recordChange struct {
	storage.RecordChange
	tx int
}

func (ws *watchers) add(prefix string) *watcher {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	w := &watcher{prefix: prefix, wake: make(chan struct{}, 1), stale: map[string]int{}}
	ws.all[w] = true
	return w
}

func (ws *watchers) remove(w *watcher) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	delete(ws.all, w)
}

// tell tells everybody of the changes of a transaction, in their order.
func (ws *watchers) tell(tx int, changes []storage.RecordChange) {
	if len(changes) == 0 {
		return
	}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for w := range ws.all {
		for _, c := range changes {
			if strings.HasPrefix(c.Key, w.prefix) {
				w.note(tx, c)
			}
		}
	}
}

// note puts a change into the queue. The caller holds watchers.mu.
func (w *watcher) note(tx int, c storage.RecordChange) {
	full := len(w.changes) == storage.WatchBacklog || w.size+len(c.Value) > watchBytes
	if full {
		for _, old := range w.changes {
			w.noteStale(old.tx, old.Key)
		}
		w.changes, w.size = nil, 0
	}
	if len(w.order) > 0 {
		w.noteStale(tx, c.Key)
	} else {
		c.Value = slices.Clone(c.Value)
		w.changes, w.size = append(w.changes, recordChange{c, tx}), w.size+len(c.Value)
	}
	w.nudge()
}

func (w *watcher) noteStale(tx int, key string) {
	if _, there := w.stale[key]; !there {
		w.order = append(w.order, key)
	}
	w.stale[key] = max(w.stale[key], tx)
}

func (w *watcher) nudge() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// recovered lets everybody read again what a failed transaction may have written.
func (ws *watchers) recovered(d *doubt) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for w := range ws.all {
		if d != nil {
			for what := range d.touched {
				if what.key != "" && strings.HasPrefix(what.key, w.prefix) {
					w.noteStale(math.MaxInt, what.key)
				}
			}
		}
		w.nudge()
	}
}

// take returns what is to be told next: changes, or keys to be read again.
func (ws *watchers) take(w *watcher) (changes []recordChange, keys []string) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	changes, w.changes, w.size = w.changes, nil, 0
	if len(changes) > 0 {
		return changes, nil
	}
	keys = w.order[:min(len(w.order), chunkRows)]
	w.order = w.order[len(keys):]
	for _, key := range keys {
		delete(w.stale, key)
	}
	return nil, keys
}

// putBack returns keys that could not be read.
func (ws *watchers) putBack(w *watcher, keys []string) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, key := range keys {
		w.noteStale(math.MaxInt, key)
	}
}

// drop drops what w was told of those keys that were read from transaction tx.
func (ws *watchers) drop(w *watcher, tx int, read func(key string) bool) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	w.changes = slices.DeleteFunc(w.changes, func(c recordChange) bool { return c.tx <= tx && read(c.Key) })
	w.order = slices.DeleteFunc(w.order, func(key string) bool {
		old := w.stale[key] <= tx && read(key)
		if old {
			delete(w.stale, key)
		}
		return old
	})
}

// Watch tells fn of the records under prefix, as storage.Records says. An
// expired one is told as gone when its space is freed.
func (s *Store) Watch(ctx context.Context, prefix string, fn func(storage.RecordChange) error) error {
	w := s.watchers.add(prefix)
	defer s.watchers.remove(w)
	if err := s.watchState(ctx, w, fn); err != nil {
		return err
	}
	if err := fn(storage.RecordChange{}); err != nil {
		return err
	}
	for {
		changes, keys := s.watchers.take(w)
		for _, c := range changes {
			if err := cmp.Or(ctx.Err(), s.closingErr()); err != nil {
				return err
			}
			if err := fn(c.RecordChange); err != nil {
				return err
			}
		}
		if err := s.watchAgain(ctx, w, keys, fn); err != nil {
			return err
		}
		if len(changes)+len(keys) == 0 {
			if err := s.awaitChange(ctx, w); err != nil {
				return err
			}
		}
	}
}

func (s *Store) closingErr() error { return context.Cause(s.closing) }

func (s *Store) awaitChange(ctx context.Context, w *watcher) error {
	select {
	case <-w.wake:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closing.Done():
		return s.closingErr()
	}
}

// watchState tells fn of the records as they are.
func (s *Store) watchState(ctx context.Context, w *watcher, fn func(storage.RecordChange) error) error {
	for at, more := "", true; more; {
		part, err := s.someRecords(ctx, w.prefix, at)
		if errors.Is(err, storage.ErrUnknown) {
			if err := s.awaitChange(ctx, w); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		from := at
		at, more = part.last, part.last != ""
		s.watchers.drop(w, part.tx, func(key string) bool { return key > from && (!more || key <= at) })
		for _, r := range part.records {
			if err := fn(storage.RecordChange{Record: r}); err != nil {
				return err
			}
		}
	}
	return nil
}

// watchAgain reads keys and tells fn of what is there now.
func (s *Store) watchAgain(ctx context.Context, w *watcher, keys []string, fn func(storage.RecordChange) error) error {
	for i, key := range keys {
		c, tx, err := s.recordNow(ctx, key)
		if errors.Is(err, storage.ErrUnknown) {
			s.watchers.putBack(w, keys[i:])
			return s.awaitChange(ctx, w)
		}
		if err != nil {
			return err
		}
		s.watchers.drop(w, tx, func(k string) bool { return k == key })
		if err := fn(c); err != nil {
			return err
		}
	}
	return nil
}

// recordNow is what there is under key, and the transaction that says so.
func (s *Store) recordNow(ctx context.Context, key string) (c storage.RecordChange, tx int, err error) {
	err = s.view(ctx, func(t *tables) error {
		row, live, err := t.record(key, s.expired)
		if c = gone(key); live {
			c = storage.RecordChange{Record: recordOf(key, row)}
		}
		tx = t.tx
		return err
	})
	return c, tx, err
}

func gone(key string) storage.RecordChange {
	return storage.RecordChange{Record: storage.Record{Key: key}, Gone: true}
}
