package push

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A gauge is memory of which a test sees how much is used.
type gauge struct {
	mu                sync.Mutex // guards the fields below
	used, peak, limit int64
	shrink            func(int64)
}

var errNoMemory = errors.New("no memory")

func (g *gauge) Take(n int64) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.limit > 0 && g.used+n > g.limit {
		return errNoMemory
	}
	g.add(n)
	return nil
}

func (g *gauge) Add(n int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.add(n)
}

func (g *gauge) add(n int64) {
	g.used += n
	g.peak = max(g.peak, g.used)
}

func (g *gauge) Used() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.used
}

func (g *gauge) Limit() int64               { return g.limit }
func (g *gauge) Over() int64                { return max(0, g.Used()-g.limit) }
func (g *gauge) Shrinks(shrink func(int64)) { g.shrink = shrink }

const mega = 1 << 20

// wantChanges reads changes seq to last of topic a, each of the given padding.
func (r *reader) wantChanges(t *testing.T, seq, last int, padding func(seq int) int) {
	t.Helper()
	for ; seq <= last; seq++ {
		e, err := r.next()
		want := fmt.Sprintf(`"a%d%s"`, seq, strings.Repeat(".", padding(seq)))
		if err != nil || e.Type != "change" || string(e.Data) != want {
			t.Fatalf("got %s of %d bytes and error %v, want change %d of %d bytes", e.Type, len(e.Data), err, seq, len(want))
		}
	}
}

// Large events come in their order among small ones, live and from the log, over
// every transport, to a line of one topic and of several.
func TestLargeEventsComeInOrder(t *testing.T) {
	padding := func(seq int) int { return []int{10, mega / 4, largeBytes, mega / 2, 0}[seq%5] }
	for _, transport := range []Transport{SSE, NDJSON, LongPoll} {
		for _, query := range []string{"page=a@0", "page=a@0&page=b@0"} {
			t.Run(transport.String()+" "+query, func(t *testing.T) {
				inWorld(t, Config{LargeBytes: mega / 3}, func(t *testing.T, w *world) {
					for seq := 1; seq <= 10; seq++ {
						w.commit("a", padding(seq))
					}
					r := w.open(transport, query)
					defer r.close()
					for range strings.Count(query, "page") + 1 { // hello, and each topic's state
						if _, err := r.next(); err != nil {
							t.Fatal(err)
						}
					}
					r.wantChanges(t, 1, 10, padding)
					for seq := 11; seq <= 20; seq++ {
						w.publish("a", padding(seq))
					}
					r.wantChanges(t, 11, 20, padding)
				})
			})
		}
	}
}

// Many readers that take a large event slowly hold little of it: they have turns.
func TestSlowReadersOfLargeEventsHoldLittle(t *testing.T) {
	const readers, events = 8, 2
	padding := func(int) int { return mega }
	lines := &gauge{}
	inWorld(t, Config{LargeBytes: 2 * mega, Streams: lines}, func(t *testing.T, w *world) {
		for range events {
			w.commit("a", padding(0))
		}
		var reading sync.WaitGroup
		for i := range readers {
			transport := Transport(i % 2) // SSE and NDJSON
			reading.Go(func() {
				r := w.open(transport, "page=a@0")
				defer r.close()
				r.body.Reset(&slow{r.resp.Body})
				r.beats = false
				for range 2 {
					if _, err := r.next(); err != nil {
						t.Error(err)
						return
					}
				}
				for seq := 1; seq <= events; seq++ {
					if e, err := r.next(); err != nil || len(e.Data) < padding(0) {
						t.Errorf("got %s of %d bytes and error %v, want change %d", e.Type, len(e.Data), err, seq)
						return
					}
				}
			})
		}
		reading.Wait()
	})
	lines.mu.Lock()
	defer lines.mu.Unlock()
	// Each line counts for itself and for what it is writing.
	if most := int64(2*mega + readers*(blockingBytes+2*largeBytes)); lines.peak > most {
		t.Errorf("the lines held up to %d bytes, want at most %d", lines.peak, most)
	}
	if lines.used != 0 {
		t.Errorf("the lines hold %d bytes in the end, want 0", lines.used)
	}
}

// slow reads 64 KiB a second.
type slow struct{ from io.Reader }

