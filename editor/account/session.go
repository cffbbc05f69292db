package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"halley/editor"
	"halley/storage"
)

// ErrNoSession: the session does not exist, has expired or was ended.
var ErrNoSession = errors.New("no such session")

// touchParts is into how many parts the idle time is divided: a session's use is
// stored at most once in each.
const touchParts = 30

// A session is what is stored under the hash of its key.
type session struct {
	User    string    `json:"user"`
	Started time.Time `json:"started"`
	Used    time.Time `json:"used"` // up to one part of the idle time ago
	// Generation is the version that the record generationKey had when the session
	// was made. EndAll writes a new version: sessions of earlier ones are no longer
	// valid.
	Generation uint64 `json:"generation,omitempty"`
	// Next is the record key under which the session goes on, after its key was
	// renewed. The record stays for movedFor, so that every process that has
	// streams open on it moves them. "": the session is under this key.
	Next string `json:"next,omitempty"`
}

const movedFor = time.Minute

// A movedError is ErrNoSession for a session whose key was renewed.
type movedError struct{ next string }

func (e *movedError) Error() string { return "the session's key was renewed" }

func (e *movedError) Unwrap() error { return ErrNoSession }

const generationKey = sessionPrefix + "-generation"

// end is when the session expires unless it is used.
func (c *Config) end(s session) time.Time {
	idle, limit := s.Used.Add(c.SessionIdle), s.Started.Add(c.SessionMax)
	if limit.Before(idle) {
		return limit
	}
	return idle
}

func (c *Config) expired(s session) bool { return !c.ExpiryNow().Before(c.end(s)) }

func (c *Config) touchEvery() time.Duration { return c.SessionIdle / touchParts }

// stale reports whether the session's use must be stored: the last one is long
// ago, or lies ahead, which a clock that was wrong has left behind.
func (c *Config) stale(s session, now time.Time) bool {
	return now.Sub(s.Used).Abs() > c.touchEvery()
}

// touch notes that the session is used now. A start ahead of the clock comes
// from a clock that was wrong, and would let the session last too long.
func (s session) touch(now time.Time) session {
	s.Used = now
	if s.Started.After(now) {
		s.Started = now
	}
	return s
}

// SignInGuest makes a new guest and a session for them. The key is what the
// session's cookie must hold; only its hash is stored.
func (a *Accounts) SignInGuest(ctx context.Context, name string) (p editor.Principal, key string, err error) {
	if name, err = CleanName(name); err != nil {
		return p, "", err
	}
	id := "g-" + rand.Text()
	p = editor.Principal{ID: id, Name: name, Color: colorOf(id), Kind: editor.KindGuest}
	if err := a.putPerson(ctx, p, 0); err != nil {
		return editor.Principal{}, "", err
	}
	// Not the cached one: another process may have ended all sessions just now,
	// and this one comes after that.
	generation, err := a.storedGeneration(ctx)
	if err != nil {
		return editor.Principal{}, "", err
	}
	if key, _, err = a.newSession(ctx, session{User: id, Started: a.cfg.Now().UTC(), Generation: generation}); err != nil {
		return editor.Principal{}, "", err
	}
	return p, key, nil
}

// SignInAgain renames the guest of a session and gives the session a new key;
// the old one is no longer valid. So a key that somebody else has planted in a
// browser is worthless once its user has signed in. Streams that were opened
// with the old key stay open, as part of the session under its new key. The
// session's absolute end stays: a new name proves nothing.
func (a *Accounts) SignInAgain(ctx context.Context, key, name string) (editor.Principal, string, error) {
	p, err := a.Session(ctx, key)
	if err != nil {
		return p, "", err
	}
	if p, err = a.Rename(ctx, p, name); err != nil {
		return p, "", err
	}
	fresh, err := a.renewKey(ctx, sessionKey(key))
	if err != nil {
		return editor.Principal{}, "", err
	}
	return p, fresh, nil
}

