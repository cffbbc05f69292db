package push

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// If the head were noted before the line is on the topic, the change that is
// published in between would be in neither, and the reader would wait for it.
func TestRegisterThenNoteTheHead(t *testing.T) {
	for _, query := range []string{"page=a", "page=a@2", "page=a@9", "page=a@1&epoch=old"} {
		for _, transport := range allTransports {
			inWorld(t, Config{}, func(t *testing.T, w *world) {
				for range 2 {
					w.commit("a", 0)
				}
				w.afterHead = func(topic string) { w.afterHead = nil; w.publish(topic, 0) }
				r := w.open(transport, query)
				defer r.close()
				for {
					e, err := r.next()
					if err != nil {
						t.Fatalf("%s over %v: %v", query, transport, err)
					}
					if e.Type == "change" {
						if e.String() != `change#3 "a3"` {
							t.Errorf("%s over %v: got %v, want change 3", query, transport, e)
						}
						return
					}
				}
			})
		}
	}
}

func TestChangesDuringReplay(t *testing.T) {
	inWorld(t, Config{RingEvents: 3}, func(t *testing.T, w *world) {
		for range 3000 {
			w.commit("a", 0)
		}
		pieces := 0
		w.replaying = func(topic string, after uint64) error {
			if pieces++; pieces <= 5 {
				for range 10 { // more than the ring holds
					w.publish(topic, 0)
				}
			}
			return nil
		}
		r := w.open(SSE, "page=a@0")
		defer r.close()
		r.want(`hello#0 {"a":0}`, `all "a=0"`)
		seq := 0
		for ; seq < 3000 || seq < int(w.head("a")); seq++ {
			r.want(fmt.Sprintf(`change#%d "a%d"`, seq+1, seq+1))
		}
		if s := w.hub.Stats(); s.CatchUps != 1 || s.Resets != 0 {
			t.Errorf("stats %+v, want one catch-up and no reset", s)
		}
	})
}

func TestCommittedButNotPublished(t *testing.T) {
	// What another node committed while nobody here followed the topic is in no
	// ring: the log fills in.
	inWorld(t, Config{}, func(t *testing.T, w *world) {
		r := w.open(SSE, "page=a")
		r.want(`hello#0 {"a":0}`, `all "a=0"`)
		w.publish("a", 0)
		r.want(`change#1 "a1"`)
		r.close()
		<-w.ended
		w.commit("a", 0)
		w.commit("a", 0)
		r = w.open(SSE, "page=a@0")
		defer r.close()
		r.want(`hello#0 {"a":0}`, `all "a=0"`, `change#1 "a1"`, `change#2 "a2"`, `change#3 "a3"`)
		w.commit("a", 0) // and a skipped one, found with the next
		w.publish("a", 0)
		r.want(`change#4 "a4"`, `change#5 "a5"`)
	})
}

func TestRepeatsAreIgnored(t *testing.T) {
	inWorld(t, Config{}, func(t *testing.T, w *world) {
		r := w.open(SSE, "page=a")
		defer r.close()
		r.want(`hello#0 {"a":0}`, `all "a=0"`)
		e := w.commit("a", 0)
		w.hub.Publish("a", e)
		w.hub.Publish("a", e)
		w.publish("a", 0)
		r.want(`change#1 "a1"`, `change#2 "a2"`)
	})
}

// A reader that stops reading holds up neither publishers nor others, and gets
// everything once it reads on, on the same line.
func TestStalledReader(t *testing.T) {
	for _, transport := range streams {
		inWorld(t, Config{RingBytes: 4 << 10}, func(t *testing.T, w *world) {
			stalled := w.open(transport, "page=a")
			defer stalled.close()
			stalled.want(`hello#0 {"a":0}`, `all "a=0"`)
			brisk := w.open(transport, "page=a")
			defer brisk.close()
			brisk.want(`hello#0 {"a":0}`, `all "a=0"`)
			start := time.Now()
			const changes = 2000
			for seq := 1; seq <= changes; seq++ {
				w.publish("a", 100)
				if e, err := brisk.next(); err != nil || e.ID != fmt.Sprint(seq) {
					t.Fatalf("brisk reader got %v and error %v, want change %d", e, err, seq)
				}
			}
			if took := time.Since(start); took != 0 {
				t.Errorf("publishing waited %v for the stalled reader", took)
			}
			time.Sleep(20 * time.Second) // less than WriteTimeout
			for seq := 1; seq <= changes; seq++ {
				if e, err := stalled.next(); err != nil || e.ID != fmt.Sprint(seq) {
					t.Fatalf("stalled reader got %v and error %v, want change %d", e, err, seq)
				}
			}
			if s := w.hub.Stats(); s.CatchUps != 1 || s.Dead != 0 || s.Resets != 0 {
				t.Errorf("stats %+v, want one catch-up", s)
			}
		})
	}
}

