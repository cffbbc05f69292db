// Package account knows who people are and which sessions they have. So far
// these are guests, who gave only a name; accounts with passwords, API tokens
// and shared links have their place here.
//
// Everything is kept in storage.Records. Bounded caches in front of it are kept
// current by Records.Watch, so that what another process changes, such as a
// session that it ends, takes effect here too. A session's cookie holds only a
// random key, of which the store has the hash. Safe for concurrent use.
package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"

	"halley/editor"
	"halley/storage"
)

// How long sessions last unless a Config says otherwise.
const (
	DefaultSessionIdle = 30 * 24 * time.Hour
	DefaultSessionMax  = 180 * 24 * time.Hour
)

const (
	maxNameChars = 60
	maxCached    = 10_000
)

// Config says how long sessions last. The zero value is fit for use.
type Config struct {
	// SessionIdle is how long a session lasts without a request or an open
	// stream. Zero means DefaultSessionIdle.
	SessionIdle time.Duration
	// SessionMax is how long a session lasts at most, however much it is used.
	// Zero means DefaultSessionMax.
	SessionMax time.Duration
	// Now is the wall clock. Nil means time.Now.
	Now func() time.Time
	// ExpiryNow is the clock by which sessions expire; see storage.Clock, which
	// does not follow a wall clock that is wrong for a while. Nil means Now.
	ExpiryNow func() time.Time
	// Logger gets errors of the background work. Nil discards them.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.SessionIdle <= 0 {
		c.SessionIdle = DefaultSessionIdle
	}
	if c.SessionMax <= 0 {
		c.SessionMax = DefaultSessionMax
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.ExpiryNow == nil {
		c.ExpiryNow = c.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Accounts is all people and sessions of a store.
type Accounts struct {
	cfg     Config
	records storage.Records

	authors    *cache[editor.Author] // by principal's id
	sessions   *cache[session]       // by record key
	generation *cache[uint64]        // under generationKey: that of the sessions that are valid
	secrets    atomic.Uint64         // see SecretsVersion

	closing   context.Context // ended by Close
	close     context.CancelFunc
	following sync.WaitGroup // goroutines that follow records
	reviewing sync.Mutex     // held by review

	mu       sync.Mutex              // guards what follows
	open     map[string]*openSession // those with open streams, by record key
	timer    *time.Timer             // calls review; nil before the first stream
	reviewAt time.Time               // when it will; zero: not until another stream opens
	endedAll uint64                  // sessions of earlier generations have ended
}

// New serves the accounts that records keep, with the default Config.
func New(records storage.Records, now func() time.Time) *Accounts {
	return NewWithConfig(records, Config{Now: now})
}

// NewWithConfig serves the accounts that records keep. The caller calls Close,
// before it closes the store.
func NewWithConfig(records storage.Records, cfg Config) *Accounts {
	a := &Accounts{
		cfg: cfg.withDefaults(), records: records,
		authors: newCache[editor.Author](maxCached), sessions: newCache[session](maxCached), generation: newCache[uint64](1),
		open: map[string]*openSession{},
	}
	a.closing, a.close = context.WithCancel(context.Background())
	a.follow()
	return a
}

// Close ends the background work and waits for it.
func (a *Accounts) Close() {
	a.close()
	a.mu.Lock()
	if a.timer != nil {
		a.timer.Stop()
	}
	a.mu.Unlock()
	a.reviewing.Lock() // a review has ended, and later ones return at once
	defer a.reviewing.Unlock()
	a.following.Wait()
}

type person struct {
	Name  string      `json:"name"`
	Color string      `json:"color"`
	Kind  editor.Kind `json:"kind"`
}

// CleanName checks and trims what somebody wants to be called.
func CleanName(name string) (string, error) {
	name = strings.Join(strings.Fields(name), " ")
	switch {
	case name == "":
		return "", bad("name", "is missing; say what others should call you")
	case len([]rune(name)) > maxNameChars:
		return "", bad("name", fmt.Sprintf("is too long; at most %d characters", maxNameChars))
	case strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }):
		return "", bad("name", "holds a character that cannot be shown")
	}
	return name, nil
}

func bad(name, reason string) error { return &editor.BadValueError{Name: name, Reason: reason} }

// Rename changes what a guest is called; their id and work stay theirs.
func (a *Accounts) Rename(ctx context.Context, p editor.Principal, name string) (editor.Principal, error) {
	name, err := CleanName(name)
	if err != nil {
		return p, err
	}
	p.Name = name
	for {
		r, err := a.records.Get(ctx, personPrefix+p.ID)
		if err == nil {
			err = a.putPerson(ctx, p, r.Version)
		}
		if !isConflict(err) { // else it was renamed just now; the later name stays
			return p, err
		}
	}
}

func isConflict(err error) bool {
	var conflict *storage.ConflictError
	return errors.As(err, &conflict)
}

// Remember keeps an author of work that comes from elsewhere, unless somebody is
// known by that id. Nobody can sign in as them.
func (a *Accounts) Remember(ctx context.Context, id string, author editor.Author) error {
	if _, err := a.Author(ctx, id); !errors.Is(err, editor.ErrUnknownAuthor) {
		return err
	}
	err := a.putPerson(ctx, editor.Principal{ID: id, Name: author.Name, Color: author.Color, Kind: author.Kind}, 0)
	if isConflict(err) {
		return nil // known by now
	}
	return err
}

func (a *Accounts) putPerson(ctx context.Context, p editor.Principal, version uint64) error {
	value, err := json.Marshal(person{p.Name, p.Color, p.Kind})
	if err != nil {
		return err
	}
	if _, err := a.records.Put(ctx, storage.Record{Key: personPrefix + p.ID, Value: value, Version: version}); err != nil {
		return fmt.Errorf("store %s: %w", p.ID, err)
	}
	a.authors.drop(p.ID) // the watch does it too, but perhaps later than the caller looks
	return nil
}

// Author is who made a change, by principal's id; editor.ErrUnknownAuthor.
func (a *Accounts) Author(ctx context.Context, id string) (editor.Author, error) {
	if author, ok := a.authors.get(id); ok {
		return author, nil
	}
	return a.authors.load(id, func() (editor.Author, bool, error) {
		r, err := a.records.Get(ctx, personPrefix+id)
		if errors.Is(err, storage.ErrNotFound) {
			return editor.Author{}, false, editor.ErrUnknownAuthor
		}
		if err != nil {
			return editor.Author{}, false, err
		}
		var p person
		if err := json.Unmarshal(r.Value, &p); err != nil {
			return editor.Author{}, false, fmt.Errorf("person %s: %w", id, err)
		}
		return editor.Author{Name: p.Name, Color: p.Color, Kind: p.Kind}, true, nil
	})
}

// Program is a principal for whoever runs the server, at its own command
// line; it is made at first use.
func (a *Accounts) Program(ctx context.Context, id, name string) (editor.Principal, error) {
	p := editor.Principal{ID: id, Name: name, Color: colorOf(id), Kind: editor.KindProgram}
	_, err := a.Author(ctx, id)
	if errors.Is(err, editor.ErrUnknownAuthor) {
		err = a.putPerson(ctx, p, 0)
	}
	if isConflict(err) {
		err = nil // another call has made it
	}
	if errors.Is(err, storage.ErrDiskFull) {
		err = nil // it may read, and what it writes is refused anyway; the next use tries again
	}
	return p, err
}

func colorOf(id string) string {
	h := fnv.New32a()
	h.Write([]byte(id))
	return editor.PersonColors[h.Sum32()%uint32(len(editor.PersonColors))]
}
