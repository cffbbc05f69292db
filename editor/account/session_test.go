package account

import (
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"halley/storage/bolt"
)

// A testClock is a wall clock and, behind it, the clock by which things expire.
type testClock struct{ now, expiry time.Time }

func newTestClock() *testClock {
	now := time.Now()
	return &testClock{now, now}
}

func (c *testClock) advance(d time.Duration) {
	c.now, c.expiry = c.now.Add(d), c.expiry.Add(d)
}

func (c *testClock) config() Config {
	return Config{Now: func() time.Time { return c.now }, ExpiryNow: func() time.Time { return c.expiry }}
}

func wantSession(t *testing.T, a *Accounts, key string, want error) {
	t.Helper()
	if got, err := a.Session(t.Context(), key); !errors.Is(err, want) {
		t.Errorf("the session of %q: %v, want %v", got.Name, err, want)
	}
}

// TestSessionUse: a session that is used does not end before its longest time,
// and the store knows of its use up to a part of the idle time ago.
func TestSessionUse(t *testing.T) {
	clock := newTestClock()
	a := NewWithConfig(newStore(t), clock.config())
	_, key := signIn(t, a)
	for range 70 { // days; more than twice the idle time
		clock.advance(25 * time.Hour)
		for range 2 {
			wantSession(t, a, key, nil)
		}
	}
	r, err := a.records.Get(t.Context(), sessionKey(key))
	if want := clock.now.Add(a.cfg.SessionIdle - time.Minute); err != nil || !r.Expires.After(want) {
		t.Errorf("used now, the session ends at %v, %v; want after %v", r.Expires, err, want)
	}
	clock.advance(a.cfg.SessionIdle + time.Second)
	wantSession(t, a, key, ErrNoSession)
}

// TestSessionMax: a session ends after its longest time, however it is used.
func TestSessionMax(t *testing.T) {
	for name, again := range map[string]bool{"used": false, "under new keys": true} {
		t.Run(name, func(t *testing.T) {
			clock := newTestClock()
			a := NewWithConfig(newStore(t), clock.config())
			_, key := signIn(t, a)
			for range 17 {
				clock.advance(10 * 24 * time.Hour)
				wantSession(t, a, key, nil)
				if again {
					var err error
					if _, key, err = a.SignInAgain(t.Context(), key, "Ann"); err != nil {
						t.Fatal(err)
					}
				}
			}
			clock.advance(11 * 24 * time.Hour)
			wantSession(t, a, key, ErrNoSession)
		})
	}
}

// TestWrongClock: a clock that is ahead for a while ends no session, and leaves
// none that lasts longer once it is used again.
func TestWrongClock(t *testing.T) {
	clock := newTestClock()
	a := NewWithConfig(newStore(t), clock.config())
	_, key := signIn(t, a)
	clock.now = clock.now.Add(40 * 24 * time.Hour)
	wantSession(t, a, key, nil)
	_, ahead := signIn(t, a)
	clock.now = clock.expiry
	for _, key := range []string{key, ahead} {
		wantSession(t, a, key, nil)
	}
	clock.advance(a.cfg.SessionIdle - time.Hour)
	for _, key := range []string{key, ahead} {
		wantSession(t, a, key, nil)
	}
	clock.advance(a.cfg.SessionIdle + time.Hour)
	for _, key := range []string{key, ahead} {
		wantSession(t, a, key, ErrNoSession)
	}
}

// TestSignInAgain: the old key is worthless at once, to another process too; who
// somebody is and what they have open stays.
func TestSignInAgain(t *testing.T) {
	store := newStore(t)
	a := New(store, time.Now)
	p, planted := signIn(t, a)
	ended := 0
	if _, err := a.Watch(t.Context(), planted, func() { ended++ }); err != nil {
		t.Fatal(err)
	}
	got, key, err := a.SignInAgain(t.Context(), planted, "Victim")
	if err != nil || got.ID != p.ID || got.Name != "Victim" || key == planted {
		t.Fatalf("signed in again: %v under %q, %v; want %s, called Victim, under a new key", got, key, err, p.ID)
	}
	for _, a := range []*Accounts{a, New(store, time.Now)} {
		wantSession(t, a, planted, ErrNoSession)
		wantSession(t, a, key, nil)
	}
	if _, _, err := a.SignInAgain(t.Context(), planted, "Mallory"); !errors.Is(err, ErrNoSession) {
		t.Errorf("signed in again under the old key: %v, want %v", err, ErrNoSession)
	}
	if ended != 0 {
		t.Error("a stream ended when its session got another key")
	}
	if err := a.SignOut(t.Context(), key); err != nil || ended != 1 {
		t.Errorf("signed out under the new key: %v, and a stream of the old one ended %d times, want once", err, ended)
	}
}

