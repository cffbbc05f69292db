package account

import (
	"context"
	"errors"
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
