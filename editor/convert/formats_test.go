package convert

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"unicode/utf16"

	"halley/ot"
)

func TestDetect(t *testing.T) {
	cases := []struct {
		name, file, media, data, want string
	}{
		{"by name", "notes.MD", "text/html", "<p>", "md"},
		{"by media type", "notes", "text/html; charset=iso-8859-1", "x", "html"},
		{"an unknown name", "notes.log", "application/octet-stream", "a line\n", "txt"},
		{"a document", "", "", "\n<!DOCTYPE html><p>x", "html"},
		{"a delta", "", "", "[ {\"insert\": \"x\"}]", "json"},
		{"a page as JSON", "", "", "{\n \"title\": \"x\"", "json"},
		{"text", "README", "", "# Title\n", "txt"},
		{"UTF-16", "", "", "\xff\xfea\x00", "txt"},
		{"old text", "", "", "caf\xe9 in the morning\n", "txt"},
		{"a picture", "a.png", "image/png", "\x89PNG\r\n\x1a\n\x00\x00", ""},
		{"bytes without a zero", "", "", "\x89\x01\x02\xff\xfe\xfd\x05", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f, ok := Detect(c.file, c.media, []byte(c.data))
			if f.Name != c.want || ok != (c.want != "") {
				t.Errorf("Detect(%q, %q, %q) = %q, %v, want %q", c.file, c.media, c.data, f.Name, ok, c.want)
			}
		})
	}
}

func TestFormatsAreFoundByWhatTheyAreCalled(t *testing.T) {
	for _, f := range Formats() {
		if g, ok := ByName(f.Name); !ok || g.Name != f.Name {
			t.Errorf("ByName(%q) = %q, %v", f.Name, g.Name, ok)
		}
		for _, m := range f.MediaTypes {
			if g, ok := ByMediaType(m); !ok || g.Name != f.Name {
				t.Errorf("ByMediaType(%q) = %q, %v", m, g.Name, ok)
			}
		}
		for _, e := range f.Extensions {
			if g, ok := ByExtension(strings.ToUpper(e)); !ok || g.Name != f.Name {
				t.Errorf("ByExtension(%q) = %q, %v", e, g.Name, ok)
			}
		}
	}
	if f, ok := ByMediaType("image/png"); ok {
		t.Errorf("ByMediaType(image/png) = %q", f.Name)
	}
}

func utf16File(text string) string {
	out := []byte{0xff, 0xfe}
	for _, unit := range utf16.Encode([]rune(text)) {
		out = append(out, byte(unit), byte(unit>>8))
	}
	return string(out)
}

func TestEncodings(t *testing.T) {
	cases := []struct {
		name, format, data, want, note string
	}{
		{"line ends", "txt", "a\r\nb\rc\n", "a\nb\nc\n", ""},
		{"no last line end", "txt", "a", "a\n", ""},
		{"an empty file", "txt", "", "\n", ""},
		{"a byte order mark", "txt", "\xef\xbb\xbfa\n", "a\n", ""},
		{"UTF-16", "txt", utf16File("🚀 é\r\n"), "🚀 é\n", ""},
		{"Windows-1252", "txt", "caf\xe9 \x80\n", "café €\n", "encoding"},
		{"zero characters", "txt", "a\x00b\n", "ab\n", "control character"},
		{"Markdown in UTF-16", "md", utf16File("é *x*"), "é x\n", ""},
		{"Markdown in Windows-1252", "md", "caf\xe9", "café\n", "encoding"},
		{"an escaped zero", "md", "a&#0;b&#13;c", "a\ufffdbc\n", ""},
		{"HTML that names its encoding", "html", "<meta charset=iso-8859-2><p>\xb1", "ą\n", ""},
		{"HTML in UTF-16", "html", utf16File("<p>é"), "é\n", ""},
		{"HTML that names none", "html", strings.Repeat("<p>x", 400) + "<p>é", strings.Repeat("x\n", 400) + "é\n", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			doc := mustRead(t, mustFormat(t, c.format), []byte(c.data))
			if got := plainText(doc.Content, objectText); got != c.want {
				t.Errorf("text %q, want %q", got, c.want)
			}
			if c.note != "" != (len(doc.Notes) > 0) || c.note != "" && doc.Notes[0].What != c.note {
				t.Errorf("notes %v, want %q", doc.Notes, c.note)
			}
		})
	}
}

func TestJSONIsReadInThreeForms(t *testing.T) {
	f := mustFormat(t, "json")
	for _, data := range []string{
		`{"title":"T","delta":[{"insert":"a\r\nb"}]}`,
		`{"ops":[{"insert":"a\nb\n"}]}`,
		"\ufeff [{\"insert\":\"a\\nb\\n\"}]",
	} {
		if got := mustRead(t, f, []byte(data)); show(got.Content) != `[{"insert":"a\nb\n"}]` {
			t.Errorf("%s is read as %s", data, show(got.Content))
		}
	}
	for data, line := range map[string]int{
		"{\n\"delta\":\n]":               3,
		`{"title":"x"}`:                  0,
		`[{"insert":"a"},{"delete":1}]`:  0,
		`[{"retain":1},{"insert":"\n"}]`: 0,
		`[{"insert":"\ud800"}]`:          0,
		`12`:                             0,
	} {
		_, err := f.Read(t.Context(), []byte(data), pageSchema{}, Limits{})
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || line > 0 && syntax.Line != line {
			t.Errorf("read %s: %v, want a *SyntaxError at line %d", data, err, line)
		}
	}
}

