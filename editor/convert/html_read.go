package convert

import (
	"bytes"
	"regexp"
	"strings"

	"golang.org/x/net/html"

	"halley/ot"
)

// readHTML reads a document or a fragment as a browser lays it out: blocks
// become lines, white space collapses, marks add up.
func readHTML(data []byte, b *builder) (title string, err error) {
	r := htmlReader{b: b, line: 1}
	r.read(unixLines(decodeHTML(data, b.notes)), scope{})
	return r.title, nil
}

// readFragment reads a piece of HTML inside another document, at line of it;
// lines of text get the indent and kind of base.
func (b *builder) readFragment(text string, line int, base style) {
	r := htmlReader{b: b, line: line}
	r.read(text, scope{style: base})
}

// maxOpenElements bounds how deep elements nest. What is deeper is read as
// text of the element at that depth, so that the work stays linear.
const maxOpenElements = 256

// A scope is what holds inside an open element. Each element has its own
// copy, so closing one brings back what held before.
type scope struct {
	tag      string
	marks    marks
	style    style // of lines; indent counts the lists around
	preserve bool  // white space stays
	code     bool  // inside pre
	skip     bool  // not shown
	cell     bool  // in a table cell that shares its line with others
	quotes   int
	item     *item // the list item around, nil outside
	list     string
	language string // what a class around says of code
	unmarked bool   // in an item or list without a bullet
	marker   bool   // in the bullet that Word writes as text
}

// An item is an open list item: its first line carries the bullet.
type item struct {
	style   style
	pending bool // no line of it has been written
	hidden  bool // it shows no bullet
	word    bool // from Word: what stands for the bullet tells the kind of list
}

type htmlReader struct {
	b     *builder
	title string
	line  int

	open []scope // of the open elements; open[0] is outside of all
	deep int     // open elements beyond maxOpenElements

	space      bool  // white space is due before the next text
	spaceMarks marks // the marks of that white space
	empty      bool  // nothing is on the open line
	kept       bool  // the open line has text whose white space stays
	cells      int   // cells of the open row so far
	cellEmpty  bool  // nothing is in the open cell
	afterPre   bool  // a newline now is the one that pre ignores
	language   string
	preLines   int // lines of the open pre
	marker     strings.Builder
	inTitle    bool
}

func (r *htmlReader) top() *scope { return &r.open[len(r.open)-1] }

func (r *htmlReader) read(text string, outside scope) {
	r.open = []scope{outside}
	r.empty = true
	r.b.work.countAttributes(text)
	z := html.NewTokenizer(strings.NewReader(text))
	for {
		r.b.work.tick()
		kind := z.Next()
		if kind == html.ErrorToken {
			break // the text ends: nothing else can fail
		}
		r.b.where = r.line
		r.line += bytes.Count(z.Raw(), []byte{'\n'})
		r.token(z.Token())
	}
	for len(r.open) > 1 {
		r.pop()
	}
	r.flush()
}

func (r *htmlReader) token(t html.Token) {
	wasPre := r.afterPre
	r.afterPre = false
	switch t.Type {
	case html.TextToken:
		if wasPre {
			t.Data = strings.TrimPrefix(t.Data, "\n")
		}
		r.text(t.Data)
	case html.StartTagToken:
		r.start(newTag(t), isVoid[t.Data])
	case html.SelfClosingTagToken:
		// Only void and foreign elements can close themselves.
		r.start(newTag(t), isVoid[t.Data] || t.Data == "svg" || t.Data == "math")
	case html.EndTagToken:
		r.end(t.Data)
	}
}

