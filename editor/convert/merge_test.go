package convert

import (
	"bytes"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"halley/ot"
)

// openSchema allows everything: what a page may hold is not the matter here.
type openSchema struct{}

func (openSchema) CheckAttribute(string, ot.Value) error { return nil }
func (openSchema) CheckEmbed(ot.Embed) error             { return nil }

func mergeFormat(t testing.TB, name string) Format {
	t.Helper()
	f, ok := ByName(name)
	if !ok {
		t.Fatalf("there is no format %q", name)
	}
	return f
}

func parsed(t testing.TB, delta string) ot.Delta {
	t.Helper()
	d, err := ot.Parse([]byte(delta))
	if err != nil {
		t.Fatalf("delta %s: %v", delta, err)
	}
	return d
}

func file(t testing.TB, f Format, content ot.Delta) []byte {
	t.Helper()
	var data bytes.Buffer
	if _, err := f.Write(t.Context(), &data, "A title", 7, content, nil, openSchema{}, Limits{}); err != nil {
		t.Fatalf("write %s: %v", f.Name, err)
	}
	return data.Bytes()
}

func readBack(t testing.TB, f Format, content ot.Delta) ot.Delta {
	t.Helper()
	doc, err := f.Read(t.Context(), file(t, f, content), openSchema{}, Limits{})
	if err != nil {
		t.Fatalf("read %s: %v", f.Name, err)
	}
	return doc.Content
}

// merged returns the edit that a file makes on base, base with it, and the notes.
func merged(t testing.TB, f Format, base ot.Delta, data []byte) (edit, after ot.Delta, notes []Note) {
	t.Helper()
	edit, notes, err := f.Merge(t.Context(), base, data, nil, openSchema{}, Limits{})
	if err != nil {
		t.Fatalf("merge %s: %v", f.Name, err)
	}
	live, err := ot.NewContent(base)
	if err != nil {
		t.Fatalf("base: %v", err)
	}
	if err := live.Apply(edit); err != nil {
		t.Fatalf("the edit %s does not fit the page: %v", edit.AppendJSON(nil), err)
	}
	after = live.Delta()
	if n := len(after); n == 0 || !strings.HasSuffix(after[n-1].Insert, "\n") {
		t.Fatalf("the page does not end in a newline after %s", edit.AppendJSON(nil))
	}
	return edit, after, notes
}

