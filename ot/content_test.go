package ot_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"halley/ot"
	"halley/ot/ottest"
)

// TestContentAgainstModel applies random changes to a Content and, by Compose,
// to a plain Delta, which is slow and obvious. Snapshots taken on the way, and
// changes made to some of them, must not touch each other.
func TestContentAgainstModel(t *testing.T) {
	t.Parallel()
	for seed := *firstSeed; seed < *firstSeed+seeds(40); seed++ {
		r := ottest.Rand(seed)
		content := ottest.FreeContent(r, r.IntN(8000))
		checkAgainstModel(t, seed, r, content, 60)
	}
}

// A pair is a Content and what it should hold.
type pair struct {
	content *ot.Content
	model   ot.Delta
}

func checkAgainstModel(t *testing.T, seed uint64, r *rand.Rand, content ot.Delta, steps int) {
	t.Helper()
	pairs := []pair{{newContent(t, content), content}}
	for step := range steps {
		i := r.IntN(len(pairs))
		if len(pairs) < 8 && r.IntN(4) == 0 {
			pairs = append(pairs, pair{pairs[i].content.Snapshot(), pairs[i].model})
			i += r.IntN(2) * (len(pairs) - 1 - i) // either side goes on
		}
		p := &pairs[i]
		change := randomChange(r, p.model)
		p.model = ot.Compose(p.model, change)
		if err := p.content.Apply(change); err != nil {
			t.Fatalf("seed %d, step %d: Apply(%s): %v", seed, step, js(change), err)
		}
		if step%10 == 9 {
			for i := range pairs {
				checkPair(t, seed, step, r, &pairs[i])
			}
		}
	}
}

// randomChange returns a change of any kind, sometimes one that deletes or
// inserts a lot.
func randomChange(r *rand.Rand, content ot.Delta) ot.Delta {
	switch r.IntN(12) {
	case 0:
		return ot.Compose(ottest.FreeChange(r, content, nil), ot.Delta{}.Insert(strings.Repeat("é🎉\n彗x", r.IntN(900)), nil))
	case 1:
		at := ottest.FreeChange(r, content, nil)[0].Retain // where a cut is allowed
		return ot.Delta{}.Retain(at, nil).Delete(unitsOf(content) - at)
	}
	return ottest.FreeChange(r, content, nil)
}

func unitsOf(d ot.Delta) int {
	n := 0
	for i := range d {
		n += d[i].Len()
	}
	return n
}

func checkPair(t *testing.T, seed uint64, step int, r *rand.Rand, p *pair) {
	t.Helper()
	if err := ot.CheckTree(p.content); err != nil {
		t.Fatalf("seed %d, step %d: %v", seed, step, err)
	}
	if got := p.content.Delta(); !got.Equal(p.model) {
		t.Fatalf("seed %d, step %d: content is\n%s, want\n%s", seed, step, js(got), js(p.model))
	}
	length := unitsOf(p.model)
	if got := p.content.Len(); got != length {
		t.Fatalf("seed %d, step %d: Len() = %d, want %d", seed, step, got, length)
	}
	from := r.IntN(length + 1)
	to := from + r.IntN(length-from+1)
	want := ot.Compose(p.model, ot.Delta{}.Retain(to, nil).Delete(length-to))
	want = ot.Compose(want, ot.Delta{}.Delete(from))
	if got := p.content.Slice(from, to); between(p.model, from) && between(p.model, to) && !got.Equal(want) {
		t.Fatalf("seed %d, step %d: Slice(%d, %d) = %s, want %s", seed, step, from, to, js(got), js(want))
	}
	if got := p.content.Text(); got != textOf(p.model) {
		t.Fatalf("seed %d, step %d: Text() = %q, want %q", seed, step, got, textOf(p.model))
	}
}

func textOf(d ot.Delta) string {
	var text strings.Builder
	for i := range d {
		if d[i].Embed.Type != "" {
			text.WriteString("\ufffc")
		}
		text.WriteString(d[i].Insert)
	}
	return text.String()
}

// between reports whether a position in d is not inside a surrogate pair.
func between(d ot.Delta, at int) bool {
	return newProbe(d).Apply(ot.Delta{}.Retain(at, nil).Insert("|", nil)) == nil
}

func newProbe(d ot.Delta) *ot.Content {
	c, _ := ot.NewContent(d)
	return c
}