// start opens an element; a void one has no content.
func (r *htmlReader) start(t tag, void bool) {
	if r.top().skip {
		if !void {
			r.push(scope{tag: t.name, skip: true})
		}
		return
	}
	r.noteTag(t)
	if isBlock[t.name] {
		r.startBlock(t)
	}
	if void {
		r.void(t)
		return
	}
	c := r.enter(*r.top(), t)
	if language := languageOf(t); language != "" {
		c.language = language
	}
	if c.tag == "pre" {
		r.language, r.preLines, r.afterPre = c.language, 0, true
	} else if c.code && r.language == "" && r.preLines == 0 {
		r.language = languageOf(t)
	}
	if embed, ok := r.ownEmbed(t); ok && !c.skip {
		r.inline()
		r.b.embed(embed, r.b.attributes(r.top().marks))
		c.skip = true // its words are for other readers
	}
	r.inTitle = t.name == "title"
	r.push(c)
}

func (r *htmlReader) push(c scope) {
	if len(r.open) > maxOpenElements {
		r.deep++
		r.b.note("nesting", "Elements nested too deeply were read as text.")
		return
	}
	r.open = append(r.open, c)
}

// enter returns the scope inside t, which stands in c.
func (r *htmlReader) enter(c scope, t tag) scope {
	c.tag = t.name
	c.skip = c.skip || isSkipped[t.name] || t.css.hidden()
	if _, hidden := t.attrs["hidden"]; hidden {
		c.skip = true
	}
	c.marks = r.marksIn(c, t)
	if on, said := t.css.preserves(); said && !c.code {
		c.preserve = on
	}
	c.unmarked = c.unmarked && t.name != "ul" && t.name != "ol"
	if t.css["list-style-type"] == "none" || t.css["list-style"] == "none" {
		c.unmarked = true
	}
	if isBlock[t.name] {
		r.enterBlock(&c, t)
	}
	if strings.Contains(t.css["mso-list"], "ignore") {
		c.skip, c.marker = true, true
	}
	return c
}

// marksIn returns the marks inside t. Within code only what people choose by
// hand counts, not the colours of a highlighter.
func (r *htmlReader) marksIn(c scope, t tag) marks {
	m := c.marks.apply(t)
	if t.name == "a" && m.link != "" {
		m.link = r.b.link(m.link)
	}
	if c.code {
		m.code = false
		if t.attrs["data-color"] == "" {
			m.color = c.marks.color
		}
		if t.attrs["data-background"] == "" {
			m.background = c.marks.background
		}
	}
	return m
}

func (r *htmlReader) enterBlock(c *scope, t tag) {
	switch t.name {
	case "h1", "h2", "h3", "h4", "h5", "h6":
		c.style.kind, c.style.level = heading, int(t.name[1]-'0')
		r.noteQuote(c)
	case "blockquote":
		r.noteQuote(c)
		c.quotes++
		c.style.kind = quote
	case "pre":
		r.noteQuote(c)
		c.code, c.preserve = true, true
		c.style.kind = codeBlock
	case "ul", "ol", "menu", "dir":
		c.list = "bullet"
		if t.name == "ol" {
			c.list = "ordered"
		}
		c.style.indent++
		c.item = nil
		c.style.kind = paragraph
		r.noteQuote(c)
		if start := t.attrs["start"]; start != "" && start != "1" {
			r.b.note("number", "Numbered lists begin at 1.")
		}
	case "li":
		r.enterItem(c, t)
	case "td", "th":
		c.cell = true
	case "table":
		c.cell = false
	case "p":
		r.enterWordItem(c, t)
	}
	enterLook(&c.style, t)
}

func (r *htmlReader) noteQuote(c *scope) {
	if c.quotes > 0 {
		r.b.note("blockquote", noteNestedQuote)
	}
}

const noteNestedQuote = "Headings, lists, code and further quotes inside a quote were taken out of it."

var wordLevel = regexp.MustCompile(`\blevel([1-9])\b`)

// enterWordItem reads Word's lists: paragraphs that say their level.
func (r *htmlReader) enterWordItem(c *scope, t tag) {
	m := wordLevel.FindStringSubmatch(t.css["mso-list"])
	if m == nil {
		return
	}
	r.marker.Reset()
	level := int(m[1][0] - '0')
	c.item = &item{style: style{kind: listItem, list: "bullet", indent: level - 1}, pending: true, word: true}
	c.style = style{indent: level}
}

