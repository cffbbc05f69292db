package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"halley/editor"
)

// A handClock goes on when a test says so.
type handClock struct {
	mu  sync.Mutex
	now time.Time
}

func newHandClock() *handClock { return &handClock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *handClock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// passed is how many of tries single units a bucket gives at one time.
func passed(l *limits, in *buckets, key bucketKey, units float64, tries int) int {
	n := 0
	for range tries {
		if l.take(charge{in, key, units}) == nil {
			n++
		}
	}
	return n
}

func TestRates(t *testing.T) {
	clock := newHandClock()
	for _, c := range []struct {
		name  string
		rate  rate
		units float64
		pause time.Duration
		first int // pass at once
		then  int // pass after the pause
	}{
		{"single units", rate{10, 20}, 1, time.Second, 20, 10},
		{"what costs more passes less often", rate{10, 20}, 5, time.Second, 4, 2},
		{"what costs more than a bucket takes a whole one", rate{10, 20}, 1000, 2 * time.Second, 1, 1},
		{"a full bucket holds a burst", rate{10, 20}, 1, time.Hour, 20, 20},
		{"a few a day", rate{24.0 / day, 2}, 1, time.Hour, 2, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, in := newLimits(true, clock.Now), newBuckets(c.rate)
			key := bucketKey{who: "g-1"}
			if got := passed(l, in, key, c.units, 50); got != c.first {
				t.Errorf("%d pass at once, want %d", got, c.first)
			}
			clock.add(c.pause)
			if got := passed(l, in, key, c.units, 50); got != c.then {
				t.Errorf("%d pass after %v, want %d", got, c.pause, c.then)
			}
		})
	}
}

// TestRetryAfter: whoever waits as long as a refusal says is let in.
func TestRetryAfter(t *testing.T) {
	clock := newHandClock()
	l, in := newLimits(true, clock.Now), newBuckets(rate{0.5, 3})
	key := bucketKey{who: "g-1"}
	passed(l, in, key, 1, 3)
	var many *editor.TooManyError
	if err := l.take(charge{in, key, 2}); !errors.As(err, &many) || many.After != 4*time.Second {
		t.Fatalf("two more units = %v, want a wait of 4 s", err)
	}
	clock.add(many.After)
	if err := l.take(charge{in, key, 2}); err != nil {
		t.Errorf("after the wait = %v, want no error", err)
	}
}

// TestRefusalCostsNothing: one bucket that is empty leaves the others as they are.
func TestRefusalCostsNothing(t *testing.T) {
	clock := newHandClock()
	l, mine, all := newLimits(true, clock.Now), newBuckets(rate{1, 2}), newBuckets(rate{1, 10})
	for range 20 {
		_ = l.take(charge{mine, bucketKey{who: "g-1"}, 1}, charge{all, bucketKey{}, 1})
	}
	if got := passed(l, all, bucketKey{}, 1, 20); got != 8 {
		t.Errorf("%d units are left for others, want 8 of 10", got)
	}
}

// TestFloodOfKeys: made-up keys neither grow the limiter beyond its bound nor
// reset anybody's bucket.
func TestFloodOfKeys(t *testing.T) {
	clock := newHandClock()
	l := newLimits(true, clock.Now)
	mine := bucketKey{who: "g-1"}
	passed(l, l.calls, mine, 1, int(callsPerPerson.burst))
	refused := 0
	for i := range maxBuckets + 20_000 {
		if l.take(charge{l.calls, bucketKey{who: fmt.Sprintf("g-flood-%d", i)}, 100}) != nil {
			refused++
		}
	}
	if n := l.calls.of.Len(); n != maxBuckets {
		t.Errorf("%d buckets after the flood, want %d", n, maxBuckets)
	}
	if refused == 0 {
		t.Error("keys beyond the bound are never refused: whoever makes them up has no limit")
	}
	if got := passed(l, l.calls, mine, 1, 10); got != 0 {
		t.Errorf("the flood has given %d units back to an empty bucket", got)
	}
	clock.add(time.Minute)
	passed(l, l.calls, mine, 1, maxBuckets/10) // each call removes some that are at rest
	if n := l.calls.of.Len(); n > 1 {
		t.Errorf("%d buckets a minute later, want only the one in use", n)
	}
}

