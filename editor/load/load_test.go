package load

import (
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"halley/ot"
)

// TestHistogram compares what it says with the sorted times themselves.
func TestHistogram(t *testing.T) {
	const seed = 7
	random := rand.New(rand.NewPCG(seed, 0))
	var acks [shards]*histogram
	for i := range acks {
		acks[i] = &histogram{}
	}
	var times []float64
	for i := range 10_000 {
		d := time.Duration(random.ExpFloat64()*float64(3*time.Millisecond)) + time.Microsecond
		acks[i%shards].add(d)
		times = append(times, float64(d.Microseconds())/1000)
	}
	slices.Sort(times)
	c := read(acks)
	for _, share := range []float64{0.001, 0.5, 0.9, 0.99, 1} {
		got, want := c.at(share), times[int(share*float64(len(times)))-1]
		if got < want || got > want*1.04+0.001 {
			t.Errorf("within %.3f ms were %v of all, want %.3f (seed %d)", got, share, want, seed)
		}
	}
	if nothing := c.since(c); nothing.total != 0 || nothing.latency() != (Latency{}) {
		t.Errorf("since itself it counted %d, %v", nothing.total, nothing.latency())
	}
	acks[0].add(-time.Second)
	acks[0].add(1000 * time.Hour)
	if got := read(acks).since(c).total; got != 2 {
		t.Errorf("times out of bounds count %d, want 2", got)
	}
}

// TestSteps: every step begins where the one before it ends.
func TestSteps(t *testing.T) {
	for step := range len(histogram{}.counts) - 1 {
		if top := topOf(step); stepOf(top) != step || stepOf(top+1) != step+1 {
			t.Fatalf("step %d ends at %d µs, which is in step %d, and the next in %d", step, top, stepOf(top), stepOf(top+1))
		}
	}
}

// TestHand: whatever a hand does fits the text, leaves its last newline, and is
// the same for the same seed.
func TestHand(t *testing.T) {
	write := func(seed uint64) string {
		text, err := newText(1, ot.Delta{{Insert: "\n"}})
		if err != nil {
			t.Fatal(err)
		}
		h := newHand(seed, 1)
		for i := range 5000 {
			if _, base, err := text.typed(h, 1+i%3); err != nil || base != 1 {
				t.Fatalf("edit %d on %d: %v (seed %d)", i, base, err, seed)
			}
		}
		return text.doc.Content().Text()
	}
	one := write(1)
	if len(one) < 3000 || !strings.HasSuffix(one, "\n") || !strings.Contains(one, "meeting") {
		t.Errorf("it wrote %d bytes: %.200q", len(one), one)
	}
	if one != write(1) || one == write(2) {
		t.Error("what it writes does not depend on the seed alone")
	}
}

// TestChain: two orders of the same changes have different sums.
func TestChain(t *testing.T) {
	if chain(chain(0, 1), 2) == chain(chain(0, 2), 1) {
		t.Error("the order makes no difference")
	}
}

// TestPace: nobody loses strokes that were due while an edit was on its way.
func TestPace(t *testing.T) {
	r := &run{began: time.Now().Add(-time.Second)}
	h := newHand(1, 1)
	p := newPace(100, h, r.clock())
	first := p.due
	r.began = r.began.Add(-time.Second)
	typed, strokes, ok := p.next(t.Context(), r)
	if !ok || typed != first || strokes < 100 || p.due <= r.clock()-int64(p.every) {
		t.Errorf("a second late it types %d strokes of %d, %v; want at least 100 of %d", strokes, typed, ok, first)
	}
}

func TestAddresses(t *testing.T) {
	for server, want := range map[string]struct {
		address      string
		local, bytls bool
	}{
		"http://127.0.0.1:8080":  {"127.0.0.1:8080", true, false},
		"http://127.0.0.1:8080/": {"127.0.0.1:8080", true, false},
		"https://example.com":    {"example.com:443", false, true},
		"http://[::1]":           {"[::1]:80", false, false},
		"http://10.0.0.1":        {"10.0.0.1:80", false, false},
	} {
		got, err := newTarget(server)
		if err != nil || got.address != want.address || got.local != want.local || (got.tls != nil) != want.bytls {
			t.Errorf("%s leads to %+v, %v; want %+v", server, got, err, want)
		}
	}
}

// TestManyLines: beyond what one address has ports for, lines to this machine
// come from others.
func TestManyLines(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere 127.0.0.1 is the only address of this machine")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	to, err := newTarget("http://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for number, want := range map[int]string{0: "127.0.0.1", linesAnAddress: "127.0.0.2", 300*linesAnAddress + 5: "127.0.1.45"} {
		c, err := to.dial(t.Context(), number)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if got := c.LocalAddr().(*net.TCPAddr).IP.String(); got != want {
			t.Errorf("line %d comes from %s, want %s", number, got, want)
		}
	}
}
