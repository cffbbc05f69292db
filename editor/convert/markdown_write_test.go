package convert

import (
	"strings"
	"testing"

	"halley/ot"
)

// pageOf makes a content of lines; what stands before a § is a line's format.
func pageOf(lines ...string) ot.Delta {
	var content ot.Delta
	for _, l := range lines {
		var attrs []ot.Attr
		if format, text, ok := strings.Cut(l, "§"); ok {
			l = text
			for part := range strings.FieldsSeq(format) {
				name, value, _ := strings.Cut(part, "=")
				attrs = append(attrs, ot.Attr{Name: name, Value: ot.Value(value)})
			}
		}
		content = append(content, ot.Op{Insert: l}, ot.Op{Insert: "\n", Attributes: ot.MakeAttributes(attrs...)})
	}
	return content.Normalize()
}

const (
	bullet  = `list="bullet" §`
	ordered = `list="ordered" §`
	code    = `code-block=true §`
	quoted  = `blockquote=true §`
)

// Nothing is escaped that need not be, and what must be is.
func TestMarkdownIsWrittenPlainly(t *testing.T) {
	cases := []struct {
		name string
		page ot.Delta
		want string
	}{
		{"an empty page", pageOf(""), ""},
		{"paragraphs", pageOf("one", "two"), "one\n\ntwo\n"},
		{"empty lines", pageOf("one", "", "", "two", ""), "one\n\n<br>\n\n<br>\n\ntwo\n\n<br>\n"},
		{"ordinary signs", pageOf("It's 5 * 3 - 2 + 1 = 14, isn't it? (100% & more) <3 [sic] snake_case a/b ~/x $5 #tag user@host C:\\dir!"),
			"It's 5 * 3 - 2 + 1 = 14, isn't it? (100% & more) <3 [sic] snake_case a/b ~/x $5 #tag user@host C:\\dir!\n"},
		{"lone delimiters", pageOf("a *footnote", "a `tick", "_x"), "a *footnote\n\na `tick\n\n_x\n"},
		{"emphasis", pageOf("*a* _b_ **c** `d` ~~e~~"), "\\*a\\* \\_b\\_ \\*\\*c\\*\\* \\`d\\` \\~\\~e\\~\\~\n"},
		{"block markers", pageOf("# a", "- a", "+ a", "1. a", "1986) a", "> a", "---", "* * *", "```", "1.5 a", "-a", "#a"),
			"\\# a\n\n\\- a\n\n\\+ a\n\n1\\. a\n\n1986\\) a\n\n\\> a\n\n\\---\n\n\\* * *\n\n\\`\\`\\`\n\n1.5 a\n\n-a\n\n#a\n"},
		{"links and tags", pageOf("[a](b) <b> &amp; &x https://a.b www.a.b a@b.c"), "\\[a](b) \\<b> \\&amp; &x https\\://a.b www\\.a.b a\\@b.c\n"},
		{"white space at the ends", pageOf("  a ", " "), "&#32; a&#32;\n\n&#32;\n"},
		{"headings", pageOf(`header=1 §a`, `header=6 §b #`, `header=2 §- c`, `header=3 §`), "# a\n\n###### b \\#\n\n## - c\n\n###\n"},
		{"lists", pageOf(bullet+"a", `list="ordered" indent=1 §b`, `list="ordered" indent=1 §c`, bullet+"d", ordered+"e", ordered+"f", `list="checked" §g`),
			"- a\n  1. b\n  2. c\n- d\n\n1. e\n2. f\n\n- [x] g\n"},
		{"empty items", pageOf(bullet, bullet+"a", `list="bullet" indent=1 §`, code+"b"), "-\n- a\n\n  - <br>\n\n```\nb\n```\n"},
		{"in a list", pageOf(ordered+"a", "indent=1 §b", "code-block=true indent=1 §c", "blockquote=true indent=1 §d", ordered+"e"),
			"1. a\n\n   b\n\n   ```\n   c\n   ```\n\n   > d\n\n2. e\n"},
		{"an empty item at the end of a nested list", pageOf(bullet+"a", `list="bullet" indent=1 §`, "code-block=true indent=1 §b"),
			"- a\n\n  - <br>\n\n  ```\n  b\n  ```\n"},
		{"quotes", pageOf(quoted+"a", quoted, quoted+"b", `callout="tip" §c`), "> a\n>\n> <br>\n>\n> b\n\n> [!TIP]\n> c\n"},
		{"fences", pageOf(code+"```", code+"", `code-block="go" §a`), "````\n```\n\n````\n\n```go\na\n```\n"},
	}
	f := mustFormat(t, "md")
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			out, _ := mustWrite(t, f, c.page, nil)
			if string(out) != c.want {
				t.Errorf("written\n%s\nwant\n%s", out, c.want)
			}
			if got := mustRead(t, f, out); !got.Content.Equal(c.page) {
				t.Errorf("read as %s, want %s", show(got.Content), show(c.page))
			}
		})
	}
}

