// Package account knows who people are and which sessions they have. So far
// these are guests, who gave only a name; accounts with passwords, API tokens
// and shared links have their place here.
//
// Everything is kept in storage.Records and looked up there, through a small
// cache; a session's cookie holds only a random key, of which the store has
// the hash. Safe for concurrent use.
package account

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"sync"
	"time"
	"unicode"

	"halley/editor"
	"halley/editor/bounded"
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
	return c
}

// Accounts is all people and sessions of a store.
type Accounts struct {
	cfg     Config
	records storage.Records

	closing context.Context // ended by Close
	close   context.CancelFunc
	// moving is held while sessions get another key or are reviewed, so that a
	// review never meets a session between its two keys.
	moving sync.Mutex

	mu       sync.Mutex // guards what follows
	authors  *bounded.Map[string, editor.Author]
	sessions map[string]session      // looked up before, by record key
	endings  uint64                  // how many times sessions ended: what was read before one is not cached
	open     map[string]*openSession // those with open streams, by record key
	timer    *time.Timer             // calls review; nil before the first stream
	reviewAt time.Time               // when it will; zero: not until another stream opens
	// generation is that of the sessions that are valid; known tells whether it
	// was read.
	generation      uint64
	generationKnown bool
}

// New serves the accounts that records keep, with the default Config.
func New(records storage.Records, now func() time.Time) *Accounts {
	return NewWithConfig(records, Config{Now: now})
}

// NewWithConfig serves the accounts that records keep. Close it when done.
func NewWithConfig(records storage.Records, cfg Config) *Accounts {
	a := &Accounts{
		cfg: cfg.withDefaults(), records: records,
		authors: bounded.New[string, editor.Author](maxCached, 0), sessions: map[string]session{}, open: map[string]*openSession{},
	}
	a.closing, a.close = context.WithCancel(context.Background())
	return a
}

// Close stops watching open sessions. It waits for a review that has begun.
func (a *Accounts) Close() {
	a.close()
	a.mu.Lock()
	if a.timer != nil {
		a.timer.Stop()
	}
	a.mu.Unlock()
	a.moving.Lock() // a review has ended, and later ones return at once
	defer a.moving.Unlock()
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
	r, err := a.records.Get(ctx, "person/"+p.ID)
	if err != nil {
		return p, err
	}
	p.Name = name
	return p, a.putPerson(ctx, p, r.Version)
}

// Remember keeps an author of work that comes from elsewhere, unless somebody is
// known by that id. Nobody can sign in as them.
func (a *Accounts) Remember(ctx context.Context, id string, author editor.Author) error {
	if _, err := a.Author(ctx, id); !errors.Is(err, editor.ErrUnknownAuthor) {
		return err
	}
	return a.putPerson(ctx, editor.Principal{ID: id, Name: author.Name, Color: author.Color, Kind: author.Kind}, 0)
}

func (a *Accounts) putPerson(ctx context.Context, p editor.Principal, version uint64) error {
	value, err := json.Marshal(person{p.Name, p.Color, p.Kind})
	if err != nil {
		return err
	}
	if _, err := a.records.Put(ctx, storage.Record{Key: "person/" + p.ID, Value: value, Version: version}); err != nil {
		return fmt.Errorf("store %s: %w", p.ID, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.authors.Put(p.ID, editor.Author{Name: p.Name, Color: p.Color, Kind: p.Kind}, time.Time{})
	return nil
}

// Author is who made a change, by principal's id; editor.ErrUnknownAuthor.
func (a *Accounts) Author(ctx context.Context, id string) (editor.Author, error) {
	if author, ok := a.cached(id); ok {
		return author, nil
	}
	r, err := a.records.Get(ctx, "person/"+id)
	if errors.Is(err, storage.ErrNotFound) {
		return editor.Author{}, editor.ErrUnknownAuthor
	}
	if err != nil {
		return editor.Author{}, err
	}
	var p person
	if err := json.Unmarshal(r.Value, &p); err != nil {
		return editor.Author{}, fmt.Errorf("person %s: %w", id, err)
	}
	author := editor.Author{Name: p.Name, Color: p.Color, Kind: p.Kind}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.authors.Put(id, author, time.Time{})
	return author, nil
}

func (a *Accounts) cached(id string) (editor.Author, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	// A cache that nothing expires from needs no clock.
	if author := a.authors.Get(id, time.Time{}); author != nil {
		return *author, true
	}
	return editor.Author{}, false
}

// Program is a principal for whoever runs the server, at its own command
// line; it is made at first use.
func (a *Accounts) Program(ctx context.Context, id, name string) (editor.Principal, error) {
	p := editor.Principal{ID: id, Name: name, Color: colorOf(id), Kind: editor.KindProgram}
	_, err := a.Author(ctx, id)
	if errors.Is(err, editor.ErrUnknownAuthor) {
		err = a.putPerson(ctx, p, 0)
	}
	if errors.Is(err, storage.ErrDiskFull) {
		err = nil // it may read, and what it writes is refused anyway; the next use tries again
	}
	return p, err
}

func random(bytes int) string {
	raw := make([]byte, bytes)
	rand.Read(raw)
	return base64.RawURLEncoding.EncodeToString(raw)
}

func colorOf(id string) string {
	h := fnv.New32a()
	h.Write([]byte(id))
	return editor.PersonColors[h.Sum32()%uint32(len(editor.PersonColors))]
}
