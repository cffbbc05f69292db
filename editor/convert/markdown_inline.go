package convert

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"halley/ot"
)

// A position is what a line of text stands in: it decides which signs at its
// start and end have a meaning.
type position int

const (
	inParagraph position = iota
	inHeading
	inItem
	inQuote
	inAlert // the first line of a callout, right below its name
)

// signs returns what stands before the text there.
func (p position) signs() string {
	return [...]string{"", "# ", "- ", "> ", "> " + alerts["info"] + "\n> "}[p]
}

// A piece is text of one format, or something that has been written already.
type piece struct {
	marks marks
	text  string
	done  string // Markdown of an embed; "" for text
	embed ot.Op  // what done stands for
}

// A syntax is one way to write text with marks, each safer than the one
// before and less pleasant to read.
type syntax struct {
	careful bool // every sign that might mean something is escaped
	italic  string
	html    bool // elements in place of emphasis
}

var syntaxes = []syntax{
	{italic: "*"},
	{italic: "*", careful: true},
	{italic: "_"},
	{italic: "_", careful: true},
	{html: true, careful: true},
}

// inline writes the ops of the index-th line. Of the ways to write it, it
// takes the first that reads as exactly the same again: the rules by which
// Markdown pairs its delimiters depend on everything around them.
func (w *markdownWriter) inline(ops ot.Delta, at position, index int) string {
	if len(ops) == 0 {
		return ""
	}
	if len(ops) == 1 && len(ops[0].Attributes) == 0 && isPlainText(ops[0].Insert) {
		return ops[0].Insert
	}
	pieces := w.pieces(ops, index)
	want := contentOf(pieces)
	var text string
	ways := syntaxes
	if isLong(pieces) {
		ways = ways[:2] // it is read as text, whatever stands in it
	}
	for _, s := range ways {
		w.work.tick()
		text = w.render(pieces, s, at)
		if w.reads(text, at, want) {
			return text
		}
	}
	if isCostly([]byte(text)) {
		w.notes.add("long paragraph", w.first+index+1, "Lines that are too long were written without formats.")
		text = w.render([]piece{{text: plainText(want, func(e ot.Embed) string { return embedText(e, nil) })}}, syntax{careful: true}, at)
	}
	return text
}

// isLong reports whether pieces are more than a reader searches for formats.
func isLong(pieces []piece) bool {
	length := 0
	for _, p := range pieces {
		length += len(p.text) + len(p.done)
	}
	return length > maxInline
}

// isPlainText reports whether text is words and nothing else: most lines.
func isPlainText(text string) bool {
	numbered, hasWWW := text != "" && startsWithNumber(text), strings.Contains(text, "www.")
	for i := range len(text) {
		switch c := text[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == ',', c == ';', c >= 0x80:
		case c == ' ' && i > 0 && i+1 < len(text):
		case (c == '.' || c == '\'' || c == '"' || c == '?' || c >= '0' && c <= '9') && i > 0 && !numbered && !hasWWW:
		default:
			return false
		}
	}
	return text != "" && !strings.HasPrefix(text, "\ufeff")
}

func startsWithNumber(text string) bool { return text[0] >= '0' && text[0] <= '9' }

// reads reports whether text, where it stands, is read as want.
func (w *markdownWriter) reads(text string, at position, want ot.Delta) bool {
	defer w.work.release(w.work.mark())
	b := newBuilder(w.schema)
	b.work = w.work
	file := parseMarkdown(at.signs()+text+"\n", b)
	if len(file.chunks) != 1 || len(file.chunks[0].lines) != 1 {
		return false
	}
	l := file.chunks[0].lines[0]
	s, _ := styleOf(l.attrs)
	kinds := [...]kind{inParagraph: paragraph, inHeading: heading, inItem: listItem, inQuote: quote, inAlert: paragraph}
	inPlace := s.kind == kinds[at] && (s.list == "" || s.list == "bullet") && (s.callout == "") == (at != inAlert)
	return inPlace && l.ops.Equal(want)
}

// contentOf returns the ops that pieces stand for.
func contentOf(pieces []piece) ot.Delta {
	var ops ot.Delta
	for _, p := range pieces {
		if p.done != "" {
			ops = append(ops, p.embed)
		} else {
			ops = append(ops, ot.Op{Insert: p.text, Attributes: p.marks.attributes()})
		}
	}
	return ops.Normalize()
}

