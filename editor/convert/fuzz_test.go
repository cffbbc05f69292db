package convert

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

func addFiles(f *testing.F) {
	for _, pattern := range []string{"testdata/*.in", "testdata/*.md"} {
		names, _ := filepath.Glob(pattern)
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
}

// checkFile reads data in a format and writes what it gives in every one:
// nothing that a page may not hold comes in, nothing unsafe goes out.
func checkFile(t *testing.T, name string, data []byte) {
	f := mustFormat(t, name)
	doc := mustRead(t, f, data)
	checkContent(t, doc.Content)
	for _, to := range Formats() {
		out, _ := mustWrite(t, to, doc.Content, nil)
		again := mustRead(t, to, out)
		checkContent(t, again.Content)
		if to.Name == "html" {
			checkSafe(t, out)
		}
		if to.Name == "json" && !again.Content.Equal(doc.Content) {
			t.Fatalf("JSON reads as %s, want %s", show(again.Content), show(doc.Content))
		}
	}
}

// checkSafe fails where HTML has an element, attribute or address that could
// run something. It reads the tags as a browser does.
func checkSafe(t *testing.T, out []byte) {
	t.Helper()
	for _, tag := range tagsOf(string(out)) {
		if isSkipped[tag.name] && tag.name != "title" && tag.name != "style" || tag.hasHandler() || tag.name == "embed" {
			t.Fatalf("unsafe <%s %v> in %s", tag.name, tag.attrs, out)
		}
		if !safeLink(tag.attrs["href"]) || !safeImage(tag.attrs["src"]) {
			t.Fatalf("unsafe address in <%s %v> in %s", tag.name, tag.attrs, out)
		}
	}
}

func FuzzMarkdown(f *testing.F) {
	addFiles(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 4096 {
			return
		}
		checkFile(t, "md", data)
		format := mustFormat(t, "md")
		doc := mustRead(t, format, data)
		out, _ := mustWrite(t, format, doc.Content, &Source{"md", data})
		chunks := parseMarkdown(unixLines(decodeText(data, &notes{})), newBuilder(pageSchema{})).chunks
		unsafe := slices.ContainsFunc(chunks, func(c chunk) bool { return c.unsafe }) // those are written anew
		if again := mustRead(t, format, out); !unsafe && !again.Content.Equal(doc.Content) {
			t.Fatalf("the untouched file is read as\n%s\nnot as\n%s\nwritten\n%q", show(again.Content), show(doc.Content), out)
		}
		lines, _ := splitLines(doc.Content, pageSchema{}, &notes{})
		edited := joinLines(newPageMaker(uint64(len(data))).edit(lines))
		out, _ = mustWrite(t, format, edited, &Source{"md", data})
		checkContent(t, mustRead(t, format, out).Content)
	})
}

func FuzzHTML(f *testing.F) {
	addFiles(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 4096 {
			return
		}
		checkFile(t, "html", data)
	})
}

// What is nested or repeated without end costs no more than its size: all of
// this takes seconds where the work is linear, and hours where it is not.
func TestHostileFilesAreReadInLinearTime(t *testing.T) {
	n := 20_000
	if os.Getenv("HALLEY_SOAK") == "1" {
		n = 400_000
	}
	files := map[string]string{
		"quotes":       strings.Repeat("> ", n),
		"quote lines":  strings.Repeat(strings.Repeat(">", 60)+" a\nlazy\n", n/60),
		"lists":        strings.Repeat("- ", n),
		"numbers":      strings.Repeat("1. ", n),
		"deep items":   deepItems(400),
		"emphasis":     strings.Repeat("*a **a ", n/7) + "\n\nend",
		"stars":        strings.Repeat("*", n),
		"brackets":     strings.Repeat("[", n),
		"links":        strings.Repeat("[a](", n/4),
		"images":       strings.Repeat("![", n/2) + strings.Repeat("](b)", n/4),
		"backticks":    backticks(400),
		"definitions":  strings.Repeat("[a]: b\n", n/7),
		"table":        "|" + strings.Repeat("a|", n) + "\n|" + strings.Repeat("-|", n) + "\n",
		"entities":     strings.Repeat("&#", n),
		"tags":         strings.Repeat("<a ", n/3),
		"comments":     strings.Repeat("<!--", n/4),
		"one line":     strings.Repeat("word ", n),
		"divs":         strings.Repeat("<div>", n),
		"quotes in h":  strings.Repeat("<blockquote>", n/10),
		"unclosed":     strings.Repeat("<p><b><i><ul><li>", n/20),
		"tables in h":  strings.Repeat("<table><tr><td>", n/15),
		"stray ends":   strings.Repeat("<b>", 200) + strings.Repeat("</div>", n/6),
		"attributes":   "<p " + strings.Repeat("a=b ", n/4) + ">x",
		"style":        `<p style="` + strings.Repeat("a:b;", n/4) + `">x`,
		"many breaks":  strings.Repeat("<br>", n/4),
		"spans":        strings.Repeat("<span style='color:#ff0000'>x", n/30),
		"empty fences": strings.Repeat("```\n```\n", n/8),
		"underscores":  strings.Repeat("_a__b", n/5),
		"blank quotes": strings.Repeat(">\n\n", n/3),
	}
	for name, text := range files {
		for _, format := range []string{"md", "html"} {
			f := mustFormat(t, format)
			start := time.Now()
			doc := mustRead(t, f, []byte(text))
			checkContent(t, doc.Content)
			out, _ := mustWrite(t, f, doc.Content, &Source{format, []byte(text)})
			mustRead(t, f, out)
			t.Logf("%s as %s: %v", name, format, time.Since(start).Round(time.Millisecond))
		}
	}
}

func deepItems(n int) string {
	var s strings.Builder
	for i := range n {
		s.WriteString(strings.Repeat("  ", i) + "- a\n")
	}
	return s.String()
}

func backticks(n int) string {
	var s bytes.Buffer
	for i := range n {
		s.WriteString(strings.Repeat("`", i) + " ")
	}
	return s.String()
}

func tagsOf(text string) []tag {
	var tags []tag
	z := html.NewTokenizer(strings.NewReader(text))
	for z.Next() != html.ErrorToken {
		if t := z.Token(); t.Type == html.StartTagToken || t.Type == html.SelfClosingTagToken {
			tags = append(tags, newTag(t))
		}
	}
	return tags
}
