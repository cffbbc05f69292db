package ottest

import (
	"math/rand/v2"

	"halley/ot"
)

// A vocabulary is what random contents and changes are made of.
type vocabulary struct {
	words  []string
	inline []ot.Attr // formats of text and embeds
	line   []ot.Attr // formats of newlines
	embeds []ot.Embed
	// fixedEnd leaves the content's last newline where it is.
	fixedEnd bool
}

var words = []string{
	"a", "the", "page", "team ", "comet ", "tail", "orbit ", "e", "xx", "aaa", "abab", "note ", "plan", "draft ",
	"彗", "星", "文書", "編集", "한글", "é", "o\u030b", "שלום", "\t", "\u2028", "\ufffc",
	"😀", "🌀", "𝒳", "👩‍💻", "🇳🇴", "👍🏽", "🎉🎉",
}

// pageVocabulary is what a page may hold (editor.Schema), without the embeds that
// name something in the store (files, pages).
var pageVocabulary = vocabulary{
	words:    words,
	fixedEnd: true,
	inline: []ot.Attr{
		{Name: "bold", Value: ot.True},
		{Name: "italic", Value: ot.True},
		{Name: "underline", Value: ot.True},
		{Name: "strike", Value: ot.True},
		{Name: "code", Value: ot.True},
		{Name: "link", Value: ot.StringValue("https://example.org/a?b=1&c=\"2\"")},
		{Name: "link", Value: ot.StringValue("mailto:team@example.org")},
		{Name: "script", Value: ot.StringValue("sub")},
		{Name: "script", Value: ot.StringValue("super")},
		{Name: "color", Value: ot.StringValue("#aa0000")},
		{Name: "color", Value: ot.StringValue("#0000ff")},
		{Name: "background", Value: ot.StringValue("#ffff00")},
		{Name: "comment:c1", Value: ot.True},
	},
	line: []ot.Attr{
		{Name: "header", Value: ot.IntValue(1)},
		{Name: "header", Value: ot.IntValue(3)},
		{Name: "list", Value: ot.StringValue("bullet")},
		{Name: "list", Value: ot.StringValue("ordered")},
		{Name: "list", Value: ot.StringValue("checked")},
		{Name: "indent", Value: ot.IntValue(1)},
		{Name: "indent", Value: ot.IntValue(2)},
		{Name: "blockquote", Value: ot.True},
		{Name: "code-block", Value: ot.True},
		{Name: "code-block", Value: ot.StringValue("go")},
		{Name: "align", Value: ot.StringValue("center")},
		{Name: "direction", Value: ot.StringValue("rtl")},
		{Name: "callout", Value: ot.StringValue("tip")},
	},
	embeds: []ot.Embed{
		{Type: "image", Value: ot.StringValue("https://example.org/comet.png")},
		{Type: "mention", Value: `{"id":"p1","label":"Edmond"}`},
		{Type: "date", Value: ot.StringValue("2061-07-28")},
		{Type: "formula", Value: ot.StringValue(`\frac{1}{2}`)},
		{Type: "divider", Value: ot.True},
	},
}

// freeVocabulary has what Quill Delta allows beyond a page: any name and value.
var freeVocabulary = vocabulary{
	words: append([]string{"\u0000", "\r\n", "\u001f", `"\`}, words...),
	inline: []ot.Attr{
		{Name: "bold", Value: ot.True},
		{Name: "bold", Value: "false"},
		{Name: "size", Value: ot.StringValue("large")},
		{Name: "size", Value: "1.5"},
		{Name: "cell", Value: `{"col":1,"row":"r1"}`},
		{Name: "cell", Value: `{"col":2,"row":"r1"}`},
		{Name: "tags", Value: `["a",null,{"b":[]}]`},
		{Name: "", Value: ot.StringValue("😀 \"quoted\"\n")},
	},
	line: []ot.Attr{
		{Name: "header", Value: ot.IntValue(1)},
		{Name: "header", Value: ot.IntValue(2)},
		{Name: "list", Value: ot.StringValue("bullet")},
	},
	embeds: []ot.Embed{
		{Type: "image", Value: ot.StringValue("img/1.png")},
		{Type: "video", Value: ot.Null},
		{Type: "mention", Value: `{"id":"50","name":"comet"}`},
		{Type: "🎬", Value: `[1e+21,-0.5]`},
	},
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func chance(r *rand.Rand, p float64) bool { return r.Float64() < p }

// text returns a few words.
func (v *vocabulary) text(r *rand.Rand) string {
	s := ""
	for range 1 + r.IntN(3) {
		s += pick(r, v.words)
	}
	return s
}

// attributes returns one to four of attrs; with nulls, some of their names
// removed instead.
func attributes(r *rand.Rand, attrs []ot.Attr, nulls bool) ot.Attributes {
	n := 1 + r.IntN(2)
	if chance(r, 0.1) {
		n += 2
	}
	var chosen []ot.Attr
	for range n {
		attr := pick(r, attrs)
		if nulls && chance(r, 0.4) {
			attr.Value = ot.Null
		}
		chosen = append(chosen, attr)
	}
	return ot.MakeAttributes(chosen...)
}

// some returns attributes of an insert, or often none.
func some(r *rand.Rand, attrs []ot.Attr) ot.Attributes {
	if chance(r, 0.4) {
		return attributes(r, attrs, false)
	}
	return nil
}

// insert appends a random insert to d.
func (v *vocabulary) insert(r *rand.Rand, d ot.Delta) ot.Delta {
	switch x := r.Float64(); {
	case x < 0.1:
		return d.InsertEmbed(pick(r, v.embeds), some(r, v.inline))
	case x < 0.3:
		return d.Insert("\n", some(r, v.line))
	}
	return d.Insert(v.text(r), some(r, v.inline))
}