func TestWriteRefusesWhatIsNoContent(t *testing.T) {
	for _, f := range Formats() {
		if _, err := f.Write(t.Context(), io.Discard, "", 0, ot.Delta{{Retain: 1}, {Insert: "\n"}}, nil, pageSchema{}, Limits{}); err == nil {
			t.Errorf("%s: no error for a delta that is no content", f.Name)
		}
	}
}

func TestHTMLLeavesOutWhatTheSchemaRefuses(t *testing.T) {
	content := ot.Delta{
		{Insert: "x", Attributes: ot.Attributes{{Name: "link", Value: ot.StringValue("javascript:alert(1)")}}},
		{Embed: ot.Embed{Type: "image", Value: ot.StringValue("javascript:alert(1)")}},
		{Insert: "\n"},
	}
	format, ok := ByName("html")
	if !ok {
		t.Fatal("there is no format html")
	}
	// A lax schema must not let a script through either.
	for _, schema := range []Schema{pageSchema{}, openSchema{}} {
		var out bytes.Buffer
		if _, err := format.Write(t.Context(), &out, "", 0, content, nil, schema, Limits{}); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); !strings.Contains(got, "<p>x</p>\n") || strings.Contains(got, "javascript") {
			t.Errorf("with %T: %s", schema, got)
		}
	}
}

// Each case is a file, what becomes of one of its lines (a line with no text
// goes), and the file after that.
func TestSilentBlocksStayWithTheirNeighbours(t *testing.T) {
	cases := []struct {
		name, before, line, becomes, after string
	}{
		{"a comment before a changed paragraph", "<!-- c -->\none\n\ntwo\n", "two", "2", "<!-- c -->\none\n\n2\n"},
		{"a comment between two changed lines", "one\n\n<!-- c -->\n\ntwo\n", "two", "2", "one\n\n<!-- c -->\n\n2\n"},
		{"a comment whose paragraph goes", "one\n\n<!-- c -->\n\ntwo\n", "two", "", "one\n\n<!-- c -->\n"},
		{"front matter", "---\na: b\n---\n\none\n", "one", "1", "---\na: b\n---\n\n1\n"},
		{"definitions", "one [x]\n\n[x]: https://example.com/\n\ntwo\n", "two", "2 [x]", "one [x]\n\n[x]: https://example.com/\n\n2 \\[x]\n"},
		{"definitions at the end", "one [x]\n\ntwo\n\n[x]: https://example.com/", "two", "", "one [x]\n\n[x]: https://example.com/"},
		{"a number in the middle", "1. a\n1. b\n1. c\n", "b", "B", "1. a\n2. B\n1. c\n"},
		{"an item of a loose list", "* a\n\n* b\n\n* c\n", "b", "B", "* a\n\n* B\n\n* c\n"},
		{"an unclosed fence", "a\n\n```\ncode\n", "a", "b", "b\n\n```\ncode\n"},
		{"Windows line ends", "a\r\n\r\nb\r\n", "b", "c", "a\r\n\r\nc\r\n"},
	}
	f := mustFormat(t, "md")
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			lines, err := splitLines(mustRead(t, f, []byte(c.before)).Content, pageSchema{}, &notes{})
			if err != nil {
				t.Fatal(err)
			}
			var changed []line
			for _, l := range lines {
				if plainText(l.ops, objectText) != c.line {
					changed = append(changed, l)
				} else if c.becomes != "" {
					changed = append(changed, line{ot.Delta{{Insert: c.becomes}}, l.attrs})
				}
			}
			out, _ := mustWrite(t, f, joinLines(changed), &Source{"md", []byte(c.before)})
			if string(out) != c.after {
				t.Errorf("written\n%s\nwant\n%s", out, c.after)
			}
		})
	}
}

func TestSourceOfAnotherFormatIsOfNoUse(t *testing.T) {
	content := ot.Delta{{Insert: "x\n"}}
	out, _ := mustWrite(t, mustFormat(t, "md"), content, &Source{"html", []byte("<p>x")})
	if string(out) != "x\n" {
		t.Errorf("written %q", out)
	}
}

// The README of this repository goes in and comes out as it is.
func TestReadme(t *testing.T) {
	data, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Skip("there is no README.md yet")
	}
	f := mustFormat(t, "md")
	out, _ := mustWrite(t, f, mustRead(t, f, data).Content, &Source{"md", data})
	if !bytes.Equal(out, data) {
		t.Error(diffLines(string(data), string(out)))
	}
}

func BenchmarkMarkdown(b *testing.B) {
	data := bytes.Repeat(readFile(b, "testdata/keep3.md"), 1000)
	f := mustFormat(b, "md")
	content := mustRead(b, f, data).Content
	b.Run("read", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			mustRead(b, f, data)
		}
	})
	b.Run("write", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			mustWrite(b, f, content, nil)
		}
	})
	b.Run("write over its source", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			mustWrite(b, f, content, &Source{"md", data})
		}
	})
}