// TestClockSetBackDoesNotLockOut: a clock that was wrong for a moment leaves
// nobody with a bucket that fills in forty days.
func TestClockSetBackDoesNotLockOut(t *testing.T) {
	clock := newHandClock()
	l, in := newLimits(true, clock.Now), newBuckets(rate{1, 2})
	clock.add(40 * 24 * time.Hour)
	passed(l, in, bucketKey{who: "g-1"}, 1, 2)
	clock.add(-40 * 24 * time.Hour)
	passed(l, in, bucketKey{who: "g-1"}, 1, 1) // nothing: the bucket is empty
	clock.add(2 * time.Second)
	if got := passed(l, in, bucketKey{who: "g-1"}, 1, 2); got == 0 {
		t.Error("nothing passes two seconds after the clock was set back")
	}
}

// from is a browser elsewhere, behind an address.
func from(t testing.TB, s *Server, addr, agent string) *browser {
	return &browser{t: t, s: s, addr: addr + ":50000", agent: agent}
}

// enter signs a guest in, who is then told from all others.
func (b *browser) enter(name string) *httptest.ResponseRecorder {
	w := b.do("POST", "/api/session", `{"name":"`+name+`"}`)
	if cookies := w.Result().Cookies(); len(cookies) == 1 {
		b.cookie = cookies[0]
	}
	return w
}

func newPageOf(t testing.TB, b *browser) string {
	t.Helper()
	var page struct{ ID string }
	if w := b.do("POST", "/api/pages", `{}`); json.Unmarshal(w.Body.Bytes(), &page) != nil || page.ID == "" {
		t.Fatalf("a new page: %d %s", w.Code, w.Body)
	}
	return page.ID
}

// TestTwoHundredBehindOneAddress: a school behind one address signs in within a
// minute, and each types at 5 edits a second: nothing is refused.
func TestTwoHundredBehindOneAddress(t *testing.T) {
	const people, seconds, perSecond = 200, 5, 5
	clock := newHandClock()
	s := newServer(t, Config{RateLimits: true, AnyHost: true, Now: clock.Now})
	var all []*browser
	for i := range people {
		b := from(t, s, "192.0.2.1", "Browser/1.0")
		if w := b.enter(fmt.Sprintf("Guest %d", i)); w.Code != 200 {
			t.Fatalf("guest %d signs in: %d %s", i, w.Code, w.Body)
		}
		clock.add(time.Minute / people)
		all = append(all, b)
	}
	page := newPageOf(t, all[0])
	for n := range seconds * perSecond {
		for i, b := range all {
			// An edit that is empty as sent commits nothing, but counts.
			w := b.do("POST", "/api/pages/"+page+"/changes", fmt.Sprintf(`{"client":"client-%d","n":1,"base":0,"delta":[]}`, i))
			if w.Code != 200 {
				t.Fatalf("edit %d of guest %d: %d %s", n, i, w.Code, w.Body)
			}
			w = b.do("POST", "/api/pages/"+page+"/presence", fmt.Sprintf(`{"client":"client-%d","base":0,"state":"typing"}`, i))
			if w.Code != 204 {
				t.Fatalf("presence %d of guest %d: %d %s", n, i, w.Code, w.Body)
			}
		}
		clock.add(time.Second / perSecond)
	}
}