// enterLook reads alignment, direction, callouts and extra indent.
func enterLook(s *style, t tag) {
	align := t.css["text-align"]
	if align == "" {
		align = strings.ToLower(t.attrs["align"])
	}
	switch align {
	case "center", "right", "justify":
		s.align = align
	case "left", "start":
		s.align = ""
	}
	if t.name == "center" {
		s.align = "center"
	}
	direction := strings.ToLower(t.attrs["dir"])
	if direction == "" {
		direction = t.css["direction"]
	}
	switch direction {
	case "rtl":
		s.direction = "rtl"
	case "ltr":
		s.direction = ""
	}
	if kind := t.attrs["data-callout"]; kind != "" {
		s.callout = kind
	}
	if n := t.attrs["data-indent"]; len(n) == 1 && n[0] >= '0' && n[0] <= '8' {
		s.indent = int(n[0] - '0')
		if t.name == "li" {
			s.indent++ // lists count from one inside
		}
	}
}

func (r *htmlReader) enterItem(c *scope, t tag) {
	if c.style.indent == 0 { // an item outside of any list
		c.style.indent = 1
	}
	if c.list == "" {
		c.list = "bullet"
	}
	s := c.style
	enterLook(&s, t)
	s.kind, s.list, s.indent = listItem, c.list, s.indent-1
	switch t.attrs["data-list"] {
	case "bullet", "ordered", "checked", "unchecked":
		s.list = t.attrs["data-list"]
	}
	c.style.kind = paragraph
	c.item = &item{style: s, pending: true, hidden: c.unmarked}
}

// startBlock ends the open line and closes what t closes by itself.
func (r *htmlReader) startBlock(t tag) {
	if !tableParts[t.name] {
		r.closeWithin("p", "td", "th", "table")
	}
	if r.top().cell && t.name != "td" && t.name != "th" && t.name != "tr" && t.name != "table" {
		r.breakCell() // blocks within a cell share its line
		return
	}
	switch t.name {
	case "li":
		r.closeWithin("li", "ul", "ol", "menu", "dir")
	case "td", "th":
		r.closeWithin("td", "tr")
		r.closeWithin("th", "tr")
		r.startCell()
		return
	case "tr":
		r.closeWithin("tr", "table")
		r.cells = 0
	case "dt", "dd":
		r.closeWithin("dt", "dl")
		r.closeWithin("dd", "dl")
	case "table":
		r.leaveCell()
		r.b.note("table", "Tables became lines of text, cells separated by \"|\".")
	}
	r.flush()
	switch t.name {
	case "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "ul", "ol", "table", "hr":
		r.flushItem()
	}
}

var tableParts = set("caption tbody td tfoot th thead tr")

// flushItem writes the bullet of an item that has nothing beside it.
func (r *htmlReader) flushItem() {
	if it := r.top().item; it != nil && it.pending {
		it.pending = false
		if !it.hidden {
			r.b.endLine(r.b.lineAttributes(it.style))
		}
	}
}

// startCell separates a cell from the one before.
func (r *htmlReader) startCell() {
	if r.cells++; r.cells > 1 {
		r.b.text(" | ", nil)
		r.space, r.empty = false, false
	}
	r.cellEmpty = true
}

// breakCell parts what would be two lines, were it not in a cell.
func (r *htmlReader) breakCell() {
	if !r.cellEmpty {
		r.space, r.spaceMarks = true, marks{}
	}
}

// leaveCell is for a table within a cell: the outer one is there for layout,
// and its cells are blocks.
func (r *htmlReader) leaveCell() {
	for i := range r.open {
		r.open[i].cell = false
	}
}