// renewKey moves the session under record key old to a new key.
func (a *Accounts) renewKey(ctx context.Context, old string) (key string, err error) {
	s, err := a.session(ctx, old)
	if err != nil {
		return "", err
	}
	key, s, err = a.newSession(ctx, s)
	if err != nil {
		return "", err
	}
	next := sessionKey(key)
	// If it is not known whether the old one has ended, the new key is returned
	// all the same: the person must not lose both.
	if err := a.endOldKey(ctx, old, next); err != nil && !errors.Is(err, storage.ErrUnknown) {
		return "", errors.Join(err, a.deleteSession(ctx, next))
	}
	a.sessions.drop(old)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.moveStreams(old, next)
	if o := a.open[next]; o != nil {
		o.session = s
	}
	return key, nil
}

// endOldKey makes the record of a session say that the session goes on under next;
// ErrNoSession if it has ended or goes on under another key already.
func (a *Accounts) endOldKey(ctx context.Context, old, next string) error {
	value, err := json.Marshal(session{Next: next})
	if err != nil {
		return err
	}
	for {
		_, version, err := a.validSession(ctx, old)
		if err != nil {
			return err
		}
		expires := a.cfg.ExpiryNow().Add(movedFor)
		_, err = a.records.Put(ctx, storage.Record{Key: old, Value: value, Version: version, Expires: expires})
		if !isConflict(err) { // else it was used or ended just now
			return err
		}
	}
}

// newSession stores s, as used now, under a new key.
func (a *Accounts) newSession(ctx context.Context, s session) (key string, _ session, err error) {
	key = rand.Text()
	s.Used = a.cfg.Now().UTC()
	return key, s, a.putSession(ctx, sessionKey(key), s, 0)
}

func (a *Accounts) putSession(ctx context.Context, k string, s session, version uint64) error {
	value, err := json.Marshal(s)
	if err != nil {
		return err
	}
	_, err = a.records.Put(ctx, storage.Record{Key: k, Value: value, Version: version, Expires: a.cfg.end(s)})
	return err
}

// deleteSession removes a session's record, if there is one. A use that is
// stored at the same moment does not save it.
func (a *Accounts) deleteSession(ctx context.Context, k string) error {
	for {
		r, err := a.records.Get(ctx, k)
		if err == nil {
			err = a.records.Delete(ctx, k, r.Version)
		}
		switch {
		case errors.Is(err, storage.ErrNotFound):
			return nil
		case !isConflict(err):
			return err
		}
	}
}

// Session returns the principal of the session with this key; ErrNoSession.
func (a *Accounts) Session(ctx context.Context, key string) (editor.Principal, error) {
	s, err := a.session(ctx, sessionKey(key))
	if err != nil {
		return editor.Principal{}, err
	}
	author, err := a.Author(ctx, s.User)
	if err != nil {
		return editor.Principal{}, err
	}
	return editor.Principal{ID: s.User, Name: author.Name, Color: author.Color, Kind: author.Kind}, nil
}

// session reads the store only if the session is not cached, or its use must be
// stored. A session that has expired is refused, not deleted: the clock may be
// wrong. The store frees its space in time.
func (a *Accounts) session(ctx context.Context, k string) (session, error) {
	now := a.cfg.Now().UTC()
	s, known := a.sessions.get(k)
	switch {
	case known && a.cfg.expired(s):
		return session{}, ErrNoSession
	case known && !a.cfg.stale(s, now):
		return s, nil
	}
	return a.sessions.load(k, func() (session, bool, error) { return a.readSession(ctx, k, now) })
}

// readSession reads a session and stores its use when that is due. keep is false
// if the use could not be stored: a full disk does not sign anybody out, and the
// next use tries again.
func (a *Accounts) readSession(ctx context.Context, k string, now time.Time) (s session, keep bool, err error) {
	for {
		s, version, err := a.validSession(ctx, k)
		if err != nil || !a.cfg.stale(s, now) {
			return s, err == nil, err
		}
		s = s.touch(now)
		err = a.putSession(ctx, k, s, version)
		if !isConflict(err) { // else it was used or ended just now
			return s, err == nil, nil
		}
	}
}

