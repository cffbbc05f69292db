package push

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The transports differ in encoding only: each case runs over all of them. The
// log holds a's changes 1 to 5 and b's 1 to 3; the rings hold two changes.
func TestTransports(t *testing.T) {
	cases := []struct {
		name        string
		query       string
		lastEventID string
		want        []string // a long poll with a cursor gets no hello
		then        func(w *world)
		later       []string
	}{
		{name: "a page starts at its head", query: "page=a",
			want:  []string{`hello#5 {"a":5}`, `all "a=0"`},
			then:  func(w *world) { w.publish("a", 0); w.publish("a", 0) },
			later: []string{`change#6 "a6"`, `change#7 "a7"`}},
		{name: "after a seq", query: "page=a@3",
			want: []string{`hello#3 {"a":3}`, `all "a=0"`, `change#4 "a4"`, `change#5 "a5"`}},
		{name: "from the very beginning", query: "page=b@0",
			want: []string{`hello#0 {"b":0}`, `all "b=0"`, `change#1 "b1"`, `change#2 "b2"`, `change#3 "b3"`}},
		{name: "Last-Event-ID wins over the address", query: "page=a@1", lastEventID: "4",
			want: []string{`hello#4 {"a":4}`, `all "a=0"`, `change#5 "a5"`}},
		{name: "the log, the ring and what comes", query: "page=a@1",
			want:  []string{`hello#1 {"a":1}`, `all "a=0"`, `change#2 "a2"`, `change#3 "a3"`, `change#4 "a4"`, `change#5 "a5"`},
			then:  func(w *world) { w.publish("a", 0); w.publish("a", 0); w.publish("a", 0) },
			later: []string{`change#6 "a6"`, `change#7 "a7"`, `change#8 "a8"`}},
		{name: "several pages have a composite id", query: "page=b@2&page=a@4",
			want:  []string{`hello#b@2,a@4 {"a":4,"b":2}`, `all "b=0"`, `all "a=0"`, `change#b@3,a@4 "b3"`, `change#b@3,a@5 "a5"`},
			then:  func(w *world) { w.publish("a", 0) },
			later: []string{`change#b@3,a@6 "a6"`}},
		{name: "a page that the cursor lacks, one that only the cursor has", query: "page=a@4&page=b", lastEventID: "a@5,z@9",
			want:  []string{`hello#a@5,b@3 {"a":5,"b":3}`, `all "a=0"`, `all "b=0"`},
			then:  func(w *world) { w.publish("z", 0); w.publish("b", 0) },
			later: []string{`change#a@5,b@4 "b4"`}},
		{name: "one page left of several keeps the composite id", query: "page=a@4&refused=x",
			want: []string{`hello#a@4 {"a":4}`, `gone "x"`, `all "a=0"`, `change#a@5 "a5"`}},
		{name: "ahead of the head", query: "page=a@9",
			want:  []string{`hello#9 {"a":5}`, `reset#5 "a@5"`, `all "a=0"`},
			then:  func(w *world) { w.publish("a", 0) },
			later: []string{`change#6 "a6"`}},
		{name: "of another epoch", query: "page=a@3&epoch=old",
			want:  []string{`hello#3 {"a":5}`, `reset#5 "a@5"`, `all "a=0"`},
			then:  func(w *world) { w.publish("a", 0) },
			later: []string{`change#6 "a6"`}},
		{name: "one page of two is reset, the other replayed", query: "page=a@7&page=b@2",
			want: []string{`hello#a@7,b@2 {"a":5,"b":2}`, `reset#a@5,b@2 "a@5"`, `all "a=0"`, `all "b=0"`, `change#a@5,b@3 "b3"`}},
		{name: "news of state carries no id and moves nothing", query: "page=a@4",
			want:  []string{`hello#4 {"a":4}`, `all "a=0"`, `change#5 "a5"`},
			then:  func(w *world) { w.tell("a"); w.publish("a", 0) },
			later: []string{`state "a=1"`, `change#6 "a6"`}},
		{name: "events keep the order in which they were published", query: "page=a",
			want: []string{`hello#5 {"a":5}`, `all "a=0"`},
			then: func(w *world) {
				w.tell("a")
				w.publish("a", 0)
				w.tell("a")
				w.tell("a")
				w.publish("a", 0)
				w.tell("a")
			},
			later: []string{`state "a=1"`, `change#6 "a6"`, `state "a=2"`, `state "a=3"`, `change#7 "a7"`, `state "a=4"`}},
		{name: "a topic without seqs takes no part in the cursor", query: "page=a@5&also=list",
			want:  []string{`hello#5 {"a":5}`, `all "a=0"`, `all "list=0"`},
			then:  func(w *world) { w.tell("list"); w.sleep(1); w.publish("a", 0) },
			later: []string{`state "list=1"`, `change#6 "a6"`}},
		{name: "no page at all", query: "also=list",
			want:  []string{`hello {}`, `all "list=0"`},
			then:  func(w *world) { w.tell("list") },
			later: []string{`state "list=1"`}},
		{name: "a large event goes out whole", query: "page=a",
			want:  []string{`hello#5 {"a":5}`, `all "a=0"`},
			then:  func(w *world) { w.publish("a", 100_000) },
			later: []string{`change#6 "a6` + strings.Repeat(".", 100_000) + `"`}},
		{name: "line breaks in a payload end no event", query: "page=a",
			want: []string{`hello#5 {"a":5}`, `all "a=0"`},
			then: func(w *world) {
				w.hub.Publish("a", Event{Type: "state", Data: []byte("[1,\r\n2]")})
			},
			later: []string{`state [1,  2]`}},
	}
	for _, c := range cases {
		for _, transport := range allTransports {
			t.Run(c.name+"/"+transport.String(), func(t *testing.T) {
				follow := func(t *testing.T, w *world) {
					for range 5 {
						w.commit("a", 0)
					}
					for range 3 {
						w.commit("b", 0)
					}
					want := c.want
					if transport == LongPoll && c.lastEventID != "" {
						want = want[1:]
					}
					r := w.openAfter(transport, c.query, c.lastEventID)
					defer r.close()
					r.want(want...)
					if c.then != nil {
						w.after(1, func() { c.then(w) })
						r.want(c.later...)
					}
				}
				inWorld(t, Config{RingEvents: 2}, follow)
				onSockets(t, Config{RingEvents: 2}, follow)
			})
		}
	}
}

