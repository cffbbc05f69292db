package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// threeChanges is a page at seq 4: created with content, then three letters.
func (c *caller) threeChanges() string {
	c.tb.Helper()
	page := c.newPage(`[{"insert":"a\n"}]`)
	for n := 1; n <= 3; n++ {
		c.submit(page, edit{client: clientA, n: n, base: n, delta: `[{"insert":"x"}]`}, n+1)
	}
	return page
}

func TestHello(t *testing.T) {
	s := serve(t)
	me := s.guest("First")
	page := me.threeChanges()
	epoch := me.get("/api/pages/" + page).ok(200).text("epoch")
	over(t, func(t *testing.T, accept string) {
		l := me.in(t).follow(accept, "page="+page, "")
		hello := l.next()
		if hello.Type != "hello" || hello.get("epoch") != quote(epoch) || hello.get("protocol") != "1" ||
			hello.get("pages") != fmt.Sprintf(`{"%s":4}`, page) || hello.get("server") == "" || hello.ID != "4" {
			t.Errorf("the first event is %v", hello)
		}
		if beat := hello.get("heartbeat"); beat < "10" || beat > "15" {
			t.Errorf("a heartbeat every %s s, want 10 to 15", beat)
		}
		presence := l.next("presence")
		if presence.get("all") != "true" || presence.get("clients") != "[]" || presence.get("count") != "0" || presence.ID != "" {
			t.Errorf("the first presence is %v, want all of nobody, without an id", presence)
		}
		object := l.next("page")
		if object.get("title") != `"A page"` || object.get("version") == "" || object.get("delta") != "" || object.get("role") != "" || object.ID != "" {
			t.Errorf("the page's settings are %v, want its object without delta and role", object)
		}
	})
}

// TestCatchUp: a reader names its place in one of several ways and gets what
// comes after it, then what is new.
func TestCatchUp(t *testing.T) {
	s := serve(t)
	me := s.guest("First")
	over(t, func(t *testing.T, accept string) {
		me := me.in(t)
		page := me.threeChanges()
		other := me.threeChanges()
		epoch := me.get("/api/pages/" + page).ok(200).text("epoch")
		both := "page=" + page + "@1&page=" + other
		lines := []struct {
			name  string
			l     *line
			first int
		}{
			{"at the head", me.follow(accept, "page="+page, ""), 5},
			{"after a seq", me.follow(accept, "page="+page+"@2", ""), 3},
			{"from the beginning", me.follow(accept, "page="+page+"@0&epoch="+epoch, ""), 1},
			{"Last-Event-ID wins", me.follow(accept, "page="+page+"@0", "3"), 4},
			{"cursor wins", me.follow(accept, "page="+page+"@0&cursor=3", ""), 4},
			{"a cursor over both", me.follow(accept, both, page+"@3,"+other+"@4"), 4},
			{"a cursor that lacks the page", me.follow(accept, both, other+"@4"), 2},
			{"a cursor with a page that is not asked for", me.follow(accept, both, page+"@3,"+other+"@4,AAAAAAAAAAAAAAAAAAAAAA@9"), 4},
		}
		for _, l := range lines {
			l.l.wantChanges(page, l.first, 4)
		}
		me.submit(page, edit{client: clientA, n: 4, base: 4, delta: `[{"insert":"new"}]`}, 5)
		for _, l := range lines {
			l.l.wantChanges(page, max(l.first, 5), 5)
		}
	})
}

