package convert

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"halley/ot"
)

// The cost of a conversion may be in proportion to its input, with factors this
// large: a tag of three bytes costs the parser of a fragment some kilobytes.
const (
	freeBytes    = 4 << 20
	bytesPerByte = 12_000
	ticksPerByte = 400
	freeTicks    = 100_000
	// hangs is far beyond what an input of a fuzzer takes.
	hangs = 20 * time.Second
)

// measured runs convert and fails where it takes memory, steps or time out of
// proportion to size. A conversion that stops at a limit has cost too.
func measured(t *testing.T, what string, size int, convert func(*work) error) {
	t.Helper()
	var before, after runtime.MemStats
	w := newWork(steps{t.Context(), new(int)}, Limits{Bytes: 128<<20 + 64*int64(size), Size: 10_000_000, Lines: 500_000})
	start := time.Now()
	runtime.ReadMemStats(&before)
	err := guard(func() error { return convert(w) })
	runtime.ReadMemStats(&after)
	var limit *LimitError
	var syntax *SyntaxError
	if err != nil && !errors.As(err, &limit) && !errors.As(err, &syntax) {
		t.Fatalf("%s: %v", what, err)
	}
	if got, most := after.TotalAlloc-before.TotalAlloc, raceFactor*uint64(freeBytes+bytesPerByte*size); got > most {
		t.Errorf("%s of %d bytes allocates %d bytes, want at most %d", what, size, got, most)
	}
	if got, most := *w.ctx.(steps).n, freeTicks+ticksPerByte*size; got > most {
		t.Errorf("%s of %d bytes takes %d steps, want at most %d", what, size, got, most)
	}
	if d := time.Since(start); d > hangs {
		t.Errorf("%s of %d bytes takes %v", what, size, d)
	}
}

// steps counts how often a conversion looks at its context.
type steps struct {
	context.Context
	n *int
}

func (s steps) Err() error {
	*s.n++
	return s.Context.Err()
}

// hostile returns files whose cost was once out of proportion, or could be,
// each of about n bytes.
func hostile(n int) map[string]string {
	files := map[string]string{
		"table":            strings.Repeat("|a", n/6) + "\n" + strings.Repeat("|-", n/6) + "\n" + strings.Repeat("|\n", n/6),
		"tables":           strings.Repeat("a|b\n-|-\n", n/8),
		"definition":       "[a]: http://" + strings.Repeat("b", n/2) + "\n\n" + strings.Repeat("[a] ", n/8),
		"refused link":     "[a]: x:" + strings.Repeat("b", n/2) + "\n\n" + strings.Repeat("[a] ", n/8),
		"definition title": "[a]: http://b \"" + strings.Repeat("b", n/2) + "\"\n\n" + strings.Repeat("[a] ", n/8),
		"deep list, blank": strings.Repeat("- ", 30) + "a" + strings.Repeat("\n", n),
		"deep quotes":      strings.Repeat(strings.Repeat("> ", 30)+"a\n", n/62),
		"lazy":             strings.Repeat("> ", 30) + strings.Repeat("a\n", n/2),
		"attributes":       "<p " + strings.Repeat("a ", n/2) + ">x",
		"cells":            "<table>" + strings.Repeat("<tr><td colspan=9999 rowspan=9999>", n/34),
		"style":            "<p style='" + strings.Repeat("a:b;", n/4) + "'>x",
		"escaped stars":    strings.Repeat(`\*`, n/2),
		"own embeds":       strings.Repeat(`<span data-embed='{"date":"1"}'>`, n/32),
		"json names":       jsonNames(n),
		"json comments":    `[` + strings.Repeat(`{"insert":"a","attributes":{"comment:a":true}},{"insert":"a","attributes":{"comment:b":true}},`, n/98) + `{"insert":"\n"}]`,
		"json spaces":      `[` + strings.Repeat(`{"insert":" ","attributes":{"bold":true,"comment:a":true}},{"insert":" ","attributes":{"bold":true}},`, n/102) + `{"insert":"\n"}]`,
		"json newlines":    `[{"insert":"` + strings.Repeat(`\n`, n/2) + `"}]`,
		"quotes apart":     strings.Repeat("> a\n\n", n/5),
	}
	for _, unit := range []string{
		"\n", "a\n\n", "a\n", "- a\n", "-\n", "1. a\n", "# a\n", "> a\n\n", "---\n", "    a\n", "```\n```\n", "<p>\n\n", "<br>\n\n", "a\n=\n", "[a]: b\n",
		"*a_ ", "a* ", "*a ", "**a** ", "~~a~ ", "_a__b", "*_", "**_", "[", "[a", "[a]", "![", "[](", "[a](b)", "<", "<a ", "<!--", "<![CDATA[", "<a b='",
		"` ", "``a`", "&#1", "&amp;", "http://a ", "a.a@", "a@b.c ", "a<br>", "<b>", "<b>a</b>", "<span style='color:red'>", "$`a`$", "a  \n", "a\\\n", "a.",
		"<a href='x'>", "<li>", "<td>", "<ul>", "<blockquote>", "<pre>\n", "</p>", "<p>a", "<style>a{}</style>", "<base href='http://a'>", "<img src=/a>", "<u onx=1>", " a",
	} {
		files[strings.Repeat(unit, 2)] = strings.Repeat(unit, n/len(unit))
	}
	return files
}

