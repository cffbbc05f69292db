package convert

import (
	"bytes"
	"html"
	"regexp"
	"slices"
	"strings"

	"github.com/yuin/goldmark/ast"
	east "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/util"

	"halley/ot"
)

// readMarkdown reads a Markdown file. A paragraph is a line, however it is
// wrapped; a hard line break in it begins another line. The first heading of
// level 1, or else the front matter's title, names the page.
func readMarkdown(data []byte, b *builder) (title string, err error) {
	return parseMarkdown(unixLines(decodeText(data, b.notes)), b).title, nil
}

// A chunk is a top-level block of a Markdown file (of a list, each item): the
// lines of the file that it takes up, blank ones behind it left out, and the
// lines of the page that it gives.
type chunk struct {
	from, to int // lines of the file, from 0, half open
	lines    []line
	list     *listLook // of an item
	role     role
	unclosed bool // it would go on over whatever is written behind it
	unsafe   bool // it holds what never goes out: see holdsUnsafe
}

// A role tells apart the chunks that give no lines.
type role int

const (
	ordinary    role = iota
	definitions      // of reference links
	frontMatter
)

// A listLook is how the list that a chunk is an item of is written.
type listLook struct {
	marker byte // '-', '+', '*', '.' or ')'
	loose  bool // blank lines between items
	begins bool // this is the first item
}

// A markdownFile is a file as read.
type markdownFile struct {
	title  string
	chunks []chunk
	// tail is the number of lines of the file.
	tail int
}

type markdownReader struct {
	b      *builder
	source []byte
	starts []int // where each line of the source begins
	offset int   // lines before the source: the front matter
	title  string

	tags   []tag // the open inline HTML elements
	broken bool  // a line of the open block has ended already
}

// parseMarkdown reads text, whose lines end in \n. A builder that makes a content
// gets the lines, and the chunks then have none.
func parseMarkdown(source string, b *builder) markdownFile {
	front := frontMatterLines(source)
	body := source
	for range front {
		_, body, _ = strings.Cut(body, "\n")
	}
	r := &markdownReader{b: b, source: []byte(body), offset: front}
	r.starts = lineStarts(body)
	document := parseSource(r.source, b.work)

	file := markdownFile{tail: front + len(r.starts)}
	if front > 0 {
		b.notes.add("front matter", 1, "The front matter is not shown on the page.")
		file.chunks = append(file.chunks, chunk{from: 0, to: front, role: frontMatter})
	}
	content := b.content
	b.content = nil // blocks look at the lines before
	for n := document.FirstChild(); n != nil; n = n.NextSibling() {
		held := b.work.mark()
		chunks := r.topLevel(n)
		if content == nil {
			file.chunks = append(file.chunks, chunks...)
			continue
		}
		b.work.release(held)
		for _, c := range chunks {
			content.takeAll(c.lines)
		}
	}
	b.content = content
	r.closeChunks(&file)
	file.title = r.title
	if file.title == "" {
		file.title = frontMatterTitle(source, front)
	}
	return file
}

func lineStarts(s string) []int {
	starts := []int{0}
	for i := range len(s) {
		if s[i] == '\n' && i+1 < len(s) {
			starts = append(starts, i+1)
		}
	}
	return starts
}

var frontTitle = regexp.MustCompile(`(?m)^title\s*[:=]\s*(.+?)\s*$`)

// frontMatterLines returns how many lines of YAML or TOML front matter a file
// begins with.
func frontMatterLines(source string) int {
	fence, rest, ok := strings.Cut(source, "\n")
	if fence != "---" && fence != "+++" {
		return 0
	}
	for n := 2; ok; n++ {
		var l string
		l, rest, ok = strings.Cut(rest, "\n")
		if l == fence || fence == "---" && l == "..." {
			return n
		}
		if n == 2 && strings.TrimSpace(l) == "" {
			return 0 // a rule, then text
		}
	}
	return 0
}