// TestSignInsOfOneProgram: a program that signs in without end gets some
// hundred sessions, and locks out neither browsers behind its address nor
// anybody who is signed in there.
func TestSignInsOfOneProgram(t *testing.T) {
	clock := newHandClock()
	s := newServer(t, Config{RateLimits: true, AnyHost: true, Now: clock.Now})
	early := from(t, s, "192.0.2.1", "Browser/1.0")
	early.enter("Early")
	made := 0
	for range 2 * int(signInsPerProgram.burst) {
		w := from(t, s, "192.0.2.1", "script").enter("Script")
		if w.Code == 200 {
			made++
		} else if w.Code != 429 || w.Header().Get("Retry-After") == "" {
			t.Fatalf("a sign-in: %d %s", w.Code, w.Body)
		}
	}
	if made != int(signInsPerProgram.burst) {
		t.Errorf("the program has %d sessions, want %v", made, signInsPerProgram.burst)
	}
	if w := from(t, s, "192.0.2.1", "Browser/1.0").enter("Late"); w.Code != 200 {
		t.Errorf("a browser behind the same address: %d %s", w.Code, w.Body)
	}
	if w := from(t, s, "192.0.2.2", "script").enter("Elsewhere"); w.Code != 200 {
		t.Errorf("the same program elsewhere: %d %s", w.Code, w.Body)
	}
	newPageOf(t, early)
}

// TestManySessionsOfOneAddress: sessions are free, so pages are counted by
// address as well.
func TestManySessionsOfOneAddress(t *testing.T) {
	clock := newHandClock()
	s := newServer(t, Config{RateLimits: true, AnyHost: true, Now: clock.Now})
	made := 0
	for i := range 15 {
		b := from(t, s, "192.0.2.1", "script")
		b.enter(fmt.Sprintf("Guest %d", i))
		for range 100 {
			if w := b.do("POST", "/api/pages", `{}`); w.Code == 201 {
				made++
			}
		}
	}
	if want := int(workPerAddress.burst / workCreate); made != want {
		t.Errorf("15 sessions make %d pages at once, want %d", made, want)
	}
	other := from(t, s, "198.51.100.7", "Browser/1.0")
	other.enter("Other")
	newPageOf(t, other)
}

// TestWorkCosts: what costs the server more is refused sooner.
func TestWorkCosts(t *testing.T) {
	for _, c := range []struct {
		name, method, path, body string
		most                     float64 // calls at once
	}{
		{"search", "GET", "/api/pages?q=word", "", workPerPerson.burst / workSearch},
		{"create", "POST", "/api/pages", "{}", workPerPerson.burst / workCreate},
		{"export", "GET", "/api/pages/PAGE/content?format=md", "", workPerPerson.burst / workExport},
		{"a page as it was", "GET", "/api/pages/PAGE?seq=0", "", workPerPerson.burst / workPast},
		{"list", "GET", "/api/pages", "", callsPerPerson.burst},
	} {
		t.Run(c.name, func(t *testing.T) {
			clock := newHandClock()
			s := newServer(t, Config{RateLimits: true, Now: clock.Now})
			b := signIn(t, s)
			path := strings.ReplaceAll(c.path, "PAGE", newPageOf(t, b))
			clock.add(time.Hour)
			ok := 0
			for range int(c.most) + 10 {
				w := b.do(c.method, path, c.body)
				switch {
				case w.Code < 300:
					ok++
				case w.Code != 429 || w.Header().Get("Retry-After") == "":
					t.Fatalf("the answer is %d %s", w.Code, w.Body)
				}
			}
			if got := float64(ok); got < c.most-1 || got > c.most+1 {
				t.Errorf("%v calls pass at once, want %v", got, c.most)
			}
		})
	}
}

// TestPagesADay: a page now and then is not limited by the second, but the day.
func TestPagesADay(t *testing.T) {
	clock := newHandClock()
	l := newLimits(true, clock.Now)
	made := 0
	for range 24 * 60 {
		made += passed(l, l.pages, bucketKey{who: "g-1"}, 1, 3)
		clock.add(time.Minute)
	}
	if made < 1900 || made > 2000 {
		t.Errorf("a program makes %d pages on its first day, want the burst and a day's rate, 2000", made)
	}
}