func jsonNames(n int) string {
	var s strings.Builder
	s.WriteString("[")
	for i := 0; s.Len() < n; i++ {
		s.WriteString(`{"insert":"a","attributes":{"x` + strings.Repeat("y", i%40) + string(rune('a'+i%26)) + `":true}},`)
	}
	s.WriteString(`{"insert":"\n"}]`)
	return s.String()
}

func addHostile(f *testing.F) {
	addFiles(f)
	for _, text := range hostile(1000) {
		f.Add([]byte(text))
	}
}

// readCost measures reading data as each format, and writing what it gives.
func readCost(t *testing.T, data []byte) {
	for _, f := range Formats() {
		var doc Document
		measured(t, "reading "+f.Name, len(data), func(w *work) (err error) {
			doc, err = f.read(data, pageSchema{}, w)
			return err
		})
		writeCost(t, doc.Content)
		if len(doc.Content) > 0 {
			src := &Source{f.Name, data}
			measured(t, "writing "+f.Name+" over its source", sizeOf(doc.Content)+len(data), func(w *work) error {
				_, err := f.write(io.Discard, "", 1, doc.Content, src, pageSchema{}, w)
				return err
			})
		}
	}
}

func writeCost(t *testing.T, content ot.Delta) {
	if len(content) == 0 {
		return
	}
	for _, f := range Formats() {
		measured(t, "writing "+f.Name, sizeOf(content), func(w *work) error {
			_, err := f.write(io.Discard, "", 1, content, nil, pageSchema{}, w)
			return err
		})
	}
}

func sizeOf(content ot.Delta) int {
	c, err := ot.NewContent(content)
	if err != nil {
		panic(err)
	}
	return c.Size()
}

func FuzzReadCost(f *testing.F) {
	addHostile(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) <= 16<<10 {
			readCost(t, data)
		}
	})
}

// FuzzRepeatedCost reads a piece many times over: what is quadratic shows there.
func FuzzRepeatedCost(f *testing.F) {
	for _, text := range hostile(40) {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, piece []byte) {
		if len(piece) > 0 && len(piece) <= 256 {
			readCost(t, bytes.Repeat(piece, 2<<10/len(piece)))
		}
	})
}

func FuzzMergeCost(f *testing.F) {
	for _, text := range hostile(300) {
		f.Add([]byte("a\n\nb\n\n"), []byte(text))
		f.Add([]byte(text), []byte(text+"a"))
	}
	f.Fuzz(func(t *testing.T, before, after []byte) {
		if len(before)+len(after) > 8<<10 {
			return
		}
		for _, f := range Formats() {
			doc, err := f.Read(t.Context(), before, pageSchema{}, Limits{Bytes: 64 << 20, Size: 1 << 20})
			if err != nil {
				continue
			}
			// A merge writes and reads the page several times over.
			size := 5 * (sizeOf(doc.Content) + len(before) + len(after))
			measured(t, "merging "+f.Name, size, func(w *work) error {
				_, _, err := f.merge(doc.Content, after, &Source{f.Name, before}, pageSchema{}, w)
				return err
			})
		}
	})
}

func FuzzDetectCost(f *testing.F) {
	f.Add("a.md", "text/html; charset=utf-8", []byte("<p>a"))
	f.Add("", strings.Repeat(";a=b", 100), bytes.Repeat([]byte(" {"), 1000))
	f.Fuzz(func(t *testing.T, name, kind string, data []byte) {
		size := len(name) + len(kind) + len(data)
		measured(t, "detecting", size, func(*work) error { Detect(name, kind, data); return nil })
	})
}

func FuzzPiecesCost(f *testing.F) {
	for _, s := range []string{"color:rgb(1,2,3);a:b", "&amp;&#1;", "http://a", "\xff\xfea\x00", "java\tscript:x", "0123(1) ("} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		measured(t, "the pieces", len(s), func(w *work) error {
			for _, value := range parseStyle(s) {
				parseColor(value)
			}
			unescapeMarkdown(s)
			safeLink(cleanAddress(s))
			linkTarget(s)
			escapeLabel(s)
			decodeHTML([]byte(s), newNotes())
			splitEnds(decodeText([]byte(s), newNotes()))
			isCostly([]byte(s))
			isPlainText(s)
			w.countAttributes(s)
			return nil
		})
	})
}

// TestCostOfUnclosed: what is looked for to the end of a file, or grows step by
// step, is so once.
func TestCostOfUnclosed(t *testing.T) {
	const n = 1 << 20
	for name, text := range map[string]string{
		"comments":     strings.Repeat("<!--", n/4),
		"scripts":      strings.Repeat("<script>", n/8),
		"fence":        "~~~\n" + strings.Repeat("`", n) + "\n~~~\n",
		"code span":    "<code>" + growingRuns(n) + "</code>",
		"front matter": "---\n" + strings.Repeat("a\n", n/2) + "---\n",
	} {
		t.Run(name, func(t *testing.T) { readCost(t, []byte(text)) })
	}
}

// growingRuns returns runs of 1, 2, 3, ... backticks, n bytes in all.
func growingRuns(n int) string {
	var s strings.Builder
	for run := 1; s.Len() < n; run++ {
		s.WriteString(strings.Repeat("`", run) + "a")
	}
	return s.String()
}

// What is in proportion for a fuzzer's small inputs is so for larger ones.
func TestCostIsInProportion(t *testing.T) {
	if os.Getenv("HALLEY_SOAK") != "1" {
		t.Skip("takes a minute; the fuzzers' seeds are the same, and smaller")
	}
	for name, text := range hostile(64 << 10) {
		t.Run(name, func(t *testing.T) { readCost(t, []byte(text)) })
	}
}