func frontMatterTitle(source string, lines int) string {
	end := 0
	for range lines {
		next := strings.IndexByte(source[end:], '\n')
		if next < 0 {
			end = len(source)
			break
		}
		end += next + 1
	}
	m := frontTitle.FindStringSubmatch(source[:end])
	if m == nil {
		return ""
	}
	return strings.Trim(m[1], `"'`)
}

// topLevel reads a top-level block into chunks, without their ends.
func (r *markdownReader) topLevel(n ast.Node) []chunk {
	list, ok := n.(*ast.List)
	if !ok {
		lines := r.capture(func() { r.block(n, container{}) })
		c := chunk{from: r.lineOf(n), lines: lines, unclosed: r.isUnclosed(n), unsafe: r.holdsUnsafe(n)}
		if n.Kind() == ast.KindLinkReferenceDefinition {
			c.role = definitions
		}
		return []chunk{c}
	}
	var items []chunk
	for item := n.FirstChild(); item != nil; item = item.NextSibling() {
		look := &listLook{marker: list.Marker, loose: !list.IsTight, begins: item == n.FirstChild()}
		lines := r.capture(func() { r.item(list, item, container{}) })
		items = append(items, chunk{from: r.lineOf(item), lines: lines, list: look, unsafe: r.holdsUnsafe(item)})
	}
	r.noteStart(list)
	return items
}

// capture returns the lines that read adds.
func (r *markdownReader) capture(read func()) []line {
	outer := r.b.lines
	r.b.lines = nil
	read()
	lines := r.b.lines
	r.b.lines = outer
	return lines
}

// closeChunks sets where the chunks end: before the blank lines before the
// next.
func (r *markdownReader) closeChunks(file *markdownFile) {
	for i := range file.chunks {
		c := &file.chunks[i]
		if c.role == frontMatter {
			continue
		}
		c.to = file.tail
		if i+1 < len(file.chunks) {
			c.to = max(file.chunks[i+1].from, c.from)
		}
		for c.to > c.from+1 && r.isBlank(c.to-1) {
			c.to--
		}
	}
}

func (r *markdownReader) isBlank(line int) bool {
	return len(bytes.TrimSpace(r.sourceLine(line-r.offset))) == 0
}

func (r *markdownReader) sourceLine(i int) []byte {
	end := len(r.source)
	if i+1 < len(r.starts) {
		end = r.starts[i+1]
	}
	return r.source[r.starts[i]:end]
}

// lineOf returns the line of the file, from 0, on which n begins.
func (r *markdownReader) lineOf(n ast.Node) int {
	if n.Kind() == east.KindTable {
		n = n.FirstChild() // a table says where the paragraph before it began
	}
	i, found := slices.BinarySearch(r.starts, max(n.Pos(), 0))
	if !found {
		i--
	}
	return r.offset + i
}

var fenceEnd = regexp.MustCompile("^ {0,3}(`{3,}|~{3,})[ \t]*\n?$")

// isUnclosed reports whether n is a block that ends only at the file's end.
func (r *markdownReader) isUnclosed(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.FencedCodeBlock:
		last := len(r.starts) - 1
		for last > 0 && len(bytes.TrimSpace(r.sourceLine(last))) == 0 {
			last--
		}
		opener := r.lineOf(n) - r.offset
		return n.NextSibling() == nil && (last == opener || !fenceEnd.Match(r.sourceLine(last)))
	case *ast.HTMLBlock:
		return n.HTMLBlockType <= ast.HTMLBlockType5 && !n.HasClosure() && !closedAtOnce(n, r.source)
	}
	return false
}

var htmlClosures = map[ast.HTMLBlockType]*regexp.Regexp{
	ast.HTMLBlockType1: regexp.MustCompile(`(?i)</(?:script|pre|style|textarea)>`),
	ast.HTMLBlockType2: regexp.MustCompile(`-->`),
	ast.HTMLBlockType3: regexp.MustCompile(`\?>`),
	ast.HTMLBlockType4: regexp.MustCompile(`>`),
	ast.HTMLBlockType5: regexp.MustCompile(`\]\]>`),
}