// Each case is a page, what a person does to its file with a text editor, and
// the edit that this must make on the page.
func TestMergeKeepsWhatTheFileCannotSay(t *testing.T) {
	cases := []struct {
		name, format, base, find, replace, want string
	}{
		{"an underline and a comment survive Markdown", "md",
			`[{"insert":"Some "},{"insert":"underlined","attributes":{"comment:k1":true,"underline":true}},{"insert":" words.\nAnd more.\n"}]`,
			"And more", "And much more",
			`[{"retain":27},{"insert":"much "}]`},
		{"a word beside them changes", "md",
			`[{"insert":"Some "},{"insert":"underlined","attributes":{"comment:k1":true,"color":"#ff0000"}},{"insert":" words.\n"}]`,
			"words", "letters",
			`[{"retain":16},{"insert":"letters"},{"delete":5}]`},
		{"a letter mended within a comment belongs to it", "md",
			`[{"insert":"We "},{"insert":"beleive it","attributes":{"comment:k1":true,"bold":true}},{"insert":" now.\n"}]`,
			"beleive", "believe",
			`[{"retain":6},{"insert":"ie","attributes":{"bold":true,"comment:k1":true}},{"delete":2}]`},
		{"a word behind a comment does not", "md",
			`[{"insert":"We "},{"insert":"believe","attributes":{"comment:k1":true}},{"insert":" now.\n"}]`,
			"believe", "believe it",
			`[{"retain":11},{"insert":"it "}]`},
		{"a paragraph becomes a heading", "md",
			`[{"insert":"Title\nText\n"}]`, "Title", "# Title",
			`[{"retain":5},{"retain":1,"attributes":{"header":1}}]`},
		{"a heading becomes a paragraph", "md",
			`[{"insert":"Title"},{"insert":"\n","attributes":{"header":1}},{"insert":"Text\n"}]`, "# Title", "Title",
			`[{"retain":5},{"retain":1,"attributes":{"header":null}}]`},
		{"a heading that is a list too becomes a quote", "md",
			`[{"insert":"Title"},{"insert":"\n","attributes":{"header":1,"list":"bullet"}},{"insert":"Text\n"}]`, "# Title", "> Title",
			`[{"retain":5},{"retain":1,"attributes":{"blockquote":true,"header":null,"list":null}}]`},
		{"an alignment survives Markdown", "md",
			`[{"insert":"Title"},{"insert":"\n","attributes":{"align":"center"}},{"insert":"Text\n"}]`, "Title", "New title",
			`[{"insert":"New title"},{"delete":5}]`},
		{"an item at the end of a list", "md",
			`[{"insert":"one"},{"insert":"\n","attributes":{"list":"bullet"}}]`, "- one\n", "- one\n- two\n",
			`[{"retain":3},{"insert":"\n","attributes":{"list":"bullet"}},{"insert":"two"}]`},
		{"a list survives plain text", "txt",
			`[{"insert":"one"},{"insert":"\n","attributes":{"list":"bullet"}},{"insert":"two"},{"insert":"\n","attributes":{"list":"bullet"}}]`,
			"two", "two more",
			`[{"retain":7},{"insert":" more"}]`},
		{"bold survives plain text", "txt",
			`[{"insert":"some "},{"insert":"bold","attributes":{"bold":true}},{"insert":" words\n"}]`,
			"some", "many",
			`[{"insert":"many"},{"delete":4}]`},
		{"a box is ticked in plain text", "txt",
			`[{"insert":"Tea"},{"insert":"\n","attributes":{"list":"unchecked"}},{"insert":"Milk"},{"insert":"\n","attributes":{"list":"unchecked"}}]`,
			"[ ] Milk", "[x] Milk",
			`[{"retain":4},{"insert":"[x] "},{"retain":4},{"retain":1,"attributes":{"list":null}}]`},
		{"an item is split in plain text", "txt",
			`[{"insert":"one two"},{"insert":"\n","attributes":{"list":"bullet"}},{"insert":"end\n"}]`,
			"one two", "one\ntwo",
			`[{"insert":"- "},{"retain":3},{"insert":"\n"},{"delete":1},{"retain":3},{"retain":1,"attributes":{"list":null}}]`},
		{"a comment survives HTML", "html",
			`[{"insert":"Some "},{"insert":"commented","attributes":{"comment:k1":true}},{"insert":" words.\n"}]`,
			"words", "letters",
			`[{"retain":15},{"insert":"letters"},{"delete":5}]`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f, base := mergeFormat(t, c.format), parsed(t, c.base)
			before := string(file(t, f, base))
			data := strings.Replace(before, c.find, c.replace, 1)
			if data == before {
				t.Fatalf("the file has no %q:\n%s", c.find, before)
			}
			edit, _, _ := merged(t, f, base, []byte(data))
			if want := parsed(t, c.want); !edit.Equal(want) {
				t.Errorf("edit\n%s\nwant\n%s", edit.AppendJSON(nil), want.AppendJSON(nil))
			}
		})
	}
}

// A date in the middle of a word is text in Markdown. Where somebody underlines
// half of it the date stays as it was, and the person is told.
func TestMergeTellsWhatItLeftOut(t *testing.T) {
	f, base := mergeFormat(t, "md"), parsed(t, `[{"insert":"a"},{"insert":{"date":"2031-05-06"}},{"insert":"b\n"}]`)
	data := strings.Replace(string(file(t, f, base)), "-05-06", "<u>-05-06</u>", 1)
	edit, _, notes := merged(t, f, base, []byte(data))
	if len(edit) > 0 || len(notes) != 1 || notes[0].What != "merge" || notes[0].Count != 1 {
		t.Errorf("edit %s and notes %v, want no edit and one note of one change", edit.AppendJSON(nil), notes)
	}
}

func TestMergeRefusesWhatIsNoFile(t *testing.T) {
	_, _, err := mergeFormat(t, "json").Merge(t.Context(), parsed(t, `[{"insert":"a\n"}]`), []byte("{"), nil, openSchema{}, Limits{})
	if _, ok := err.(*SyntaxError); !ok {
		t.Errorf("Merge of broken JSON gives %v, want a *SyntaxError", err)
	}
}

