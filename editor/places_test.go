package editor

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"halley/editor/budget"
)

func clientNames(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("client-%d", i))
	}
	return names
}

// TestPlacesOfALine: a line names at most MaxPlacesALine clients on pages, and
// makes little of those that never post.
func TestPlacesOfALine(t *testing.T) {
	ps := newPages(t)
	pages := []PageID{newPage(t, ps, "a"), newPage(t, ps, "b")}
	var bad *BadValueError
	if _, _, err := ps.Join(t.Context(), bob, Follow{pages, clientNames(MaxPlacesALine/2 + 1)}); !errors.As(err, &bad) {
		t.Errorf("one client too many = %v, want a BadValueError", err)
	}
	refused, release, err := ps.Join(t.Context(), bob, Follow{pages, clientNames(MaxPlacesALine / 2)})
	if err != nil || len(refused) > 0 {
		t.Fatalf("Join = %v, %v", refused, err)
	}
	defer release()
	post(t, ps, bob, pages[0], "client-7", StateActive)
	ps.presence.mu.Lock()
	defer ps.presence.mu.Unlock()
	for _, id := range pages {
		r := ps.presence.pages[id]
		if len(r.clients) != MaxPlacesALine/2 {
			t.Errorf("%d clients are on a page, want %d", len(r.clients), MaxPlacesALine/2)
		}
		for client, g := range r.clients {
			if posted := id == pages[0] && client == "client-7"; (g.limit != nil) != posted || (g.color != "") != posted {
				t.Errorf("%s, which posted %v, has limit %v and colour %q", client, posted, g.limit != nil, g.color)
			}
		}
	}
}

// TestPlacesOfAPerson: a person has at most maxPlaces, which come back when
// lines end.
func TestPlacesOfAPerson(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		store := openStore(t, dir)
		defer store.Close()
		b := budget.New(1 << 30)
		ps := openPages(t, store, Config{Budget: b})
		defer ps.Close()
		var releases []func()
		join := func(who Principal) error {
			id := newPage(t, ps, "")
			_, release, err := ps.Join(t.Context(), who, Follow{[]PageID{id}, clientNames(MaxPlacesALine)})
			if err == nil {
				releases = append(releases, release)
			}
			return err
		}
		for range maxPlaces / MaxPlacesALine {
			if err := join(bob); err != nil {
				t.Fatal(err)
			}
		}
		var tooMany *TooManyError
		if err := join(bob); !errors.As(err, &tooMany) {
			t.Errorf("one line too many = %v, want a TooManyError", err)
		}
		if err := join(ann); err != nil {
			t.Errorf("somebody else's line = %v", err)
		}
		for _, release := range releases {
			release()
		}
		time.Sleep(lineGrace + 2*sweepEvery)
		ps.presence.mu.Lock()
		if n := ps.presence.share.Used(); n != 0 || len(ps.presence.places) != 0 || len(ps.presence.pages) != 0 {
			t.Errorf("%d bytes, %d people and %d pages are left, want none", n, len(ps.presence.places), len(ps.presence.pages))
		}
		ps.presence.mu.Unlock()
		if err := join(bob); err != nil {
			t.Errorf("a line after all have ended = %v", err)
		}
		releases[len(releases)-1]()
	})
}

// TestPlacesBeyondTheBudget: without memory for presence a line goes on without.
func TestPlacesBeyondTheBudget(t *testing.T) {
	store := openStore(t, t.TempDir())
	t.Cleanup(func() { store.Close() })
	ps := openPages(t, store, Config{Budget: budget.New(20 * 3 * placeBytes)}) // of which presence may have a twentieth
	id := newPage(t, ps, "")
	refused, release, err := ps.Join(t.Context(), bob, Follow{[]PageID{id}, clientNames(5)})
	if err != nil || len(refused) > 0 {
		t.Fatalf("Join = %v, %v, want a line", refused, err)
	}
	defer release()
	ps.presence.mu.Lock()
	defer ps.presence.mu.Unlock()
	if n := len(ps.presence.pages[id].clients); n != 3 {
		t.Errorf("%d clients are there, want the 3 that there is memory for", n)
	}
}