// closedAtOnce reports whether a block of HTML ends on its first line.
func closedAtOnce(n *ast.HTMLBlock, source []byte) bool {
	segment := n.Lines().At(0)
	return n.Lines().Len() == 1 && htmlClosures[n.HTMLBlockType].Match(segment.Value(source))
}

// A container is what a block stands in.
type container struct {
	indent  int // lists around
	quotes  int // quotes around, inside the innermost list
	callout string
}

// style returns the style of a paragraph in c.
func (c container) style() style {
	s := style{indent: c.indent, callout: c.callout}
	if c.quotes > 0 && c.callout == "" {
		s.kind = quote
	}
	return s
}

func (r *markdownReader) blocks(parent ast.Node, c container) {
	for n := parent.FirstChild(); n != nil; n = n.NextSibling() {
		r.block(n, c)
	}
}

// block reads n, which stands in c.
func (r *markdownReader) block(n ast.Node, c container) {
	r.b.where = r.lineOf(n) + 1
	switch n := n.(type) {
	case *ast.Paragraph, *ast.TextBlock:
		r.paragraph(n, c.style(), c.style())
	case *rawParagraph:
		r.rawParagraph(n, c.style())
	case *ast.Heading:
		r.noteQuote(c)
		r.heading(n, style{kind: heading, level: n.Level, indent: c.indent})
	case *ast.Blockquote:
		r.quote(n, c)
	case *ast.List:
		r.noteQuote(c)
		r.noteStart(n)
		for item := n.FirstChild(); item != nil; item = item.NextSibling() {
			r.item(n, item, container{indent: c.indent})
		}
	case *ast.FencedCodeBlock:
		r.noteQuote(c)
		r.fencedCode(n, c)
	case *ast.CodeBlock:
		r.noteQuote(c)
		r.code(n, style{kind: codeBlock, indent: c.indent})
	case *ast.HTMLBlock:
		r.htmlBlock(n, c)
	case *ast.ThematicBreak:
		if r.b.embed(dividerEmbed, nil) {
			r.b.endLine(r.b.lineAttributes(style{indent: c.indent}))
		}
	case *east.Table:
		r.table(n, c)
	}
}

func (r *markdownReader) noteQuote(c container) {
	if c.quotes > 0 {
		r.b.note("blockquote", noteNestedQuote)
	}
}

func (r *markdownReader) noteStart(n *ast.List) {
	if n.IsOrdered() && n.Start != 1 {
		r.b.notes.add("number", r.lineOf(n)+1, "Numbered lists begin at 1.")
	}
}

// paragraph reads the text of n into a line of style first, and what is
// behind hard line breaks into lines of style rest.
func (r *markdownReader) paragraph(n ast.Node, first, rest style) {
	r.inlines(n, marks{}, func() {
		s := first
		if r.broken {
			s = rest
		}
		r.b.endLine(r.b.lineAttributes(s))
	})
}

// inlines reads the inline content of a block; end ends each line of it. A
// line break at the very end adds no line, as in a browser.
func (r *markdownReader) inlines(n ast.Node, m marks, end func()) {
	r.tags, r.broken = nil, false
	br := func() {
		end()
		r.broken = true
	}
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		r.inline(c, m, br)
	}
	if len(r.b.open) > 0 || !r.broken {
		end()
	}
}

func (r *markdownReader) rawParagraph(n *rawParagraph, s style) {
	r.b.note("long paragraph", "Paragraphs that are too long were read as text without formats.")
	value := n.Lines().Value(r.source)
	r.b.text(unescapeMarkdown(strings.TrimSpace(strings.ReplaceAll(string(value), "\n", " "))), nil)
	r.b.endLine(r.b.lineAttributes(s))
}