func TestMarkdownMarks(t *testing.T) {
	run := func(text string, names ...string) ot.Op {
		var attrs []ot.Attr
		for _, name := range names {
			value := ot.True
			if address, ok := strings.CutPrefix(name, "link "); ok {
				name, value = "link", ot.StringValue(address)
			}
			attrs = append(attrs, ot.Attr{Name: name, Value: value})
		}
		return ot.Op{Insert: text, Attributes: ot.MakeAttributes(attrs...)}
	}
	cases := []struct {
		name string
		ops  ot.Delta
		want string
	}{
		{"nested", ot.Delta{run("a ", "italic"), run("b", "bold", "italic"), run(" c", "italic")}, "*a **b** c*"},
		{"overlapping", ot.Delta{run("a ", "bold"), run("b", "bold", "italic"), run(" c", "italic")}, "<strong>a <em>b</em></strong><em> c</em>"},
		{"white space within", ot.Delta{run("a"), run(" b ", "bold"), run("c")}, "a **b** c"},
		{"inside a word", ot.Delta{run("a"), run("b", "italic"), run("c")}, "a*b*c"},
		{"punctuation at the edge", ot.Delta{run("a"), run("(b)", "bold"), run("c")}, "a<strong>\\(b\\)</strong>c"},
		{"code with backticks", ot.Delta{run("a`b", "code"), run(" "), run("`", "code")}, "``a`b`` `` ` ``"},
		{"a link", ot.Delta{run("a [b]", "link https://e.com/(x)_y")}, "[a \\[b\\]](https://e.com/(x)_y)"},
		{"an unbalanced link", ot.Delta{run("a", "link https://e.com/)x")}, "[a](<https://e.com/)x>)"},
		{"an address", ot.Delta{run("https://e.com/a_b", "link https://e.com/a_b")}, "<https://e.com/a_b>"},
		{"before a link", ot.Delta{run("wow!"), run("a", "link https://e.com/")}, "wow\\![a](https://e.com/)"},
		{"underline", ot.Delta{run("a "), run("b ", "underline"), run("c")}, "a <u>b </u>c"},
	}
	f := mustFormat(t, "md")
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			out, _ := mustWrite(t, f, append(c.ops, ot.Op{Insert: "\n"}), nil)
			if got := strings.TrimSuffix(string(out), "\n"); got != c.want {
				t.Errorf("written %s, want %s", got, c.want)
			}
		})
	}
}

// A line too long to be searched for formats keeps its text.
func TestLongLinesKeepTheirText(t *testing.T) {
	f := mustFormat(t, "md")
	text := "# " + strings.Repeat("wörds *with* [signs](x) & more. ", 2000) + "end"
	content := ot.Delta{{Insert: text, Attributes: ot.MakeAttributes(ot.Attr{Name: "bold", Value: ot.True})}, {Insert: "\n"}}
	out, ns := mustWrite(t, f, content, nil)
	if got := mustRead(t, f, out); plainText(got.Content, objectText) != text+"\n" {
		t.Errorf("another text of %d bytes is read", len(plainText(got.Content, objectText)))
	}
	if !lossy(ns)["long paragraph"] {
		t.Errorf("notes %v do not say that the format is lost", ns)
	}
}
