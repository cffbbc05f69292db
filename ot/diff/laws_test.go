package diff_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/rivo/uniseg"

	"halley/ot"
	"halley/ot/diff"
)

// checkLaws reports what a change between two contents must never be. Pair says
// where the contents come from.
func checkLaws(t testing.TB, pair string, before, after, change ot.Delta) {
	t.Helper()
	fail := func(law string) {
		t.Helper()
		t.Fatalf("%s (%s)\nbefore %s\nafter  %s\nchange %s", law, pair,
			before.AppendJSON(nil), after.AppendJSON(nil), change.AppendJSON(nil))
	}
	if err := change.Validate(); err != nil {
		fail("the change is malformed: " + err.Error())
	}
	if !ot.Compose(before, change).Equal(after) {
		fail("before ∘ change is not after")
	}
	if !change.Equal(change.Normalize()) {
		fail("the change is not normal")
	}
	if n := len(change); n > 0 && change[n-1].Retain > 0 && len(change[n-1].Attributes) == 0 {
		fail("the change ends in an idle retain")
	}
	if !diff.Contents(before, after).Equal(change) {
		fail("the same contents give another change")
	}
	if before.Equal(after) && len(change) > 0 {
		fail("equal contents give a change")
	}
	if endsInNewline(before) && endsInNewline(after) && touchesEnd(change, length(before)) {
		fail("the change deletes the last newline or inserts after it")
	}
	cutsBefore, cutsAfter := clusterEnds(before), clusterEnds(after)
	at, to := 0, 0
	for _, op := range change {
		switch {
		case op.Retain > 0:
			at, to = at+op.Retain, to+op.Retain
			continue
		case op.Delete > 0:
			if !cutsBefore[at] || !cutsBefore[at+op.Delete] {
				fail("a delete cuts a grapheme cluster")
			}
			at += op.Delete
		default:
			n := length(ot.Delta{op})
			if !cutsBefore[at] {
				fail("an insert cuts a grapheme cluster")
			}
			to += n
		}
	}
	// Inserts of one place may change formats inside a cluster, so only the ends of all count.
	to = 0
	for i, op := range change {
		isInsert := op.Retain == 0 && op.Delete == 0
		if isInsert && (i == 0 || change[i-1].Retain > 0 || change[i-1].Delete > 0) && !cutsAfter[to] {
			fail("an insert begins inside a grapheme cluster of after")
		}
		if isInsert {
			to += length(ot.Delta{op})
		} else {
			to += op.Retain
		}
		if isInsert && (i+1 == len(change) || change[i+1].Retain > 0 || change[i+1].Delete > 0) && !cutsAfter[to] {
			fail("an insert ends inside a grapheme cluster of after")
		}
	}
}

func endsInNewline(content ot.Delta) bool {
	return len(content) > 0 && strings.HasSuffix(content[len(content)-1].Insert, "\n")
}

// touchesEnd reports whether change deletes the last of n units or inserts after it.
func touchesEnd(change ot.Delta, n int) bool {
	at := 0
	for _, op := range change {
		switch {
		case op.Retain > 0:
			at += op.Retain
		case op.Delete > 0:
			if at += op.Delete; at == n {
				return true
			}
		case at == n:
			return true
		}
	}
	return false
}

// clusterEnds returns the positions between grapheme clusters. An embed and a
// newline are clusters of their own.
func clusterEnds(content ot.Delta) map[int]bool {
	ends := map[int]bool{0: true}
	at := 0
	var text strings.Builder
	flush := func() {
		for line := range strings.Lines(text.String()) {
			line, hasNewline := strings.CutSuffix(line, "\n")
			for g := uniseg.NewGraphemes(line); g.Next(); {
				at += ot.LenUTF16(g.Str())
				ends[at] = true
			}
			if hasNewline {
				at++
				ends[at] = true
			}
		}
		text.Reset()
	}
	for _, op := range content {
		if op.Embed.Type == "" {
			text.WriteString(op.Insert)
			continue
		}
		flush()
		at++
		ends[at] = true
	}
	flush()
	return ends
}

// A writer of random contents: prose with formats, embeds and odd characters.
type prose struct{ *rand.Rand }

var words = strings.Fields(`the a of and house sea old water light begin began
	recieve receive colour color 我们 喝茶 👨‍👩‍👧 🇩🇪🇫🇷 e` + "\u0301" + ` ไทย नमस्ते 🌀 🏆 x`)

func (p prose) pick(list []string) string { return list[p.IntN(len(list))] }

// attributes are none, mostly, or one or two formats out of names.
func (p prose) attributes(names ...string) ot.Attributes {
	var attrs []ot.Attr
	for _, name := range names {
		if p.IntN(8) == 0 {
			attrs = append(attrs, ot.Attr{Name: name, Value: ot.IntValue(1 + p.IntN(2))})
		}
	}
	return ot.MakeAttributes(attrs...)
}

