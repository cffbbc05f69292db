package convert

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"halley/ot"
)

func keepFiles(t testing.TB) []string {
	t.Helper()
	names, err := filepath.Glob("testdata/keep*.md")
	if err != nil || len(names) == 0 {
		t.Fatalf("no testdata/keep*.md: %v", err)
	}
	return names
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestUntouchedMarkdownIsWrittenByteForByte(t *testing.T) {
	f := mustFormat(t, "md")
	for _, name := range keepFiles(t) {
		data := readFile(t, name)
		doc := mustRead(t, f, data)
		checkContent(t, doc.Content)
		out, ns := mustWrite(t, f, doc.Content, &Source{"md", data})
		if !bytes.Equal(out, data) {
			t.Errorf("%s: written\n%s", name, diffLines(string(data), string(out)))
		}
		if len(ns) > 0 {
			t.Errorf("%s: notes %v", name, ns)
		}
	}
}

// diffLines shows the first lines in which two texts differ.
func diffLines(a, b string) string {
	x, y := strings.SplitAfter(a, "\n"), strings.SplitAfter(b, "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return "want " + strings.Join(x[i:min(i+3, len(x))], "     ") + "\ngot  " + strings.Join(y[i:min(i+3, len(y))], "     ")
		}
	}
	return "one is the beginning of the other: " + a[min(len(a), len(b)):] + b[min(len(a), len(b)):]
}

// edit changes a few lines of a page as people do.
func (p pageMaker) edit(lines []line) []line {
	lines = append([]line(nil), lines...)
	for range 1 + p.IntN(4) {
		i := p.IntN(len(lines))
		change := p.IntN(6)
		if lines[i].hasEmbed() && (change == 3 || change == 4) {
			continue // words may take its place
		}
		switch change {
		case 0: // a line goes
			if len(lines) > 1 {
				lines = append(lines[:i:i], lines[i+1:]...)
			}
		case 1: // a line of the same kind comes behind
			lines = append(lines[:i+1:i+1], append([]line{{p.prose(), lines[i].attrs}}, lines[i+1:]...)...)
		case 2: // a paragraph comes before
			lines = append(lines[:i:i], append([]line{{p.prose(), nil}}, lines[i:]...)...)
		case 3: // text is typed
			lines[i].ops = append(p.prose(), lines[i].ops...).Normalize()
		case 4: // the format of a line changes
			lines[i].attrs = p.plainLine()
		case 5: // a few lines go
			if j := min(i+2+p.IntN(3), len(lines)); j-i < len(lines) {
				lines = append(lines[:i:i], lines[j:]...)
			}
		}
	}
	return lines
}

func (l line) hasEmbed() bool {
	return slices.ContainsFunc(l.ops, func(op ot.Op) bool { return op.Embed.Type != "" })
}

func (p pageMaker) prose() ot.Delta {
	words := []string{"new words", "More of it [orbit] here", "x", "* not a list", "2. nor this", "plain"}
	return ot.Delta{{Insert: words[p.IntN(len(words))]}}
}

// plainLine is a line format that Markdown has signs for.
func (p pageMaker) plainLine() ot.Attributes {
	return [...]ot.Attributes{
		nil,
		ot.MakeAttributes(ot.Attr{Name: "header", Value: "2"}),
		ot.MakeAttributes(ot.Attr{Name: "list", Value: `"bullet"`}),
		ot.MakeAttributes(ot.Attr{Name: "list", Value: `"ordered"`}),
		ot.MakeAttributes(ot.Attr{Name: "list", Value: `"bullet"`}, ot.Attr{Name: "indent", Value: "1"}),
		ot.MakeAttributes(ot.Attr{Name: "blockquote", Value: ot.True}),
		ot.MakeAttributes(ot.Attr{Name: "code-block", Value: ot.True}),
	}[p.IntN(7)]
}

// After any edit the bytes of each block of which the page has kept all lines
// stand in the file, in order, and the file is read as the page.
func TestEditedMarkdownKeepsUntouchedBlocks(t *testing.T) {
	f := mustFormat(t, "md")
	for _, name := range keepFiles(t) {
		data := readFile(t, name)
		doc := mustRead(t, f, data)
		before, err := splitLines(doc.Content, pageSchema{}, &notes{})
		if err != nil {
			t.Fatal(err)
		}
		kept, total := 0, 0
		for seed := range rounds(60) {
			p := pageMaker{Rand: rand.New(rand.NewPCG(seed, 11))}
			lines := p.edit(before)
			content := joinLines(lines)
			out, ns := mustWrite(t, f, content, &Source{"md", data})
			got := mustRead(t, f, out)
			lost := lossy(ns)
			if a, b := sayable(content, lost, true), sayable(got.Content, lost, true); strings.Join(a, "\n") != strings.Join(b, "\n") {
				t.Fatalf("%s, seed %d: read as\n%s\nwant\n%s\nfile:\n%s", name, seed, strings.Join(b, "\n"), strings.Join(a, "\n"), out)
			}
			k, n := untouched(t, f, data, out, lines)
			kept, total = kept+k, total+n
		}
		t.Logf("%s: %d of %d untouched blocks kept byte for byte", name, kept, total)
		if kept*100 < total*93 {
			t.Errorf("%s: only %d of %d untouched blocks were kept", name, kept, total)
		}
	}
}

// untouched counts the blocks whose lines the page still has, and how many of
// their bytes stand in out in that order.
func untouched(t *testing.T, f Format, data, out []byte, lines []line) (kept, total int) {
	t.Helper()
	k := newKeeper(newMarkdownWriter(&page{schema: pageSchema{}, notes: &notes{}}, nil), lines, &Source{"md", data})
	rest := string(out)
	for i, at := range alignChunks(k.chunks, lines, nil) {
		if at == unmatched {
			continue
		}
		total++
		c := k.chunks[i]
		text := strings.Join(k.original[c.from:c.to], "")
		if j := strings.Index(rest, strings.TrimRight(text, "\r\n")); j >= 0 {
			kept++
			rest = rest[j+len(strings.TrimRight(text, "\r\n")):]
		}
	}
	return kept, total
}