// TestChangeEvent: an event says what the listing of changes says, and its id
// is where to go on.
func TestChangeEvent(t *testing.T) {
	s := serve(t)
	me := s.guest("First")
	over(t, func(t *testing.T, accept string) {
		me := me.in(t)
		page, other := me.threeChanges(), me.threeChanges()
		one := me.follow(accept, "page="+page+"@3", "")
		two := me.follow(accept, "page="+page+"@3&page="+other+"@3", "")
		e := one.next("change")
		list := me.get("/api/pages/" + page + "/changes?after=3").ok(200).value()["changes"].([]any)
		want := list[0].(map[string]any)
		want["page"] = page
		if !sameJSON(string(e.Data), canonical(want)) {
			t.Errorf("the event is %s, want what the listing says: %s", e.Data, canonical(want))
		}
		if want["author"] != me.id || want["client"] != clientA || want["n"] != 3.0 || !strings.HasSuffix(want["time"].(string), "Z") || len(want["time"].(string)) != len("2006-01-02T15:04:05.000Z") {
			t.Errorf("the change is %s", canonical(want))
		}
		if e.ID != "4" {
			t.Errorf("the id of change 4 is %q, want 4", e.ID)
		}
		first, second := two.next("change"), two.next("change")
		if first.ID != page+"@4,"+other+"@3" || second.ID != page+"@4,"+other+"@4" {
			t.Errorf("over two pages the ids are %q and %q", first.ID, second.ID)
		}
	})
}

// TestReconnect: a reader that comes back, also to another life of the server,
// gets what it missed and nothing else.
func TestReconnect(t *testing.T) {
	s := serve(t)
	me := s.guest("First")
	over(t, func(t *testing.T, accept string) {
		me := me.in(t)
		page, other := me.threeChanges(), me.threeChanges()
		one := me.follow(accept, "page="+page, "")
		both := me.follow(accept, "page="+page+"&page="+other, "")
		one.next("hello")
		both.next("hello")
		me.submit(page, edit{client: clientA, n: 4, base: 4, delta: `[{"insert":"4"}]`}, 5)
		one.wantChanges(page, 5, 5)
		both.wantChanges(page, 5, 5)
		one.close()
		both.close()
		me.submit(page, edit{client: clientA, n: 5, base: 5, delta: `[{"insert":"5"}]`}, 6)
		one.reopen()
		one.wantChanges(page, 6, 6)
		one.close()
		me.submit(other, edit{client: clientA, n: 4, base: 4, delta: `[{"insert":"o"}]`}, 5)
		me.submit(page, edit{client: clientA, n: 6, base: 6, delta: `[{"insert":"6"}]`}, 7)
		s.restart()
		one.reopen()
		both.reopen()
		one.wantChanges(page, 7, 7)
		both.wantChanges(page, 6, 6)
		both.wantEach(map[string][2]int{page: {7, 7}, other: {5, 5}})
	})
}

// wantEach reads the changes of several pages, which are in order for each.
func (l *line) wantEach(pages map[string][2]int) {
	l.tb.Helper()
	left := 0
	for _, span := range pages {
		left += span[1] - span[0] + 1
	}
	for ; left > 0; left-- {
		e := l.next("change", "reset", "gone", "bye")
		page := strings.Trim(e.get("page"), `"`)
		span := pages[page]
		if e.Type != "change" || e.get("seq") != fmt.Sprint(span[0]) {
			l.tb.Fatalf("the line says %v, want change %d of that page", e, span[0])
		}
		pages[page] = [2]int{span[0] + 1, span[1]}
	}
}

// TestReset: a place that cannot be replayed from is answered at once, and the
// line goes on from the head.
func TestReset(t *testing.T) {
	s := serve(t)
	me := s.guest("First")
	over(t, func(t *testing.T, accept string) {
		me := me.in(t)
		page := me.threeChanges()
		lines := []*line{
			me.follow(accept, "page="+page+"@99", ""),
			me.follow(accept, "page="+page, "99"),
			me.follow(accept, "page="+page+"@2&epoch=another", ""),
			me.follow(accept, "page="+page+"&epoch=another", "2"),
		}
		for _, l := range lines {
			e := l.next("reset", "change", "gone")
			if e.Type != "reset" || e.get("seq") != "4" || e.get("page") != quote(page) || e.ID != "4" {
				t.Errorf("the line (%s) says %v, want a reset to 4", l.query, e)
			}
		}
		me.submit(page, edit{client: clientA, n: 4, base: 4, delta: `[{"insert":"4"}]`}, 5)
		for _, l := range lines {
			l.wantChanges(page, 5, 5)
		}
		// At the head there is nothing to replay, whatever the epoch.
		fresh := me.follow(accept, "page="+page+"&epoch=another", "")
		me.submit(page, edit{client: clientA, n: 5, base: 5, delta: `[{"insert":"5"}]`}, 6)
		if e := fresh.next("hello"); e.get("pages") != fmt.Sprintf(`{"%s":5}`, page) {
			t.Errorf("hello is %v, want a start at the head, 5", e)
		}
		fresh.wantChanges(page, 6, 6)
	})
}