func (r *markdownReader) heading(n *ast.Heading, s style) {
	r.inlines(n, marks{}, func() {
		if n.Level == 1 && r.title == "" {
			r.title = strings.TrimSpace(plainText(r.b.open, func(ot.Embed) string { return "" }))
		}
		r.b.endLine(r.b.lineAttributes(s))
	})
}

// callouts are GitHub's alerts, which are quotes that begin so.
var callouts = map[string]string{
	"[!NOTE]": "info", "[!TIP]": "tip", "[!WARNING]": "warning",
	"[!IMPORTANT]": "info", "[!CAUTION]": "warning",
}

func (r *markdownReader) quote(n *ast.Blockquote, c container) {
	r.noteQuote(c)
	inside := container{indent: c.indent, quotes: 1}
	if kind := r.alert(n); kind != "" && r.b.allows(ot.Attr{Name: "callout", Value: ot.StringValue(kind)}) {
		inside.callout = kind
		dropFirstLine(n.FirstChild())
	}
	before := len(r.b.lines)
	r.blocks(n, inside)
	if len(r.b.lines) == before {
		r.b.endLine(r.b.lineAttributes(inside.style()))
	}
}

// alert returns the callout that n begins as, "" where it is a plain quote.
func (r *markdownReader) alert(n *ast.Blockquote) string {
	p, ok := n.FirstChild().(*ast.Paragraph)
	if !ok {
		return ""
	}
	segment := p.Lines().At(0)
	return callouts[string(bytes.TrimSpace(segment.Value(r.source)))]
}

// dropFirstLine takes the first line out of a paragraph, and the paragraph out
// of its quote where nothing is left.
func dropFirstLine(p ast.Node) {
	for c := p.FirstChild(); c != nil; c = p.FirstChild() {
		t, ok := c.(*ast.Text)
		p.RemoveChild(p, c)
		if ok && (t.SoftLineBreak() || t.HardLineBreak()) {
			break
		}
	}
	if p.FirstChild() == nil {
		p.Parent().RemoveChild(p.Parent(), p)
	}
}

// item reads a list item: its first paragraph carries the bullet, the rest is
// indented below it.
func (r *markdownReader) item(list *ast.List, n ast.Node, c container) {
	r.b.where = r.lineOf(n) + 1
	bullet := style{kind: listItem, list: "bullet", indent: c.indent}
	if list.IsOrdered() {
		bullet.list = "ordered"
	}
	inside := container{indent: c.indent + 1}
	first := n.FirstChild()
	for first != nil && first.Kind() == ast.KindLinkReferenceDefinition {
		first = first.NextSibling()
	}
	switch f := first.(type) {
	case *ast.Paragraph, *ast.TextBlock:
		r.task(f, &bullet)
		r.paragraph(f, bullet, inside.style())
		first = first.NextSibling()
	case *ast.HTMLBlock:
		r.htmlItem(f, bullet, inside)
		first = first.NextSibling()
	default:
		r.b.endLine(r.b.lineAttributes(bullet))
	}
	for ; first != nil; first = first.NextSibling() {
		r.block(first, inside)
	}
}

// htmlItem reads an item that begins with a block of HTML, whose first line of
// text carries the bullet.
func (r *markdownReader) htmlItem(n *ast.HTMLBlock, bullet style, inside container) {
	lines := r.capture(func() { r.htmlBlock(n, inside) })
	if len(lines) > 0 {
		if s, _ := styleOf(lines[0].attrs); s == inside.style() {
			lines[0].attrs = r.b.lineAttributes(bullet)
			r.b.lines = append(r.b.lines, lines...)
			return
		}
	}
	r.b.endLine(r.b.lineAttributes(bullet))
	r.b.lines = append(r.b.lines, lines...)
}

// task makes bullet a check item where p begins with a check box.
func (r *markdownReader) task(p ast.Node, bullet *style) {
	box, ok := p.FirstChild().(*east.TaskCheckBox)
	if !ok {
		return
	}
	if bullet.list == "ordered" {
		r.b.note("number", "Check lists have no numbers.")
	}
	bullet.list = "unchecked"
	if box.IsChecked {
		bullet.list = "checked"
	}
}

