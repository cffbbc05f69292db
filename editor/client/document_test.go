package client

import (
	"math/rand/v2"
	"testing"

	"halley/ot"
	"halley/ot/ottest"
)

// A room is a server in memory and documents that follow it, each as late as
// the test wants.
type room struct {
	t       *testing.T
	seed    uint64
	random  *rand.Rand
	log     []ot.Delta
	by      []int // the document that made change i+1
	content *ot.Content
	docs    []*Document
	sent    []sentEdit // by document; what is on its way to the server
}

type sentEdit struct {
	delta ot.Delta
	base  uint64
	open  bool
}

func newRoom(t *testing.T, seed uint64, documents int) *room {
	r := &room{t: t, seed: seed, random: ottest.Rand(seed), sent: make([]sentEdit, documents)}
	start := ottest.Content(r.random, 20)
	var err error
	if r.content, err = ot.NewContent(start); err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	for range documents {
		d, err := NewDocument(0, start)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		r.docs = append(r.docs, d)
	}
	return r
}

// types makes a random edit in a document.
func (r *room) types(i int) {
	d := r.docs[i]
	_ = d.Edit(ottest.Change(r.random, d.Content().Delta())) // one that halves a pair is refused, and changes nothing
}

// sends puts a document's pending edits on their way.
func (r *room) sends(i int) {
	if delta, base, ok := r.docs[i].Send(); ok {
		r.sent[i] = sentEdit{delta, base, true}
	}
}

// commits lets what a document has sent reach the server.
func (r *room) commits(i int) {
	e := r.sent[i]
	if !e.open {
		return
	}
	r.sent[i] = sentEdit{}
	delta := e.delta
	for _, change := range r.log[e.base:] {
		delta = ot.Transform(change, delta, false)
	}
	if err := r.content.Apply(delta); err != nil {
		r.t.Fatalf("seed %d: change %d does not fit at the server: %v", r.seed, len(r.log)+1, err)
	}
	r.log, r.by = append(r.log, delta), append(r.by, i)
}

// receives delivers one change to a document, if there is one.
func (r *room) receives(i int) bool {
	d := r.docs[i]
	at := d.Seq()
	if at == uint64(len(r.log)) {
		return false
	}
	before := d.Content().Delta()
	applied, err := d.Receive(at+1, r.log[at], r.by[at] == i)
	if err != nil {
		r.t.Fatalf("seed %d: document %d: %v", r.seed, i, err)
	}
	if got := ot.Compose(before, applied); !got.Equal(d.Content().Delta()) {
		r.t.Fatalf("seed %d: Receive returned %v, which makes %v of %v, want %v", r.seed, applied, got, before, d.Content().Delta())
	}
	return true
}

// settle sends and delivers everything.
func (r *room) settle() {
	for again := true; again; {
		again = false
		for i, d := range r.docs {
			r.sends(i)
			r.commits(i)
			for r.receives(i) {
				again = true
			}
			_, inflight := d.InFlight()
			again = again || inflight || d.Pending()
		}
	}
}

// TestDocumentsConverge: three documents and the server end with the same
// content, in whatever order edits are made, sent, committed and received.
func TestDocumentsConverge(t *testing.T) {
	for seed := range uint64(300) {
		r := newRoom(t, seed, 3)
		for range 80 {
			i := r.random.IntN(len(r.docs))
			[]func(){
				func() { r.types(i) }, func() { r.sends(i) }, func() { r.commits(i) }, func() { r.receives(i) },
			}[r.random.IntN(4)]()
		}
		r.settle()
		if len(r.log) == 0 {
			t.Fatalf("seed %d: nothing was committed", seed)
		}
		for i, d := range r.docs {
			if got, want := d.Content().Delta(), r.content.Delta(); !got.Equal(want) {
				t.Fatalf("seed %d: document %d ends with %v, want %v", seed, i, got, want)
			}
		}
	}
}

// TestDocumentOneEditInFlight: what is typed while an edit is in flight is
// composed, and sent once that edit has come back.
func TestDocumentOneEditInFlight(t *testing.T) {
	d, err := NewDocument(7, ot.Delta{{Insert: "\n"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, letter := range []string{"a", "b", "c"} {
		if err := d.Edit(ot.Delta{}.Retain(d.Content().Len()-1, nil).Insert(letter, nil)); err != nil {
			t.Fatal(err)
		}
		if letter == "a" {
			if _, base, ok := d.Send(); !ok || base != 7 {
				t.Fatalf("Send = base %d, %v, want 7, true", base, ok)
			}
		}
	}
	if edit, _, ok := d.Send(); ok {
		t.Errorf("Send = %v while an edit is in flight, want nothing", edit)
	}
	own, _ := d.InFlight()
	if _, err := d.Receive(8, own, true); err != nil {
		t.Fatal(err)
	}
	edit, base, ok := d.Send()
	if want := (ot.Delta{}).Retain(1, nil).Insert("bc", nil); !ok || base != 8 || !edit.Equal(want) {
		t.Errorf("Send = %v on %d, %v, want %v on 8", edit, base, ok, want)
	}
	if got := d.Content().Text(); got != "abc\n" {
		t.Errorf("Content = %q, want %q", got, "abc\n")
	}
}

// TestDocumentRefuses: a change out of order, an own edit that was not sent, and
// one that came back otherwise leave the document as it was.
func TestDocumentRefuses(t *testing.T) {
	insert := func(text string) ot.Delta { return ot.Delta{}.Insert(text, nil) }
	for _, c := range []struct {
		name   string
		seq    uint64
		change ot.Delta
		own    bool
		send   bool
	}{
		{"a gap", 3, insert("x"), false, false},
		{"a repeat", 1, insert("x"), false, false},
		{"an own edit that was not sent", 2, insert("x"), true, false},
		{"an own edit that differs", 2, insert("y"), true, true},
		{"a change that does not fit", 2, ot.Delta{}.Retain(9, nil).Insert("x", nil), false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := NewDocument(1, ot.Delta{{Insert: "\n"}})
			if err != nil {
				t.Fatal(err)
			}
			want := "\n"
			if c.send {
				if err := d.Edit(insert("x")); err != nil {
					t.Fatal(err)
				}
				d.Send()
				want = "x\n"
			}
			if applied, err := d.Receive(c.seq, c.change, c.own); err == nil {
				t.Errorf("Receive = %v, want an error", applied)
			}
			if d.Seq() != 1 || d.Content().Text() != want {
				t.Errorf("the document is %q at %d, want %q at 1", d.Content().Text(), d.Seq(), want)
			}
		})
	}
	if _, err := NewDocument(0, ot.Delta{{Delete: 1}}); err == nil {
		t.Error("NewDocument takes a delta that is not a content")
	}
}
