package ot_test

import (
	"encoding/json"
	"strings"
	"testing"

	"halley/ot"
)

// A vector is a line of vectors.jsonl.gz: what quill-delta 5.1.0 computes. Its
// README says what the members mean. They stay raw until it is known that the
// line has no lone surrogate.
type vector struct {
	ID    int             `json:"id"`
	Lone  bool            `json:"lone"`
	Doc   json.RawMessage `json:"doc"`
	A     json.RawMessage `json:"a"`
	B     json.RawMessage `json:"b"`
	C     json.RawMessage `json:"c"`
	DocA  json.RawMessage `json:"doc_a"`
	AC    json.RawMessage `json:"a_c"`
	DocAC json.RawMessage `json:"doc_ac"`
	ABT   json.RawMessage `json:"ab_t"`
	ABF   json.RawMessage `json:"ab_f"`
	BAT   json.RawMessage `json:"ba_t"`
	BAF   json.RawMessage `json:"ba_f"`
	DocAB json.RawMessage `json:"doc_ab"`
	InvA  json.RawMessage `json:"inv_a"`
	Pos   [][3]any        `json:"pos"`
}

func TestVectors(t *testing.T) {
	checked := 0
	eachLine(t, "delta-vectors/vectors.jsonl.gz", func(_ int, v vector) {
		if v.Lone {
			return
		}
		checked++
		checkVector(t, &v)
		if t.Failed() {
			t.Fatalf("in vector %d", v.ID)
		}
	})
	if checked != 4809 {
		t.Errorf("checked %d vectors, want 4809", checked)
	}
}

// composesHalves are the vectors whose c leaves the first half of one surrogate
// pair and the second half of another, which quill-delta makes a new character
// of. Content refuses such a change, and Compose keeps pairs whole.
var composesHalves = map[int]bool{919: true, 3399: true}

func checkRefusesHalves(t *testing.T, content, c ot.Delta) {
	t.Helper()
	page, err := ot.NewContent(content)
	if err != nil {
		t.Fatal(err)
	}
	if err := page.Apply(c); err == nil || !strings.Contains(err.Error(), "surrogate pair") {
		t.Errorf("Apply(%v) = %v, which leaves halves of pairs", c, err)
	}
	wantDelta(t, "the content after the refusal", page.Delta(), content)
}

func checkVector(t *testing.T, v *vector) {
	t.Helper()
	p := func(raw json.RawMessage) ot.Delta { return parse(t, string(raw)) }
	// change is p for what must be in normal form as it stands: Parse would
	// bring it into that form, and so hide a difference to quill-delta.
	change := func(raw json.RawMessage) ot.Delta {
		var ops []json.RawMessage
		if err := json.Unmarshal(raw, &ops); err != nil {
			t.Fatal(err)
		}
		d := p(raw)
		if len(d) != len(ops) {
			t.Errorf("Parse makes %d ops of the %d in %s", len(d), len(ops), raw)
		}
		return d
	}
	doc, a, b, c := p(v.Doc), change(v.A), change(v.B), change(v.C)
	if composesHalves[v.ID] {
		checkRefusesHalves(t, ot.Compose(doc, a), c)
		c = nil
		v.DocAC, v.AC = v.DocA, v.A
	}
	wantDelta(t, "Compose(doc, a)", ot.Compose(doc, a), p(v.DocA))
	wantDelta(t, "Compose(a, c)", ot.Compose(a, c), change(v.AC))
	wantDelta(t, "Compose(Compose(doc, a), c)", ot.Compose(ot.Compose(doc, a), c), p(v.DocAC))
	wantDelta(t, "Compose(doc, Compose(a, c))", ot.Compose(doc, ot.Compose(a, c)), p(v.DocAC))
	wantDelta(t, "Transform(a, b, true)", ot.Transform(a, b, true), change(v.ABT))
	wantDelta(t, "Transform(a, b, false)", ot.Transform(a, b, false), change(v.ABF))
	wantDelta(t, "Transform(b, a, true)", ot.Transform(b, a, true), change(v.BAT))
	wantDelta(t, "Transform(b, a, false)", ot.Transform(b, a, false), change(v.BAF))
	wantDelta(t, "doc after a and b", ot.Compose(ot.Compose(doc, a), ot.Transform(a, b, true)), p(v.DocAB))
	wantDelta(t, "Invert(a, doc)", ot.Invert(a, doc), change(v.InvA))
	for _, pos := range v.Pos {
		index, priority, want := int(pos[0].(float64)), pos[1].(bool), int(pos[2].(float64))
		if got := ot.TransformPosition(a, index, priority); got != want {
			t.Errorf("TransformPosition(a, %d, %v) = %d, want %d", index, priority, got, want)
		}
	}
}

// A session is a line of sessions.jsonl.gz: edits by clients that lag behind,
// and what the server makes of them.
type session struct {
	Doc   ot.Delta `json:"doc"`
	Steps []struct {
		Base   int      `json:"base"`
		Ops    ot.Delta `json:"ops"`
		Server ot.Delta `json:"server"`
	} `json:"steps"`
	Final ot.Delta `json:"final"`
}

func TestSessions(t *testing.T) {
	checked := 0
	eachLine(t, "delta-vectors/sessions.jsonl.gz", func(line int, s session) {
		checked++
		doc := s.Doc
		content, err := ot.NewContent(s.Doc)
		if err != nil {
			t.Fatal(err)
		}
		var history []ot.Delta
		for i, step := range s.Steps {
			op := step.Ops
			for _, h := range history[step.Base:] {
				op = ot.Transform(h, op, false)
			}
			if !op.Equal(step.Server) {
				t.Fatalf("session %d, step %d: %s, want %s", line, i, js(op), js(step.Server))
			}
			history = append(history, op)
			doc = ot.Compose(doc, op)
			if err := content.Apply(op); err != nil {
				t.Fatalf("session %d, step %d: Apply(%s): %v", line, i, js(op), err)
			}
		}
		wantDelta(t, "the end by Compose", doc, s.Final)
		wantDelta(t, "the end by Content", content.Delta(), s.Final)
		if t.Failed() {
			t.Fatalf("in session %d", line)
		}
	})
	if checked != 300 {
		t.Errorf("checked %d sessions, want 300", checked)
	}
}