// pieces turns ops into what Markdown can say, and notes the rest.
func (w *markdownWriter) pieces(ops ot.Delta, index int) []piece {
	var pieces []piece
	for _, op := range ops {
		m, rest := marksOf(op.Attributes)
		if op.Embed.Type == "image" {
			rest = withoutPicture(op, rest)
		}
		w.notes.noteRest(rest, w.first+index+1)
		if op.Embed.Type == "" {
			pieces = append(pieces, piece{marks: m, text: op.Insert})
		} else {
			pieces = append(pieces, w.embed(op, m, index))
		}
	}
	pieces = trimMarks(pieces, func(m *marks) *bool { return &m.bold })
	pieces = trimMarks(pieces, func(m *marks) *bool { return &m.italic })
	pieces = trimMarks(pieces, func(m *marks) *bool { return &m.strike })
	return joinPieces(pieces)
}

// embed writes an embed, or words in its place.
func (w *markdownWriter) embed(op ot.Op, m marks, index int) piece {
	p := piece{marks: m, embed: op}
	// What a reader brings back has no attributes but the marks it stands in.
	p.embed.Attributes = m.attributes()
	switch op.Embed.Type {
	case "image":
		own := append([]ot.Attr(m.attributes()), ownAttributes(op)...)
		p.embed.Attributes = ot.MakeAttributes(own...)
		p.done = markdownImage(pictureOf(op))
		return p
	case "formula":
		if tex, _ := op.Embed.Value.Text(); isSimpleTex(tex) && !m.code {
			p.done = "$`" + tex + "`$"
			return p
		}
	}
	w.notes.add(op.Embed.Type, w.first+index+1, "Files, people, dates and the like became text.")
	if op.Embed.Type == "file" && m.link == "" {
		if path := embedField(op.Embed, "path"); safeLink(path) && w.schema.CheckAttribute("link", ot.StringValue(path)) == nil {
			m.link = path
		}
	}
	return piece{marks: m, text: embedText(op.Embed, op.Attributes)}
}

// ownAttributes returns the attributes that belong to an image itself.
func ownAttributes(op ot.Op) []ot.Attr {
	var own []ot.Attr
	for _, a := range op.Attributes {
		if text, isText := a.Value.Text(); (a.Name == "alt" || a.Name == "width") && !(isText && text == "") {
			own = append(own, a)
		}
	}
	return own
}

func isSimpleTex(tex string) bool {
	return tex != "" && !strings.ContainsAny(tex, "`\n\r") && strings.TrimSpace(tex) == tex
}

func markdownImage(p picture) string {
	if p.width != "" {
		return imageTag(p)
	}
	return "![" + escapeLabel(p.alt) + "](" + linkTarget(p.address) + ")"
}

// trimMarks takes a mark off the white space at the ends of each stretch of
// it.
func trimMarks(pieces []piece, get func(*marks) *bool) []piece {
	has := func(p piece) bool { return *get(&p.marks) }
	var out []piece
	for i := 0; i < len(pieces); {
		if !has(pieces[i]) {
			out = append(out, pieces[i])
			i++
			continue
		}
		end := i
		for end < len(pieces) && has(pieces[end]) {
			end++
		}
		out = trimStretch(out, pieces[i:end], get)
		i = end
	}
	return out
}

// trimStretch appends a stretch of pieces that have a mark, without the mark on
// the white space at its ends.
func trimStretch(out, stretch []piece, get func(*marks) *bool) []piece {
	from, to := 0, len(stretch)
	var first, last piece // what is left of those at the ends
	for ; from < to; from++ {
		kept, space := splitSpace(stretch[from], get, strings.TrimLeftFunc)
		out = appendPiece(out, space)
		if !kept.isEmpty() {
			first = kept
			break
		}
	}
	if from == to {
		return out
	}
	var after []piece // from right to left
	for ; ; to-- {
		p := stretch[to-1]
		if to-1 == from {
			p = first
		}
		kept, space := splitSpace(p, get, strings.TrimRightFunc)
		after = appendPiece(after, space)
		if !kept.isEmpty() {
			last = kept
			break
		}
	}
	if to-1 > from {
		out = append(out, first)
		out = append(out, stretch[from+1:to-1]...)
	}
	out = append(out, last)
	slices.Reverse(after)
	return append(out, after...)
}

