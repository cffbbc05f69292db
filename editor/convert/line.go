package convert

import (
	"errors"
	"strings"

	"halley/ot"
)

// A line is a paragraph, list item, heading or the like: what stands before a
// newline (inserts without newlines, normalised), and the newline's attributes.
type line struct {
	ops   ot.Delta
	attrs ot.Attributes
}

// joinLines returns the content that lines make up.
func joinLines(lines []line) ot.Delta {
	var content ot.Delta
	for _, l := range lines {
		content = append(content, l.ops...)
		content = append(content, ot.Op{Insert: "\n", Attributes: l.attrs})
	}
	return content.Normalize()
}

var errNoContent = errors.New("a content holds inserts only")

// splitLines cuts content into lines, without what schema refuses. Text behind
// the last newline becomes a line of its own.
func splitLines(content ot.Delta, schema Schema, n *notes) ([]line, error) {
	b := newBuilder(schema)
	b.notes = n
	for _, op := range content {
		switch {
		case op.Embed.Type != "":
			b.embed(op.Embed, b.checkAll(op.Attributes))
		case op.Insert != "":
			b.splitText(op.Insert, b.checkAll(op.Attributes))
		default:
			return nil, errNoContent
		}
	}
	return b.finish(), nil
}

// splitText adds text with newlines in it, which carry attrs too.
func (b *builder) splitText(text string, attrs ot.Attributes) {
	for {
		before, rest, more := strings.Cut(text, "\n")
		b.text(before, attrs)
		if !more {
			return
		}
		b.endLine(attrs)
		text = rest
	}
}

// plainText returns the text of ops; an embed is what instead makes of it.
func plainText(ops ot.Delta, instead func(ot.Embed) string) string {
	var s strings.Builder
	for _, op := range ops {
		if op.Embed.Type != "" {
			s.WriteString(instead(op.Embed))
		} else {
			s.WriteString(op.Insert)
		}
	}
	return s.String()
}

// key returns what two lines have in common exactly when they are equal.
func (l line) key() string {
	dst := l.ops.AppendJSON(nil)
	return string(l.attrs.AppendJSON(dst))
}
