package e2e

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
)

// TestTooManyStreams: what is too many is refused with a sentence and a time,
// and the streams that are open go on.
func TestTooManyStreams(t *testing.T) {
	for _, c := range []struct{ flag, sentence string }{
		{"--max-streams-per-session=3", "This session has 3 streams open"},
		{"--max-streams-per-address=3", "From this address 3 streams are open"},
		{"--max-streams=3", "as many streams as it can"},
	} {
		t.Run(c.flag, func(t *testing.T) {
			s := serve(t, c.flag)
			me := s.guest("First")
			page := me.newPage("")
			var open []*line
			for i := range 3 {
				l := me.follow(transports[i%2], "page="+page, "")
				l.next("hello")
				open = append(open, l)
			}
			for _, accept := range transports {
				a := me.send(to("GET", "/api/events?page="+page).with("Accept", accept)).refused(503, "too-many-streams")
				if after, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || after < 1 {
					t.Errorf("Retry-After is %q", a.header.Get("Retry-After"))
				}
				if !strings.Contains(a.text("detail"), c.sentence) {
					t.Errorf("it says %q, want %q", a.text("detail"), c.sentence)
				}
			}
			other := s.guest("Second")
			if strings.Contains(c.flag, "session") {
				other.follow(transports[0], "page="+page, "").next("hello")
			} else {
				other.send(to("GET", "/api/events?page="+page)).refused(503, "too-many-streams")
			}

			me.submit(page, edit{client: clientA, n: 1, delta: `[{"insert":"x"}]`}, 1)
			for _, l := range open {
				l.wantChanges(page, 1, 1)
			}
			open[0].close()
			for me.send(to("GET", "/api/events?page="+page+"&wait=0").with("Accept", transports[2])).status == 503 {
			}
			if text := string(me.get("/metrics").ok(200).body); !strings.Contains(text, "halley_streams_refused_total{limit=") {
				t.Error("the refusals are not counted")
			}
		})
	}
}

// TestManySilentConnections: whoever holds many connections and asks for
// nothing takes no place from those who do.
func TestManySilentConnections(t *testing.T) {
	s := newServer(t, t.TempDir())
	s.files = 256
	s.start()
	me := s.guest("First")
	page := me.newPage("")
	l := me.follow(transports[0], "page="+page, "")
	l.next("hello")
	for i := range 400 {
		conn, err := net.Dial("tcp", s.listen)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if i%50 == 0 {
			me.submit(page, edit{client: clientA, n: i/50 + 1, base: i / 50, delta: `[{"insert":"x"}]`}, i/50+1)
			s.guest(fmt.Sprint("Guest ", i)).get("/api/pages/" + page).ok(200)
		}
	}
	l.wantChanges(page, 1, 8)
	s.says("this server can hold few readers; raise that with `ulimit -n`")
}
