package convert

import (
	"bytes"
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"halley/ot"
)

var update = flag.Bool("update", false, "rewrite testdata/*.want")

// pageSchema is the table "What a page may hold" of the protocol.
type pageSchema struct{}

var (
	errRefused = errors.New("a page cannot hold this")
	allowed    = map[string]*regexp.Regexp{
		"bold": isTrue, "italic": isTrue, "underline": isTrue, "strike": isTrue, "code": isTrue,
		"blockquote": isTrue,
		"link":       regexp.MustCompile(`^"((https?|mailto|tel):|/p/)[^ ]*"$`),
		"script":     regexp.MustCompile(`^"(sub|super)"$`),
		"color":      aColor,
		"background": aColor,
		"header":     regexp.MustCompile(`^[1-6]$`),
		"list":       regexp.MustCompile(`^"(bullet|ordered|checked|unchecked)"$`),
		"indent":     regexp.MustCompile(`^[1-8]$`),
		"code-block": regexp.MustCompile(`^(true|"[A-Za-z0-9+#._-]{1,32}")$`),
		"align":      regexp.MustCompile(`^"(center|right|justify)"$`),
		"direction":  regexp.MustCompile(`^"rtl"$`),
		"callout":    regexp.MustCompile(`^"(info|tip|warning)"$`),
		"alt":        regexp.MustCompile(`(?s)^".+"$`),
		"width":      regexp.MustCompile(`^[1-9][0-9]{0,3}$`),
	}
	isTrue         = regexp.MustCompile(`^true$`)
	aColor         = regexp.MustCompile(`^"(#[0-9a-f]{6}|red|teal)"$`)
	anImage        = regexp.MustCompile(`^"(https://|/files/)[^ ]+"$`)
	aComment       = regexp.MustCompile(`^comment:[a-z0-9]+$`)
	embedTypes     = set("file mention page date formula divider")
	unsafeInOutput = regexp.MustCompile(`(?i)<(script|iframe|object|embed|svg)\b|(href|src)="?\s*(javascript|data|vbscript|file)\s*:|<[a-z][^>]*\son[a-z]+=`)
)

func (pageSchema) CheckAttribute(name string, v ot.Value) error {
	if aComment.MatchString(name) && v == ot.True {
		return nil
	}
	if re := allowed[name]; re == nil || !re.MatchString(string(v)) {
		return errRefused
	}
	return nil
}

func (pageSchema) CheckEmbed(e ot.Embed) error {
	if e.Type == "image" && anImage.MatchString(string(e.Value)) || e.Type == "divider" && e.Value == ot.True || embedTypes[e.Type] && e.Type != "divider" {
		return nil
	}
	return errRefused
}

func mustFormat(t testing.TB, name string) Format {
	t.Helper()
	f, ok := ByName(name)
	if !ok {
		t.Fatalf("ByName(%q): unknown", name)
	}
	return f
}

func mustRead(t testing.TB, f Format, data []byte) Document {
	t.Helper()
	doc, err := f.Read(t.Context(), data, pageSchema{}, Limits{})
	if err != nil {
		t.Fatalf("read %s %q: %v", f.Name, data, err)
	}
	return doc
}

func mustWrite(t testing.TB, f Format, content ot.Delta, src *Source) ([]byte, []Note) {
	t.Helper()
	var file bytes.Buffer
	ns, err := f.Write(t.Context(), &file, "Title", 3, content, src, pageSchema{}, Limits{})
	if err != nil {
		t.Fatalf("write %s: %v", f.Name, err)
	}
	return file.Bytes(), ns
}

// checkContent fails unless content is one that a page may hold.
func checkContent(t testing.TB, content ot.Delta) {
	t.Helper()
	if err := content.Validate(); err != nil {
		t.Fatalf("content %s: %v", show(content), err)
	}
	for _, op := range content {
		if strings.ContainsAny(op.Insert, "\x00\r") {
			t.Fatalf("content has a character that a page cannot hold: %q", op.Insert)
		}
		if op.Embed.Type != "" && (pageSchema{}).CheckEmbed(op.Embed) != nil {
			t.Fatalf("content has the embed %v", op.Embed)
		}
		for _, a := range op.Attributes {
			if (pageSchema{}).CheckAttribute(a.Name, a.Value) != nil {
				t.Fatalf("content has the attribute %v", a)
			}
		}
	}
	if len(content) == 0 || !strings.HasSuffix(content[len(content)-1].Insert, "\n") {
		t.Fatalf("content %s does not end in a newline", show(content))
	}
}

func show(d ot.Delta) string { return string(d.AppendJSON(nil)) }

// lossy are the formats that may differ after a round trip, each with a note.
func lossy(ns []Note) map[string]bool {
	m := map[string]bool{}
	for _, n := range ns {
		m[n.What] = true
	}
	return m
}

// A pageMaker makes random contents that are hard to write.
type pageMaker struct {
	*rand.Rand
	embeds  bool
	extreme bool // line formats in any combination
}

