package account

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"halley/editor"
	"halley/storage"
	"halley/storage/bolt"
	"halley/storage/storagetest"
)

func newStore(t *testing.T) *bolt.Store {
	t.Helper()
	store, err := bolt.Open(t.TempDir(), bolt.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

func signIn(t *testing.T, a *Accounts) (editor.Principal, string) {
	t.Helper()
	p, key, err := a.SignInGuest(t.Context(), "Ann")
	if err != nil {
		t.Fatal(err)
	}
	return p, key
}

// TestSession: a session is found again, by another server on the store too,
// until it is signed out.
func TestSession(t *testing.T) {
	store := newStore(t)
	a := New(store, time.Now)
	p, key := signIn(t, a)
	for _, a := range []*Accounts{a, a, New(store, time.Now)} {
		if got, err := a.Session(t.Context(), key); err != nil || got != p {
			t.Errorf("the session is %v's, %v; want %v", got, err, p)
		}
	}
	if _, err := a.Session(t.Context(), "another"); !errors.Is(err, ErrNoSession) {
		t.Errorf("a key that nobody has: %v, want %v", err, ErrNoSession)
	}
	if err := a.SignOut(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if got, err := a.Session(t.Context(), key); !errors.Is(err, ErrNoSession) {
		t.Errorf("signed out, the session is %v's, %v; want %v", got, err, ErrNoSession)
	}
}

// TestRename: what a guest is called now, a session that is known says too.
func TestRename(t *testing.T) {
	a := New(newStore(t), time.Now)
	p, key := signIn(t, a)
	if _, err := a.Session(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Rename(t.Context(), p, "Bob"); err != nil {
		t.Fatal(err)
	}
	if got, err := a.Session(t.Context(), key); err != nil || got.Name != "Bob" {
		t.Errorf("the session is %q's, %v; want Bob's", got.Name, err)
	}
}

// TestSessionUse: a session that is used does not end, and what the store knows
// of its use is never older than a day or so.
func TestSessionUse(t *testing.T) {
	now := time.Now()
	a := New(newStore(t), func() time.Time { return now })
	_, key := signIn(t, a)
	for range 70 { // days; more than twice the idle time
		now = now.Add(sessionTouch + time.Hour)
		for range 2 {
			if _, err := a.Session(t.Context(), key); err != nil {
				t.Fatal(err)
			}
		}
	}
	r, err := a.records.Get(t.Context(), sessionKey(key))
	if err != nil || !r.Expires.After(now.Add(sessionIdle-time.Minute)) {
		t.Errorf("used now, the session ends at %v, %v; want %v later", r.Expires, err, sessionIdle)
	}
}

// slowRecords lets something happen between a read and its use.
type slowRecords struct {
	storage.Records
	meanwhile func()
}

func (s *slowRecords) Get(ctx context.Context, key string) (storage.Record, error) {
	r, err := s.Records.Get(ctx, key)
	if meanwhile := s.meanwhile; meanwhile != nil {
		s.meanwhile = nil
		meanwhile()
	}
	return r, err
}

// TestSignOutMeanwhile: who asks about a session while it is signed out does
// not keep it alive.
func TestSignOutMeanwhile(t *testing.T) {
	records := &slowRecords{Records: newStore(t)}
	a := New(records, time.Now)
	_, key := signIn(t, a)
	records.meanwhile = func() {
		if err := a.SignOut(t.Context(), key); err != nil {
			t.Error(err)
		}
	}
	if _, err := a.Session(t.Context(), key); err != nil {
		t.Errorf("read before it was signed out: %v", err)
	}
	if got, err := a.Session(t.Context(), key); !errors.Is(err, ErrNoSession) {
		t.Errorf("signed out, the session is %v's, %v; want %v", got, err, ErrNoSession)
	}
}

// TestWatch: signing out is heard by who watches the session then, once, and by
// nobody else.
func TestWatch(t *testing.T) {
	a := New(newStore(t), time.Now)
	_, key := signIn(t, a)
	_, other := signIn(t, a)
	heard := make([]int, 5)
	forget := make([]func(), len(heard))
	for i := range heard {
		forget[i] = a.Watch(key, func() { heard[i]++ })
	}
	a.Watch(other, func() { t.Error("another session's end is heard") })
	forget[0]()
	forget[3]()
	for range 2 {
		if err := a.SignOut(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	if want := []int{0, 1, 1, 0, 1}; !slices.Equal(heard, want) {
		t.Errorf("heard %v times, want %v", heard, want)
	}
	forget[1]()
	again := a.Watch(key, func() { heard[0]++ })
	forget[4]()
	forget[2]()
	if err := a.SignOut(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	again()
	if heard[0] != 1 || len(a.open) != 1 {
		t.Errorf("heard %v times, %d sessions watched; want one more, and the other", heard, len(a.open))
	}
}

// TestProgramOnAFullDisk: a program that nobody knows yet may read there.
func TestProgramOnAFullDisk(t *testing.T) {
	store := storagetest.NewFaulty(newStore(t))
	accounts := New(store, time.Now)
	store.FailAlways(storagetest.DiskFull)
	p, err := accounts.Program(t.Context(), "command-line", "Command line")
	if err != nil || p.ID != "command-line" {
		t.Fatalf("Program() on a full disk = %+v, %v", p, err)
	}
	store.FailAlways(storagetest.None)
	if _, err := accounts.Program(t.Context(), "command-line", "Command line"); err != nil {
		t.Fatal(err)
	}
	if a, err := accounts.Author(t.Context(), "command-line"); err != nil || a.Name != "Command line" {
		t.Errorf("Author() = %+v, %v when the disk has room again", a, err)
	}
}