// TestGone: a page that goes leaves the line, and the others go on.
func TestGone(t *testing.T) {
	s := serve(t)
	me := s.guest("First")
	over(t, func(t *testing.T, accept string) {
		me := me.in(t)
		page, other := me.threeChanges(), me.threeChanges()
		unknown := "AAAAAAAAAAAAAAAAAAAAAA"
		l := me.follow(accept, "page="+page+"&page="+other+"&page="+unknown, "")
		if e := l.next(); e.Type != "hello" || strings.Contains(string(e.Data), unknown) {
			t.Errorf("the first event is %v", e)
		}
		if e := l.next(); e.Type != "gone" || e.get("page") != quote(unknown) || e.get("why") != `"forbidden"` {
			t.Errorf("after hello comes %v, want that the unknown page is gone", e)
		}
		me.send(to("DELETE", "/api/pages/"+page)).ok(204)
		if e := l.next("gone"); e.get("page") != quote(page) || e.get("why") != `"trashed"` {
			t.Errorf("the line says %v, want that %s is trashed", e, page)
		}
		me.submit(other, edit{client: clientA, n: 4, base: 4, delta: `[{"insert":"4"}]`}, 5)
		l.wantChanges(other, 5, 5)

		// Asked for alone, such a page refuses the line.
		events := func(query string) *answer {
			return me.send(to("GET", "/api/events?"+query).with("Accept", accept))
		}
		events("page="+page).refused(410, "trashed")
		events("page="+unknown).refused(404, "not-found")
		s.stranger().in(t).send(to("GET", "/api/events?page="+other).with("Accept", accept)).refused(401, "signed-out")
	})
}

// TestUnreadableLines: what no line can be made of is refused as such.
func TestUnreadableLines(t *testing.T) {
	s := serve(t)
	me := s.guest("First")
	page, other := me.newPage(""), me.newPage("")
	many := strings.Repeat("page=x&", 101)
	for name, r := range map[string]request{
		"nothing":                        to("GET", "/api/events"),
		"no number":                      to("GET", "/api/events?page="+page+"@x"),
		"a page twice":                   to("GET", "/api/events?page="+page+"&page="+page+"@1"),
		"no page":                        to("GET", "/api/events?page=@1"),
		"too many pages":                 to("GET", "/api/events?"+many),
		"a bare number of several pages": to("GET", "/api/events?page="+page+"&page="+other).with("Last-Event-ID", "1"),
		"a cursor of no kind":            to("GET", "/api/events?page="+page).with("Last-Event-ID", "what?"),
		"a negative cursor":              to("GET", "/api/events?page="+page+"&cursor=-1"),
		"a cursor beyond 2^53":           to("GET", "/api/events?page="+page+"&cursor=9007199254740993"),
		"wait":                           to("GET", "/api/events?wait=long&page="+page),
		"a client of no form":            to("GET", "/api/events?client=short&page="+page),
	} {
		t.Run(name, func(t *testing.T) { me.in(t).send(r).refused(400, "bad-request") })
	}
}

