package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"halley/editor/load"
)

// TestLoad: whichever way pages are followed, everybody ends with the server's
// text, and what the run made is in the trash.
func TestLoad(t *testing.T) {
	for _, transport := range []load.Transport{load.SSE, load.NDJSON, load.LongPoll} {
		t.Run(string(transport), func(t *testing.T) {
			s := serve(t)
			out := halley(t, "load", "--json", "--pages", "2", "--writers", "4", "--viewers", "12", "--rate", "0", "--for", "1s",
				"--transport", string(transport), s.url).ok()
			var r load.Result
			if err := json.Unmarshal([]byte(out.stdout), &r); err != nil {
				t.Fatalf("the result cannot be read: %v: %s", err, out.stdout)
			}
			if !r.Equal() || len(r.Troubles) > 0 || r.Edits == 0 || r.Deliveries == 0 || r.Ack.P50 <= 0 || r.Delivery.P99 < r.Delivery.P50 {
				t.Errorf("the result is %+v", r)
			}
			if want := 4 + 2; r.Texts != want {
				t.Errorf("%d texts were compared, want %d: every writer's and one viewer's of each page", r.Texts, want)
			}
			if most := r.Edits * 7; r.Deliveries > most {
				t.Errorf("%d edits were delivered %d times, to 7 others each", r.Edits, r.Deliveries)
			}
			s.wantInTrash(2)
		})
	}
}

// wantInTrash fails unless all pages are in the trash, and so many.
func (s *server) wantInTrash(want int) {
	s.tb.Helper()
	me := s.guest("Looks")
	var trash struct{ Pages []json.RawMessage }
	if err := json.Unmarshal(me.get("/api/pages?trash=1").ok(200).body, &trash); err != nil {
		s.tb.Fatal(err)
	}
	listed := me.get("/api/pages").ok(200).value()["pages"].([]any)
	if len(listed) > 0 || len(trash.Pages) != want {
		s.tb.Errorf("%d pages are listed and %d in the trash, want 0 and %d", len(listed), len(trash.Pages), want)
	}
}

// TestLoadOverPowerCut: people go on where they were when the server comes
// back, and no acknowledged edit is gone.
func TestLoadOverPowerCut(t *testing.T) {
	s := serve(t)
	cfg := small(s.url)
	cfg.For = 3 * time.Second
	cut := false
	cfg.Progress = func(load.Progress) {
		if !cut {
			cut = true
			s.restart()
		}
	}
	r, err := load.Run(t.Context(), cfg)
	if err != nil || !r.Equal() || r.Edits == 0 {
		t.Errorf("over a power cut: %+v, %v", r, err)
	}
	if r.Reconnects < uint64(cfg.Writers+cfg.Viewers) {
		t.Errorf("%d lines were opened again, want each of %d", r.Reconnects, cfg.Writers+cfg.Viewers)
	}
}

// small is a run of a second.
func small(server string) load.Config {
	cfg := load.DefaultConfig()
	cfg.Server, cfg.Pages, cfg.Writers, cfg.Viewers, cfg.Rate, cfg.For = server, 1, 3, 4, 0, time.Second
	return cfg
}

// A liar is a proxy in front of a server that breaks a promise once.
type liar struct {
	event  func(data []byte) []byte // rewrites one change's event, of several lines; nil: leaves them
	answer func(w http.ResponseWriter) bool
	ack    func(body []byte) []byte

	lied atomic.Bool
}

