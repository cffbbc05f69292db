package scrub

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"halley/editor"
	"halley/storage"
)

// Config says how a store is scrubbed. A field's zero value means its default,
// but that of Every.
type Config struct {
	Every   time.Duration // from the beginning of one pass to that of the next; 0: never
	Delay   time.Duration // from Start to the first read, 1 minute: a start has other work
	MinRate int64         // bytes a second at least, 256 KiB
	// Commits changes whenever somebody has written to the store; the disk is
	// then left to them for a while. Nil: nobody writes.
	Commits func() int
	Logger  *slog.Logger     // default: discards
	Now     func() time.Time // default: time.Now
}

func (c Config) withDefaults() Config {
	if c.Delay == 0 {
		c.Delay = time.Minute
	}
	if c.MinRate == 0 {
		c.MinRate = 256 << 10
	}
	if c.Commits == nil {
		c.Commits = func() int { return 0 }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

const (
	retryAfter = time.Minute      // after the store could not be read
	saveEvery  = 10 * time.Minute // where the scrub is
)

// A Scrubber scrubs one store.
type Scrubber struct {
	cfg      Config
	store    storage.Store // throttled
	damage   *editor.Damage
	throttle *throttle

	stop    context.CancelFunc
	running sync.WaitGroup

	// The goroutine's own.
	loaded bool
	told   map[logged]bool // what was logged in this pass
	saved  time.Time       // when at was last stored

	mu sync.Mutex
	at position // guarded by mu; only the goroutine writes it
}

// Start scrubs a store until Stop is called, and reports to damage. Close the
// store after Stop.
func Start(store storage.Store, damage *editor.Damage, cfg Config) *Scrubber {
	ctx, stop := context.WithCancel(context.Background())
	s := &Scrubber{cfg: cfg.withDefaults(), damage: damage, stop: stop, told: map[logged]bool{}}
	s.throttle = &throttle{rate: s.cfg.MinRate, commits: s.cfg.Commits, spent: s.spent}
	s.store = &throttledStore{store, s.throttle}
	if s.cfg.Every > 0 {
		s.running.Go(func() { s.run(ctx) })
	}
	return s
}

// Stop ends the scrub, and returns once where it was is stored.
func (s *Scrubber) Stop() {
	s.stop()
	s.running.Wait()
}

func (s *Scrubber) run(ctx context.Context) {
	if !sleep(ctx, s.cfg.Delay) {
		return
	}
	for ctx.Err() == nil {
		err := s.tryRun(ctx)
		if err != nil && ctx.Err() == nil && !errors.Is(err, storage.ErrUnknown) {
			s.cfg.Logger.Warn("the scrub could not read the store and tries again", "after", retryAfter, "error", err)
		}
		sleep(ctx, retryAfter)
	}
	s.save(context.WithoutCancel(ctx))
}

// tryRun scrubs until ctx ends or the store cannot be read.
func (s *Scrubber) tryRun(ctx context.Context) error {
	if !s.loaded {
		if err := s.load(ctx); err != nil {
			return err
		}
		s.loaded = true
		if err := s.checkAgain(ctx); err != nil {
			return err
		}
	}
	for {
		if err := s.pass(ctx); err != nil {
			return err
		}
		if !sleep(ctx, s.untilNext()) {
			return ctx.Err()
		}
	}
}

// checkAgain reads the files that were found to be damaged before: an
// administrator may have put a good copy in their place.
func (s *Scrubber) checkAgain(ctx context.Context) error {
	for _, d := range s.damage.List() {
		h, err := storage.ParseHash(d.Name)
		if d.Kind != editor.DamagedFile || err != nil {
			continue
		}
		if err := s.file(ctx, h); err != nil {
			return err
		}
	}
	return nil
}

// untilNext is how long it is until the next pass is due.
func (s *Scrubber) untilNext() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at.Began.Add(s.cfg.Every).Sub(s.cfg.Now())
}

// pass goes on with the pass that was begun, or begins one.
func (s *Scrubber) pass(ctx context.Context) error {
	now := s.cfg.Now()
	if s.at.Phase == phaseDone {
		clear(s.told)
		s.move(func(at *position) {
			*at = position{Began: now, Phase: phaseStore, Whole: at.Whole, Passes: at.Passes, Total: at.Total}
		})
	}
	total, err := s.size(ctx)
	if err != nil {
		return err
	}
	s.throttle.rate = rateFor(total, s.cfg.Every, s.cfg.MinRate)
	s.cfg.Logger.Debug("scrubbing the store", "bytes", total, "rate", s.throttle.rate)
	for _, step := range []struct {
		phase, next phase
		run         func(context.Context) error
	}{{phaseStore, phasePages, s.structure}, {phasePages, phaseFiles, s.pages}, {phaseFiles, phaseDone, s.files}} {
		if s.at.Phase != step.phase {
			continue
		}
		if err := step.run(ctx); err != nil {
			return err
		}
		s.move(func(at *position) { at.Phase, at.After = step.next, nil })
	}
	s.damage.Forget(s.at.Began)
	s.move(func(at *position) { at.Whole, at.Passes = s.cfg.Now(), at.Passes+1 })
	s.save(ctx)
	s.cfg.Logger.Info("the whole store was read",
		"bytes", s.at.Read, "took", s.at.Whole.Sub(s.at.Began).Round(time.Second), "damaged", len(s.damage.List()))
	return nil
}

// move changes where the scrub is.
func (s *Scrubber) move(how func(*position)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	how(&s.at)
}

// passed notes that everything up to a name was read, and stores that from time
// to time.
func (s *Scrubber) passed(ctx context.Context, after []byte) {
	s.move(func(at *position) { at.After = after })
	if s.cfg.Now().Sub(s.saved) >= saveEvery {
		s.save(ctx)
	}
}

// spent counts bytes that were read.
func (s *Scrubber) spent(bytes int) {
	s.move(func(at *position) {
		at.Read += uint64(bytes)
		at.Total += uint64(bytes)
	})
}

// Stats is how far a scrub has come.
type Stats struct {
	Read   uint64    // bytes, in this workspace's life
	Began  time.Time // when this pass, or the one before the next, began; zero: none has
	Whole  time.Time // when the last whole pass ended; zero: none has
	Passes uint64    // whole ones
}

// Stats returns how far the scrub has come.
func (s *Scrubber) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{Read: s.at.Total, Began: s.at.Began, Whole: s.at.Whole, Passes: s.at.Passes}
}