func newPageMaker(seed uint64) pageMaker {
	return pageMaker{Rand: rand.New(rand.NewPCG(seed, 7)), embeds: true}
}

var fragments = []string{
	"a", "word", " ", "  ", "two words", "*", "**", "_", "snake_case", "`", "``", "~", "~~", "~/x", "[", "]", "](", "[x]", "[ ] ", "!", "<", "<b>", ">", "&amp;", "&", "#", "# ", "## x ##", "-", "- ", "---", "+ ", "1. ", "12) ",
	"1986. ", "\\", "|", "a|b", "http://example.com/a_b", "https://x.y", "www.example.com", "me@example.com", "é", "日本語", "🚀", "\u00a0", "\t", "$", "$5", "{", "}", "===", "***", "```", "~~~", "[a]: b", "[!NOTE]", "<br>", "</p>", "<!-- c -->", ".", ",", "!", "(", ")", "\"", "'", "&#35;", "\u200b", "\ufeff", "\u2028", "\f", "e.g.", ":", "://",
}

func (p pageMaker) text() string {
	var s strings.Builder
	for range 1 + p.IntN(4) {
		s.WriteString(fragments[p.IntN(len(fragments))])
	}
	return s.String()
}

func (p pageMaker) marks() ot.Attributes {
	var m marks
	if p.IntN(2) == 0 {
		return nil
	}
	flip := func() bool { return p.IntN(4) == 0 }
	m.bold, m.italic, m.strike, m.code, m.underline = flip(), flip(), flip(), flip(), p.IntN(8) == 0
	if flip() {
		m.link = []string{"https://example.com/", "https://example.com/a_(b)", "mailto:me@example.com", "/p/abc", "https://e.com/?a=1&amp;b=<c>\\d(", "http://example.com/a_b"}[p.IntN(6)]
	}
	if p.IntN(8) == 0 {
		m.script = []string{"sub", "super"}[p.IntN(2)]
	}
	if p.IntN(8) == 0 {
		m.color = []string{"#ff0000", "#000000", "red"}[p.IntN(3)]
	}
	if p.IntN(8) == 0 {
		m.background = []string{"#ffff00", "#ffffff", "teal"}[p.IntN(3)]
	}
	return m.attributes()
}

func (p pageMaker) op() ot.Op {
	if !p.embeds || p.IntN(10) > 0 {
		return ot.Op{Insert: p.text(), Attributes: p.marks()}
	}
	e := []ot.Embed{
		{Type: "image", Value: ot.StringValue("https://example.com/a b.png"[:21] + "c.png")},
		{Type: "formula", Value: ot.StringValue(`\frac{a}{b}_1`)},
		{Type: "divider", Value: ot.True},
		{Type: "date", Value: ot.StringValue("2026-02-03")},
		{Type: "mention", Value: `{"id":"p1","label":"A <b>"}`},
		{Type: "file", Value: `{"name":"a.pdf","path":"/files/0123","size":3}`},
	}[p.IntN(6)]
	attrs := []ot.Attr(p.marks())
	if e.Type == "image" && p.IntN(2) == 0 {
		attrs = append(attrs, ot.Attr{Name: "alt", Value: ot.StringValue(p.text())})
	}
	if e.Type == "image" && p.IntN(3) == 0 {
		attrs = append(attrs, ot.Attr{Name: "width", Value: "300"})
	}
	return ot.Op{Embed: e, Attributes: ot.MakeAttributes(attrs...)}
}

