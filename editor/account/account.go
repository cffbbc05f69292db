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
	"crypto/sha256"
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

const (
	sessionIdle  = 30 * 24 * time.Hour // a session that is not used for so long ends
	sessionTouch = 24 * time.Hour      // its use is noted at most so often
	maxNameChars = 60
	maxCached    = 10_000
)

// Accounts is all people and sessions of a store.
type Accounts struct {
	records storage.Records
	now     func() time.Time

	mu      sync.Mutex // guards what follows
	authors *bounded.Map[string, editor.Author]
	open    map[string]*watch // the first of a session's, by its key's hash
	// sessions are those that were looked up, by key's hash, and signOuts how
	// many have ended: what was read before one of these is not kept.
	sessions map[string]session
	signOuts uint64
}

// A watch is one open line that is to hear when its session ends. Those of a
// session are a ring.
type watch struct {
	over       func()
	prev, next *watch
}

// New serves the accounts that records keep.
func New(records storage.Records, now func() time.Time) *Accounts {
	return &Accounts{
		records: records, now: now,
		authors: bounded.New[string, editor.Author](maxCached, 0), open: map[string]*watch{}, sessions: map[string]session{},
	}
}

type person struct {
	Name  string      `json:"name"`
	Color string      `json:"color"`
	Kind  editor.Kind `json:"kind"`
}

type session struct {
	User    string    `json:"user"`
	Started time.Time `json:"started"`
	Used    time.Time `json:"used"`
}

// ErrNoSession: the session does not exist, has expired or was ended.
var ErrNoSession = errors.New("no such session")

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

// SignInGuest makes a new guest and a session for them. The key is what the
// session's cookie must hold; it is not kept here.
func (a *Accounts) SignInGuest(ctx context.Context, name string) (p editor.Principal, key string, err error) {
	if name, err = CleanName(name); err != nil {
		return p, "", err
	}
	id := "g-" + random(12)
	p = editor.Principal{ID: id, Name: name, Color: colorOf(id), Kind: editor.KindGuest}
	if err := a.putPerson(ctx, p, 0); err != nil {
		return editor.Principal{}, "", err
	}
	key = random(24)
	now := a.now().UTC()
	if err := a.putSession(ctx, key, session{id, now, now}, 0); err != nil {
		return editor.Principal{}, "", err
	}
	return p, key, nil
}

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

func (a *Accounts) putSession(ctx context.Context, key string, s session, version uint64) error {
	value, err := json.Marshal(s)
	if err != nil {
		return err
	}
	_, err = a.records.Put(ctx, storage.Record{
		Key: sessionKey(key), Value: value, Version: version, Expires: s.Used.Add(sessionIdle),
	})
	return err
}

// Session says whose session key is; ErrNoSession if nobody's.
func (a *Accounts) Session(ctx context.Context, key string) (editor.Principal, error) {
	s, err := a.session(ctx, key)
	if err != nil {
		return editor.Principal{}, err
	}
	author, err := a.Author(ctx, s.User)
	if err != nil {
		return editor.Principal{}, err
	}
	return editor.Principal{ID: s.User, Name: author.Name, Color: author.Color, Kind: author.Kind}, nil
}

// session looks in the store where a use is to be noted there, and for what
// nobody has asked for yet.
func (a *Accounts) session(ctx context.Context, key string) (session, error) {
	k, now := sessionKey(key), a.now().UTC()
	a.mu.Lock()
	s, known := a.sessions[k]
	signOuts := a.signOuts
	a.mu.Unlock()
	if known && now.Sub(s.Used) <= sessionTouch {
		return s, nil
	}
	r, err := a.records.Get(ctx, k)
	if errors.Is(err, storage.ErrNotFound) {
		return session{}, ErrNoSession
	}
	if err != nil {
		return session{}, err
	}
	if err := json.Unmarshal(r.Value, &s); err != nil {
		return session{}, fmt.Errorf("session: %w", err)
	}
	if now.Sub(s.Used) > sessionTouch {
		s.Used = now
		// A full disk does not sign anybody out; the next use tries again.
		if a.putSession(ctx, key, s, r.Version) != nil {
			return s, nil
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if signOuts == a.signOuts {
		if len(a.sessions) >= maxCached {
			clear(a.sessions)
		}
		a.sessions[k] = s
	}
	return s, nil
}

// SignOut ends a session and every open line that runs on it.
func (a *Accounts) SignOut(ctx context.Context, key string) error {
	r, err := a.records.Get(ctx, sessionKey(key))
	if err == nil {
		err = a.records.Delete(ctx, r.Key, r.Version)
	}
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	k := sessionKey(key)
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.sessions, k)
	a.signOuts++
	first := a.open[k]
	delete(a.open, k)
	for w := first; w != nil; {
		w.over()
		if w = w.next; w == first {
			break
		}
	}
	return nil
}

// Watch has over called when the session is signed out, which must not wait for
// anything. It returns what to call when the caller no longer looks at it.
func (a *Accounts) Watch(key string, over func()) (forget func()) {
	k, w := sessionKey(key), &watch{over: over}
	a.mu.Lock()
	defer a.mu.Unlock()
	if first := a.open[k]; first == nil {
		w.prev, w.next = w, w
		a.open[k] = w
	} else {
		w.prev, w.next = first.prev, first
		w.prev.next, w.next.prev = w, w
	}
	return func() { a.forget(k, w) }
}

func (a *Accounts) forget(k string, w *watch) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w.prev.next, w.next.prev = w.next, w.prev
	if a.open[k] != w {
		return // another is the first, or the session has ended
	}
	if a.open[k] = w.next; w.next == w {
		delete(a.open, k)
	}
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

func sessionKey(key string) string {
	sum := sha256.Sum256([]byte(key))
	return "session/" + base64.RawURLEncoding.EncodeToString(sum[:])
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