// splitSpace splits p into what trim leaves of it and the white space, which
// loses the mark.
func splitSpace(p piece, get func(*marks) *bool, trim func(string, func(rune) bool) string) (kept, space piece) {
	if p.done != "" {
		return p, piece{}
	}
	kept, space = p, p
	kept.text = trim(p.text, unicode.IsSpace)
	if strings.HasPrefix(p.text, kept.text) {
		space.text = p.text[len(kept.text):]
	} else {
		space.text = p.text[:len(p.text)-len(kept.text)]
	}
	*get(&space.marks) = false
	return kept, space
}

func (p piece) isEmpty() bool { return p.text == "" && p.done == "" }

func appendPiece(pieces []piece, p piece) []piece {
	if p.isEmpty() {
		return pieces
	}
	return append(pieces, p)
}

// joinPieces joins texts of the same marks.
func joinPieces(pieces []piece) []piece {
	var out []piece
	for i := 0; i < len(pieces); {
		p, end := pieces[i], i+1
		for p.done == "" && end < len(pieces) && pieces[end].done == "" && (pieces[end].marks == p.marks || pieces[end].text == "") {
			end++
		}
		if end > i+1 {
			var text strings.Builder
			for _, q := range pieces[i:end] {
				text.WriteString(q.text)
			}
			p.text = text.String()
		}
		if !p.isEmpty() {
			out = append(out, p)
		}
		i = end
	}
	return out
}

// render writes pieces. Of marks that begin together the one that lasts
// longest is opened first.
func (w *markdownWriter) render(pieces []piece, s syntax, at position) string {
	r := renderer{work: w.work, syntax: s, at: at, references: w.references, pieces: pieces}
	r.survey()
	for i, p := range pieces {
		w.work.tick()
		want := p.marks
		want.code = false
		marks := want.each()
		r.closeExcept(marks)
		r.openMissing(marks, i)
		r.piece(i)
	}
	r.closeExcept(nil)
	return r.out.String()
}

type renderer struct {
	work *work
	syntax
	at         position
	references bool
	pieces     []piece
	out        strings.Builder
	open       []mark
	auto       bool // the open link is written as <address>

	paired  map[byte]bool // delimiters of which the text may make pairs
	bracket bool          // "](" or the like stands in the text
}

// survey finds out which signs the line as a whole makes dangerous.
func (r *renderer) survey() {
	var all strings.Builder
	r.paired = map[byte]bool{}
	for _, p := range r.pieces {
		all.WriteString(p.text)
		r.paired['*'] = r.paired['*'] || p.marks.bold || p.marks.italic && r.italic == "*"
		r.paired['_'] = r.paired['_'] || p.marks.italic && r.italic == "_"
		r.paired['~'] = r.paired['~'] || p.marks.strike
		r.paired['`'] = r.paired['`'] || p.marks.code || p.embed.Embed.Type == "formula"
	}
	text := all.String()
	for _, sign := range []byte("*_~`") {
		r.paired[sign] = r.paired[sign] || r.careful || strings.Count(text, string(sign)) > 1
	}
	r.bracket = strings.Contains(text, "](") || strings.Contains(text, "][") || strings.Contains(text, "]:") || r.references || r.careful
}

func (r *renderer) closeExcept(want []mark) {
	keep := 0
	for keep < len(r.open) && slices.Contains(want, r.open[keep]) {
		keep++
	}
	for i := len(r.open) - 1; i >= keep; i-- {
		r.out.WriteString(r.closing(r.open[i]))
	}
	r.open = r.open[:keep]
}

func (r *renderer) openMissing(want []mark, i int) {
	missing := slices.DeleteFunc(slices.Clone(want), func(m mark) bool { return slices.Contains(r.open, m) })
	slices.SortStableFunc(missing, func(a, b mark) int { return r.extent(b, i) - r.extent(a, i) })
	for _, m := range missing {
		r.out.WriteString(r.opening(m, i))
		r.open = append(r.open, m)
	}
}

