package editor

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"halley/ot"
	"halley/ot/ottest"
	"halley/storage"
)

// The simulation: clients that type, and lose, delay and repeat what they
// send and hear, against the real page over a real store, in an order that a
// seed fixes. In the end all hold what the page holds.

// simClient is an editor as the browser's is: it has one edit in flight, and
// composes later ones into the next.
type simClient struct {
	id       string
	who      Principal
	n        uint64 // of the edit in flight, else of the last one
	seq      uint64 // the last change it has
	content  ot.Delta
	inflight *Edit // exactly as first sent
	carried  ot.Delta
	pending  ot.Delta // made since
	acked    uint64   // the seq of the edit in flight, where the answer came before the event
	offline  bool
}

type sim struct {
	t       *testing.T
	seed    uint64
	r       *rand.Rand
	ps      *Pages
	id      PageID
	clients []*simClient
	sent    int // edits that clients made
}

func newSim(t *testing.T, seed uint64, clients int) *sim {
	s := &sim{t: t, seed: seed, r: rand.New(rand.NewPCG(seed, 1)), ps: newPages(t)}
	content := ottest.Content(s.r, 20)
	page, err := s.ps.Create(t.Context(), ann, NewPage{Content: content})
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	s.id = page.ID
	for i := range clients {
		content, seq := contentOf(t, s.ps, s.id)
		s.clients = append(s.clients, &simClient{
			id: fmt.Sprintf("client-%d", i), who: []Principal{ann, bob}[i%2], seq: seq, content: content,
		})
	}
	return s
}

// step lets one client, by chance, do one thing.
func (s *sim) step() {
	c := s.clients[s.r.IntN(len(s.clients))]
	switch dice := s.r.IntN(100); {
	case dice < 40:
		s.types(c)
	case dice < 65:
		s.hears(c, 1+s.r.IntN(3))
	case dice < 90:
		s.sends(c)
	case dice < 94:
		c.offline = !c.offline
	case dice < 96 && c.inflight == nil:
		s.restarts(c)
	case dice < 97:
		s.ps.unload(s.id) // the page leaves memory under everybody's hands
	}
}

func (s *sim) types(c *simClient) {
	change := ottest.Change(s.r, c.content)
	if len(change) == 0 {
		return
	}
	c.content = ot.Compose(c.content, change)
	c.pending = ot.Compose(c.pending, change)
}

// sends puts the pending edit in flight, or sends the one in flight again:
// the request may be lost on its way, or its answer on the way back.
func (s *sim) sends(c *simClient) {
	if c.offline {
		return
	}
	if c.inflight == nil {
		if len(c.pending) == 0 {
			return
		}
		c.n++
		c.inflight = &Edit{Client: c.id, N: c.n, Base: c.seq, Delta: c.pending}
		c.carried, c.pending = c.pending, nil
		s.sent++
	}
	if s.r.IntN(5) == 0 {
		return // lost on its way
	}
	seq, err := s.ps.Submit(context.Background(), c.who, s.id, *c.inflight)
	if err != nil {
		s.t.Fatalf("seed %d: %s sends n %d of base %d: %v", s.seed, c.id, c.inflight.N, c.inflight.Base, err)
	}
	if s.r.IntN(4) == 0 {
		return // the answer was lost
	}
	c.acked = seq
}

// hears takes at most some of the changes that the client has not seen.
func (s *sim) hears(c *simClient, most int) {
	if c.offline {
		return
	}
	enough := errors.New("enough")
	_, head := contentOf(s.t, s.ps, s.id)
	err := s.ps.Changes(context.Background(), c.who, s.id, c.seq, head, func(ch Change) error {
		if most--; most < 0 {
			return enough
		}
		s.receives(c, ch)
		return nil
	})
	if err != nil && !errors.Is(err, enough) {
		s.t.Fatalf("seed %d: %s follows: %v", s.seed, c.id, err)
	}
}

