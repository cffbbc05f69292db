package editor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"halley/storage"
)

// openCatalog reads the settings of all pages and where their logs end, both at
// once, and follows the settings from then on. The caller calls close.
func openCatalog(ctx context.Context, cfg Config, store storage.Store) (*catalog, error) {
	c := newCatalog(store, cfg.Logger)
	var heads []storage.LogInfo
	var headsErr error
	var reading sync.WaitGroup
	reading.Go(func() {
		headsErr = store.Logs(ctx, func(info storage.LogInfo) error {
			heads = append(heads, info)
			return nil
		})
	})
	err := c.follow(ctx)
	reading.Wait()
	if err == nil && headsErr != nil {
		err = fmt.Errorf("read the heads of pages: %w", headsErr)
	}
	if err != nil {
		c.close()
		return nil, err
	}
	c.sort(heads)
	return c, nil
}

// follow starts the goroutine that applies records, and returns when every
// record was applied once.
func (c *catalog) follow(ctx context.Context) error {
	following, stop := context.WithCancel(context.WithoutCancel(ctx))
	c.stop = stop
	ready := c.await("")
	defer c.forget("", ready)
	first := make(chan error, 1)
	go func() {
		defer close(c.ended)
		storage.Follow(following, c.store, pagePrefix, c, func(err error) {
			if c.reading() {
				first <- err
				stop()
				return
			}
			c.logger.Error("the list of pages is out of date until it can be read again", "error", err)
		})
	}()
	select {
	case <-ready:
		return nil
	case err := <-first:
		return fmt.Errorf("read the list of pages: %w", err)
	case <-c.ended:
		return fmt.Errorf("read the list of pages: %w", storage.ErrClosed)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close ends the goroutine that follows the records.
func (c *catalog) close() {
	c.stop()
	<-c.ended
}

// notify has fn called after each change of settings, in their order, from the
// goroutine that applies them. before is the zero listed for a new page, and now
// for one whose record was deleted. fn must not block.
func (c *catalog) notify(fn func(before, now listed)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changed = fn
}

// Begin implements storage.Follower.
func (c *catalog) Begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.round++
	c.ready = false
}

// Apply implements storage.Follower: it shows the settings of one page as they
// are stored now.
func (c *catalog) Apply(ctx context.Context, rc storage.RecordChange) error {
	id := PageID(strings.TrimPrefix(rc.Key, pagePrefix))
	if rc.Gone {
		c.applyGone(id)
		return nil
	}
	set, err := decodeSettings(rc.Record)
	if c.reading() {
		if err == nil {
			c.applyFirst(set.Settings)
		}
		return err
	}
	if err != nil {
		// One record that cannot be read must not stop the others.
		c.logger.Error("settings of a page were changed to what cannot be read", "page", id, "error", err)
		return nil
	}
	if _, known := c.get(set.ID); known {
		c.applyKnown(set.Settings)
		return nil
	}
	return c.applyNew(ctx, set.Settings)
}

// reading reports whether the records are being read for the first time.
func (c *catalog) reading() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.round == 1 && !c.ready
}

func (c *catalog) applyKnown(set Settings) {
	c.mu.Lock()
	l := c.pages[set.ID]
	before, fn := *l, c.changed
	l.round = c.round
	if l.set != set {
		c.reorder(l, func() { l.set = set })
	}
	now := *l
	c.mu.Unlock()
	if before.set != now.set {
		fn(before, now)
	}
	c.wake(set.ID)
}

// applyFirst shows a page while all are read for the first time. openCatalog reads
// all heads at once.
func (c *catalog) applyFirst(set Settings) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pages[set.ID] = &listed{set: set, updated: set.Created, round: c.round}
}

// applyNew shows a page that is not known yet. Its head is read first, so that
// lists never show a page that was made of a text as empty.
func (c *catalog) applyNew(ctx context.Context, set Settings) error {
	l := &listed{set: set, updated: set.Created}
	if err := c.readHead(ctx, l); err != nil {
		return err
	}
	c.mu.Lock()
	l.round = c.round
	c.show(l)
	now, fn := *l, c.changed
	c.mu.Unlock()
	// A change that was committed after the first read, by another process, found
	// no page to note it in.
	again := now
	if err := c.readHead(ctx, &again); err != nil {
		return err
	}
	c.moved(set.ID, again.head, again.updated)
	fn(listed{}, now)
	c.wake(set.ID)
	return nil
}

// readHead sets l's head, and updated where the page has changes.
func (c *catalog) readHead(ctx context.Context, l *listed) error {
	head, err := c.store.Head(ctx, l.set.ID)
	if err != nil || head == l.head {
		return err
	}
	return c.store.Read(ctx, l.set.ID, head-1, head, func(sc storage.Change) error {
		l.head, l.updated = head, sc.Time
		return nil
	})
}

