package ot_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"halley/ot"
	"halley/ot/ottest"
)

// FuzzParse: any bytes give a valid delta or an error that names what is wrong.
// encoding/json is the oracle for what is JSON.
func FuzzParse(f *testing.F) {
	f.Add(`[{"insert":"a\ud83c\udf89","attributes":{"b":null,"a":{"c":[1e5,-0]}}},{"retain":3},{"delete":1.0}]`)
	f.Add(`[{"insert":{"image":"x"}},{"retain":1,"attributes":{"bold":null}}]`)
	f.Add("[{\"insert\":\"\xed\xa0\xbc\"}]")
	f.Add(`[{"delete":9007199254740991},{"insert":"\u00"}]`)
	f.Fuzz(func(t *testing.T, data string) {
		d, err := ot.Parse([]byte(data))
		checkRefusal(t, data, err)
		if err != nil {
			return
		}
		if err := d.Validate(); err != nil {
			t.Fatalf("Parse(%q) gives %s: %v", data, js(d), err)
		}
		if err := ottest.ReadsBack(d); err != nil {
			t.Fatal(err)
		}
		if !d.Normalize().Equal(d) {
			t.Fatalf("Parse(%q) gives %s, which is not normalised", data, js(d))
		}
	})
}

// checkRefusal compares the reason for which data was refused, if it was, with
// what encoding/json thinks of it.
func checkRefusal(t *testing.T, data string, err error) {
	t.Helper()
	valid := json.Valid([]byte(data))
	if err == nil {
		if !valid || !utf8.ValidString(data) {
			t.Fatalf("%q is accepted, but it is not JSON", data)
		}
		return
	}
	var invalid *ot.InvalidError
	if !errors.As(err, &invalid) || invalid.Reason == "" || !utf8.ValidString(invalid.Reason) || len(invalid.Reason) > 500 {
		t.Fatalf("%q is refused with %#v", data, err)
	}
	for _, syntax := range []string{" is not JSON", " is cut off", "more follows"} {
		if valid && strings.Contains(invalid.Reason, syntax) {
			t.Fatalf("%q is JSON, but refused: %v", data, err)
		}
	}
}

// FuzzValue: what ParseValue makes of a value is what encoding/json makes of it,
// read and written again.
func FuzzValue(f *testing.F) {
	for _, seed := range []string{`{"b":[1.50,true,null],"a":"\u0041\n"}`, `-0.1e-6`, `"\ud83c\udf89"`, `[[[{}]]]`, `123456789012345678`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data string) {
		v, err := ot.ParseValue([]byte(data))
		checkRefusal(t, data, err)
		if err != nil {
			return
		}
		var read any
		if err := json.Unmarshal([]byte(data), &read); err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		w := json.NewEncoder(&text)
		w.SetEscapeHTML(false)
		if err := w.Encode(read); err != nil {
			t.Fatal(err)
		}
		// Go escapes two characters that JavaScript does not, and keeps -0.
		want := strings.NewReplacer(`\u2028`, "\u2028", `\u2029`, "\u2029").Replace(strings.TrimSuffix(text.String(), "\n"))
		if got := string(v); got != want && !strings.Contains(want, "-0") && !strings.Contains(want, `\\u202`) {
			t.Fatalf("ParseValue(%q) = %s, want %s", data, got, want)
		}
	})
}

// FuzzNormalize: a delta as it was sent has one normal form, which does the same,
// and which its JSON, read by Parse, has too.
func FuzzNormalize(f *testing.F) {
	f.Add(`[{"insert":"a"},{"insert":"b"},{"delete":1},{"insert":"c"},{"delete":2},{"retain":1}]`)
	f.Add(`[{"retain":1},{"retain":0},{"retain":2,"attributes":{}},{"delete":1},{"insert":"","attributes":{"a":1}},{"insert":{"b":[]},"attributes":{"a":null}}]`)
	f.Fuzz(func(t *testing.T, data string) {
		sent, err := ot.ParseOps([]byte(data))
		if err != nil {
			return
		}
		normal := sent.Normalize()
		if parsed := parse(t, data); !normal.Equal(parsed) {
			t.Fatalf("%q normalises to %s, but is read as %s", data, js(normal), js(parsed))
		}
		if err := ottest.Normal(normal.Chop()); err != nil {
			t.Fatal(err)
		}
		const length = 100
		base := ot.Delta{{Insert: strings.Repeat("x", length)}}
		covered := 0
		for _, op := range normal {
			covered += op.Retain + op.Delete
		}
		if covered > length {
			return
		}
		one, other := newContent(t, base), newContent(t, base)
		for _, err := range []error{other.Apply(normal), one.Apply(slices.DeleteFunc(sent, func(op ot.Op) bool { return op.Len() == 0 }))} {
			if err != nil {
				t.Fatal(err)
			}
		}
		wantDelta(t, "what "+data+" does as sent", one.Delta(), other.Delta())
	})
}

