package e2e

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"testing"

	"halley/editor/client"
	"halley/ot"
)

// traceFile is what two people typed into one page at the same time.
const traceFile = "../../shared/data/editing-traces/friendsforever.json.gz"

// A trace is what was typed; the README beside the file says what its members
// mean. It has no character above U+FFFF, so that its positions are UTF-16 units.
type trace struct {
	EndContent string `json:"endContent"`
	NumAgents  int    `json:"numAgents"`
	Txns       []txn  `json:"txns"`
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

// delta is the change to the text that its author saw.
func (t *txn) delta() ot.Delta {
	var d ot.Delta
	for _, p := range t.Patches {
		d = ot.Compose(d, ot.Delta{}.Retain(p.at, nil).Insert(p.inserted, nil).Delete(p.deleted))
	}
	return d
}

func readTrace(tb testing.TB) *trace {
	tb.Helper()
	f, err := os.Open(traceFile)
	if errors.Is(err, fs.ErrNotExist) {
		tb.Skipf("the shared test data is not there: %v", err)
	}
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		tb.Fatal(err)
	}
	var t trace
	if err := json.NewDecoder(z).Decode(&t); err != nil {
		tb.Fatal(err)
	}
	return &t
}

// TestFriendsforever has two programs type the beginning of the trace through
// the running server, and compares with what the algebra alone makes of it.
func TestFriendsforever(t *testing.T) {
	trace := readTrace(t)
	trace.Txns = trace.Txns[:3000]
	trace.EndContent = throughOT(t, trace)
	replay(t, serve(t), trace)
}

// BenchmarkFriendsforever types all of it: one edit after the other, each
// acknowledged, and so durable, before the next.
func BenchmarkFriendsforever(b *testing.B) {
	trace := readTrace(b)
	s := serve(b)
	for b.Loop() {
		replay(b, s, trace)
	}
	b.ReportMetric(float64(b.N*len(trace.Txns))/b.Elapsed().Seconds(), "edits/s")
}

// replay sends a trace's edits to a new page, in the file's order, which is
// then the server's, and fails unless all end with its endContent: both
// programs, a reader, and the server.
func replay(tb testing.TB, s *server, trace *trace) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	owner := s.program("Reader")
	page, err := owner.Create(ctx, "Friends forever", nil, client.NewID())
	if err != nil {
		tb.Fatal(err)
	}
	reader := follow(ctx, tb, owner, page.ID)
	authors := make([]*author, trace.NumAgents)
	for i := range authors {
		c := s.program(fmt.Sprintf("Author %d", i+1))
		authors[i] = &author{
			tb: tb, c: c, page: page.ID, id: client.NewID(),
			shown: contentOf(tb, page.Delta), changes: follow(ctx, tb, c, page.ID),
		}
	}
	for i := range trace.Txns {
		t := &trace.Txns[i]
		seen := uint64(0)
		for _, parent := range t.Parents {
			if trace.Txns[parent].Agent != t.Agent {
				seen = max(seen, uint64(parent)+1)
			}
		}
		if seq := authors[t.Agent].types(ctx, t.delta(), seen); seq != uint64(i)+1 {
			tb.Fatalf("edit %d is committed under seq %d, want %d", i, seq, i+1)
		}
	}

	head, want := uint64(len(trace.Txns)), trace.EndContent+"\n"
	onServer, late := 0, 0
	for i, a := range authors {
		a.see(head)
		if got := a.shown.Text(); got != want {
			tb.Errorf("author %d ends with a text of %d bytes that is not the trace's, of %d", i+1, len(got), len(want))
		}
		onServer, late = onServer+a.leftToServer, late+a.doneHere
	}
	text := contentOf(tb, page.Delta)
	for seq := uint64(1); seq <= head; seq++ {
		c := reader.next()
		if c.Seq != seq {
			tb.Fatalf("the reader gets change %d where %d is next", c.Seq, seq)
		}
		if err := text.Apply(c.Delta); err != nil {
			tb.Fatalf("the reader cannot apply change %d: %v", seq, err)
		}
	}
	if got := text.Text(); got != want {
		tb.Errorf("the reader ends with a text of %d bytes that is not the trace's, of %d", len(got), len(want))
	}
	stored, err := owner.Page(ctx, page.ID)
	if err != nil {
		tb.Fatal(err)
	}
	if got := contentOf(tb, stored.Delta).Text(); got != want || stored.Seq != head {
		tb.Errorf("the server has a text of %d bytes at seq %d that is not the trace's, of %d at %d", len(got), stored.Seq, len(want), head)
	}
	if onServer == 0 || late == 0 {
		tb.Errorf("%d edits met others' on the server and %d in their program; a trace with none shows nothing", onServer, late)
	}
}

