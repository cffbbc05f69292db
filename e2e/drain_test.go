package e2e

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"halley/editor/client"
	"halley/ot"
)

// TestDrain: a server that is told to end says bye to its readers, ends well,
// and its successor tells them what they missed, and nothing else.
func TestDrain(t *testing.T) {
	s := serve(t)
	me := s.guest("First")
	page, other := me.threeChanges(), me.threeChanges()
	lines := map[string]*line{}
	for _, accept := range transports {
		lines[accept+", one page"] = me.follow(accept, "page="+page, "")
		lines[accept+", two pages"] = me.follow(accept, "page="+page+"&page="+other, "")
	}
	for _, l := range lines {
		l.next("page")
	}
	me.submit(page, edit{client: clientA, n: 4, base: 4, delta: `[{"insert":"4"}]`}, 5)

	s.terminate()
	for name, l := range lines {
		if l.accept == "application/json" {
			continue // one that is not waiting is told nothing, and misses nothing
		}
		l.wantChanges(page, 5, 5)
		bye := l.next("bye", "change", "reset", "gone")
		if bye.Type != "bye" || bye.get("after_ms") == "" || bye.get("why") != "" {
			t.Errorf("%s: the line says %v, want bye", name, bye)
		}
		l.end()
	}
	if status := s.wait(); status != 0 {
		t.Errorf("after SIGTERM the server ended with status %d, want 0", status)
	}

	s.start()
	back := func() {
		for name, l := range lines {
			l.reopen()
			if strings.HasSuffix(name, "two pages") {
				l.wantEach(map[string][2]int{page: {6, 7}, other: {5, 5}})
			} else {
				l.wantChanges(page, 6, 7)
			}
		}
	}
	for _, l := range lines {
		if l.accept == "application/json" {
			l.wantChanges(page, 5, 5)
		}
	}
	me.submit(page, edit{client: clientA, n: 5, base: 5, delta: `[{"insert":"5"}]`}, 6)
	me.submit(other, edit{client: clientA, n: 4, base: 4, delta: `[{"insert":"4"}]`}, 5)
	me.submit(page, edit{client: clientA, n: 6, base: 6, delta: `[{"insert":"6"}]`}, 7)
	back()
}

// TestWhileDraining: until its last reader is gone a server that ends refuses
// what would change something, but still knows a resend.
func TestWhileDraining(t *testing.T) {
	s := serve(t)
	me := s.guest("First")
	page := me.newPage("")
	stalled := me.stalledReader(page)
	first := edit{client: clientA, n: 1, delta: `[{"insert":"` + strings.Repeat("x", 1<<20) + `"}]`}
	me.submit(page, first, 1)
	const many = 20 // more than what connections hold
	for n := 2; n <= many; n++ {
		me.submit(page, edit{client: clientA, n: n, base: n - 1, delta: fmt.Sprintf(`[{"insert":"%s"},{"delete":%d}]`, strings.Repeat("x", 1<<20), 1<<20)}, n)
	}
	s.terminate()
	for me.get("/readyz").status == 200 {
	}
	me.get("/readyz").ok(503)
	me.get("/healthz").ok(200)
	a := me.post("/api/pages/"+page+"/changes", edit{client: clientA, n: many + 1, base: many, delta: `[{"insert":"y"}]`}.String()).refused(503, "draining")
	if a.header.Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
	me.post("/api/pages", "{}").refused(503, "draining")
	me.submit(page, edit{client: clientA, n: 1, delta: first.delta}, 1)
	late := me.follow(transports[0], "page="+page, "")
	if e := late.next(); e.Type != "bye" {
		t.Errorf("a line that is opened now says %v, want bye", e)
	}
	stalled.Close()
	if status := s.wait(); status != 0 {
		t.Errorf("the server ended with status %d, want 0", status)
	}
	s.start()
	me.get("/api/pages/"+page).ok(200).has("seq", many)
}

// TestDrainDeadReader: a reader that takes nothing holds the server up for a
// while, not for ever, and is no failure of it.
func TestDrainDeadReader(t *testing.T) {
	if !soak {
		t.Skip("waits until the server gives the reader up; make soak runs it")
	}
	s := serve(t)
	me := s.guest("First")
	page := me.newPage("")
	me.stalledReader(page)
	for n := 1; n <= 20; n++ {
		me.submit(page, edit{client: clientA, n: n, base: n - 1, delta: fmt.Sprintf(`[{"insert":"%s"}%s]`, strings.Repeat("x", 1<<20), deletes(n > 1, 1<<20))}, n)
	}
	if status := s.stop(); status != 0 {
		t.Errorf("the server ended with status %d, want 0", status)
	}
}

func deletes(yes bool, count int) string {
	if !yes {
		return ""
	}
	return fmt.Sprintf(`,{"delete":%d}`, count)
}

// stalledReader is a line that nobody reads.
func (c *caller) stalledReader(page string) net.Conn {
	c.tb.Helper()
	conn := c.s.dial()
	var cookies []string
	for _, cookie := range c.http.Jar.Cookies(mustURL(c.s.url)) {
		cookies = append(cookies, cookie.String())
	}
	fmt.Fprintf(conn, "GET /api/events?page=%s HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\n\r\n", page, c.s.listen, strings.Join(cookies, "; "))
	first := make([]byte, 1)
	if _, err := conn.Read(first); err != nil { // the line is open
		c.tb.Fatal(err)
	}
	return conn
}

// TestDrainUnderWriters: programs that write while the server is replaced by
// its successor lose nothing and notice nothing.
func TestDrainUnderWriters(t *testing.T) {
	s := serve(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	seed := seedOf(t)
	owner := s.program("Reader")
	page, err := owner.Create(ctx, "Drained", ot.Delta{{Insert: "Begin.\n"}}, client.NewID())
	if err != nil {
		t.Fatal(err)
	}
	crowd := newCrowd(ctx, t, s, page, seed, 3)
	for range 2 {
		crowd.wantAcks(60)
		if status := s.stop(); status != 0 {
			t.Errorf("after SIGTERM the server ended with status %d, want 0 (seed %d)", status, seed)
		}
		s.start()
	}
	crowd.finish()
}
