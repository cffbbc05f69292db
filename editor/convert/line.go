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
	j := joiner{}
	j.takeAll(lines)
	return j.finish()
}

// A joiner puts lines together into a content, as they come: neighbours of one
// format become one operation, so that a line without text costs a byte.
type joiner struct {
	work    *work
	content ot.Delta
	text    []byte // of the operation that is still open
	attrs   ot.Attributes
	lines   int
}

func (j *joiner) takeAll(lines []line) {
	for _, l := range lines {
		j.add(l)
	}
}

func (j *joiner) add(l line) {
	for i := range l.ops {
		op := &l.ops[i]
		if op.Embed.Type == "" {
			j.addText(op.Insert, op.Attributes)
			continue
		}
		j.close()
		j.work.spend(2*bytesPerOp + len(op.Embed.Value))
		j.work.insert(*op)
		j.content = append(j.content, *op)
	}
	j.addText("\n", l.attrs)
	j.lines++
	j.work.line()
}

func (j *joiner) addText(text string, attrs ot.Attributes) {
	if len(j.text) > 0 && !j.attrs.Equal(attrs) {
		j.close()
	}
	j.work.spend(2 * len(text))
	j.attrs = attrs
	j.text = append(j.text, text...)
}

// close ends the open operation.
func (j *joiner) close() {
	if len(j.text) == 0 {
		return
	}
	j.work.spend(2 * bytesPerOp)
	op := ot.Op{Insert: string(j.text), Attributes: j.attrs}
	j.work.insert(op)
	j.content = append(j.content, op)
	j.text = j.text[:0]
}

// finish returns the content.
func (j *joiner) finish() ot.Delta {
	j.close()
	return j.content.Normalize()
}

var errNoContent = errors.New("a content holds inserts only")

// splitLines cuts content into lines, without what schema refuses. Text behind
// the last newline becomes a line of its own.
func splitLines(content ot.Delta, schema Schema, n *notes) ([]line, error) {
	r, err := newLineReader(content, schema, n, nil)
	if err != nil {
		return nil, err
	}
	return r.rest(), nil
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