func TestDeadReader(t *testing.T) {
	for name, size := range map[string]int{"small": 60_000, "large": 10 * largeBytes} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, Config{WriteTimeout: 30 * time.Second}, func(t *testing.T, w *world) {
				r := w.open(SSE, "page=a")
				defer r.close()
				r.want(`hello#0 {"a":0}`, `all "a=0"`)
				start := time.Now()
				w.publish("a", size)
				<-w.ended
				if took := time.Since(start).Truncate(time.Second); took != 30*time.Second {
					t.Errorf("the line ended after %v, want 30s", took)
				}
				if s := w.hub.Stats(); s.Dead != 1 || w.hub.Streams() != 0 {
					t.Errorf("stats %+v, want one dead line and none open", s)
				}
			})
		})
	}
}

func TestSlowReaderLives(t *testing.T) {
	// A hundred bytes a second for a quarter of an hour: many times the timeout.
	inWorld(t, Config{WriteTimeout: 30 * time.Second}, func(t *testing.T, w *world) {
		conn, server := net.Pipe()
		w.pipes <- server
		defer conn.Close()
		fmt.Fprint(conn, "GET /?page=a@0 HTTP/1.1\r\nHost: halley\r\nAccept: text/event-stream\r\n\r\n")
		for range 300 {
			w.publish("a", 300)
		}
		buf := make([]byte, 100)
		for range 15 * 60 {
			time.Sleep(time.Second)
			if _, err := conn.Read(buf); err != nil {
				t.Fatal(err)
			}
		}
		if s := w.hub.Stats(); s.Dead != 0 || w.hub.Streams() != 1 {
			t.Errorf("stats %+v, want the line alive", s)
		}
	})
}

func TestSnapshotAfterADrop(t *testing.T) {
	for _, transport := range streams {
		inWorld(t, Config{}, func(t *testing.T, w *world) {
			r := w.open(transport, "page=a@0")
			defer r.close()
			r.want(`hello#0 {"a":0}`, `all "a=0"`)
			w.publish("a", 10_000) // the line waits for the reader to take this
			synctest.Wait()
			for range unsequencedEvents {
				w.tell("a")
			}
			w.publish("a", 0)
			w.tell("a")
			if e, err := r.next(); err != nil || e.ID != "1" {
				t.Fatalf("got %v and error %v, want change 1", e, err)
			}
			r.want(`all "a=65"`, `change#2 "a2"`)
			w.tell("a")
			r.want(`state "a=66"`)
			if s := w.hub.Stats(); s.Dropped != 1 {
				t.Errorf("stats %+v, want one drop", s)
			}
		})
	}
}

// If what a snapshot tells were noted after it, the news that comes while it is
// taken would count as told.
func TestNoteThenSnapshot(t *testing.T) {
	for _, transport := range allTransports {
		inWorld(t, Config{}, func(t *testing.T, w *world) {
			w.snapshotted = func(topic string) error { w.snapshotted = nil; w.tell(topic); return nil }
			r := w.open(transport, "page=a")
			defer r.close()
			r.want(`hello#0 {"a":0}`, `all "a=0"`, `state "a=1"`)
		})
	}
}

func TestSnapshotIsAskedForAgain(t *testing.T) {
	inWorld(t, Config{}, func(t *testing.T, w *world) {
		fails := 3
		w.snapshotted = func(string) error {
			if fails--; fails >= 0 {
				return errors.New("try again")
			}
			return nil
		}
		r := w.open(SSE, "page=a")
		defer r.close()
		r.want(`hello#0 {"a":0}`)
		w.publish("a", 0)
		r.want(`change#1 "a1"`, `all "a=0"`) // at the second heartbeat
	})
}