func TestHeaders(t *testing.T) {
	for _, transport := range allTransports {
		inWorld(t, Config{}, func(t *testing.T, w *world) {
			r := w.open(transport, "page=a")
			defer r.close()
			for name, want := range map[string]string{
				"Content-Type":      accepts[transport],
				"Cache-Control":     "no-store",
				"X-Accel-Buffering": "no",
			} {
				if got := r.resp.Header.Get(name); got != want {
					t.Errorf("%v: %s = %q, want %q", transport, name, got, want)
				}
			}
		})
	}
}

func TestRefusedBeforeTheFirstByte(t *testing.T) {
	hub := NewHub(Config{}, newMemory())
	defer hub.Close()
	for name, line := range map[string]Line{
		"no head":           {Start: []Position{{Topic: "a"}, {Topic: "broken"}}},
		"a topic twice":     {Start: []Position{{Topic: "a"}}, Also: []string{"a"}},
		"no topic":          {Start: []Position{{}}},
		"unknown transport": {Transport: 7},
	} {
		rec := httptest.NewRecorder()
		if err := hub.Serve(rec, httptest.NewRequest("GET", "/", nil), line); err == nil {
			t.Errorf("%s: Serve succeeds, want an error", name)
		}
		if rec.Body.Len() > 0 || len(rec.Header()) > 0 {
			t.Errorf("%s: Serve wrote %q %v, want nothing", name, rec.Body, rec.Header())
		}
	}
	if n := hub.Streams(); n != 0 {
		t.Errorf("%d lines open, want 0", n)
	}
}

func TestPlainWriter(t *testing.T) {
	// A ResponseWriter without deadlines, as tests and some middleware have, will do.
	synctest.Test(t, func(t *testing.T) {
		hub := NewHub(Config{}, newMemory())
		line := Line{OnOpen: func(end func(string)) error {
			time.AfterFunc(time.Millisecond, func() { end("signed-out") })
			return nil
		}}
		rec := httptest.NewRecorder()
		if err := hub.Serve(rec, httptest.NewRequest("GET", "/", nil), line); err != nil {
			t.Fatal(err)
		}
		want := "event: bye\ndata: {\"after_ms\":1000,\"why\":\"signed-out\"}\n\n"
		if got := rec.Body.String(); got != want || rec.Code != 200 || !rec.Flushed {
			t.Errorf("got %d %q, want 200 %q", rec.Code, got, want)
		}
		hub.Close()
	})
}

func TestLongPollWaits(t *testing.T) {
	inWorld(t, Config{}, func(t *testing.T, w *world) {
		r := w.open(LongPoll, "page=a")
		r.want(`hello#0 {"a":0}`, `all "a=0"`)
		start := time.Now()
		if err := r.poll(); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(start); waited != 25*time.Second || len(r.queue) != 0 {
			t.Errorf("answered after %v with %v, want nothing after 25s", waited, r.queue)
		}
		time.AfterFunc(3*time.Second, func() { w.publish("a", 0) })
		start = time.Now()
		r.want(`change#1 "a1"`)
		if waited := time.Since(start); waited != 3*time.Second {
			t.Errorf("answered after %v, want 3s", waited)
		}
	})
}