// seeds is how many random pages a test takes: more in a soak run.
func seeds() uint64 {
	if os.Getenv("HALLEY_SOAK") != "" {
		return 5000
	}
	return 150
}

// A randomPage writes pages with every format, also where it is out of place.
type randomPage struct{ *rand.Rand }

func (p randomPage) page(lines int) ot.Delta {
	var d ot.Delta
	for range 1 + p.IntN(lines) {
		for range p.IntN(5) {
			d = d.Push(p.piece())
		}
		d = d.Push(ot.Op{Insert: "\n", Attributes: p.some(onLines, 3)})
	}
	return d
}

var (
	onLines = []ot.Attr{
		{Name: "header", Value: ot.IntValue(1)}, {Name: "header", Value: ot.IntValue(2)},
		{Name: "list", Value: ot.StringValue("bullet")}, {Name: "list", Value: ot.StringValue("ordered")},
		{Name: "list", Value: ot.StringValue("checked")}, {Name: "indent", Value: ot.IntValue(1)},
		{Name: "blockquote", Value: ot.True}, {Name: "code-block", Value: ot.True},
		{Name: "align", Value: ot.StringValue("center")}, {Name: "callout", Value: ot.StringValue("tip")},
	}
	onText = []ot.Attr{
		{Name: "bold", Value: ot.True}, {Name: "italic", Value: ot.True}, {Name: "underline", Value: ot.True},
		{Name: "code", Value: ot.True}, {Name: "link", Value: ot.StringValue("https://example.org/")},
		{Name: "comment:k1", Value: ot.True}, {Name: "color", Value: ot.StringValue("#ff0000")},
	}
	snippets = []string{"one ", "two", " three", "four. ", "*", "# ", "- ", "1. ", "<b>", "&amp;", "🌀", "我们"}
)

// some picks a format now and then.
func (p randomPage) some(from []ot.Attr, outOf int) ot.Attributes {
	picked := map[string]ot.Attr{}
	for p.IntN(outOf) == 0 {
		a := from[p.IntN(len(from))]
		picked[a.Name] = a
	}
	var attrs []ot.Attr
	for _, a := range picked {
		attrs = append(attrs, a)
	}
	return ot.MakeAttributes(attrs...)
}

func (p randomPage) piece() ot.Op {
	if p.IntN(12) == 0 {
		embeds := []ot.Embed{
			{Type: "image", Value: ot.StringValue("https://example.org/a.png")},
			{Type: "divider", Value: ot.True},
			{Type: "date", Value: ot.StringValue("2031-05-06")},
			{Type: "formula", Value: ot.StringValue("x^2")},
		}
		return ot.Op{Embed: embeds[p.IntN(len(embeds))], Attributes: p.some(onText, 4)}
	}
	return ot.Op{Insert: snippets[p.IntN(len(snippets))], Attributes: p.some(onText, 3)}
}

// typed changes a content, but not from the newline before the line with the text
// guard on: words come, words go, lines come and go, and formats change.
func (p randomPage) typed(content ot.Delta, guard string) ot.Delta {
	for range 1 + p.IntN(3) {
		text := plainText(content, objectText)
		n := ot.LenUTF16(text[:strings.LastIndex(text[:strings.LastIndex(text, guard)], "\n")])
		if n == 0 {
			return content
		}
		at := p.IntN(n)
		edit := ot.Delta{{Retain: at}}.Normalize()
		switch rest := n - 1 - at; p.IntN(4) {
		case 0:
			edit = edit.Push(ot.Op{Insert: "\n", Attributes: p.some(onLines, 2)})
		case 1:
			edit = edit.Push(ot.Op{Delete: 1 + p.IntN(min(rest, 12)+1)})
		case 2:
			edit = edit.Push(ot.Op{Retain: 1 + p.IntN(rest+1), Attributes: p.some(onText, 2)})
		default:
			edit = edit.Push(ot.Op{Insert: "typed "})
		}
		live, err := ot.NewContent(content)
		if err == nil && live.Apply(edit) == nil { // no cut surrogate pair
			content = live.Delta()
		}
	}
	return content
}

func TestMergeOfAnUnchangedFileIsEmpty(t *testing.T) {
	for _, f := range Formats() {
		t.Run(f.Name, func(t *testing.T) {
			for seed := range seeds() {
				base := randomPage{rand.New(rand.NewPCG(seed, 1))}.page(8)
				if edit, _, _ := merged(t, f, base, file(t, f, base)); len(edit) > 0 {
					t.Fatalf("edit %s on %s, want none (seed %d)\nfile:\n%s",
						edit.AppendJSON(nil), base.AppendJSON(nil), seed, file(t, f, base))
				}
			}
		})
	}
}

