package editor

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// inBubble runs a test on a clock of its own.
func inBubble(t *testing.T, test func(t *testing.T, ps *Pages, id PageID)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		store := openStore(t, dir)
		defer store.Close()
		ps := openPages(t, store, Config{})
		defer ps.Close()
		test(t, ps, newPage(t, ps, "hello"))
	})
}

func post(t *testing.T, ps *Pages, p Principal, id PageID, client, state string) {
	t.Helper()
	h := Here{Client: client, Base: 1, Cursor: &Cursor{1, 2}, State: state}
	if err := ps.Presence(t.Context(), p, id, h); err != nil {
		t.Fatalf("Presence(%s, %s) = %v", client, state, err)
	}
}

// wantState checks what is said of a client; "" for one that is not there.
func wantState(t *testing.T, ps *Pages, id PageID, client, want string) {
	t.Helper()
	got := ""
	for _, c := range ps.presence.all(id).Clients {
		if c.Client == client {
			got = c.State
		}
	}
	if got != want {
		t.Errorf("%s is %q, want %q", client, got, want)
	}
}

func TestPresenceWithoutALineEndsAfterAWhile(t *testing.T) {
	inBubble(t, func(t *testing.T, ps *Pages, id PageID) {
		post(t, ps, ann, id, "client-a", StateTyping)
		time.Sleep(29 * time.Second)
		wantState(t, ps, id, "client-a", StateTyping)
		time.Sleep(2 * time.Second)
		wantState(t, ps, id, "client-a", "")
	})
}

func TestPresenceWithALineStays(t *testing.T) {
	inBubble(t, func(t *testing.T, ps *Pages, id PageID) {
		_, release, err := ps.Join(t.Context(), ann, Follow{Pages: []PageID{id}, Clients: []string{"client-a"}})
		if err != nil {
			t.Fatal(err)
		}
		wantState(t, ps, id, "client-a", "")
		post(t, ps, ann, id, "client-a", StateActive)
		time.Sleep(time.Hour)
		wantState(t, ps, id, "client-a", StateActive)
		release()
		wantState(t, ps, id, "client-a", StateReconnecting)
		time.Sleep(4 * time.Second)
		_, release, err = ps.Join(t.Context(), ann, Follow{Pages: []PageID{id}, Clients: []string{"client-a"}})
		if err != nil {
			t.Fatal(err)
		}
		wantState(t, ps, id, "client-a", StateActive)
		release()
		time.Sleep(6 * time.Second)
		wantState(t, ps, id, "client-a", "")
	})
}

func TestPresenceLeavesByWord(t *testing.T) {
	inBubble(t, func(t *testing.T, ps *Pages, id PageID) {
		_, release, err := ps.Join(t.Context(), ann, Follow{Pages: []PageID{id}, Clients: []string{"client-a"}})
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		post(t, ps, ann, id, "client-a", StateActive)
		post(t, ps, ann, id, "client-a", StateLeft)
		wantState(t, ps, id, "client-a", "")
		if err := ps.Presence(t.Context(), bob, id, Here{Client: "client-a", Base: 1, State: StateActive}); !errors.Is(err, ErrClientTaken) {
			t.Errorf("the id while its line is open: %v, want ErrClientTaken", err)
		}
	})
}

func TestClientBelongsToItsFirstUser(t *testing.T) {
	inBubble(t, func(t *testing.T, ps *Pages, id PageID) {
		submit(t, ps, ann, id, edit("client-a", 1, 1, `[{"insert":"x"}]`))
		if err := ps.Presence(t.Context(), bob, id, Here{Client: "client-a", Base: 1, State: StateActive}); !errors.Is(err, ErrClientTaken) {
			t.Errorf("presence under another's client: %v, want ErrClientTaken", err)
		}
		if _, _, err := ps.Join(t.Context(), bob, Follow{Pages: []PageID{id}, Clients: []string{"client-a"}}); !errors.Is(err, ErrClientTaken) {
			t.Errorf("a line under another's client: %v, want ErrClientTaken", err)
		}
		post(t, ps, ann, id, "client-b", StateActive)
		if _, err := ps.Submit(t.Context(), bob, id, edit("client-b", 1, 1, `[{"insert":"x"}]`)); !errors.Is(err, ErrClientTaken) {
			t.Errorf("an edit under another's present client: %v, want ErrClientTaken", err)
		}
	})
}

func TestPresenceRefusals(t *testing.T) {
	inBubble(t, func(t *testing.T, ps *Pages, id PageID) {
		for _, c := range []struct {
			name string
			here Here
			want error
		}{
			{"base ahead", Here{Client: "client-a", Base: 2, State: StateActive}, &BaseAheadError{}},
			{"state", Here{Client: "client-a", Base: 1, State: "asleep"}, &BadValueError{}},
			{"said by the server only", Here{Client: "client-a", Base: 1, State: StateReconnecting}, &BadValueError{}},
			{"cursor", Here{Client: "client-a", Base: 1, State: StateActive, Cursor: &Cursor{-1, 0}}, &BadValueError{}},
			{"client", Here{Client: "a", Base: 1, State: StateActive}, &BadValueError{}},
		} {
			err := ps.Presence(t.Context(), ann, id, c.here)
			switch c.want.(type) {
			case *BaseAheadError:
				var e *BaseAheadError
				if !errors.As(err, &e) {
					t.Errorf("%s: %v", c.name, err)
				}
			default:
				var e *BadValueError
				if !errors.As(err, &e) {
					t.Errorf("%s: %v", c.name, err)
				}
			}
		}
		var many *TooManyError
		for range 3 * presencePerSecond {
			if err := ps.Presence(t.Context(), ann, id, Here{Client: "client-a", Base: 1, State: StateActive}); err != nil && !errors.As(err, &many) {
				t.Fatal(err)
			}
		}
		if many == nil {
			t.Error("60 posts at once were all taken")
		}
	})
}

// What happens within one window is told in one event.
func TestPresenceIsGathered(t *testing.T) {
	inBubble(t, func(t *testing.T, ps *Pages, id PageID) {
		for _, client := range []string{"client-a", "client-b", "client-c"} {
			post(t, ps, ann, id, client, StateActive)
		}
		post(t, ps, ann, id, "client-b", StateLeft)
		ps.presence.mu.Lock()
		r := ps.presence.pages[id]
		changed, left := len(r.changed), len(r.left)
		ps.presence.mu.Unlock()
		if changed != 2 || left != 1 {
			t.Errorf("%d changed and %d left wait to be told, want 2 and 1", changed, left)
		}
		time.Sleep(time.Second)
		ps.presence.mu.Lock()
		defer ps.presence.mu.Unlock()
		if len(r.changed) != 0 || len(r.left) != 0 || r.armed {
			t.Error("a second later something still waits")
		}
	})
}

func TestHereListsPeopleOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, ps *Pages, id PageID) {
		post(t, ps, ann, id, "client-a", StateActive)
		post(t, ps, ann, id, "client-b", StateActive)
		post(t, ps, bob, id, "client-c", StateActive)
		if here := ps.presence.here(id); len(here) != 2 || here[0].User != "ann" || here[1].User != "bob" {
			t.Errorf("here = %v, want ann and bob", here)
		}
	})
}