func TestLongPollCursorHoldsState(t *testing.T) {
	inWorld(t, Config{}, func(t *testing.T, w *world) {
		r := w.open(LongPoll, "page=a&also=list")
		r.want(`hello#0 {"a":0}`, `all "a=0"`, `all "list=0"`)
		w.tell("a") // between two polls
		r.want(`state "a=1"`)
		w.tell("list")
		w.publish("a", 0)
		r.want(`change#1 "a1"`, `state "list=1"`)

		time.Sleep(2 * topicGrace) // the topic is swept, and what it kept
		w.tell("a")
		r.want(`all "a=2"`, `all "list=1"`)

		r.query.Set("cursor", "a@1.7,list@.8!ANOTHERHUB")
		r.want(`all "a=2"`, `all "list=1"`)
	})
}

// Nothing arrives twice where a reader goes on asking with the epoch it knew: the
// cursor says that it was reset by this hub.
func TestLongPollIsResetOnce(t *testing.T) {
	inWorld(t, Config{}, func(t *testing.T, w *world) {
		w.commit("a", 0)
		r := w.openAfter(LongPoll, "page=a&epoch=old", "1")
		r.want(`reset#1 "a@1"`, `all "a=0"`)
		time.AfterFunc(time.Minute, func() { w.publish("a", 0) })
		r.want(`change#2 "a2"`)
		r.query.Set("cursor", "a@1.1!ANOTHERHUB")
		r.want(`reset#2 "a@2"`, `all "a=0"`)
	})
}

func TestOverHTTP2(t *testing.T) {
	for _, transport := range allTransports {
		w := &world{memory: newMemory(), t: t, second: time.Second, ended: make(chan struct{}, 10)}
		w.hub = NewHub(Config{}, w.memory)
		server := httptest.NewUnstartedServer(http.HandlerFunc(w.serve))
		server.EnableHTTP2 = true
		server.StartTLS()
		w.client = server.Client()
		w.client.Transport.(*http.Transport).DialContext = func(context.Context, string, string) (net.Conn, error) {
			return net.Dial("tcp", server.Listener.Addr().String())
		}
		w.url = "https://example.com/" // as the test certificate has it
		r := w.open(transport, "page=a")
		if r.resp.ProtoMajor != 2 {
			t.Fatalf("served over %s, want HTTP/2", r.resp.Proto)
		}
		r.want(`hello#0 {"a":0}`, `all "a=0"`)
		w.publish("a", 50_000)
		if e, err := r.next(); err != nil || e.ID != "1" {
			t.Errorf("got %v and error %v, want change 1", e, err)
		}
		if err := w.hub.Drain(t.Context()); err != nil {
			t.Error(err)
		}
		r.wantBye()
		r.close()
		w.hub.Close()
		server.Close()
	}
}

func TestLongPollBounded(t *testing.T) {
	inWorld(t, Config{}, func(t *testing.T, w *world) {
		for range 300 {
			w.commit("a", 10_000)
		}
		r := w.open(LongPoll, "page=a@0")
		for seq := range 302 {
			if _, err := r.next(); err != nil {
				t.Fatal(seq, err)
			}
		}
		if r.polls != 3 {
			t.Errorf("3 MB came in %d answers, want 3 of about 1 MiB", r.polls)
		}
	})
}

func TestLongPollAfterAnEnd(t *testing.T) {
	inWorld(t, Config{}, func(t *testing.T, w *world) {
		r := w.open(LongPoll, "page=a&page=b")
		r.want(`hello#a@0,b@0 {"a":0,"b":0}`, `all "a=0"`, `all "b=0"`)
		time.AfterFunc(time.Second, func() { w.hub.End("a", Event{Type: "gone", Data: []byte(`"a"`)}) })
		r.want(`gone "a"`)
		if c, err := ParseCursor(r.query.Get("cursor"), nil); err != nil {
			t.Error(err)
		} else if _, ok := c.Seq("a"); ok {
			t.Errorf("cursor %q still names a", r.query.Get("cursor"))
		}
	})
}

func TestLongPollReaderGone(t *testing.T) {
	inWorld(t, Config{}, func(t *testing.T, w *world) {
		r := w.open(LongPoll, "page=a")
		r.want(`hello#0 {"a":0}`, `all "a=0"`)
		<-w.ended
		ctx, leave := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, "GET", "http://halley/?"+r.query.Encode(), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", accepts[LongPoll])
		time.AfterFunc(time.Second, func() {
			if n := w.hub.Streams(); n != 1 {
				t.Errorf("%d lines open, want 1", n)
			}
			leave()
		})
		if _, err := w.client.Do(req); !errors.Is(err, context.Canceled) {
			t.Errorf("got error %v, want the reader to have gone", err)
		}
		<-w.ended
		if n := w.hub.Streams(); n != 0 {
			t.Errorf("%d lines open, want 0", n)
		}
	})
}