func (c *catalog) applyGone(id PageID) {
	c.mu.Lock()
	l, fn := c.pages[id], c.changed
	if l == nil {
		c.mu.Unlock()
		return
	}
	c.remove(l)
	before := *l
	c.mu.Unlock()
	fn(before, listed{})
	c.wake(id)
}

// Ready implements storage.Follower. Pages whose record was not applied in this
// round were deleted while nothing was followed.
func (c *catalog) Ready() {
	c.mu.Lock()
	c.ready = true
	var gone []PageID
	for id, l := range c.pages {
		if l.round != c.round {
			gone = append(gone, id)
		}
	}
	c.mu.Unlock()
	for _, id := range gone {
		c.applyGone(id)
	}
	c.wakeAll()
}

// await returns a channel that has a value after id's record was applied. The
// caller calls forget.
func (c *catalog) await(id PageID) chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	applied := make(chan struct{}, 1)
	c.waiting[id] = append(c.waiting[id], applied)
	return applied
}

func (c *catalog) forget(id PageID, applied chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	left := slices.DeleteFunc(c.waiting[id], func(other chan struct{}) bool { return other == applied })
	if c.waiting[id] = left; len(left) == 0 {
		delete(c.waiting, id)
	}
}

func (c *catalog) wake(id PageID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, applied := range c.waiting[id] {
		signal(applied)
	}
}

func (c *catalog) wakeAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, all := range c.waiting {
		for _, applied := range all {
			signal(applied)
		}
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// shows waits until the catalog shows the settings that the caller has read or
// written, or later ones; ErrNotFound if the page was deleted since.
func (c *catalog) shows(ctx context.Context, set Settings) error {
	applied := c.await(set.ID)
	defer c.forget(set.ID, applied)
	for {
		known, ok := c.get(set.ID)
		if ok && known.Created.Equal(set.Created) && known.Version >= set.Version {
			return nil
		}
		stored, err := c.read(ctx, set.ID)
		switch {
		case errors.Is(err, storage.ErrUnknown): // applied again once it is known
		case err != nil:
			return err
		case !stored.Created.Equal(set.Created): // deleted and created again
			return ErrNotFound
		}
		select {
		case <-applied:
		case <-c.ended:
			return storage.ErrClosed
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// read returns the stored settings of a page, which may be newer than what the
// catalog shows; ErrNotFound.
func (c *catalog) read(ctx context.Context, id PageID) (storedSettings, error) {
	r, err := c.store.Get(ctx, recordKey(id))
	if errors.Is(err, storage.ErrNotFound) {
		return storedSettings{}, ErrNotFound
	}
	if err != nil {
		return storedSettings{}, fmt.Errorf("read the settings of page %s: %w", id, err)
	}
	return decodeSettings(r)
}

// add stores the settings of a new page, and returns when the catalog shows
// them. If settings are stored under its id already, add returns those instead.
func (c *catalog) add(ctx context.Context, set Settings) (Settings, error) {
	for {
		err := c.put(ctx, storedSettings{Settings: set}, 0)
		if err == nil {
			return set, c.shows(ctx, set)
		}
		if !isConflict(err) {
			return Settings{}, err
		}
		old, err := c.read(ctx, set.ID)
		if err == nil {
			return old.Settings, c.shows(ctx, old.Settings)
		}
		if !errors.Is(err, ErrNotFound) { // else it was deleted just now
			return Settings{}, err
		}
	}
}

// change rewrites a page's settings by edit, and returns when the catalog shows
// them. edit gets the newest stored settings, so it checks what the change
// depends on itself; it is called again if another writer was faster.
func (c *catalog) change(ctx context.Context, id PageID, edit func(*storedSettings) error) (Settings, error) {
	for {
		old, err := c.read(ctx, id)
		if err != nil {
			return Settings{}, err
		}
		set := old
		if err := edit(&set); err != nil {
			return Settings{}, err
		}
		if set == old {
			return old.Settings, c.shows(ctx, old.Settings)
		}
		set.Version = old.Version + 1
		err = c.put(ctx, set, set.Version)
		if err == nil {
			return set.Settings, c.shows(ctx, set.Settings)
		}
		if !isConflict(err) {
			return Settings{}, err
		}
	}
}

func isConflict(err error) bool {
	var conflict *storage.ConflictError
	return errors.As(err, &conflict)
}

// put stores settings if the record's version is version; *storage.ConflictError.
func (c *catalog) put(ctx context.Context, set storedSettings, version uint64) error {
	value, err := set.encode()
	if err != nil {
		return err
	}
	_, err = c.store.Put(ctx, storage.Record{Key: recordKey(set.ID), Value: value, Version: version})
	if err != nil {
		return fmt.Errorf("store the settings of page %s: %w", set.ID, err)
	}
	return nil
}
