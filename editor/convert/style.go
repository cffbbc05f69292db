package convert

import (
	"fmt"
	"strings"

	"halley/ot"
)

// A kind is what a line is shown as.
type kind int

const (
	paragraph kind = iota
	codeBlock
	heading
	listItem
	quote
)

// maxIndent is the deepest indent of a line that a page may hold.
const maxIndent = 8

// A style is what a newline's attributes say about its line.
type style struct {
	kind      kind
	level     int    // of a heading, 1–6
	list      string // of an item: "bullet", "ordered", "checked", "unchecked"
	language  string // of code: "" where unknown
	indent    int    // 0–8
	callout   string // "", "info", "tip", "warning"
	align     string // "", "center", "right", "justify"
	direction string // "", "rtl"
}

// styleOf returns what attrs say of a line, and what of them shows nothing:
// unknown ones, and line formats that stand back behind another.
func styleOf(attrs ot.Attributes) (s style, rest ot.Attributes) {
	var is [quote + 1]bool
	for _, a := range attrs {
		text, isText := a.Value.Text()
		number, isNumber := a.Value.Int()
		switch {
		case a.Name == "code-block" && (isText || a.Value == ot.True):
			is[codeBlock], s.language = true, text
		case a.Name == "header" && isNumber && number >= 1 && number <= 6:
			is[heading], s.level = true, number
		case a.Name == "list" && isText:
			is[listItem], s.list = true, text
		case a.Name == "blockquote" && a.Value == ot.True:
			is[quote] = true
		case a.Name == "indent" && isNumber && number >= 1:
			s.indent = min(number, maxIndent)
		case a.Name == "align" && isText:
			s.align = text
		case a.Name == "direction" && isText:
			s.direction = text
		case a.Name == "callout" && isText:
			s.callout = text
		default:
			rest = append(rest, a)
		}
	}
	// The order of the constants is the order in which they win.
	for k := codeBlock; k <= quote; k++ {
		if is[k] && s.kind == paragraph {
			s.kind = k
		} else if is[k] {
			a := lineFormats[k]
			value, _ := attrs.Get(a)
			rest = append(rest, ot.Attr{Name: a, Value: value})
		}
	}
	return s, rest
}

var lineFormats = [...]string{codeBlock: "code-block", heading: "header", listItem: "list", quote: "blockquote"}

// lineAttributes returns s as attributes, without what the schema refuses.
func (b *builder) lineAttributes(s style) ot.Attributes {
	var attrs []ot.Attr
	add := func(name string, v ot.Value) { attrs = append(attrs, ot.Attr{Name: name, Value: v}) }
	addText := func(name, text string) {
		if text != "" {
			add(name, ot.StringValue(text))
		}
	}
	switch s.kind {
	case codeBlock:
		add("code-block", b.codeValue(s.language))
	case heading:
		add("header", ot.IntValue(s.level))
	case listItem:
		addText("list", s.list)
	case quote:
		add("blockquote", ot.True)
	}
	if s.indent > maxIndent {
		b.note("indent", fmt.Sprintf("Lists nested deeper than %d levels were moved up to that level.", maxIndent+1))
		s.indent = maxIndent
	}
	if s.indent > 0 {
		add("indent", ot.IntValue(s.indent))
	}
	addText("callout", s.callout)
	addText("align", s.align)
	addText("direction", s.direction)
	return b.checkAll(attrs)
}

// codeValue returns the language as a value, or true where there is none that
// a page may hold.
func (b *builder) codeValue(language string) ot.Value {
	if language == "" {
		return ot.True
	}
	if value := ot.StringValue(language); b.allows(ot.Attr{Name: "code-block", Value: value}) {
		return value
	}
	b.note("language", "Names of programming languages that a page cannot hold were left out.")
	return ot.True
}

// noteRest notes the formats of a line or of text that the format cannot say.
func (n *notes) noteRest(rest ot.Attributes, where int) {
	for _, a := range rest {
		switch name, _, _ := strings.Cut(a.Name, ":"); name {
		case "comment":
			n.add("comment", where, "Comments are not part of a file.")
		case "code-block", "header", "list", "blockquote":
			n.add(name, where, "Of several formats on one line only the one that is shown was written.")
		default:
			n.add(name, where, fmt.Sprintf("This format has no place in such a file: %s.", name))
		}
	}
}