func (p pageMaker) lineAttributes() ot.Attributes {
	var attrs []ot.Attr
	add := func(name string, v ot.Value) { attrs = append(attrs, ot.Attr{Name: name, Value: v}) }
	for range 1 + p.IntN(1+3*b2i(p.extreme)) {
		switch p.IntN(8) {
		case 0:
			add("header", ot.IntValue(1+p.IntN(6)))
		case 1, 2:
			add("list", ot.StringValue([]string{"bullet", "ordered", "checked", "unchecked"}[p.IntN(4)]))
		case 3:
			add("blockquote", ot.True)
		case 4:
			add("code-block", []ot.Value{ot.True, `"go"`}[p.IntN(2)])
		case 5:
			if p.IntN(3) == 0 {
				add("callout", ot.StringValue([]string{"info", "tip", "warning"}[p.IntN(3)]))
			}
		}
	}
	if p.IntN(3) == 0 {
		add("indent", ot.IntValue(1+p.IntN(3)))
	}
	if p.IntN(10) == 0 {
		add("align", ot.StringValue("center"))
	}
	if p.IntN(14) == 0 {
		add("direction", ot.StringValue("rtl"))
	}
	return ot.MakeAttributes(attrs...)
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (p pageMaker) line() ot.Delta {
	var d ot.Delta
	for range p.IntN(4) {
		d = append(d, p.op())
	}
	return append(d, ot.Op{Insert: "\n", Attributes: p.lineAttributes()})
}

func (p pageMaker) content(lines int) ot.Delta {
	var d ot.Delta
	for range lines {
		d = append(d, p.line()...)
	}
	return d.Normalize()
}

// rounds returns how many seeds a random test runs through: n, or many more
// in a soak.
func rounds(n int) uint64 {
	if os.Getenv("HALLEY_SOAK") == "1" {
		return uint64(50 * n)
	}
	return uint64(n)
}

func TestJSONKeepsEverything(t *testing.T) {
	f := mustFormat(t, "json")
	for seed := range rounds(300) {
		p := newPageMaker(seed)
		p.extreme = true
		content := p.content(1 + p.IntN(8))
		data, ns := mustWrite(t, f, content, nil)
		if len(ns) > 0 {
			t.Fatalf("seed %d: notes %v", seed, ns)
		}
		if got := mustRead(t, f, data); !got.Content.Equal(content) || got.Title != "Title" {
			t.Fatalf("seed %d: read %s, want %s", seed, show(got.Content), show(content))
		}
	}
}

// sayable returns content as a file of that format can say it: without what
// the notes of writing it list.
func sayable(content ot.Delta, lost map[string]bool, moveMarks bool) []string {
	lines, err := splitLines(content, pageSchema{}, &notes{})
	if err != nil {
		panic(err)
	}
	var out []string
	for _, l := range lines {
		out = append(out, sayableLine(l, lost, moveMarks))
	}
	return out
}

func sayableLine(l line, lost map[string]bool, moveMarks bool) string {
	s, rest := styleOf(l.attrs)
	drop := map[string]bool{}
	for _, a := range rest {
		drop[a.Name] = true
	}
	for _, name := range []string{"align", "indent", "callout", "blockquote"} {
		if lost[name] || name == "align" && lost[name] {
			drop[name] = true
		}
	}
	if lost["align"] {
		drop["direction"] = true
	}
	var kept []ot.Attr
	for _, a := range l.attrs {
		if !drop[a.Name] {
			kept = append(kept, a)
		}
	}
	var pieces []piece
	for _, op := range l.ops {
		m, _ := marksOf(op.Attributes)
		if s.kind == codeBlock {
			m.code = false // it is code anyway
		}
		if moveMarks && s.kind == codeBlock {
			m = marks{}
		}
		switch {
		case op.Embed.Type == "" || lost[op.Embed.Type]:
			text := op.Insert
			if op.Embed.Type != "" {
				text = "\ufffc"
			}
			pieces = append(pieces, piece{marks: m, text: text})
		default:
			op.Attributes = ot.MakeAttributes(append(m.attributes(), ownAttributes(op)...)...)
			pieces = append(pieces, piece{marks: m, done: "x", embed: op})
		}
	}
	if lost["white space"] && s.kind == codeBlock && strings.TrimSpace(plainText(contentOf(pieces), objectText)) == "" {
		pieces = nil
	}
	if moveMarks {
		pieces = trimMarks(pieces, func(m *marks) *bool { return &m.bold })
		pieces = trimMarks(pieces, func(m *marks) *bool { return &m.italic })
		pieces = trimMarks(pieces, func(m *marks) *bool { return &m.strike })
	}
	return string(ot.MakeAttributes(kept...).AppendJSON([]byte(show(contentOf(joinPieces(pieces))))))
}

func TestHTMLKeepsWhatTheNotesDoNotList(t *testing.T) {
	f := mustFormat(t, "html")
	for seed := range rounds(300) {
		p := newPageMaker(seed)
		content := p.content(1 + p.IntN(8))
		data, ns := mustWrite(t, f, content, nil)
		if m := unsafeInOutput.Find(data); m != nil {
			t.Fatalf("seed %d: unsafe %q in %s", seed, m, data)
		}
		got := mustRead(t, f, data)
		checkContent(t, got.Content)
		compare(t, seed, content, got.Content, data, ns, false)
	}
}

func TestMarkdownKeepsWhatTheNotesDoNotList(t *testing.T) {
	f := mustFormat(t, "md")
	for seed := range rounds(300) {
		p := newPageMaker(seed)
		p.embeds = seed%4 == 0
		content := p.content(1 + p.IntN(8))
		data, ns := mustWrite(t, f, content, nil)
		got := mustRead(t, f, data)
		checkContent(t, got.Content)
		if p.embeds {
			// Words in place of an embed need a look by eye: the golden files.
			if a, b := len(sayable(content, nil, true)), len(sayable(got.Content, nil, true)); a != b {
				t.Fatalf("seed %d: %d lines of %s read as %d", seed, a, data, b)
			}
			continue
		}
		compare(t, seed, content, got.Content, data, ns, true)
	}
}

func compare(t *testing.T, seed uint64, content, got ot.Delta, data []byte, ns []Note, moveMarks bool) {
	t.Helper()
	lost := lossy(ns)
	a, b := sayable(content, lost, moveMarks), sayable(got, lost, moveMarks)
	if !slices.Equal(a, b) {
		t.Fatalf("seed %d: read\n%s\nwant\n%s\nfile\n%s\nnotes %v", seed, strings.Join(b, "\n"), strings.Join(a, "\n"), data, ns)
	}
}