// content is some lines of text that end in a newline.
func (p prose) content(lines int) ot.Delta {
	var d ot.Delta
	for range lines {
		for range p.IntN(12) {
			d = d.Push(p.piece())
		}
		d = d.Push(ot.Op{Insert: "\n", Attributes: p.attributes("header", "list")})
	}
	return d
}

func (p prose) piece() ot.Op {
	attrs := p.attributes("bold", "italic")
	switch p.IntN(16) {
	case 0:
		return ot.Op{Embed: ot.Embed{Type: "image", Value: ot.IntValue(p.IntN(3))}, Attributes: attrs}
	case 1:
		return ot.Op{Insert: "\u0301", Attributes: attrs}
	case 2:
		return ot.Op{Insert: ". ", Attributes: attrs}
	}
	return ot.Op{Insert: p.pick(words) + " ", Attributes: attrs}
}

// edited is content with a few edits that leave the last newline alone.
func (p prose) edited(content ot.Delta, edits int) ot.Delta {
	for range edits {
		n := length(content)
		at := p.IntN(n)
		var edit ot.Delta
		if at > 0 {
			edit = edit.Push(ot.Op{Retain: at})
		}
		switch rest := n - 1 - at; p.IntN(4) {
		case 0:
			edit = append(edit, p.content(1+p.IntN(2))...)
		case 1:
			edit = edit.Push(ot.Op{Retain: 1 + p.IntN(min(rest, 20)+1), Attributes: p.attributes("bold", "header")})
		case 2:
			if rest > 0 {
				edit = edit.Push(ot.Op{Delete: 1 + p.IntN(min(rest, 30))})
			}
		default:
			edit = edit.Push(p.piece())
		}
		if wellFormed(content, edit) {
			content = ot.Compose(content, edit)
		}
	}
	return content
}

// wellFormed reports whether edit cuts no surrogate pair of content.
func wellFormed(content, edit ot.Delta) bool {
	at := 0
	starts := map[int]bool{}
	for _, op := range content {
		for _, r := range op.Insert {
			starts[at] = true
			at += ot.LenUTF16(string(r))
		}
		if op.Embed.Type != "" {
			starts[at] = true
			at++
		}
	}
	at = 0
	for _, op := range edit {
		if at += op.Retain + op.Delete; !starts[at] {
			return false
		}
	}
	return true
}

// seeds is how many random pairs a test takes: many more in a soak run.
func seeds(n uint64) uint64 {
	if os.Getenv("HALLEY_SOAK") != "" {
		return 50 * n
	}
	return n
}

func TestLawsOnEditedContents(t *testing.T) {
	for seed := range seeds(500) {
		p := prose{rand.New(rand.NewPCG(seed, 1))}
		before := p.content(1 + p.IntN(12))
		after := p.edited(before, p.IntN(8))
		checkLaws(t, fmt.Sprint("seed ", seed), before, after, diff.Contents(before, after))
	}
}

func TestLawsOnUnrelatedContents(t *testing.T) {
	for seed := range seeds(400) {
		p := prose{rand.New(rand.NewPCG(seed, 2))}
		before, after := p.content(p.IntN(6)), p.content(p.IntN(6))
		checkLaws(t, fmt.Sprint("seed ", seed), before, after, diff.Contents(before, after))
	}
}

// A text of few symbols gives the most ties and the most matches by chance.
func TestLawsOnTextOfFewSymbols(t *testing.T) {
	symbols := []string{"a", "b", " ", "\n", "🌀", "\u0301", "\ufffc", "\u200d", "👨"}
	for seed := range seeds(1000) {
		r := rand.New(rand.NewPCG(seed, 3))
		few := symbols[:2+r.IntN(len(symbols)-1)]
		random := func() ot.Delta {
			var d ot.Delta
			for range r.IntN(40) {
				d = d.Push(ot.Op{Insert: few[r.IntN(len(few))]})
			}
			return d
		}
		before, after := random(), random()
		checkLaws(t, fmt.Sprint("seed ", seed), before, after, diff.Contents(before, after))
	}
}

func FuzzContents(f *testing.F) {
	f.Add([]byte(`[{"insert":"one\n"}]`), []byte(`[{"insert":"two"},{"insert":"\n","attributes":{"header":1}}]`))
	f.Add([]byte(`[{"insert":"x🌀\n"}]`), []byte(`[{"insert":"x🏆🌀\n"}]`))
	f.Add([]byte(`[{"insert":"a"},{"insert":{"image":"b"}}]`), []byte(`[{"insert":"\u0301\n\n"}]`))
	f.Fuzz(func(t *testing.T, x, y []byte) {
		before, err := ot.Parse(x)
		if err != nil || !before.InsertsOnly() {
			t.Skip()
		}
		after, err := ot.Parse(y)
		if err != nil || !after.InsertsOnly() {
			t.Skip()
		}
		checkLaws(t, "fuzzed", before, after, diff.Contents(before, after))
	})
}
