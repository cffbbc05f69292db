package account

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"halley/storage/storagetest"
)

// A modelSession is a session as the model knows it.
type modelSession struct {
	key     string
	old     []string // keys that it had before
	user    string
	name    string
	ended   bool
	streams []*modelStream
}

type modelStream struct {
	ended  atomic.Int32
	forget func()
}

// A sessionModel makes random calls at two processes that share a store.
type sessionModel struct {
	t        *testing.T
	rng      *rand.Rand
	nodes    []*Accounts
	sessions []*modelSession
}

// TestSessionsOfTwoProcesses: what one process does to sessions holds there at once
// and at another process within a second, for open streams too, although watches
// lose, repeat and break off.
func TestSessionsOfTwoProcesses(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newStore(t)
				defer store.Close()
				m := &sessionModel{t: t, rng: rand.New(rand.NewPCG(seed, 2))}
				for n := range uint64(2) {
					a := NewWithConfig(storagetest.NewLossyWatch(store, 2*seed+n), Config{ExpiryNow: store.Now})
					defer a.Close()
					m.nodes = append(m.nodes, a)
				}
				synctest.Wait()
				for range 120 {
					m.step()
				}
				time.Sleep(time.Second)
				m.check()
				a := New(store, time.Now) // after a restart
				defer a.Close()
				for _, s := range m.sessions {
					m.wantAt(a, s)
				}
			})
		})
	}
}

func (m *sessionModel) step() {
	a := m.nodes[m.rng.IntN(len(m.nodes))]
	if len(m.sessions) < 3 || m.rng.IntN(6) == 0 {
		m.signIn(a)
		return
	}
	s := m.sessions[m.rng.IntN(len(m.sessions))]
	switch m.rng.IntN(12) {
	case 0, 1:
		m.signOut(a, s)
	case 2, 3:
		m.renew(a, s)
	case 4:
		if m.rng.IntN(4) == 0 {
			m.endAll(a)
		}
	case 5, 6, 7:
		m.open(a, s)
	default:
		_, _ = a.Session(m.t.Context(), s.key) // so that it is cached
	}
	if m.rng.IntN(3) == 0 {
		time.Sleep(time.Second)
		m.check()
	}
}

func (m *sessionModel) signIn(a *Accounts) {
	p, key, err := a.SignInGuest(m.t.Context(), "Ann")
	if err != nil {
		m.t.Fatal(err)
	}
	s := &modelSession{key: key, user: p.ID, name: p.Name}
	m.sessions = append(m.sessions, s)
	m.wantAt(a, s)
}

func (m *sessionModel) signOut(a *Accounts, s *modelSession) {
	if err := a.SignOut(m.t.Context(), s.key); err != nil {
		m.t.Fatal(err)
	}
	s.ended = true
	m.wantAt(a, s)
}

func (m *sessionModel) endAll(a *Accounts) {
	if err := a.EndAll(m.t.Context()); err != nil {
		m.t.Fatal(err)
	}
	for _, s := range m.sessions {
		s.ended = true
		m.wantAt(a, s)
	}
}

// renew gives a session a new name and key. A session that another process has
// just ended may be renewed in vain, but never comes back.
func (m *sessionModel) renew(a *Accounts, s *modelSession) {
	name := fmt.Sprintf("Name %d", m.rng.IntN(100))
	_, key, err := a.SignInAgain(m.t.Context(), s.key, name)
	switch {
	case errors.Is(err, ErrNoSession):
		if !s.ended {
			m.t.Errorf("a session that goes on was not renewed: %v", err)
		}
	case err != nil:
		m.t.Fatal(err)
	case s.ended:
		m.sessions = append(m.sessions, &modelSession{key: key, ended: true})
	default:
		s.old, s.key, s.name = append(s.old, s.key), key, name
		m.wantAt(a, s)
		m.wantInvalid(a, s.old[len(s.old)-1])
	}
}

func (m *sessionModel) open(a *Accounts, s *modelSession) {
	stream := &modelStream{}
	forget, err := a.Watch(m.t.Context(), s.key, func() { stream.ended.Add(1) })
	if err == nil {
		stream.forget = forget
		s.streams = append(s.streams, stream)
	} else if !s.ended {
		m.t.Errorf("a stream of a session that goes on was refused: %v", err)
	}
}

// wantAt checks what a process says of a session.
func (m *sessionModel) wantAt(a *Accounts, s *modelSession) {
	m.t.Helper()
	p, err := a.Session(m.t.Context(), s.key)
	if s.ended != errors.Is(err, ErrNoSession) || !s.ended && (err != nil || p.ID != s.user || p.Name != s.name) {
		m.t.Errorf("the session (ended: %v) is of %+v, %v; want %s, %q", s.ended, p, err, s.user, s.name)
	}
}

func (m *sessionModel) wantInvalid(a *Accounts, key string) {
	m.t.Helper()
	if _, err := a.Session(m.t.Context(), key); !errors.Is(err, ErrNoSession) {
		m.t.Errorf("an old key of a session is still valid: %v", err)
	}
}

// check checks all sessions everywhere, and their streams.
func (m *sessionModel) check() {
	m.t.Helper()
	for _, s := range m.sessions {
		for _, a := range m.nodes {
			m.wantAt(a, s)
			for _, key := range s.old {
				m.wantInvalid(a, key)
			}
		}
		for _, stream := range s.streams {
			want := int32(0)
			if s.ended {
				want = 1
			}
			if got := stream.ended.Load(); got != want {
				m.t.Errorf("a stream of a session (ended: %v) was ended %d times, want %d", s.ended, got, want)
			}
		}
		if s.ended {
			for _, stream := range s.streams {
				stream.forget()
			}
			s.streams = nil
		}
	}
}

// TestSecretsVersion: another process learns that the cookies' keys were renewed.
func TestSecretsVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newStore(t)
		defer store.Close()
		one, two := New(store, time.Now), New(store, time.Now)
		defer one.Close()
		defer two.Close()
		if _, _, err := one.CookieKeys(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		before := two.SecretsVersion()
		if err := one.EndAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := two.SecretsVersion(); got == before {
			t.Errorf("the version is %d after the keys were renewed, as before", got)
		}
	})
}
