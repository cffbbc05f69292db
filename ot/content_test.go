package ot_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf16"

	"halley/ot"
	"halley/ot/ottest"
)

// TestContentAgainstModel applies random changes to a Content and to a model,
// which is slow and obvious. Snapshots taken on the way, and changes made to
// some of them, must not touch each other.
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
	by      []string // who wrote each unit
}

func checkAgainstModel(t *testing.T, seed uint64, r *rand.Rand, content ot.Delta, steps int) {
	t.Helper()
	pairs := []pair{{newContent(t, content), content, make([]string, unitsOf(content))}}
	for step := range steps {
		i := r.IntN(len(pairs))
		if len(pairs) < 8 && r.IntN(4) == 0 {
			pairs = append(pairs, pair{pairs[i].content.Snapshot(), pairs[i].model, pairs[i].by})
			i += r.IntN(2) * (len(pairs) - 1 - i) // either side goes on
		}
		p := &pairs[i]
		change := randomChange(r, p.model)
		author := []string{"", "ann", "bob"}[r.IntN(3)]
		before := p.model
		p.model = ot.Compose(p.model, change)
		if err := checkLimit(r.IntN(2*sizeOf(before)+100), p.content.Snapshot(), before, change, p.model); err != nil {
			t.Fatalf("seed %d, step %d: %v", seed, step, err)
		}
		p.by = writtenBy(p.by, author, change)
		if err := p.content.ApplyBy(author, change); err != nil {
			t.Fatalf("seed %d, step %d: ApplyBy(%q, %s): %v", seed, step, author, js(change), err)
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

// checkLimit applies change, which leads from before to after, to c within limit.
func checkLimit(limit int, c *ot.Content, before, change, after ot.Delta) error {
	fits := sizeOf(after) <= max(limit, sizeOf(before))
	err := c.ApplyWithin(ot.Limit{Bytes: limit}, "ann", change)
	if fits != (err == nil) || !fits && !errors.Is(err, ot.ErrTooLarge) {
		return fmt.Errorf("ApplyWithin(%d, %s), from a size of %d to %d, gives %v", limit, js(change), sizeOf(before), sizeOf(after), err)
	}
	want := after
	if !fits {
		want = before
	}
	if got := c.Delta(); !got.Equal(want) {
		return fmt.Errorf("after ApplyWithin the content is\n%s, want\n%s", js(got), js(want))
	}
	return ot.CheckTree(c)
}

// writtenBy returns who wrote each unit after a change by author.
func writtenBy(by []string, author string, change ot.Delta) []string {
	var after []string
	for _, op := range change {
		switch n := op.Len(); {
		case op.IsInsert():
			after = append(after, slices.Repeat([]string{author}, n)...)
		case op.Delete > 0:
			by = by[n:]
		default:
			after, by = append(after, by[:n]...), by[n:]
		}
	}
	return append(after, by...)
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
	if got, want := p.content.Size(), sizeOf(p.model); got != want {
		t.Fatalf("seed %d, step %d: Size() = %d, want %d", seed, step, got, want)
	}
	if got, want := p.content.Hash(), sha256.Sum256(p.model.AppendJSON(nil)); got != want {
		t.Fatalf("seed %d, step %d: Hash() = %x, want %x", seed, step, got, want)
	}
	if err := checkAuthors(p, from, to); err != nil {
		t.Fatalf("seed %d, step %d: %v", seed, step, err)
	}
}

func sizeOf(d ot.Delta) int {
	size := 0
	for _, op := range d {
		size += len(op.Insert)
		if op.Embed.Type != "" {
			size += len(op.Embed.AppendJSON(nil))
		}
		if len(op.Attributes) > 0 {
			size += len(op.Attributes.AppendJSON(nil))
		}
	}
	return size
}

// checkAuthors compares the authors of what lies between two positions with the
// model. Positions inside a pair count as behind it, so they are left out.
func checkAuthors(p *pair, from, to int) error {
	if !between(p.model, from) || !between(p.model, to) {
		return nil
	}
	var got []string
	last := "nobody before"
	for author, n := range p.content.Authors(from, to) {
		if author == last || n <= 0 {
			return fmt.Errorf("Authors(%d, %d) gives %d units by %q after %q", from, to, n, author, last)
		}
		last = author
		got = append(got, slices.Repeat([]string{author}, n)...)
	}
	if want := p.by[from:to]; !slices.Equal(got, want) {
		return fmt.Errorf("Authors(%d, %d) gives\n%q, want\n%q", from, to, got, want)
	}
	return nil
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
	for _, r := range textOf(d) {
		if at <= 0 {
			break
		}
		at -= utf16.RuneLen(r)
	}
	return at >= 0
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

// TestEqualAttributesAreShared: a formatted page holds each set of attributes
// once, those of embeds too.
func TestEqualAttributesAreShared(t *testing.T) {
	const ops = `[{"insert":"a","attributes":{"bold":true}},{"insert":"b"},{"insert":{"c":1},"attributes":{"bold":true}},{"insert":{"c":2},"attributes":{"bold":true}},{"insert":"d"},{"insert":"e"}]`
	c := newContent(t, parse(t, ops))
	for _, change := range []string{ops, `[{"retain":7},{"retain":2,"attributes":{"bold":true}}]`} {
		if err := c.Apply(parse(t, change)); err != nil {
			t.Fatal(err)
		}
	}
	var first *ot.Attr
	shared := 0
	for _, op := range c.Delta() {
		if len(op.Attributes) == 0 {
			continue
		}
		if first == nil {
			first = &op.Attributes[0]
		}
		if &op.Attributes[0] != first {
			t.Errorf("%s has attributes of its own", js(ot.Delta{op}))
		}
		shared++
	}
	if shared != 6 {
		t.Errorf("%d ops of %s have attributes, want 6", shared, js(c.Delta()))
	}
}

// TestSizeForgetsHistory comes to one content by three ways, on which the leaves
// are cut differently: as a whole, typed at its end, typed at its beginning.
func TestSizeForgetsHistory(t *testing.T) {
	bold := ot.MakeAttributes(ot.Attr{Name: "bold", Value: ot.True})
	piece := ot.Op{Insert: "every comet 🎉 ", Attributes: bold}
	const pieces = 500
	whole := newContent(t, ot.Delta{{Insert: strings.Repeat(piece.Insert, pieces), Attributes: bold}})
	appended, prepended := newContent(t, nil), newContent(t, nil)
	for i := range pieces {
		ends := ot.Delta{piece}
		if at := appended.Len(); at > 0 {
			ends = ot.Delta{{Retain: at}, piece}
		}
		author := fmt.Sprint("author ", i%7)
		if err := errors.Join(appended.ApplyBy(author, ends), prepended.ApplyBy(author, ot.Delta{piece})); err != nil {
			t.Fatal(err)
		}
	}
	want := pieces*len(piece.Insert) + len(`{"bold":true}`)
	for name, c := range map[string]*ot.Content{"loaded": whole, "appended": appended, "prepended": prepended} {
		if got := c.Size(); got != want {
			t.Errorf("%s: Size() = %d, want %d", name, got, want)
		}
		if c.Hash() != whole.Hash() {
			t.Errorf("%s: another hash than loaded", name)
		}
	}
}

func TestContentSize(t *testing.T) {
	c := newContent(t, parse(t, `[{"insert":"é🎉"},{"insert":{"a":1},"attributes":{"b":true}}]`))
	if got, want := c.Size(), len("é🎉")+len(`{"a":1}`)+len(`{"b":true}`); got != want {
		t.Errorf("Size() = %d, want %d", got, want)
	}
}

func TestApplyWithin(t *testing.T) {
	// 12 bytes: each of the two bold letters counts its attributes, of 13 bytes.
	content := `[{"insert":"ab"},{"insert":"c","attributes":{"bold":true}},{"insert":"🎉"},{"insert":"e","attributes":{"bold":true}}]`
	const size = 2 + 1 + 4 + 1 + 2*13
	tests := []struct {
		name, change string
		limit        int
		fits         bool
	}{
		{"typing up to the limit", `[{"insert":"xy"}]`, size + 2, true},
		{"typing over it", `[{"insert":"xy"}]`, size + 1, false},
		{"cutting a bold letter off another counts twice", `[{"retain":2},{"insert":"cc","attributes":{"bold":true}},{"insert":"x"}]`, size + 3 + 13, true},
		{"the same, over the limit", `[{"retain":2},{"insert":"cc","attributes":{"bold":true}},{"insert":"x"}]`, size + 2 + 13, false},
		{"making two runs one", `[{"retain":2},{"retain":3,"attributes":{"bold":true}}]`, size - 13, true},
		{"formatting over the limit", `[{"retain":2,"attributes":{"header":1}}]`, size + 11, false},
		{"more on the way than at the end", `[{"retain":2,"attributes":{"header":1}},{"delete":3}]`, size + 12 - 18, true},
		{"an embed", `[{"insert":{"a":1}}]`, size + 7, true},
		{"an embed over the limit", `[{"insert":{"a":1}}]`, size + 6, false},
		{"shrinking what is over the limit", `[{"delete":1}]`, 5, true},
		{"what is over the limit stays so", `[{"retain":1},{"insert":"x"},{"delete":1}]`, 5, true},
		{"what is over the limit grows", `[{"insert":"x"}]`, 5, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newContent(t, parse(t, content))
			if c.Size() != size {
				t.Fatalf("Size() = %d, want %d", c.Size(), size)
			}
			want := ot.Compose(c.Delta(), parse(t, test.change))
			err := c.ApplyWithin(ot.Limit{Bytes: test.limit}, "ann", parse(t, test.change))
			if test.fits != (err == nil) || err != nil && !errors.Is(err, ot.ErrTooLarge) {
				t.Fatalf("ApplyWithin(%d, %s) gives %v", test.limit, test.change, err)
			}
			if !test.fits {
				want = parse(t, content)
			}
			wantDelta(t, "the content", c.Delta(), want)
			checkTree(t, c)
		})
	}
}

func TestApplyWithinLimitsLines(t *testing.T) {
	tests := []struct {
		name, change string
		lines        int
		fits         bool
	}{
		{"up to the limit", `[{"insert":"a\nb\n"}]`, 5, true},
		{"over it", `[{"insert":"a\nb\n"}]`, 4, false},
		{"as many as are deleted", `[{"delete":2},{"insert":"\n"}]`, 3, true},
		{"over the limit, and shrinks", `[{"delete":2}]`, 1, true},
		{"over the limit, and stays", `[{"insert":"abc"}]`, 1, true},
		{"over the limit, and grows", `[{"insert":"\n"}]`, 1, false},
		{"no limit", `[{"insert":"\n\n\n"}]`, 0, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := parse(t, `[{"insert":"a\nb\nc\n"}]`)
			c, want := newContent(t, before), before
			err := c.ApplyWithin(ot.Limit{Bytes: 1000, Lines: test.lines}, "ann", parse(t, test.change))
			if test.fits {
				want = ot.Compose(before, parse(t, test.change))
			}
			if test.fits != (err == nil) || err != nil && !errors.Is(err, ot.ErrTooLarge) {
				t.Fatalf("ApplyWithin(%d lines, %s) gives %v", test.lines, test.change, err)
			}
			wantDelta(t, "the content", c.Delta(), want)
			checkTree(t, c)
		})
	}
}

// TestApplyWithinBoundsMemory formats a page of many runs, no two alike, with many
// attributes: done to its end that would take some hundred megabytes.
func TestApplyWithinBoundsMemory(t *testing.T) {
	const runs, limit = 20_000, 1_000_000
	var page ot.Delta
	for i := range runs {
		page = append(page, ot.Op{Insert: "x", Attributes: ot.MakeAttributes(ot.Attr{Name: fmt.Sprint("comment:", i), Value: ot.True})})
	}
	var many []ot.Attr
	for i := range 64 {
		many = append(many, ot.Attr{Name: fmt.Sprint("format", i), Value: ot.StringValue(strings.Repeat("v", 100))})
	}
	c := newContent(t, page)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := c.ApplyWithin(ot.Limit{Bytes: limit}, "ann", ot.Delta{{Retain: runs, Attributes: ot.MakeAttributes(many...)}})
	runtime.ReadMemStats(&after)
	if !errors.Is(err, ot.ErrTooLarge) {
		t.Fatalf("ApplyWithin gives %v, want ErrTooLarge", err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 10*limit {
		t.Errorf("a limit of %d bytes took %d of memory", limit, used)
	}
	wantDelta(t, "the content", c.Delta(), page)
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
