package editor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"halley/editor/budget"
	"halley/push"
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
		wantState(t, ps, id, "client-a", StateActive) // a poll may be between two calls
		time.Sleep(2 * time.Second)
		wantState(t, ps, id, "client-a", StateReconnecting)
		time.Sleep(2 * time.Second)
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

// told follows a page's presence as readers do, until the test ends.
func told(t *testing.T, ps *Pages, id PageID) func() []presenceEvent {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	var events []presenceEvent
	out := &lines{each: func(line []byte) {
		var e struct {
			Type string
			Data presenceEvent
		}
		if json.Unmarshal(line, &e) == nil && e.Type == "presence" && !e.Data.All {
			mu.Lock()
			defer mu.Unlock()
			events = append(events, e.Data)
		}
	}}
	r := httptest.NewRequestWithContext(ctx, "GET", "/", nil)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		line := push.Line{Start: []push.Position{{Topic: string(id), AtHead: true}}, Transport: push.NDJSON}
		if err := ps.Hub().Serve(out, r, line); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { cancel(); <-ended })
	synctest.Wait()
	return func() []presenceEvent {
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		all := events
		events = nil
		return all
	}
}

// lines is a ResponseWriter that hands out what is written line by line.
type lines struct {
	httptest.ResponseRecorder
	rest []byte
	each func([]byte)
}

func (l *lines) Write(b []byte) (int, error) {
	l.rest = append(l.rest, b...)
	for {
		line, rest, found := bytes.Cut(l.rest, []byte("\n"))
		if !found {
			return len(b), nil
		}
		l.each(line)
		l.rest = rest
	}
}

func (l *lines) Flush() {}

// What happens within one window is told in one event.
func TestPresenceIsGathered(t *testing.T) {
	inBubble(t, func(t *testing.T, ps *Pages, id PageID) {
		news := told(t, ps, id)
		for _, client := range []string{"client-a", "client-b", "client-c"} {
			post(t, ps, ann, id, client, StateActive)
		}
		post(t, ps, ann, id, "client-b", StateLeft)
		time.Sleep(time.Second)
		events := news()
		if len(events) != 1 || len(events[0].Clients) != 2 || len(events[0].Left) != 1 || events[0].Count != 2 {
			t.Errorf("told %+v, want one event with two clients and one that left", events)
		}
	})
}