func (r *markdownReader) fencedCode(n *ast.FencedCodeBlock, c container) {
	language := string(n.Language(r.source))
	if n.Info != nil && len(bytes.Fields(n.Info.Segment.Value(r.source))) > 1 {
		r.b.note("language", "What stands behind a code block's language was left out.")
	}
	r.code(n, style{kind: codeBlock, language: unescapeMarkdown(language), indent: c.indent})
}

func (r *markdownReader) code(n ast.Node, s style) {
	attrs := r.b.lineAttributes(s)
	if before := r.b.lines; len(before) > 0 && before[len(before)-1].attrs.Equal(attrs) && n.PreviousSibling() != nil {
		r.b.note("code", "Code blocks that follow each other became one.")
	}
	segments := n.Lines()
	for i := range segments.Len() {
		segment := segments.At(i)
		r.b.text(strings.TrimSuffix(string(segment.Value(r.source)), "\n"), nil)
		r.b.endLine(attrs)
	}
	if segments.Len() == 0 {
		r.b.endLine(attrs)
	}
}

func (r *markdownReader) htmlBlock(n *ast.HTMLBlock, c container) {
	if count := r.lineBreaks(n); count > 0 {
		for range count {
			r.b.endLine(r.b.lineAttributes(c.style()))
		}
		return
	}
	source := r.htmlSource(n)
	if count := strings.Count(source, "<!--"); count > 0 && strings.TrimSpace(source) != listSeparator {
		r.b.notes.addMany("html comment", count, r.b.where, "HTML comments are not shown on the page.")
	}
	r.b.readFragment(source, r.b.where, c.style())
}

func (r *markdownReader) htmlSource(n *ast.HTMLBlock) string {
	source := n.Lines().Value(r.source)
	if n.HasClosure() {
		source = append(source, n.ClosureLine.Value(r.source)...)
	}
	return string(source)
}

var onlyBreaks = regexp.MustCompile(`^(?i:\s*<br\s*/?>)+\s*$`)

// lineBreaks returns how many empty lines a block of nothing but <br> is; 0
// for any other block.
func (r *markdownReader) lineBreaks(n *ast.HTMLBlock) int {
	source := r.htmlSource(n)
	if !onlyBreaks.MatchString(source) {
		return 0
	}
	return strings.Count(source, "<")
}

// table makes a line of each row.
func (r *markdownReader) table(n *east.Table, c container) {
	r.b.note("table", "Tables became lines of text, cells separated by \"|\".")
	for row := n.FirstChild(); row != nil; row = row.NextSibling() {
		for cell := row.FirstChild(); cell != nil; cell = cell.NextSibling() {
			if cell != row.FirstChild() {
				r.b.text(" | ", nil)
			}
			r.tags = nil
			for child := cell.FirstChild(); child != nil; child = child.NextSibling() {
				r.inline(child, marks{}, func() { r.b.text(" ", nil) })
			}
		}
		r.b.endLine(r.b.lineAttributes(c.style()))
	}
}

// inline reads n, on which m lies; br ends a line.
func (r *markdownReader) inline(n ast.Node, m marks, br func()) {
	switch n := n.(type) {
	case *ast.Text:
		r.text(n, m, br)
	case *ast.String:
		r.put(string(n.Value), m)
	case *ast.CodeSpan:
		if r.isFormula(n) {
			if m, shown := r.inTags(m); shown {
				r.b.embed(formulaEmbed(r.rawText(n)), r.b.attributes(m))
			}
			return
		}
		m.code = true
		r.put(strings.ReplaceAll(r.rawText(n), "\n", " "), m)
	case *ast.Emphasis:
		if n.Level == 1 {
			m.italic = true
		} else {
			m.bold = true
		}
		r.children(n, m, br)
	case *east.Strikethrough:
		m.strike = true
		r.children(n, m, br)
	case *ast.Link:
		r.b.work.address(len(n.Destination), len(r.source))
		r.noteLinkTitle(n.Title)
		m.link = r.b.link(cleanAddress(unescapeMarkdown(string(n.Destination))))
		r.children(n, m, br)
	case *ast.Image:
		r.b.work.address(len(n.Destination), len(r.source))
		r.noteLinkTitle(n.Title)
		r.image(n, m)
	case *ast.AutoLink:
		m.link = r.b.link(autoAddress(n, r.source))
		r.put(string(n.Label(r.source)), m)
	case *ast.RawHTML:
		r.rawHTML(n, m, br)
	}
}