func (s *sim) receives(c *simClient, ch Change) {
	if ch.Seq != c.seq+1 {
		s.t.Fatalf("seed %d: %s at %d hears of change %d", s.seed, c.id, c.seq, ch.Seq)
	}
	c.seq = ch.Seq
	if c.inflight != nil && ch.Client == c.id && ch.N == c.inflight.N {
		if c.acked != 0 && c.acked != ch.Seq {
			s.t.Fatalf("seed %d: %s was told seq %d for n %d, which is change %d", s.seed, c.id, c.acked, ch.N, ch.Seq)
		}
		if !ch.Delta.Equal(c.carried) {
			s.t.Fatalf("seed %d: %s carried n %d to %s, the server committed %s", s.seed, c.id, ch.N, c.carried.AppendJSON(nil), ch.Delta.AppendJSON(nil))
		}
		c.inflight, c.carried, c.acked = nil, nil, 0
		return
	}
	change := ch.Delta
	if c.inflight != nil {
		change, c.carried = ot.Transform(c.carried, change, true), ot.Transform(change, c.carried, false)
	}
	change, c.pending = ot.Transform(c.pending, change, true), ot.Transform(change, c.pending, false)
	c.content = ot.Compose(c.content, change)
}

// restarts is a reload: what was not sent is gone, the client is a new one.
func (s *sim) restarts(c *simClient) {
	content, seq := contentOf(s.t, s.ps, s.id)
	*c = simClient{id: fmt.Sprintf("%.8s-%d", c.id, s.r.Uint32()), who: c.who, seq: seq, content: content}
}

// settle lets everybody send and hear everything.
func (s *sim) settle() {
	for range 1000 {
		quiet := true
		_, head := contentOf(s.t, s.ps, s.id)
		for _, c := range s.clients {
			c.offline = false
			s.sends(c)
			s.hears(c, 1<<30)
			quiet = quiet && c.inflight == nil && len(c.pending) == 0 && c.seq == head
		}
		if quiet {
			return
		}
	}
	s.t.Fatalf("seed %d: the clients never come to rest", s.seed)
}

func (s *sim) check() {
	s.t.Helper()
	want, _ := contentOf(s.t, s.ps, s.id)
	for _, c := range s.clients {
		if !c.content.Equal(want) {
			s.t.Errorf("seed %d: %s holds\n%s\nthe page\n%s", s.seed, c.id, c.content.AppendJSON(nil), want.AppendJSON(nil))
		}
	}
	if err := checkContent(want); err != nil {
		s.t.Errorf("seed %d: the page is no content any more: %v", s.seed, err)
	}
	wantReplay(s.t, s.ps, s.id)
	s.wantOnce()
}

// wantOnce checks that each client's edits are in the log once, in order.
func (s *sim) wantOnce() {
	s.t.Helper()
	last := map[string]uint64{}
	_, head := contentOf(s.t, s.ps, s.id)
	err := s.ps.store.Read(context.Background(), s.id, 0, head, func(ch storage.Change) error {
		if ch.N != last[ch.Client]+1 {
			return fmt.Errorf("change %d is n %d of %s, after n %d", ch.Seq, ch.N, ch.Client, last[ch.Client])
		}
		last[ch.Client] = ch.N
		return nil
	})
	if err != nil {
		s.t.Errorf("seed %d: %v", s.seed, err)
	}
}

func TestSimulation(t *testing.T) {
	seeds, steps := uint64(12), 120
	if os.Getenv("HALLEY_SOAK") != "" {
		seeds, steps = 500, 400
	}
	for seed := range seeds {
		s := newSim(t, seed, 2+int(seed%4))
		for range steps {
			s.step()
		}
		s.settle()
		s.check()
		if t.Failed() {
			return
		}
		if s.sent == 0 {
			t.Errorf("seed %d: nobody sent anything", seed)
		}
	}
}