// extent returns the number of pieces, from the i-th on, that m lies on.
func (r *renderer) extent(m mark, i int) int {
	end := i
	for end < len(r.pieces) && slices.Contains(r.pieces[end].marks.each(), m) {
		end++
	}
	return end - i
}

func (r *renderer) opening(m mark, i int) string {
	switch {
	case m.name == "link":
		if r.auto = r.isAutoLink(m, i); r.auto {
			return "<"
		}
		return "["
	case r.html || r.delimiter(m) == "":
		return openTag(m)
	}
	return r.delimiter(m)
}

func (r *renderer) closing(m mark) string {
	switch {
	case m.name == "link":
		if r.auto {
			return ">"
		}
		return "](" + linkTarget(m.value) + ")"
	case r.html || r.delimiter(m) == "":
		return "</" + elementOf(m) + ">"
	}
	return r.delimiter(m)
}

// delimiter returns the sign for m, "" where Markdown has none.
func (r *renderer) delimiter(m mark) string {
	switch m.name {
	case "bold":
		return "**"
	case "italic":
		return r.italic
	case "strike":
		return "~~"
	}
	return ""
}

// isAutoLink reports whether the link that begins with the i-th piece is its
// own address, and can be written as <address>.
func (r *renderer) isAutoLink(m mark, i int) bool {
	p := r.pieces[i]
	if p.marks != (marks{link: m.value}) || r.extent(m, i) != 1 || p.done != "" ||
		strings.ContainsAny(p.text, " <>\t") || strings.ContainsFunc(p.text, unicode.IsControl) {
		return false
	}
	if address, ok := strings.CutPrefix(m.value, "mailto:"); ok && address == p.text {
		return true
	}
	_, hasScheme := schemeOf(p.text)
	return hasScheme && p.text == m.value
}

func (r *renderer) piece(i int) {
	p := r.pieces[i]
	switch {
	case p.done != "":
		r.out.WriteString(p.done)
	case r.auto && p.marks.link != "":
		r.out.WriteString(p.text)
	case p.marks.code && r.html:
		r.out.WriteString("<code>" + r.escape(i) + "</code>")
	case p.marks.code:
		r.out.WriteString(codeSpan(p.text))
	default:
		r.out.WriteString(r.escape(i))
	}
}

// codeSpan fences text with a number of backticks that it does not have in a row.
func codeSpan(text string) string {
	taken := map[int]bool{}
	for i := 0; i < len(text); i++ {
		start := i
		for i < len(text) && text[i] == '`' {
			i++
		}
		taken[i-start] = true
	}
	length := 1
	for taken[length] {
		length++
	}
	fence := strings.Repeat("`", length)
	first, last := text[0], text[len(text)-1]
	blank := strings.Trim(text, " ") == ""
	if first == '`' || last == '`' || first == ' ' && last == ' ' && !blank {
		text = " " + text + " "
	}
	return fence + text + fence
}

// linkTarget writes an address as it stands within a link's parentheses.
func linkTarget(address string) string {
	plain := address != "" && !strings.HasPrefix(address, "<")
	depth := 0
	for _, c := range address {
		switch {
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c <= ' ' || c == 0x7f || c == '\\':
			plain = false
		}
		plain = plain && depth >= 0
	}
	if plain && depth == 0 {
		return escapeEntities(address)
	}
	escaped := strings.NewReplacer(`\`, `\\`, "<", `\<`, ">", `\>`).Replace(address)
	return "<" + escapeEntities(escaped) + ">"
}

func escapeEntities(s string) string {
	var out strings.Builder
	for i := range len(s) {
		if s[i] == '&' && characterReference.MatchString(s[i:min(len(s), i+40)]) {
			out.WriteByte('\\')
		}
		out.WriteByte(s[i])
	}
	return out.String()
}

// escapeLabel escapes all of a picture's description.
func escapeLabel(text string) string {
	var out strings.Builder
	for i, c := range text {
		if c < utf8.RuneSelf && strings.ContainsRune("\\`*_[]<>~&!@", c) || c == ':' && strings.HasPrefix(text[i:], "://") {
			out.WriteByte('\\')
		}
		out.WriteRune(c)
	}
	return out.String()
}