func (r *markdownReader) children(n ast.Node, m marks, br func()) {
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		r.inline(c, m, br)
	}
}

// put adds text with m and what the open inline HTML elements say.
func (r *markdownReader) put(s string, m marks) {
	if m, shown := r.inTags(m); shown && s != "" {
		r.b.text(s, r.b.attributes(m))
	}
}

// inTags returns m inside of the open inline HTML, and whether it is shown.
func (r *markdownReader) inTags(m marks) (_ marks, shown bool) {
	for _, t := range r.tags {
		if isSkipped[t.name] {
			return m, false
		}
		m = m.apply(t)
	}
	return m, true
}

func (r *markdownReader) text(n *ast.Text, m marks, br func()) {
	value := string(n.Value(r.source))
	if r.broken && len(r.b.open) == 0 {
		value = strings.TrimLeft(value, " \t")
	}
	if !r.formula(n, value, m) {
		if !n.IsRaw() {
			value = unescapeMarkdown(value)
		}
		r.put(value, m)
	}
	switch {
	case n.HardLineBreak():
		br()
		r.b.note("line break", "Line breaks within a paragraph became paragraphs.")
	case n.SoftLineBreak() && (len(r.b.open) > 0 || !r.broken):
		r.put(" ", m)
	}
}

func (r *markdownReader) rawText(n ast.Node) string {
	var s strings.Builder
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		if t, ok := c.(*ast.Text); ok {
			s.Write(t.Value(r.source))
		}
	}
	return s.String()
}

// image reads ![alt](address).
func (r *markdownReader) image(n *ast.Image, m marks) {
	m, shown := r.inTags(m)
	if !shown {
		return
	}
	alt := r.b.part()
	inner := *r
	inner.b = alt
	inner.children(n, marks{}, func() { alt.text(" ", nil) })
	address := cleanAddress(unescapeMarkdown(string(n.Destination)))
	r.b.picture(picture{address: address, alt: plainText(alt.open, func(ot.Embed) string { return "" })}, m)
}

func (r *markdownReader) noteLinkTitle(title []byte) {
	if len(title) > 0 {
		r.b.note("link title", "Titles of links and pictures were left out.")
	}
}

func autoAddress(n *ast.AutoLink, source []byte) string {
	address := string(n.URL(source))
	if n.AutoLinkType == ast.AutoLinkEmail && !strings.HasPrefix(strings.ToLower(address), "mailto:") {
		return "mailto:" + address
	}
	return address
}

// unescapeMarkdown resolves backslash escapes and character references.
func unescapeMarkdown(s string) string {
	if !strings.ContainsAny(s, `\&`) {
		return s
	}
	var out strings.Builder
	for i := 0; i < len(s); {
		switch {
		case s[i] == '\\' && i+1 < len(s) && util.IsPunct(s[i+1]):
			out.WriteByte(s[i+1])
			i += 2
			continue
		case s[i] == '&':
			if ref := characterReference.FindString(s[i:min(len(s), i+40)]); ref != "" {
				out.WriteString(html.UnescapeString(ref))
				i += len(ref)
				continue
			}
		}
		out.WriteByte(s[i])
		i++
	}
	return out.String()
}

var characterReference = regexp.MustCompile(`^&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});`)