func (s *slow) Read(p []byte) (int, error) {
	time.Sleep(time.Second / 16)
	return s.from.Read(p[:min(len(p), 4<<10)])
}

// A line that is told to end before its large event has begun says bye, and its
// reader finds the event when it comes back.
func TestEndBeforeLargeEvent(t *testing.T) {
	inWorld(t, Config{LargeBytes: mega}, func(t *testing.T, w *world) {
		end := func(string) {}
		w.line = func(l *Line) {
			l.OnOpen = func(e func(string)) error { end = e; return nil }
		}
		if !w.hub.turns.places.TryAcquire(mega) { // somebody else has the only turn
			t.Fatal("the places are taken already")
		}
		r := w.open(SSE, "page=a@0")
		defer r.close()
		r.want(`hello#0 {"a":0}`, `all "a=0"`)
		w.publish("a", 2*mega)
		synctest.Wait()
		end("signed-out")
		if e, err := r.next(); err != nil || e.Type != "bye" {
			t.Fatalf("got %v and error %v, want bye", e, err)
		}
		w.hub.turns.places.Release(mega)
		again := w.openAfter(SSE, "page=a", r.lastID)
		defer again.close()
		again.want(`hello#0 {"a":0}`, `all "a=0"`)
		again.wantChanges(t, 1, 1, func(int) int { return 2 * mega })
	})
}

// Where there is no memory for a line, it is refused before anything is sent,
// and what was taken is given back.
func TestLinesAreRefusedWithoutMemory(t *testing.T) {
	lines := &gauge{limit: 2 * blockingBytes}
	inWorld(t, Config{Streams: lines}, func(t *testing.T, w *world) {
		var open []*reader
		var err error
		for len(open) < 100 && err == nil {
			r := &reader{w: w, transport: SSE, query: map[string][]string{"page": {"a"}}}
			if err = r.connect(); err == nil {
				open = append(open, r)
			}
		}
		if err == nil || !strings.Contains(err.Error(), errNoMemory.Error()) {
			t.Errorf("after %d lines: error %v, want %q", len(open), err, errNoMemory)
		}
		if len(open) == 0 {
			t.Error("no line was opened")
		}
		<-w.ended // the refused one
		for _, r := range open {
			r.close()
			<-w.ended
		}
		if used := lines.Used(); used != 0 {
			t.Errorf("%d bytes are in use with no line open, want 0", used)
		}
	})
}

// Rings yield: to others who lack memory, and where they hold too much
// themselves. Readers then get everything from the log.
func TestRingsYield(t *testing.T) {
	rings := &gauge{limit: 64 << 10}
	inWorld(t, Config{Rings: rings}, func(t *testing.T, w *world) {
		r := w.open(NDJSON, "page=a@0")
		defer r.close()
		r.want(`hello#0 {"a":0}`, `all "a=0"`)
		padding := func(int) int { return 10_000 }
		for range 50 {
			w.publish("a", padding(0))
		}
		if used, most := rings.Used(), rings.limit+4*int64(padding(0)); used == 0 || used > most {
			t.Errorf("the rings use %d bytes, want some and at most %d", used, most)
		}
		rings.shrink(rings.Used())
		if used := rings.Used(); used != 0 {
			t.Errorf("the rings use %d bytes after they were to shrink, want 0", used)
		}
		r.wantChanges(t, 1, 50, padding)
	})
}

// A long poll's answer grows only where there is memory for it.
func TestLongPollAnswersLittleWithoutMemory(t *testing.T) {
	for name, limit := range map[string]int64{"short of memory": 4 * blockingBytes, "enough": 0} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, Config{Streams: &gauge{limit: limit}}, func(t *testing.T, w *world) {
				for range 100 {
					w.commit("a", 10_000)
				}
				resp := w.get(t, "page=a@0")
				if little := resp <= streamBytes+20_000; little != (limit > 0) {
					t.Errorf("the answer has %d bytes", resp)
				}
			})
		})
	}
}

// get asks once by long poll, and returns the size of the answer.
func (w *world) get(t *testing.T, query string) int {
	t.Helper()
	req, err := http.NewRequest("GET", w.url+"?"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", accepts[LongPoll])
	resp, err := w.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return len(body)
}