// A fuzzed case has changes made on one content, and two Deltas that need not
// fit anything.
func addCases(f *testing.F) {
	f.Add([]byte{}, `[{"retain":3},{"insert":"🎉"}]`, `[{"retain":4},{"delete":1}]`)
	f.Add([]byte("every comet comes back"), `[{"insert":"🎉🎉"}]`, `[{"retain":1},{"delete":2},{"retain":1,"attributes":{"a":null}}]`)
	f.Add([]byte{0, 255, 3, 7, 90, 200, 17, 64, 128, 5}, `[{"delete":9007199254740991}]`, `[{"insert":{"a":1}},{"retain":9007199254740990}]`)
}

// unfit parses two Deltas, and reports whether they may be combined: their
// lengths must not add up to more than a Delta can hold.
func unfit(a, b string) (x, y ot.Delta, ok bool) {
	x, errX := ot.Parse([]byte(a))
	y, errY := ot.Parse([]byte(b))
	return x, y, errX == nil && errY == nil && unitsOf(x)+unitsOf(y) < 1<<53
}

func FuzzTransform(f *testing.F) {
	addCases(f)
	f.Fuzz(func(t *testing.T, choices []byte, x, y string) {
		r := ottest.Choices(choices)
		content := ottest.FreeContent(r, r.IntN(40))
		a := ottest.FreeChange(r, content, nil)
		b := ottest.FreeChange(r, content, a)
		for _, err := range []error{ottest.Converges(content, a, b), ottest.Positions(a, unitsOf(content)), ottest.Normal(ot.Transform(a, b, true))} {
			if err != nil {
				t.Fatal(err)
			}
		}
		if x, y, ok := unfit(x, y); ok {
			if err := ottest.Normal(ot.Transform(x, y, true)); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func FuzzCompose(f *testing.F) {
	addCases(f)
	f.Fuzz(func(t *testing.T, choices []byte, x, y string) {
		r := ottest.Choices(choices)
		content := ottest.FreeContent(r, r.IntN(40))
		a := ottest.FreeChange(r, content, nil)
		b := ottest.FreeChange(r, ot.Compose(content, a), nil)
		for _, err := range []error{ottest.Associates(content, a, b), ottest.Normal(ot.Compose(a, b))} {
			if err != nil {
				t.Fatal(err)
			}
		}
		if x, y, ok := unfit(x, y); ok {
			if err := ottest.Normal(ot.Compose(x, y)); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func FuzzInvert(f *testing.F) {
	addCases(f)
	f.Fuzz(func(t *testing.T, choices []byte, x, y string) {
		r := ottest.Choices(choices)
		content := ottest.FreeContent(r, r.IntN(40))
		a := ottest.FreeChange(r, content, nil)
		for _, err := range []error{ottest.Inverts(content, a), ottest.Normal(ot.Invert(a, content))} {
			if err != nil {
				t.Fatal(err)
			}
		}
		if x, y, ok := unfit(x, y); ok && y.InsertsOnly() {
			if err := ottest.Normal(ot.Invert(x, y)); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func FuzzContent(f *testing.F) {
	addCases(f)
	f.Fuzz(func(t *testing.T, choices []byte, x, y string) {
		r := ottest.Choices(choices)
		checkAgainstModel(t, 0, r, ottest.FreeContent(r, r.IntN(1500)), 20)
		if x, y, ok := unfit(x, y); ok && y.InsertsOnly() {
			checkRefused(t, x, y)
		}
	})
}

// checkRefused applies a change that may not fit to a content.
func checkRefused(t *testing.T, change, content ot.Delta) {
	t.Helper()
	c := newContent(t, content)
	want := content
	if err := c.Apply(change); err == nil {
		want = ot.Compose(content, change)
	}
	if got := c.Delta(); !got.Equal(want) {
		t.Fatalf("%s applied to %s gives %s, want %s", js(change), js(content), js(got), js(want))
	}
	checkTree(t, c)
}