// closeWithin closes the open element called name, unless one of the limits
// stands around it more closely.
func (r *htmlReader) closeWithin(name string, limits ...string) {
	for i := len(r.open) - 1; i > 0; i-- {
		if r.open[i].tag == name {
			r.closeTo(i)
			return
		}
		for _, limit := range limits {
			if r.open[i].tag == limit {
				return
			}
		}
	}
}

func (r *htmlReader) end(name string) {
	if name == "br" { // browsers read </br> as <br>
		r.void(tag{name: name})
		return
	}
	if r.deep > 0 {
		r.deep--
		return
	}
	for i := len(r.open) - 1; i > 0; i-- {
		if r.open[i].tag == name {
			r.closeTo(i)
			return
		}
		// A stray </b> must not close a block around it.
		if isBlock[r.open[i].tag] && isText[name] {
			return
		}
	}
}

func (r *htmlReader) closeTo(i int) {
	for len(r.open) > i {
		r.pop()
	}
}

// pop closes the innermost element.
func (r *htmlReader) pop() {
	c := *r.top()
	switch {
	case c.tag == "title":
		r.inTitle = false
	case c.skip:
	case c.cell && c.tag != "td" && c.tag != "th":
		if isBlock[c.tag] {
			r.breakCell()
		}
	case c.cell:
		// The row ends the line.
	case isBlock[c.tag]:
		r.flush()
		if c.tag == "li" {
			r.flushItem()
		}
	}
	r.open = r.open[:len(r.open)-1]
}

// void handles an element without content.
func (r *htmlReader) void(t tag) {
	c := r.top()
	switch t.name {
	case "br":
		switch {
		case c.cell:
			r.breakCell()
		case t.attrs["class"] == "Apple-interchange-newline": // behind what a browser copies
		default:
			r.endLine()
		}
	case "hr":
		if !c.cell {
			r.divider(t)
		}
	case "img":
		if !t.css.hidden() {
			r.inline()
			r.b.picture(picture{cleanAddress(t.attrs["src"]), t.attrs["alt"], t.attrs["width"]}, r.marksIn(*c, t))
		}
	case "input":
		r.checkbox(t)
	}
}

func (r *htmlReader) divider(t tag) {
	s := style{indent: r.top().style.indent}
	enterLook(&s, t)
	if r.b.embed(dividerEmbed, nil) {
		r.b.endLine(r.b.lineAttributes(s))
	}
}

// checkbox makes a task of the item that it begins.
func (r *htmlReader) checkbox(t tag) {
	it := r.top().item
	if !strings.EqualFold(t.attrs["type"], "checkbox") || it == nil || !it.pending || !r.empty {
		return
	}
	it.style.list = "unchecked"
	if _, checked := t.attrs["checked"]; checked {
		it.style.list = "checked"
	}
	it.hidden = false
}

// inline makes room for something on the open line: the white space before it.
func (r *htmlReader) inline() {
	if r.space && !r.empty {
		r.b.text(" ", r.b.attributes(r.spaceMarks))
	}
	r.space, r.empty, r.cellEmpty = false, false, false
}

func (r *htmlReader) text(s string) {
	c := r.top()
	switch {
	case r.inTitle:
		if r.title == "" {
			r.title = strings.Join(strings.Fields(s), " ")
		}
	case c.marker:
		r.marker.WriteString(s)
	case c.skip:
	case c.preserve:
		r.preserved(s, c)
	case s != "":
		r.collapsed(s, c)
	}
}

// preserved adds text as it stands, each newline ending a line.
func (r *htmlReader) preserved(s string, c *scope) {
	for {
		before, rest, more := strings.Cut(s, "\n")
		if before != "" {
			r.inline()
			r.b.text(before, r.b.attributes(c.marks))
			r.kept = true
		}
		if !more {
			return
		}
		if c.cell {
			r.breakCell()
		} else {
			r.endLine()
		}
		s = rest
	}
}

func isHTMLSpace(c rune) bool { return strings.ContainsRune(" \t\n\f\r", c) }

