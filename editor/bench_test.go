package editor

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"halley/ot"
)

// BenchmarkStep is what a page does with an edit, network and disk aside: decode
// it as it was sent, check it, transform it over what was missed, apply it, and
// encode it for the log and for its readers. Alone, each edit has a working root
// of its own, which the next snapshot shares; in a crowd 64 share one, as those
// do that arrive while the disk syncs.
func BenchmarkStep(b *testing.B) {
	for _, batch := range []struct {
		name  string
		edits int
	}{{"alone", 1}, {"crowd of 64", 64}} {
		b.Run(batch.name, func(b *testing.B) {
			s := newStepper(b)
			b.ReportAllocs()
			for b.Loop() {
				s.step(b, batch.edits)
			}
			b.ReportMetric(float64(b.N*batch.edits)/b.Elapsed().Seconds(), "edits/s")
		})
	}
}

// A stepper plays four clients, who type into a page of 100 KB.
type stepper struct {
	st      *state
	n       [4]uint64
	time    time.Time
	kept    *ot.Content // what readers hold
	body    []byte
	encoded []byte
	sent    uint64
}

func newStepper(b *testing.B) *stepper {
	st := newState("epoch", DefaultConfig().MaxPageBytes)
	st.content = contentOfText(b, strings.Repeat("every comet comes back 彗星\n", 4000))
	return &stepper{st: st, time: time.Date(2061, 7, 28, 12, 0, 0, 0, time.UTC)}
}

func contentOfText(tb testing.TB, text string) *ot.Content {
	tb.Helper()
	c, err := ot.NewContent(ot.Delta{{Insert: text}})
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// next is the body of the next edit: a letter, that has missed the newest change.
func (s *stepper) next() []byte {
	client := s.sent % uint64(len(s.n))
	s.n[client]++
	s.body = append(s.body[:0], `{"client":"Zk3bq1pXw0aaT-y`...)
	s.body = strconv.AppendUint(s.body, client, 10)
	s.body = append(s.body, `","n":`...)
	s.body = strconv.AppendUint(s.body, s.n[client], 10)
	s.body = append(s.body, `,"base":`...)
	s.body = strconv.AppendUint(s.body, max(s.sent, 1)-1, 10)
	s.body = append(s.body, `,"delta":[{"retain":`...)
	s.body = strconv.AppendUint(s.body, 1000+20000*client, 10)
	if s.sent%8 < 4 {
		s.body = append(s.body, `},{"insert":"e"}]}`...)
	} else {
		s.body = append(s.body, `},{"delete":1}]}`...)
	}
	s.sent++
	return s.body
}

func (s *stepper) step(b *testing.B, edits int) {
	work := s.st.fork()
	for range edits {
		e, ok := ParseEdit(s.next())
		if !ok || e.checkForm() != nil || checkContents(e.Delta) != nil {
			b.Fatalf("%s is refused", s.body)
		}
		r := &request{Edit: e, author: "ann", digest: e.digest()}
		v, err := work.step(r)
		if err != nil || v.kind != committed {
			b.Fatalf("step(%s) gives %v, %v", s.body, v, err)
		}
		s.encoded = v.delta.AppendJSON(s.encoded[:0])
		s.encoded = Change{v.seq, v.delta, "ann", e.Client, e.N, s.time}.AppendJSON(s.encoded, "n2S0b1m5QWy7pTcA")
	}
	s.st.adopt(work)
	s.kept = s.st.content.Snapshot()
}
