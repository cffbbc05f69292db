package convert

import (
	"fmt"
	"strings"

	"halley/ot"
)

// A builder gathers the lines of a content and keeps out what the schema
// refuses. A reader sets where to the line of the source that it is at.
type builder struct {
	schema  Schema
	notes   *notes
	work    *work
	content *joiner // takes the lines that end; nil: they are kept in lines
	mark    int64   // of work, when the open line began
	lines   []line
	open    ot.Delta // the line that has not ended yet, not normalised
	where   int
	verdict map[ot.Attr]bool // what the schema said
	formats map[marks]ot.Attributes
}

func newBuilder(schema Schema) *builder {
	return &builder{
		schema:  schema,
		notes:   &notes{},
		verdict: map[ot.Attr]bool{},
		formats: map[marks]ot.Attributes{},
	}
}

// part returns a builder for lines of their own, which shares the notes.
func (b *builder) part() *builder {
	p := *b
	p.content, p.lines, p.open = nil, nil, nil
	return &p
}

// note counts a loss at the place that is being read.
func (b *builder) note(what, sentence string) { b.notes.add(what, b.where, sentence) }

// text adds text to the open line. Characters that a page may not hold, and
// line ends (which only escapes bring here), are left out.
func (b *builder) text(s string, attrs ot.Attributes) {
	if strings.ContainsAny(s, "\x00\r\n") {
		s = strings.NewReplacer("\x00", "", "\r", "", "\n", " ").Replace(s)
	}
	if s != "" {
		b.work.spend(bytesPerOp + len(s))
		b.open = append(b.open, ot.Op{Insert: s, Attributes: attrs})
	}
}

// embed adds e to the open line if the schema allows it, and reports whether.
func (b *builder) embed(e ot.Embed, attrs ot.Attributes) bool {
	if !b.allowsEmbed(e) {
		b.note(e.Type, fmt.Sprintf("A page cannot hold this: %s.", e.Type))
		return false
	}
	b.work.spend(bytesPerOp + len(e.Value))
	b.open = append(b.open, ot.Op{Embed: e, Attributes: attrs})
	return true
}

func (b *builder) allowsEmbed(e ot.Embed) bool {
	if address, ok := e.Value.Text(); e.Type == "image" && ok && !safeImage(address) {
		return false
	}
	return b.schema.CheckEmbed(e) == nil
}

// Estimates of what the lines of a content allocate, in bytes.
const (
	bytesPerOp   = 96  // of a line
	bytesPerKept = 144 // a line that is kept
)

// endLine ends the open line.
func (b *builder) endLine(attrs ot.Attributes) {
	b.work.tick()
	l := line{ops: b.open.Normalize(), attrs: attrs}
	b.open = nil
	if b.content != nil {
		b.work.release(b.mark) // the line is held as part of the content alone
		b.content.add(l)
		b.mark = b.work.mark()
		return
	}
	b.work.spend(bytesPerKept)
	b.lines = append(b.lines, l)
}

// document returns the content that was read, which has at least one line.
func (b *builder) document() ot.Delta {
	b.content.takeAll(b.lines)
	if len(b.open) > 0 || b.content.lines == 0 {
		b.content.add(line{ops: b.open.Normalize()})
	}
	return b.content.finish()
}

// allows asks the schema for an attribute.
func (b *builder) allows(a ot.Attr) bool {
	ok, known := b.verdict[a]
	if !known {
		address, isText := a.Value.Text()
		safe := a.Name != "link" || isText && safeLink(address)
		ok = safe && b.schema.CheckAttribute(a.Name, a.Value) == nil
		b.verdict[a] = ok
	}
	return ok
}

// check is allows, with a note where the answer is no.
func (b *builder) check(a ot.Attr) bool {
	if b.allows(a) {
		return true
	}
	switch address, _ := a.Value.Text(); {
	case a.Name == "link" && !safeLink(address):
		b.note("unsafe link", "Links that could run a program or read a file were left out; their text stayed.")
	case a.Name == "link":
		b.note("link", "Links that do not lead to a full address were left out; their text stayed.")
	default:
		b.note(a.Name, fmt.Sprintf("A page cannot hold this format: %s.", a.Name))
	}
	return false
}

// checkAll returns attrs without what the schema refuses.
func (b *builder) checkAll(attrs ot.Attributes) ot.Attributes {
	kept := make([]ot.Attr, 0, len(attrs))
	for _, a := range attrs {
		if b.check(a) {
			kept = append(kept, a)
		}
	}
	return ot.MakeAttributes(kept...)
}

// attributes returns m as attributes, without what the schema refuses.
func (b *builder) attributes(m marks) ot.Attributes {
	attrs, known := b.formats[m]
	if !known {
		attrs = b.checkAll(m.attributes())
		b.formats[m] = attrs
	}
	return attrs
}

// link returns address if a page may link to it, else "" and a note.
func (b *builder) link(address string) string {
	if address == "" || b.check(ot.Attr{Name: "link", Value: ot.StringValue(address)}) {
		return address
	}
	return ""
}
