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
	// Generation is the version of the record generationKey when the session
	// was made. EndAll makes a new one: earlier sessions are no longer valid.
	Generation uint64 `json:"generation,omitempty"`
}

const generationKey = "session-generation"

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
	id := "g-" + random(12)
	p = editor.Principal{ID: id, Name: name, Color: colorOf(id), Kind: editor.KindGuest}
	if err := a.putPerson(ctx, p, 0); err != nil {
		return editor.Principal{}, "", err
	}
	if key, _, err = a.newSession(ctx, id, a.cfg.Now().UTC()); err != nil {
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
	a.moving.Lock()
	defer a.moving.Unlock()
	s, err := a.session(ctx, old)
	if err != nil {
		return "", err
	}
	key, s, err = a.newSession(ctx, s.User, s.Started)
	if err != nil {
		return "", err
	}
	// Where it cannot be told whether the old one is gone, the new key goes out
	// all the same: the person must not lose both.
	if err := a.deleteSession(ctx, old); err != nil && !errors.Is(err, storage.ErrUnknown) {
		return "", err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dropCached(old)
	if o := a.open[old]; o != nil {
		delete(a.open, old)
		o.key, o.session = sessionKey(key), s
		a.open[o.key] = o
	}
	return key, nil
}

func (a *Accounts) newSession(ctx context.Context, user string, started time.Time) (key string, s session, err error) {
	generation, err := a.currentGeneration(ctx)
	if err != nil {
		return "", session{}, err
	}
	key, s = random(24), session{User: user, Started: started, Used: a.cfg.Now().UTC(), Generation: generation}
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
		var changed *storage.ConflictError
		switch {
		case errors.Is(err, storage.ErrNotFound):
			return nil
		case !errors.As(err, &changed):
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

// session reads the store only where the session is not cached, or its use must
// be stored. A session that has expired is refused, not deleted: the clock may
// be wrong. The store frees its space in time.
func (a *Accounts) session(ctx context.Context, k string) (session, error) {
	now := a.cfg.Now().UTC()
	a.mu.Lock()
	s, known := a.sessions[k]
	endings := a.endings
	a.mu.Unlock()
	if known && a.cfg.expired(s) {
		return session{}, ErrNoSession
	}
	if known && !a.cfg.stale(s, now) {
		return s, nil
	}
	r, err := a.records.Get(ctx, k)
	if errors.Is(err, storage.ErrNotFound) {
		return session{}, ErrNoSession
	}
	if err != nil {
		return session{}, err
	}
	s = session{}
	if err := json.Unmarshal(r.Value, &s); err != nil {
		return session{}, fmt.Errorf("session: %w", err)
	}
	generation, err := a.currentGeneration(ctx)
	if err != nil {
		return session{}, err
	}
	if s.Generation != generation || a.cfg.expired(s) {
		return session{}, ErrNoSession
	}
	if a.cfg.stale(s, now) {
		s = s.touch(now)
		// A full disk does not sign anybody out; the next use tries again.
		if a.putSession(ctx, k, s, r.Version) != nil {
			return s, nil
		}
	}
	a.cache(k, s, endings)
	return s, nil
}

// cache keeps s, unless a session ended since endings was read.
func (a *Accounts) cache(k string, s session, endings uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if endings != a.endings {
		return
	}
	if len(a.sessions) >= maxCached {
		clear(a.sessions)
	}
	a.sessions[k] = s
}

// dropCached forgets a session that has ended. The caller holds mu.
func (a *Accounts) dropCached(k string) {
	delete(a.sessions, k)
	a.endings++
}

// SignOut ends a session and every open stream that runs on it.
func (a *Accounts) SignOut(ctx context.Context, key string) error {
	k := sessionKey(key)
	if err := a.deleteSession(ctx, k); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dropCached(k)
	a.endStreams(k)
	return nil
}

func (a *Accounts) currentGeneration(ctx context.Context) (uint64, error) {
	a.mu.Lock()
	generation, known := a.generation, a.generationKnown
	a.mu.Unlock()
	if known {
		return generation, nil
	}
	r, err := a.records.Get(ctx, generationKey) // version 0 where there is none
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return 0, fmt.Errorf("read the sessions' generation: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.generationKnown { // EndAll may have been quicker
		a.generation, a.generationKnown = r.Version, true
	}
	return a.generation, nil
}

// EndAll ends all sessions and every open stream on them, and renews the keys of
// cookies. What it does to sessions is one write: they all end or none does.
// After an error, call it again.
func (a *Accounts) EndAll(ctx context.Context) error {
	version, err := a.replace(ctx, generationKey, nil)
	if err != nil {
		return fmt.Errorf("end all sessions: %w", err)
	}
	a.mu.Lock()
	a.generation, a.generationKnown = max(a.generation, version), true
	clear(a.sessions)
	a.endings++
	for k := range a.open {
		a.endStreams(k)
	}
	a.mu.Unlock()
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
		var changed *storage.ConflictError
		if !errors.As(err, &changed) {
			return version, err
		}
	}
}

// cookieKeys are the records of the keys that cookies are signed and encrypted with.
var cookieKeys = [...]string{"secret/cookie-sign", "secret/cookie-hide"}

// CookieKeys returns the keys that cookies are signed and encrypted with, 32
// bytes each. EndAll renews them.
func (a *Accounts) CookieKeys(ctx context.Context) (sign, encrypt []byte, err error) {
	if sign, err = storage.Secret(ctx, a.records, cookieKeys[0]); err == nil {
		encrypt, err = storage.Secret(ctx, a.records, cookieKeys[1])
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read the cookies' keys: %w", err)
	}
	return sign, encrypt, nil
}

func sessionKey(key string) string {
	sum := sha256.Sum256([]byte(key))
	return "session/" + base64.RawURLEncoding.EncodeToString(sum[:])
}