func TestReplayFails(t *testing.T) {
	broken := errors.New("cannot read")
	for name, replay := range map[string]func(*world){
		"with an error": func(w *world) {
			w.replaying = func(string, uint64) error { return broken }
		},
		"and stops early": func(w *world) {
			w.replaying = func(topic string, _ uint64) error {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.logs[topic][2].Seq = 9 // a gap
				return nil
			}
		},
	} {
		for _, transport := range allTransports {
			t.Run(name+"/"+transport.String(), func(t *testing.T) {
				inWorld(t, Config{}, func(t *testing.T, w *world) {
					for range 5 {
						w.commit("a", 0)
					}
					replay(w)
					r := w.open(transport, "page=a@2")
					defer r.close()
					r.want(`hello#2 {"a":2}`, `all "a=0"`, `reset#5 "a@5"`)
					time.AfterFunc(time.Second, func() { w.publish("a", 0) })
					r.want(`change#6 "a6"`)
					if s := w.hub.Stats(); s.Resets != 1 {
						t.Errorf("stats %+v, want one reset", s)
					}
				})
			})
		}
	}
}

// A Source that panics while a reader is caught up costs that reader its line,
// and nobody else anything.
func TestSourcePanics(t *testing.T) {
	inWorld(t, Config{RingEvents: 1}, func(t *testing.T, w *world) {
		r := w.open(SSE, "page=a")
		defer r.close()
		r.want(`hello#0 {"a":0}`, `all "a=0"`)
		w.publish("a", 10_000) // the line waits for the reader to take this
		synctest.Wait()
		w.publish("a", 0)
		w.publish("a", 0)
		w.replaying = func(string, uint64) error { panic("broken") }
		for err := error(nil); err == nil; {
			_, err = r.next()
		}
		<-w.ended
		if r.lastID > "1" {
			t.Errorf("got change %s, which only the log has", r.lastID)
		}
		w.replaying = nil
		again := w.openAfter(SSE, "page=a", r.lastID)
		defer again.close()
		again.want(fmt.Sprintf(`hello#%s {"a":%[1]s}`, r.lastID), `all "a=0"`)
		for e := (received{}); e.ID != "3"; {
			var err error
			if e, err = again.next(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestEnd(t *testing.T) {
	gone := Event{Type: "gone", Data: []byte(`"a"`)}
	for _, transport := range streams {
		inWorld(t, Config{}, func(t *testing.T, w *world) {
			both := w.open(transport, "page=a&page=b")
			defer both.close()
			one := w.open(transport, "page=a")
			defer one.close()
			both.want(`hello#a@0,b@0 {"a":0,"b":0}`, `all "a=0"`, `all "b=0"`)
			one.want(`hello#0 {"a":0}`, `all "a=0"`)
			w.publish("a", 0)
			w.hub.End("a", gone)
			w.publish("a", 0) // for nobody
			both.want(`change#a@1,b@0 "a1"`, `gone "a"`)
			one.want(`change#1 "a1"`, `gone "a"`)
			w.publish("b", 0)
			both.want(`change#b@1 "b1"`)

			// A line without topics stays open, with heartbeats.
			one.beats = true
			for range 10 {
				one.want(`heartbeat `)
			}

			// Who subscribes now follows the topic anew.
			again := w.open(transport, "page=a@1")
			defer again.close()
			again.want(`hello#1 {"a":1}`, `all "a=0"`, `change#2 "a2"`)
		})
	}
}

func TestEndOfATopicThatAReaderIsBehindOn(t *testing.T) {
	inWorld(t, Config{RingEvents: 1}, func(t *testing.T, w *world) {
		r := w.open(SSE, "page=a")
		defer r.close()
		r.want(`hello#0 {"a":0}`, `all "a=0"`)
		w.publish("a", 10_000)
		synctest.Wait()
		w.publish("a", 0)
		w.publish("a", 0)
		w.replaying = func(string, uint64) error { t.Error("replays a topic that has ended"); return nil }
		w.hub.End("a", Event{Type: "gone", Data: []byte(`"a"`)})
		if e, err := r.next(); err != nil || e.ID != "1" {
			t.Fatalf("got %v and error %v, want change 1", e, err)
		}
		r.want(`gone "a"`)
	})
}

func TestHeartbeats(t *testing.T) {
	for _, transport := range streams {
		inWorld(t, Config{}, func(t *testing.T, w *world) {
			const lines, beats = 2 * heartbeatSlots, 5
			heard := make([][]time.Time, lines)
			var readers sync.WaitGroup
			for i := range heard {
				r := w.open(transport, "page=a")
				r.want(`hello#0 {"a":0}`, `all "a=0"`)
				r.beats = true
				readers.Go(func() {
					defer r.close()
					for range beats {
						if e, err := r.next(); err != nil || e.Type != heartbeatEvent {
							t.Errorf("got %v and error %v, want a heartbeat", e, err)
						}
						heard[i] = append(heard[i], time.Now())
					}
				})
			}
			readers.Wait()
			together := map[time.Time]int{}
			for _, times := range heard {
				together[times[0]]++
				for i := 1; i < beats; i++ {
					if gap := times[i].Sub(times[i-1]); gap < 10*time.Second || gap > 15*time.Second {
						t.Errorf("%v between two heartbeats", gap)
					}
				}
			}
			if len(together) != heartbeatSlots {
				t.Errorf("heartbeats of %d lines come at %d times, want %d", lines, len(together), heartbeatSlots)
			}
		})
	}
}

// A line that is written to anyway needs no sign of life, but never makes its
// reader wait for longer than 15 seconds.
func TestHeartbeatsAreSpared(t *testing.T) {
	for _, transport := range streams {
		inWorld(t, Config{}, func(t *testing.T, w *world) {
			r := w.open(transport, "page=a")
			defer r.close()
			r.want(`hello#0 {"a":0}`, `all "a=0"`)
			r.beats = true
			go func() {
				for range 60 {
					time.Sleep(1500 * time.Millisecond)
					w.publish("a", 0)
				}
			}()
			for seq := 1; seq <= 60; seq++ {
				r.want(fmt.Sprintf(`change#%d "a%d"`, seq, seq))
			}
			last := time.Now()
			r.want("heartbeat ")
			if quiet := time.Since(last); quiet > 15*time.Second {
				t.Errorf("%v without a sign of life", quiet)
			}
		})
	}
}

func TestSessionOver(t *testing.T) {
	for _, transport := range allTransports {
		inWorld(t, Config{}, func(t *testing.T, w *world) {
			var end atomic.Pointer[func(why string)] // of the newest line
			w.line = func(l *Line) {
				l.OnOpen = func(f func(string)) error { end.Store(&f); return nil }
			}
			r := w.open(transport, "page=a")
			defer r.close()
			r.want(`hello#0 {"a":0}`, `all "a=0"`)
			time.AfterFunc(time.Second, func() { (*end.Load())("signed-out") })
			r.want(`bye {"after_ms":1000,"why":"signed-out"}`)
			if transport != LongPoll {
				r.wantEnd()
			}
		})
	}
}

// wantBye reads a drain's bye and returns when the reader may come back.
func (r *reader) wantBye() time.Duration {
	r.w.t.Helper()
	e, err := r.next()
	if err != nil || e.Type != "bye" {
		r.w.t.Fatalf("%v: got %v and error %v, want bye", r.transport, e, err)
	}
	var bye struct {
		AfterMS int64 `json:"after_ms"`
	}
	if err := json.Unmarshal(e.Data, &bye); err != nil {
		r.w.t.Fatal(err)
	}
	return time.Duration(bye.AfterMS) * time.Millisecond
}

func TestDrain(t *testing.T) {
	for _, transport := range allTransports {
		inWorld(t, Config{}, func(t *testing.T, w *world) {
			r := w.open(transport, "page=a")
			defer r.close()
			r.want(`hello#0 {"a":0}`, `all "a=0"`)
			drained := make(chan error, 1)
			time.AfterFunc(time.Second, func() {
				w.publish("a", 0)
				drained <- w.hub.Drain(t.Context())
			})
			r.want(`change#1 "a1"`)
			after := r.wantBye()
			if after < returnAfter || after > returnMost {
				t.Errorf("%v: come back after %v", transport, after)
			}
			if err := <-drained; err != nil {
				t.Errorf("%v: Drain: %v", transport, err)
			}
			if n := w.hub.Streams(); n != 0 {
				t.Errorf("%v: %d lines open after Drain", transport, n)
			}
			w.hub.Drain(t.Context()) // again does nothing

			late := w.openAfter(transport, "page=a", "1")
			defer late.close()
			late.wantBye()
			if transport == LongPoll && late.query.Get("cursor") != "1" {
				t.Errorf("cursor %q, want the one sent", late.query.Get("cursor"))
			}
		})
	}
}

func TestDrainInWaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		hub := NewHub(Config{}, m)
		m.hub = hub
		const lines = 2*waveStreams + 1
		for range lines {
			go func() {
				line := Line{Start: []Position{{Topic: "a", AtHead: true}}}
				if err := hub.Serve(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), line); err != nil {
					t.Error(err)
				}
			}()
		}
		synctest.Wait()
		start := time.Now()
		drained := make(chan error, 1)
		go func() { drained <- hub.Drain(t.Context()) }()
		for _, want := range []int{lines - waveStreams, lines - 2*waveStreams, 0} {
			synctest.Wait()
			if n := hub.Streams(); n != want {
				t.Errorf("after %v: %d lines open, want %d", time.Since(start), n, want)
			}
			time.Sleep(waveGap)
		}
		if err := <-drained; err != nil {
			t.Error(err)
		}
		hub.Close()
	})
}

func TestReturnDelay(t *testing.T) {
	for lines, most := range map[int]time.Duration{
		1: 1250 * time.Millisecond, 10_000: 6250 * time.Millisecond, 1_000_000: 10250 * time.Millisecond,
	} {
		var longest time.Duration
		for range 1000 {
			d := returnDelay(lines)
			if d < returnAfter || d > most+time.Millisecond {
				t.Fatalf("one of %d readers comes back after %v, want %v to %v", lines, d, returnAfter, most)
			}
			longest = max(longest, d)
		}
		if longest < most*9/10 {
			t.Errorf("%d readers come back within %v, want them spread over %v", lines, longest, most)
		}
	}
}

// A drain gives up on a reader that does not read when its time is over; Close
// cuts the line.
func TestDrainOfAStalledReader(t *testing.T) {
	inWorld(t, Config{}, func(t *testing.T, w *world) {
		r := w.open(SSE, "page=a")
		defer r.close()
		r.want(`hello#0 {"a":0}`, `all "a=0"`)
		w.publish("a", 100_000)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := w.hub.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Drain: %v, want the deadline", err)
		}
		start := time.Now()
		w.hub.Close()
		if took := time.Since(start); took != 0 || w.hub.Streams() != 0 {
			t.Errorf("Close took %v, %d lines left; want neither", took, w.hub.Streams())
		}
		w.hub.Close() // again does nothing
	})
}