// TestEndAll: every session ends, those of another process on the store too,
// and every stream; who signs in afterwards is signed in.
func TestEndAll(t *testing.T) {
	dir := t.TempDir()
	store, err := bolt.Open(dir, bolt.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	a := New(store, time.Now)
	_, one := signIn(t, a)
	_, two := signIn(t, a)
	sign, encrypt, err := a.CookieKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ended := 0
	for _, key := range []string{one, two, two} {
		if _, err := a.Watch(t.Context(), key, func() { ended++ }); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := a.EndAll(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	_, three := signIn(t, a)
	for _, a := range []*Accounts{a, New(store, time.Now)} {
		wantSession(t, a, one, ErrNoSession)
		wantSession(t, a, two, ErrNoSession)
		wantSession(t, a, three, nil)
	}
	if ended != 3 || len(a.open) != 0 {
		t.Errorf("%d streams ended and %d sessions are watched, want 3 and 0", ended, len(a.open))
	}
	newSign, newEncrypt, err := a.CookieKeys(t.Context())
	if err != nil || slices.Equal(sign, newSign) || slices.Equal(encrypt, newEncrypt) || len(newSign) != 32 || len(newEncrypt) != 32 {
		t.Errorf("the cookies' keys were not renewed: %v", err)
	}
}

// TestWatch: who watches a session learns once that it was signed out, and
// nobody else does.
func TestWatch(t *testing.T) {
	a := New(newStore(t), time.Now)
	_, key := signIn(t, a)
	_, other := signIn(t, a)
	watch := func(key string, over func()) func() {
		forget, err := a.Watch(t.Context(), key, over)
		if err != nil {
			t.Fatal(err)
		}
		return forget
	}
	ended := make([]int, 5)
	forget := make([]func(), len(ended))
	for i := range ended {
		forget[i] = watch(key, func() { ended[i]++ })
	}
	watch(other, func() { t.Error("another session's end is told") })
	forget[0]()
	forget[3]()
	for range 2 {
		if err := a.SignOut(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	if want := []int{0, 1, 1, 0, 1}; !slices.Equal(ended, want) {
		t.Errorf("told %v times, want %v", ended, want)
	}
	for _, i := range []int{1, 4, 2} {
		forget[i]()
	}
	if _, err := a.Watch(t.Context(), key, func() {}); !errors.Is(err, ErrNoSession) {
		t.Errorf("a stream on a session that has ended: %v, want %v", err, ErrNoSession)
	}
	if len(a.open) != 1 {
		t.Errorf("%d sessions are watched, want the other alone", len(a.open))
	}
}

// TestStreamsEndWithTheirSession: an open stream counts as use, so only the
// longest time ends its session; then it ends within a second.
func TestStreamsEndWithTheirSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, err := bolt.Open(t.TempDir(), bolt.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		a := NewWithConfig(store, Config{SessionIdle: time.Hour, SessionMax: 10*time.Hour + 300*time.Millisecond, ExpiryNow: store.Now})
		defer a.Close()
		_, quiet := signIn(t, a)
		time.Sleep(30 * time.Minute)
		_, key := signIn(t, a)
		began := time.Now()
		var ended atomic.Int64
		forget, err := a.Watch(t.Context(), key, func() { ended.Store(int64(time.Since(began))) })
		if err != nil {
			t.Fatal(err)
		}
		defer forget()
		time.Sleep(31 * time.Minute)
		wantSession(t, a, quiet, ErrNoSession)
		time.Sleep(10 * time.Hour)
		if late := time.Duration(ended.Load()) - a.cfg.SessionMax; late < 0 || late > time.Second {
			t.Errorf("the stream ended %v after the session's longest time, want at most a second", late)
		}
		wantSession(t, a, key, ErrNoSession)
	})
}