// What somebody made of the file is what the page's file says afterwards, or a
// note says that it is not; and lines that nobody touched keep everything.
func TestMergedPageReadsAsTheEditedFile(t *testing.T) {
	guard := parsed(t, `[{"insert":"The "},{"insert":"last","attributes":{"underline":true,"comment:k2":true}},
		{"insert":{"date":"2031-05-06"}},{"insert":"line","attributes":{"bold":true,"code":true}},
		{"insert":"\n","attributes":{"header":2,"list":"checked","align":"right"}}]`)
	for _, f := range Formats() {
		t.Run(f.Name, func(t *testing.T) {
			checked, noted := 0, 0
			for seed := range seeds() {
				p := randomPage{rand.New(rand.NewPCG(seed, 2))}
				base := append(p.page(8), guard...).Normalize()
				want := readBack(t, f, p.typed(readBack(t, f, base), "The last"))
				if !readBack(t, f, want).Equal(want) {
					continue // the format itself does not keep it
				}
				checked++
				_, after, notes := merged(t, f, base, file(t, f, want))
				told := slices.ContainsFunc(notes, func(n Note) bool { return n.What == "merge" })
				if told {
					noted++
				}
				if got := readBack(t, f, after); got.Equal(want) == told {
					t.Fatalf("note: %v (seed %d)\nbase  %s\nafter %s\nreads %s\nwant  %s", told, seed,
						base.AppendJSON(nil), after.AppendJSON(nil), got.AppendJSON(nil), want.AppendJSON(nil))
				}
				if !endsInDelta(after, guard) {
					t.Fatalf("the last line has changed (seed %d)\nbase  %s\nafter %s", seed, base.AppendJSON(nil), after.AppendJSON(nil))
				}
			}
			if noted*20 > checked {
				t.Errorf("%d of %d changes could not be brought over whole, want at most one in 20", noted, checked)
			}
		})
	}
}

// endsInDelta reports whether content ends with the line end, whatever stands before.
func endsInDelta(content, end ot.Delta) bool {
	live, err := ot.NewContent(content)
	if err != nil {
		return false
	}
	n := live.Len() - changedLength(end)
	return n >= 0 && live.Slice(n, live.Len()).Equal(end)
}

// A page from a Markdown file of somebody's own hand, not of ours.
func TestMergeWithItsSource(t *testing.T) {
	f := mergeFormat(t, "md")
	const source = "Title\n=====\n\n* one\n* two\n\nSome __bold__ and\nsome *other* words.\n\n\n1) first\n2) second\n"
	doc, err := f.Read(t.Context(), []byte(source), openSchema{}, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	src := &Source{Format: "md", Data: []byte(source)}
	for _, c := range []struct{ name, find, replace, want string }{
		{"unchanged", "", "", `[]`},
		{"a word", "two", "three", `[{"retain":10},{"insert":"three"},{"delete":3}]`},
		{"a heading", "Title\n=====", "Title\n-----", `[{"retain":5},{"retain":1,"attributes":{"header":2}}]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := strings.Replace(source, c.find, c.replace, 1)
			edit, _, err := f.Merge(t.Context(), doc.Content, []byte(data), src, openSchema{}, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if want := parsed(t, c.want); !edit.Equal(want) {
				t.Errorf("edit %s, want %s", edit.AppendJSON(nil), want.AppendJSON(nil))
			}
		})
	}
}

func BenchmarkMerge(b *testing.B) {
	base := randomPage{rand.New(rand.NewPCG(1, 3))}.page(1)
	for p := (randomPage{rand.New(rand.NewPCG(2, 3))}); changedLength(base) < 20<<10; {
		base = append(base, p.page(50)...).Normalize()
	}
	base = append(base, ot.Op{Insert: "The last line.\n"})
	for _, f := range Formats() {
		b.Run(f.Name, func(b *testing.B) {
			data := []byte(strings.Replace(string(file(b, f, base)), "The last", "The very last", 1))
			for b.Loop() {
				merged(b, f, base, data)
			}
		})
	}
}