func (l *liar) in(t *testing.T, front *server) string {
	to, err := url.Parse(front.url)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(to) },
		FlushInterval: -1,
		ModifyResponse: func(r *http.Response) error {
			switch path := r.Request.URL.Path; {
			case path == "/api/events" && l.event != nil:
				r.Body = l.rewrite(r.Body)
			case strings.HasSuffix(path, "/changes") && l.ack != nil && r.StatusCode == http.StatusOK:
				body, err := io.ReadAll(r.Body)
				if err != nil {
					return err
				}
				if l.lied.CompareAndSwap(false, true) {
					body = l.ack(body)
				}
				r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
				r.Header.Set("Content-Length", fmt.Sprint(len(body)))
			}
			return nil
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if l.answer != nil && strings.HasSuffix(r.URL.Path, "/changes") && l.lied.CompareAndSwap(false, true) && l.answer(w) {
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// rewrite passes events on, one of them changed.
func (l *liar) rewrite(stream io.ReadCloser) io.ReadCloser {
	out, in := io.Pipe()
	go func() {
		defer stream.Close()
		lines := bufio.NewReader(stream)
		var event []byte
		for {
			line, err := lines.ReadBytes('\n')
			if err != nil {
				in.CloseWithError(err)
				return
			}
			if event = append(event, line...); len(line) > 1 && !bytes.HasPrefix(line, []byte(":")) {
				continue
			}
			if bytes.Contains(event, []byte("event: change")) {
				if changed := l.event(event); !bytes.Equal(changed, event) && l.lied.CompareAndSwap(false, true) {
					event = changed
				}
			}
			if _, err := in.Write(event); err != nil {
				return // nobody reads any more
			}
			event = event[:0]
		}
	}()
	return out
}

// TestLoadFindsOut: where a server breaks a promise, the run says so.
func TestLoadFindsOut(t *testing.T) {
	s := serve(t)
	for _, c := range []struct {
		name string
		liar *liar
		what string // is said
	}{
		{"another text for one reader", &liar{event: func(e []byte) []byte {
			return bytes.Replace(e, []byte(`{"insert":"e"}`), []byte(`{"insert":"E"}`), 1)
		}}, ""},
		{"another author for one reader", &liar{event: func(e []byte) []byte {
			return bytes.Replace(e, []byte(`"author":"`), []byte(`"author":"x`), 1)
		}}, ""},
		{"a change left out", &liar{event: func([]byte) []byte { return nil }}, "came change"},
		{"a change twice", &liar{event: func(e []byte) []byte { return append(bytes.Clone(e), e...) }}, "came change"},
		{"an acknowledgement of nothing", &liar{ack: func([]byte) []byte { return []byte(`{"seq":9007199254740991}`) }}, "is acknowledged as change 9007199254740991"},
		{"a refusal", &liar{answer: func(w http.ResponseWriter) bool {
			w.WriteHeader(http.StatusUnprocessableEntity)
			return true
		}}, "422"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, err := load.Run(t.Context(), small(c.liar.in(t, s)))
			if err != nil {
				t.Fatal(err)
			}
			if !c.liar.lied.Load() {
				t.Fatal("nothing came that could be changed")
			}
			if said := fmt.Sprint(r.Troubles); r.Equal() || !strings.Contains(said, c.what) {
				t.Errorf("it says %q, and of the texts that they are equal: %v", said, r.Equal())
			}
		})
	}
}

// TestLoadHeldBack: what the server's limits refuse is sent again, and said.
func TestLoadHeldBack(t *testing.T) {
	s := serve(t)
	l := &liar{answer: func(w http.ResponseWriter) bool {
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	}}
	out := halley(t, "load", "--pages", "1", "--writers", "2", "--viewers", "1", "--rate", "0", "--for", "1s", l.in(t, s)).ok()
	for _, want := range []string{"1 requests were answered 429", "--rate-limits=off", "edits sent again: 1", "yes: 3 readers"} {
		if !strings.Contains(out.stdout, want) {
			t.Errorf("it says\n%s\nand nothing of %q", out.stdout, want)
		}
	}
}

// TestLoadCannotStart: what stands in the way is said in one line.
func TestLoadCannotStart(t *testing.T) {
	s := serve(t)
	for _, c := range []struct {
		what   string
		status int
		args   []string
	}{
		{"no http or https address", 1, []string{"localhost"}},
		{"names a page", 1, []string{s.url + "/p/x"}},
		{"no transport", 1, []string{"--transport", "pigeon", s.url}},
		{"ulimit -n", 1, []string{"--viewers", "999999", "--writers", "1000000", s.url}},
		{"knows no such token", 1, []string{"--token", "none", s.url}},
		{"name one server", 2, nil},
	} {
		halley(t, append([]string{"load"}, c.args...)...).failed(c.status, c.what).inOneLine()
	}
	s.wantInTrash(0)
}

// TestLoadTurnedAway: where a server takes no more lines, that is said at once,
// and how to have it take them.
func TestLoadTurnedAway(t *testing.T) {
	s := serve(t, "--max-streams-per-session=2")
	halley(t, "load", "--viewers", "4", "--writers", "1", s.url).failed(1, "streams open", "--rate-limits=off").inOneLine()
	s.wantInTrash(5)
}

// TestLoadInterrupted: SIGINT ends the typing, and nothing else: the texts are
// compared, the table comes, and the pages go to the trash.
func TestLoadInterrupted(t *testing.T) {
	s := serve(t)
	cmd := exec.Command(binary, "load", "--pages", "1", "--writers", "2", "--viewers", "2", "--rate", "0", "--for", "1h", s.url)
	var stdout, stderr log
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { cmd.Process.Kill() })
	c := s.program("Looks")
	for typed, until := false, time.Now().Add(patience); !typed; {
		for p, err := range c.Pages(t.Context()) {
			typed = err == nil && p.Seq > 20
		}
		if time.Now().After(until) {
			t.Fatalf("nobody typed: %s", stderr.String())
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil || !strings.Contains(stdout.String(), "yes: 4 readers") {
			t.Errorf("it ended with %v and said %s%s", err, stdout.String(), stderr.String())
		}
	case <-time.After(patience):
		t.Fatal("it did not end")
	}
	s.wantInTrash(1)
}