func TestTopicsComeAndGo(t *testing.T) {
	inWorld(t, Config{}, func(t *testing.T, w *world) {
		w.publish("a", 0)
		if w.hub.Has("a") {
			t.Error("a topic that nobody follows is kept")
		}
		r := w.open(SSE, "page=a")
		r.want(`hello#1 {"a":1}`, `all "a=0"`)
		time.Sleep(2 * topicGrace)
		if !w.hub.Has("a") {
			t.Error("a topic that is followed is gone")
		}
		r.close()
		<-w.ended
		w.publish("a", 0)
		replays := w.replays
		r = w.open(SSE, "page=a@1")
		r.want(`hello#1 {"a":1}`, `all "a=0"`, `change#2 "a2"`)
		if w.replays != replays {
			t.Error("a reader that came back at once needed the log")
		}
		r.close()
		<-w.ended
		time.Sleep(topicGrace + 13*time.Second)
		if s := w.hub.Stats(); s.Topics != 0 || s.Lines != [3]int64{} || s.Published != 2 {
			t.Errorf("stats %+v, want no topics and lines, 2 published", s)
		}
	})
}

func TestStats(t *testing.T) {
	inWorld(t, Config{}, func(t *testing.T, w *world) {
		for i, transport := range allTransports {
			for range i + 1 {
				r := w.open(transport, "page=a")
				defer r.close()
				r.want(`hello#0 {"a":0}`, `all "a=0"`)
			}
		}
		synctest.Wait()
		s := w.hub.Stats()
		if want := [3]int64{1, 2, 0}; s.Lines != want || s.Delivered != 12 {
			t.Errorf("stats %+v, want lines %v, 12 delivered", s, want)
		}
	})
}