func (a *Accounts) validSession(ctx context.Context, k string) (s session, version uint64, err error) {
	r, err := a.records.Get(ctx, k)
	if errors.Is(err, storage.ErrNotFound) {
		return session{}, 0, ErrNoSession
	}
	if err != nil {
		return session{}, 0, err
	}
	if err := json.Unmarshal(r.Value, &s); err != nil {
		return session{}, 0, fmt.Errorf("session: %w", err)
	}
	if s.Next != "" {
		return session{}, 0, &movedError{s.Next}
	}
	generation, err := a.currentGeneration(ctx)
	if err != nil {
		return session{}, 0, err
	}
	if s.Generation < generation || a.cfg.expired(s) {
		return session{}, 0, ErrNoSession
	}
	return s, r.Version, nil
}

// SignOut ends a session and every open stream that runs on it.
func (a *Accounts) SignOut(ctx context.Context, key string) error {
	k := sessionKey(key)
	if err := a.deleteSession(ctx, k); err != nil {
		return err
	}
	a.sessionEnded(k)
	return nil
}

func (a *Accounts) currentGeneration(ctx context.Context) (uint64, error) {
	if generation, ok := a.generation.get(generationKey); ok {
		return generation, nil
	}
	return a.generation.load(generationKey, func() (uint64, bool, error) {
		generation, err := a.storedGeneration(ctx)
		return generation, true, err
	})
}

func (a *Accounts) storedGeneration(ctx context.Context) (uint64, error) {
	r, err := a.records.Get(ctx, generationKey) // version 0 if there is none
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return 0, fmt.Errorf("read the sessions' generation: %w", err)
	}
	return r.Version, nil
}

// EndAll ends all sessions and every open stream on them, and renews the keys of
// cookies. What it does to sessions is one write: they all end or none does.
// After an error, call it again.
func (a *Accounts) EndAll(ctx context.Context) error {
	version, err := a.replace(ctx, generationKey, nil)
	if err != nil {
		return fmt.Errorf("end all sessions: %w", err)
	}
	a.generationEnded(version)
	for _, key := range cookieKeys {
		fresh := make([]byte, 32)
		rand.Read(fresh)
		if _, err := a.replace(ctx, key, fresh); err != nil {
			return fmt.Errorf("renew the cookies' keys: %w", err)
		}
	}
	return nil
}

// replace puts a record, whatever its version is.
func (a *Accounts) replace(ctx context.Context, key string, value []byte) (version uint64, err error) {
	for {
		r, err := a.records.Get(ctx, key)
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return 0, err
		}
		version, err = a.records.Put(ctx, storage.Record{Key: key, Value: value, Version: r.Version})
		if !isConflict(err) {
			return version, err
		}
	}
}

// cookieKeys are the records of the keys that cookies are signed and encrypted with.
var cookieKeys = [...]string{secretPrefix + "sign", secretPrefix + "hide"}

// CookieKeys returns the keys that cookies are signed and encrypted with, 32
// bytes each. EndAll renews them; see SecretsVersion.
func (a *Accounts) CookieKeys(ctx context.Context) (sign, encrypt []byte, err error) {
	if sign, err = storage.Secret(ctx, a.records, cookieKeys[0]); err == nil {
		encrypt, err = storage.Secret(ctx, a.records, cookieKeys[1])
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read the cookies' keys: %w", err)
	}
	return sign, encrypt, nil
}

// SecretsVersion is a number that grows after the keys of CookieKeys were renewed,
// by any process. It may also grow without a reason.
func (a *Accounts) SecretsVersion() uint64 { return a.secrets.Load() }

// sessionKey is the key of a session's record.
func sessionKey(key string) string {
	sum := sha256.Sum256([]byte(key))
	text := append(make([]byte, 0, 64), sessionPrefix+"/"...)
	return string(base64.RawURLEncoding.AppendEncode(text, sum[:]))
}
