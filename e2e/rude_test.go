package e2e

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"testing"
)

// dial opens a connection to say HTTP/1.1 on by hand.
func (s *server) dial() net.Conn {
	s.tb.Helper()
	conn, err := net.Dial("tcp", s.listen)
	if err != nil {
		s.tb.Fatal(err)
	}
	s.tb.Cleanup(func() { conn.Close() })
	if carried.scheme == "https" {
		return tls.Client(conn, &tls.Config{RootCAs: carried.roots, ServerName: "localhost"})
	}
	return conn
}

// TestRudeClients: clients that never finish asking, ask with huge headers,
// send what nobody asked for, or never read, harm nobody else.
func TestRudeClients(t *testing.T) {
	s := serve(t)
	me := s.guest("First")
	page := me.newPage("")
	good := me.follow(transports[0], "page="+page, "")
	good.next("page")
	const each = 10
	for range each {
		fmt.Fprint(s.dial(), "GET /api/events?page="+page+" HTTP/1.1\r\nHost: ") // and no more
		huge := s.dial()
		// The server may hang up before it has read all of it.
		_, _ = fmt.Fprintf(huge, "GET / HTTP/1.1\r\nHost: localhost\r\nX-A: %s\r\n\r\n", strings.Repeat("x", 80<<10))
		if status, err := bufio.NewReader(huge).ReadString('\n'); err == nil && !strings.Contains(status, " 431 ") {
			t.Errorf("huge headers are answered with %q, want 431", status)
		}
		me.stalledReader(page)
		if _, err := me.stalledReader(page).Write([]byte(strings.Repeat("x", 10_000))); err != nil {
			t.Fatal(err)
		}
	}
	const changes, size = 12, 300_000 // more than connections hold
	for n := 1; n <= changes; n++ {
		me.submit(page, edit{client: clientA, n: n, base: n - 1, delta: fmt.Sprintf(`[{"insert":"%s"}%s]`, strings.Repeat("x", size), deletes(n > 1, size))}, n)
	}
	good.wantChanges(page, 1, changes)
	me.get("/readyz").ok(200)
}