func TestContentRefusals(t *testing.T) {
	content := `[{"insert":"a🎉b"},{"insert":{"image":"x"}},{"insert":"\n"}]` // 6 units
	tests := []struct {
		name, change string
		op           int
		want         string
	}{
		{"retain past the end", `[{"retain":7}]`, 0, "op 0 reaches past the end of the content, which is 6 long"},
		{"delete past the end", `[{"insert":"x"},{"retain":5},{"delete":2}]`, 2, "op 2 reaches past the end of the content, which is 6 long"},
		{"far past the end", `[{"retain":9007199254740991}]`, 0, "op 0 reaches past the end of the content, which is 6 long"},
		{"insert inside a pair", `[{"retain":2},{"insert":"x"}]`, 1, "op 1 begins inside a surrogate pair, at 2"},
		{"delete of a first half", `[{"retain":1},{"delete":1}]`, 1, "op 1 ends inside a surrogate pair, at 2"},
		{"delete of a second half", `[{"retain":2},{"delete":1}]`, 1, "op 1 begins inside a surrogate pair, at 2"},
		{"format of half", `[{"retain":2,"attributes":{"bold":true}}]`, 0, "op 0 ends inside a surrogate pair, at 2"},
		{"a good op before a bad one", `[{"insert":"x"},{"delete":1},{"retain":3,"attributes":{"bold":true}},{"retain":9}]`, 3,
			"op 3 reaches past the end of the content, which is 6 long"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newContent(t, parse(t, content))
			err := c.Apply(parse(t, test.change))
			wantInvalid(t, err, test.op, test.want)
			if got := js(c.Delta()); got != content {
				t.Errorf("after the refusal the content is %s, want %s", got, content)
			}
		})
	}
}

func wantInvalid(t *testing.T, err error, op int, reason string) {
	t.Helper()
	var invalid *ot.InvalidError
	if !errors.As(err, &invalid) {
		t.Fatalf("error is %v, want an *InvalidError", err)
	}
	if invalid.Op != op || invalid.Error() != reason {
		t.Errorf("error is %q at op %d, want %q at op %d", invalid, invalid.Op, reason, op)
	}
	if !errors.Is(err, ot.ErrInvalid) {
		t.Errorf("%v is no ErrInvalid", err)
	}
}

func TestContentRefusesMalformedDeltas(t *testing.T) {
	for _, d := range []ot.Delta{
		{{}}, {{Retain: -1}}, {{Delete: -5}}, {{Insert: "x", Delete: 1}}, {{Insert: "\xff"}}, {{Insert: "\xed\xa0\x80"}},
	} {
		if err := newContent(t, ot.Delta{{Insert: "0123456789"}}).Apply(d); !errors.Is(err, ot.ErrInvalid) {
			t.Errorf("Apply(%+v) gives %v, want an *InvalidError", d, err)
		}
	}
	if _, err := ot.NewContent(ot.Delta{{Insert: "x"}, {Retain: 1}}); !errors.Is(err, ot.ErrInvalid) {
		t.Errorf("NewContent of a change gives %v, want an *InvalidError", err)
	}
}

func TestContentSize(t *testing.T) {
	c := newContent(t, parse(t, `[{"insert":"é🎉"},{"insert":{"a":1},"attributes":{"b":true}}]`))
	if got, want := c.Size(), len("é🎉")+len(`{"a":1}`)+len(`{"b":true}`); got != want {
		t.Errorf("Size() = %d, want %d", got, want)
	}
}

// TestSnapshotsAreReadWhileTheContentChanges is for the race detector.
func TestSnapshotsAreReadWhileTheContentChanges(t *testing.T) {
	t.Parallel()
	const seed = 7
	r := ottest.Rand(seed)
	content := newContent(t, ottest.Content(r, 5000))
	var readers sync.WaitGroup
	for range 100 {
		snapshot := content.Snapshot()
		want := snapshot.Delta()
		for range 2 {
			readers.Go(func() {
				if got := snapshot.Snapshot().Delta(); !got.Equal(want) {
					t.Errorf("a snapshot changed (seed %d)", seed)
				}
			})
		}
		readers.Go(func() { // one that changes its own copy
			fork := snapshot.Snapshot()
			if err := fork.Apply(ot.Delta{{Insert: "fork", Attributes: ot.MakeAttributes(ot.Attr{Name: "bold", Value: ot.True})}}); err != nil {
				t.Error(err)
			}
		})
		if err := content.Apply(ottest.Change(r, want)); err != nil {
			t.Fatal(err)
		}
	}
	readers.Wait()
}