// An author is a program that types what its script says, while what others
// type is held back from it until the script has seen it.
//
// An edit must be based on what its own program has sent before, so its base
// is the newest of two changes: its own last one, and the other's last one
// that it has seen. What lies below that unseen, the program transforms over
// itself, as a browser does with changes that came during a composition; what
// lies above, the server does.
type author struct {
	tb      testing.TB
	c       *client.Client
	page    string
	id      string
	changes *follower

	n        uint64
	own      uint64      // seq of its newest edit
	received uint64      // seq that the program has come to
	inflight ot.Delta    // its newest edit as it applies at received; nil once that is received
	shown    *ot.Content // what its author sees
	unseen   []unseen    // what is received and not shown, as it applies to shown

	leftToServer, doneHere int // edits that met others' changes there and here
}

type unseen struct {
	seq   uint64
	delta ot.Delta
}

// types makes one edit of the text that is shown once all up to seen is.
func (a *author) types(ctx context.Context, d ot.Delta, seen uint64) (seq uint64) {
	a.tb.Helper()
	a.receive(max(a.own, seen))
	a.show(seen)
	if err := a.shown.Apply(d); err != nil {
		a.tb.Fatalf("edit %d of %s does not fit the text that its author saw: %v", a.n+1, a.id, err)
	}
	for i, u := range a.unseen {
		a.unseen[i].delta, d = ot.Transform(d, u.delta, true), ot.Transform(u.delta, d, false)
	}
	if len(a.unseen) > 0 {
		a.doneHere++
	}
	a.n++
	seq, err := a.c.Submit(ctx, a.page, client.Edit{Client: a.id, N: a.n, Base: a.received, Delta: d})
	if err != nil {
		a.tb.Fatalf("edit %d of %s: %v", a.n, a.id, err)
	}
	if seq > a.received+1 {
		a.leftToServer++
	}
	a.own, a.inflight = seq, d
	return seq
}

// receive takes in the changes up to a seq.
func (a *author) receive(upTo uint64) {
	a.tb.Helper()
	for a.received < upTo {
		c := a.changes.next()
		if c.Seq != a.received+1 {
			a.tb.Fatalf("change %d comes to %s where %d is next", c.Seq, a.id, a.received+1)
		}
		a.received = c.Seq
		if c.Client == a.id {
			a.inflight = nil
			continue
		}
		d := c.Delta
		if a.inflight != nil {
			d, a.inflight = ot.Transform(a.inflight, d, true), ot.Transform(d, a.inflight, false)
		}
		a.unseen = append(a.unseen, unseen{c.Seq, d})
	}
}

// show lets the author see all up to a seq that is received.
func (a *author) show(upTo uint64) {
	a.tb.Helper()
	for len(a.unseen) > 0 && a.unseen[0].seq <= upTo {
		if err := a.shown.Apply(a.unseen[0].delta); err != nil {
			a.tb.Fatalf("change %d does not fit what %s shows: %v", a.unseen[0].seq, a.id, err)
		}
		a.unseen = a.unseen[1:]
	}
}

func (a *author) see(upTo uint64) {
	a.tb.Helper()
	a.receive(upTo)
	a.show(upTo)
}

// throughOT is the text that the trace ends with when its edits go through a
// central server as its README says, without any server.
func throughOT(tb testing.TB, trace *trace) string {
	tb.Helper()
	type change struct {
		txn   int
		delta ot.Delta
	}
	queues := make([][]change, trace.NumAgents) // others' changes that each has not seen
	content := contentOf(tb, nil)
	for i := range trace.Txns {
		t := &trace.Txns[i]
		queue := queues[t.Agent]
		for _, parent := range t.Parents {
			for trace.Txns[parent].Agent != t.Agent && len(queue) > 0 && queue[0].txn <= parent {
				queue = queue[1:]
			}
		}
		d := t.delta()
		for j, o := range queue {
			queue[j].delta, d = ot.Transform(d, o.delta, true), ot.Transform(o.delta, d, false)
		}
		queues[t.Agent] = queue
		for other := range queues {
			if other != t.Agent {
				queues[other] = append(queues[other], change{i, d})
			}
		}
		if err := content.Apply(d); err != nil {
			tb.Fatalf("edit %d: %v", i, err)
		}
	}
	return content.Text()
}

func contentOf(tb testing.TB, d ot.Delta) *ot.Content {
	tb.Helper()
	c, err := ot.NewContent(d)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}