// collapsed adds text with each run of white space as one space, none at the
// start and end of a line.
func (r *htmlReader) collapsed(s string, c *scope) {
	words := strings.Join(strings.FieldsFunc(s, isHTMLSpace), " ")
	if isHTMLSpace(rune(s[0])) && !r.space && !r.empty {
		r.space, r.spaceMarks = true, c.marks
	}
	if words == "" {
		return
	}
	r.inline()
	r.b.text(words, r.b.attributes(c.marks))
	if isHTMLSpace(rune(s[len(s)-1])) {
		r.space, r.spaceMarks = true, c.marks
	}
}

// flush ends the open line if anything is on it.
func (r *htmlReader) flush() {
	r.space = false
	if !r.empty {
		r.endLine()
	}
}

// endLine ends the open line, in the style of the element around it.
func (r *htmlReader) endLine() {
	c := r.top()
	s := c.style
	r.space, r.empty = false, true
	if c.code {
		s.kind, s.language = codeBlock, r.language
		r.preLines++
	}
	if it := c.item; it != nil && it.pending && s.kind == paragraph {
		s = r.firstLine(it, s)
	}
	if len(r.b.open) == 1 && r.b.open[0].Insert == "\u00a0" && !r.kept {
		r.b.open = nil // how editors keep an empty paragraph open
	}
	r.kept = false
	if c.style.level == 1 && s.kind == heading && r.title == "" {
		r.title = strings.TrimSpace(plainText(r.b.open, func(ot.Embed) string { return "" }))
	}
	r.b.endLine(r.b.lineAttributes(s))
}

var numberMarker = regexp.MustCompile(`^\s*(?:\d+|[A-Za-z]|[ivxIVX]+)[.)]`)

// firstLine returns the style of the line that carries an item's bullet, where
// s is that of the element it stands in.
func (r *htmlReader) firstLine(it *item, s style) style {
	it.pending = false
	first := it.style
	if it.word && numberMarker.MatchString(r.marker.String()) {
		first.list = "ordered"
	}
	first.align, first.direction = s.align, s.direction
	return first
}

// ownEmbed returns the embed that one of our own files says t is.
func (r *htmlReader) ownEmbed(t tag) (ot.Embed, bool) {
	text, ok := t.attrs["data-embed"]
	if !ok {
		return ot.Embed{}, false
	}
	delta, err := ot.Parse([]byte(`[{"insert":` + text + `}]`))
	if err != nil || len(delta) != 1 || delta[0].Embed.Type == "" || !r.b.allowsEmbed(delta[0].Embed) {
		return ot.Embed{}, false
	}
	return delta[0].Embed, true
}

var languageClass = regexp.MustCompile(`(?:^|\s)(?:language-|lang-|highlight-source-)([A-Za-z0-9+#._-]{1,32})`)

// languageOf returns the programming language that a class names.
func languageOf(t tag) string {
	if m := languageClass.FindStringSubmatch(t.attrs["class"]); m != nil {
		return m[1]
	}
	return ""
}

// noteTag counts what a page never holds.
func (r *htmlReader) noteTag(t tag) {
	n := r.b
	switch t.name {
	case "script", "iframe", "object", "embed", "applet", "frame":
		n.note("script", "Scripts and embedded programs were left out.")
	case "style", "link":
		if t.name == "style" || strings.EqualFold(t.attrs["rel"], "stylesheet") {
			n.note("style", "Fonts, sizes and style sheets were left out.")
		}
	case "svg", "math", "canvas", "video", "audio":
		n.note(t.name, "Drawings, formulas, sound and video were left out.")
	case "select", "textarea", "button", "form":
		n.note("form", "Form fields were left out.")
	}
	if t.hasHandler() {
		n.note("script", "Scripts and embedded programs were left out.")
	}
	if t.css["font-family"] != "" || t.css["font-size"] != "" {
		n.note("style", "Fonts, sizes and style sheets were left out.")
	}
}