// TestBye: a session that ends takes its lines along, and no other's.
func TestBye(t *testing.T) {
	s := serve(t)
	me := s.guest("First")
	over(t, func(t *testing.T, accept string) {
		me := me.in(t)
		page := me.newPage("")
		leaver := s.guest("Second").in(t)
		theirs := leaver.follow(accept, "page="+page, "")
		mine := me.follow(accept, "page="+page, "")
		theirs.next("page")
		mine.next("page")
		ended := make(chan event, 1)
		go func() { ended <- theirs.farewell() }()
		sameSession := *leaver
		sameSession.send(to("DELETE", "/api/session")).ok(204)
		// A long poll may be between two questions then, and be refused the next.
		if e := <-ended; e.get("why") != `"signed-out"` && accept != "application/json" {
			t.Errorf("the line says %v, want bye, signed-out", e)
		}
		leaver.get("/api/pages").refused(401, "signed-out")
		me.submit(page, edit{client: clientA, n: 1, delta: `[{"insert":"x"}]`}, 1)
		mine.wantChanges(page, 1, 1)
	})
}

// farewell is the line's bye; none where it ends without.
func (l *line) farewell() event {
	for {
		e, err := l.read()
		if err != nil || e.Type == "bye" {
			return e
		}
	}
}

// TestSettingsEvents: a new title is told to a page's readers, and to those of
// the list.
func TestSettingsEvents(t *testing.T) {
	s := serve(t)
	me := s.guest("First")
	over(t, func(t *testing.T, accept string) {
		me := me.in(t)
		page := me.newPage("")
		l := me.follow(accept, "page="+page, "")
		list := me.follow(accept, "list=1", "")
		l.next("page")
		list.next("hello")
		me.send(to("PATCH", "/api/pages/"+page).json(`{"title":"Another"}`)).ok(200).has("version", 1)
		if e := l.next("page"); e.get("title") != `"Another"` || e.get("version") != "1" {
			t.Errorf("the line says %v, want the new title", e)
		}
		for {
			e := list.next("list")
			if strings.Contains(string(e.Data), page) {
				if !strings.Contains(string(e.Data), `"Another"`) {
					t.Errorf("the list says %v, want the new title", e)
				}
				break
			}
		}
	})
}

// TestLongPoll: an answer is as soon as there is something, empty after the
// wait, and of bounded size.
func TestLongPoll(t *testing.T) {
	s := serve(t)
	me := s.guest("First")
	page := me.newPage("")
	poll := func(query string) *answer {
		t.Helper()
		return me.send(to("GET", "/api/events?page="+page+"&"+query).with("Accept", "application/json")).ok(200)
	}
	first := poll("wait=0")
	again := poll("wait=0&cursor=" + escaped(first.text("cursor")))
	if again.raw("events") != "[]" {
		t.Errorf("asked again, with nothing new, the events are %s", again.raw("events"))
	}
	if kind := first.header.Get("Content-Type"); kind != "application/json" || first.header.Get("Cache-Control") != "no-store" {
		t.Errorf("a long poll's answer is %q, Cache-Control %q", kind, first.header.Get("Cache-Control"))
	}

	const edits, size = 12, 300_000
	for n := 1; n <= edits; n++ {
		me.submit(page, edit{client: clientA, n: n, base: n - 1, delta: `[{"insert":"` + strings.Repeat("x", size) + `"}]`}, n)
	}
	cursor, seq := again.text("cursor"), 0
	for range edits {
		a := poll("wait=0&cursor=" + escaped(cursor))
		if len(a.body) > 1<<20+2*size {
			t.Errorf("one answer of %d bytes; about 1 MiB is the most", len(a.body))
		}
		for _, e := range a.value()["events"].([]any) {
			if e := e.(map[string]any); e["type"] == "change" {
				seq++
				if got := e["data"].(map[string]any)["seq"]; got != float64(seq) {
					t.Fatalf("change %v comes where %d is next", got, seq)
				}
			}
		}
		cursor = a.text("cursor")
	}
	if seq != edits {
		t.Errorf("%d of %d changes came", seq, edits)
	}
}
