package push

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Whatever readers do, stall, leave, come back with their cursor or choose
// another transport, each gets every change of each of its topics once and in
// order, and ends up knowing each topic's last state.
func TestNoGapNoRepeat(t *testing.T) {
	seeds := 20
	if os.Getenv("HALLEY_SOAK") != "" {
		seeds = 1000
	}
	for seed := range seeds {
		if !t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			cfg := Config{RingEvents: 8, RingBytes: 4 << 10}
			inWorld(t, cfg, func(t *testing.T, w *world) { simulate(t, w, uint64(seed)) })
			if seed%10 > 0 {
				return // real time takes its time
			}
			cfg.Heartbeat = 20 * time.Millisecond
			onSockets(t, cfg, func(t *testing.T, w *world) {
				w.second = time.Millisecond
				simulate(t, w, uint64(seed))
			})
		}) {
			return
		}
	}
}

var simulated = []string{"a", "b", "c"}

func simulate(t *testing.T, w *world, seed uint64) {
	var everybody, publishers sync.WaitGroup
	for _, topic := range simulated {
		publishers.Go(func() { w.publishAtRandom(rand.New(rand.NewPCG(seed, 1)), topic) })
	}
	published := make(chan struct{})
	for i := range 8 {
		everybody.Go(func() {
			f := &follower{w: w, rng: rand.New(rand.NewPCG(seed, uint64(100+i))), published: published}
			if err := f.run(); err != nil {
				t.Errorf("seed %d: reader %d (%s): %v", seed, i, f.story.String(), err)
			}
		})
	}
	publishers.Wait()
	close(published)
	everybody.Wait()
}

func (w *world) publishAtRandom(rng *rand.Rand, topic string) {
	for range 300 {
		switch rng.IntN(10) {
		case 0:
			w.sleep(5 * rng.Float64())
		case 1, 2, 3:
			w.tell(topic)
		case 4:
			w.publish(topic, 5000)
		default:
			w.publish(topic, rng.IntN(200))
		}
	}
}

// A follower reads until it has everything.
type follower struct {
	w         *world
	rng       *rand.Rand
	published chan struct{} // closed once nothing more will be published
	seqs      map[string]int
	states    map[string]int
	story     strings.Builder // for the failure message
}

func (f *follower) run() error {
	f.seqs, f.states = map[string]int{}, map[string]int{}
	topics := simulated[:1+f.rng.IntN(len(simulated))]
	var id string
	var cursor string
	for {
		q := url.Values{}
		for _, topic := range topics {
			q.Add("page", topic+"@0")
		}
		transport := allTransports[f.rng.IntN(len(allTransports))]
		if cursor != "" {
			q.Set("cursor", cursor)
		}
		fmt.Fprintf(&f.story, "%v from %q ", transport, cursor)
		r := &reader{w: f.w, transport: transport, query: q, beats: true}
		if err := r.connect(); err != nil {
			return err
		}
		complete, err := f.read(r, topics)
		r.close()
		if complete || err != nil {
			return err
		}
		if id = r.lastID; transport == LongPoll {
			id = r.query.Get("cursor")
		}
		if id != "" {
			cursor = id
		}
		f.w.sleep(20 * float64(f.rng.IntN(3)))
	}
}

// read takes some events, or all that will ever come.
func (f *follower) read(r *reader, topics []string) (complete bool, err error) {
	some := f.rng.IntN(400)
	for n := 0; n < some || len(r.queue) > 0; n++ {
		if f.rng.IntN(50) == 0 {
			f.w.sleep(20 * f.rng.Float64())
		}
		e, err := r.next()
		if errors.Is(err, io.ErrUnexpectedEOF) || f.w.path == shards && err == io.EOF {
			return false, nil // stalled for so long that the line was taken for dead
		}
		if err != nil {
			return false, err
		}
		if err := f.take(e); err != nil {
			return false, err
		}
		if f.complete(topics) {
			return true, nil
		}
	}
	return false, nil
}

func (f *follower) take(e received) error {
	text, err := strconv.Unquote(string(e.Data))
	switch {
	case e.Type == "hello", e.Type == heartbeatEvent:
		return nil
	case err != nil:
		return fmt.Errorf("%v: %w", e, err)
	case e.Type == "change":
		topic := text[:1]
		seq, err := strconv.Atoi(strings.TrimRight(text[1:], "."))
		if err != nil || seq != f.seqs[topic]+1 {
			return fmt.Errorf("got change %s%d after %d (%v)", topic, seq, f.seqs[topic], err)
		}
		f.seqs[topic] = seq
		if e.ID == "" {
			return fmt.Errorf("%v has no id", e)
		}
	case e.Type == "state", e.Type == "all":
		topic, number, _ := strings.Cut(text, "=")
		state, err := strconv.Atoi(number)
		if err != nil {
			return err
		}
		f.states[topic] = state
	default:
		return fmt.Errorf("got %v", e)
	}
	return nil
}

func (f *follower) complete(topics []string) bool {
	if !closed(f.published) {
		return false
	}
	f.w.mu.Lock()
	defer f.w.mu.Unlock()
	for _, topic := range topics {
		if f.seqs[topic] != len(f.w.logs[topic]) || f.states[topic] != f.w.states[topic] {
			return false
		}
	}
	return true
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