// Of a crowd the last active are listed; the others are counted.
func TestPresenceOfACrowd(t *testing.T) {
	inBubble(t, func(t *testing.T, ps *Pages, id PageID) {
		const crowd = 1000
		news := told(t, ps, id)
		name := func(i int) string { return fmt.Sprintf("client-%04d", i) }
		// A reader's list: "all" replaces it, other events add to it and remove from it.
		listed := map[string]bool{}
		clients, events, count := 0, 0, 0
		follow := func() {
			for _, e := range news() {
				for _, c := range e.Left {
					delete(listed, c)
				}
				for _, c := range e.Clients {
					listed[c.Client] = true
				}
				clients, count = clients+len(e.Clients), e.Count
				events++
				if len(listed) > maxListed {
					t.Fatalf("%d clients are listed, want at most %d", len(listed), maxListed)
				}
			}
		}
		wantListed := func(from, to int) {
			t.Helper()
			follow()
			if len(listed) != to-from || count != ps.presence.all(id).Count {
				t.Errorf("%d are listed of %d, want %d of %d", len(listed), count, to-from, ps.presence.all(id).Count)
			}
			for _, c := range ps.presence.all(id).Clients {
				if !listed[c.Client] {
					t.Errorf("%s is listed in a snapshot only", c.Client)
				}
			}
			for i := from; i < to; i++ {
				if !listed[name(i)] {
					t.Errorf("%s is not listed", name(i))
				}
			}
		}
		for i := range crowd {
			post(t, ps, ann, id, name(i), StateActive)
			time.Sleep(time.Millisecond)
		}
		time.Sleep(2 * time.Second)
		wantListed(0, maxListed) // those who came first have moved lately, too
		if count != crowd {
			t.Errorf("count is %d, want %d", count, crowd)
		}

		clients, events = 0, 0
		for range 10 { // everybody moves, for ten seconds
			for i := range crowd {
				post(t, ps, ann, id, name(i), StateTyping)
			}
			time.Sleep(time.Second)
		}
		wantListed(0, maxListed)
		if clients > 10*2*maxListed || events > 20 {
			t.Errorf("ten seconds of a crowd's typing are told in %d events of %d clients", events, clients)
		}

		time.Sleep(2 * listedStay)
		for i := 500; i < 500+maxListed; i++ {
			post(t, ps, ann, id, name(i), StateTyping)
		}
		time.Sleep(2 * time.Second)
		wantListed(500, 500+maxListed)

		for i := range crowd { // those who go make room for the others
			if i < 100 || i >= 120 {
				post(t, ps, ann, id, name(i), StateLeft)
			}
		}
		time.Sleep(2 * time.Second)
		wantListed(100, 120)
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

// Twelve people who all got one colour are told apart by those that there
// are; the thirteenth has its own again.
func TestColorsDifferOnAPage(t *testing.T) {
	inBubble(t, func(t *testing.T, ps *Pages, id PageID) {
		person := func(i int) Principal {
			return Principal{ID: fmt.Sprintf("person-%02d", i), Name: "Person", Kind: KindGuest, Color: PersonColors[3]}
		}
		for i := range len(PersonColors) + 1 {
			post(t, ps, person(i), id, fmt.Sprintf("client-%02d", i), StateActive)
		}
		post(t, ps, person(5), id, "client-05-again", StateActive)
		colors := map[string]string{}
		for _, c := range ps.presence.all(id).Clients {
			colors[c.Client] = c.Color
		}
		if got := colors["client-00"]; got != PersonColors[3] {
			t.Errorf("the first has %s, want their own, %s", got, PersonColors[3])
		}
		if got, want := colors["client-05-again"], colors["client-05"]; got != want {
			t.Errorf("a person's second client has %s, want %s as the first", got, want)
		}
		if got := colors["client-12"]; got != PersonColors[3] {
			t.Errorf("when all are taken one has %s, want their own, %s", got, PersonColors[3])
		}
		hues := map[int]bool{}
		for i := range len(PersonColors) / 2 {
			hues[slices.Index(PersonColors, colors[fmt.Sprintf("client-%02d", i)])%(len(PersonColors)/2)] = true
		}
		if len(hues) != len(PersonColors)/2 {
			t.Errorf("two of the first six have colours that are alike: %v", colors)
		}
		shown := map[string]int{}
		for _, p := range ps.presence.here(id) {
			shown[p.Color]++
		}
		if len(shown) != len(PersonColors) {
			t.Errorf("%d colours are shown, want all %d: %v", len(shown), len(PersonColors), shown)
		}
	})
}

// TestPresenceIsBounded has one person make up clients without end.
func TestPresenceIsBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, ps *Pages, id PageID) {
		for i := range maxPlaces + 10 {
			h := Here{Client: fmt.Sprintf("client-%d", i), Base: 1, State: StateActive}
			err := ps.Presence(t.Context(), ann, id, h)
			var many *TooManyError
			if refused := errors.As(err, &many); refused != (i >= maxPlaces) {
				t.Fatalf("client %d = %v, want a refusal from %d on", i, err, maxPlaces)
			}
		}
		post(t, ps, bob, id, "client-of-bob", StateActive) // others are not affected
		time.Sleep(time.Minute)
		ps.presence.mu.Lock()
		n := ps.presence.total
		ps.presence.mu.Unlock()
		if n != 0 || ps.presence.len() != 0 {
			t.Errorf("a minute later %d clients are counted and %d held, want none", n, ps.presence.len())
		}
		post(t, ps, ann, id, "client-again", StateActive)
	})
}

// TestNoRoomForPresence: where others have taken every place, a line opens
// without one.
func TestNoRoomForPresence(t *testing.T) {
	inBubble(t, func(t *testing.T, ps *Pages, id PageID) {
		ps.presence.mu.Lock()
		ps.presence.total += maxAllPlaces
		ps.presence.mu.Unlock()
		_, release, err := ps.Join(t.Context(), ann, Follow{Pages: []PageID{id}, Clients: []string{"client-of-ann"}})
		if err != nil {
			t.Fatalf("Join() without room for presence: %v", err)
		}
		release()
		var busy *budget.BusyError
		if err := ps.Presence(t.Context(), ann, id, Here{Client: "client-of-ann", State: StateActive}); !errors.As(err, &busy) {
			t.Errorf("Presence() without room = %v, want a *BusyError", err)
		}
		ps.presence.mu.Lock()
		ps.presence.total -= maxAllPlaces
		ps.presence.mu.Unlock()
	})
}
