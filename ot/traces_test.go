package ot_test

import (
	"encoding/json"
	"sync"
	"testing"

	"halley/ot"
)

// A trace is a recorded history of typing; its README says what the members
// mean. The traces hold no character above U+FFFF, so their positions, in code
// points, are UTF-16 units as well.
type trace struct {
	StartContent string `json:"startContent"`
	EndContent   string `json:"endContent"`
	NumAgents    int    `json:"numAgents"`
	Txns         []txn  `json:"txns"`
}

type txn struct {
	Agent   int     `json:"agent"`
	Parents []int   `json:"parents"`
	Patches []patch `json:"patches"`
}

type patch struct {
	at, deleted int
	inserted    string
}

func (p *patch) UnmarshalJSON(data []byte) error {
	return json.Unmarshal(data, &[]any{&p.at, &p.deleted, &p.inserted})
}

// delta returns p as a change.
func (p *patch) delta() ot.Delta {
	d := make(ot.Delta, 0, 3)
	return d.Retain(p.at, nil).Insert(p.inserted, nil).Delete(p.deleted)
}

// change returns all of t as one change.
func (t *txn) change() ot.Delta {
	var d ot.Delta
	for i := range t.Patches {
		d = ot.Compose(d, t.Patches[i].delta())
	}
	return d
}

// traces are those read already, by name: decoding costs more than a replay.
var traces sync.Map

func readTrace(tb testing.TB, name string) *trace {
	tb.Helper()
	if t, ok := traces.Load(name); ok {
		return t.(*trace)
	}
	var t trace
	if err := json.NewDecoder(openData(tb, "editing-traces/"+name+".json.gz")).Decode(&t); err != nil {
		tb.Fatal(err)
	}
	if t.StartContent != "" {
		tb.Fatalf("trace %s does not start empty", name)
	}
	traces.Store(name, &t)
	return &t
}

// sequentialTraces are those in which each edit follows the one before.
var sequentialTraces = []string{"automerge-paper", "seph-blog1", "rustcode", "json-crdt-patch", "friendsforever_flat"}

func TestSequentialTraces(t *testing.T) {
	for _, name := range sequentialTraces {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			trace := readTrace(t, name)
			content := newContent(t, nil)
			for i := range trace.Txns {
				for j := range trace.Txns[i].Patches {
					if err := content.Apply(trace.Txns[i].Patches[j].delta()); err != nil {
						t.Fatalf("txn %d: %v", i, err)
					}
				}
			}
			if got := content.Text(); got != trace.EndContent {
				t.Errorf("the text has %d bytes and differs from the published one, of %d", len(got), len(trace.EndContent))
			}
			checkTree(t, content)
		})
	}
}

// TestTraceByCompose replays the beginnings of traces by Compose, to which each
// edit costs a copy, and so stands for all of them.
func TestTraceByCompose(t *testing.T) {
	const edits = 1000
	for _, name := range sequentialTraces {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			trace := readTrace(t, name)
			content := newContent(t, nil)
			var doc, whole ot.Delta
			for i := range trace.Txns[:edits] {
				change := trace.Txns[i].change()
				if err := content.Apply(change); err != nil {
					t.Fatalf("txn %d: %v", i, err)
				}
				doc = ot.Compose(doc, change)
				whole = ot.Compose(whole, change)
			}
			wantDelta(t, "the text by Compose", doc, content.Delta())
			wantDelta(t, "all edits composed", whole, doc)
		})
	}
}

// TestConcurrentTrace sends the edits of two people who typed at the same time
// through a central server, as the README of the traces says.
func TestConcurrentTrace(t *testing.T) {
	trace := readTrace(t, "friendsforever")
	content := newContent(t, nil)
	server := newCentralServer(trace.NumAgents)
	for i := range trace.Txns {
		change := server.submit(i, &trace.Txns[i])
		if err := content.Apply(change); err != nil {
			t.Fatalf("txn %d: Apply(%s): %v", i, js(change), err)
		}
	}
	if got := content.Text(); got != trace.EndContent {
		t.Errorf("the text has %d bytes and differs from the published one, of %d", len(got), len(trace.EndContent))
	}
	checkTree(t, content)
}

// A centralServer puts the edits of a concurrent trace into one order.
type centralServer struct {
	unseen [][]unseenChange // by client: others' changes, as they apply to its text
	agents []int            // who made each txn
}

type unseenChange struct {
	txn    int
	change ot.Delta
}

func newCentralServer(clients int) *centralServer {
	return &centralServer{unseen: make([][]unseenChange, clients)}
}

// submit returns what edit i becomes on the server.
func (s *centralServer) submit(i int, t *txn) ot.Delta {
	s.see(t)
	change := t.change()
	queue := s.unseen[t.Agent]
	for j := range queue {
		o := queue[j].change
		queue[j].change = ot.Transform(change, o, true)
		change = ot.Transform(o, change, false)
	}
	for client := range s.unseen {
		if client != t.Agent {
			s.unseen[client] = append(s.unseen[client], unseenChange{i, change})
		}
	}
	s.agents = append(s.agents, t.Agent)
	return change
}

// see drops from the queue of t's author what they had seen when they made t.
// There are two authors, so it is all up to the newest parent by the other.
func (s *centralServer) see(t *txn) {
	for _, parent := range t.Parents {
		if s.agents[parent] == t.Agent {
			continue
		}
		queue := s.unseen[t.Agent]
		for len(queue) > 0 && queue[0].txn <= parent {
			queue = queue[1:]
		}
		s.unseen[t.Agent] = queue
	}
}

func newContent(tb testing.TB, d ot.Delta) *ot.Content {
	tb.Helper()
	c, err := ot.NewContent(d)
	if err != nil {
		tb.Fatalf("NewContent(%s): %v", js(d), err)
	}
	return c
}

func checkTree(tb testing.TB, c *ot.Content) {
	tb.Helper()
	if err := ot.CheckTree(c); err != nil {
		tb.Fatal(err)
	}
}
