package convert

import (
	"strconv"
	"strings"

	"halley/ot"
)

// readText makes every line of a text file a paragraph.
func readText(data []byte, b *builder) (title string, err error) {
	text := unixLines(decodeText(data, b.notes))
	b.splitText(text, nil)
	return "", nil
}

// writeText writes the text, with lists and quotes as people type them.
func writeText(p *page, out *output) {
	w := textWriter{out: out, lines: p.lines, notes: p.notes}
	w.blocks(noParent, 0)
}

type textWriter struct {
	out   *output
	lines *lineReader
	notes *notes
}

// blocks writes what is nested in an item of indent parent.
func (w *textWriter) blocks(parent, depth int) {
	number, ordered := 0, true
	for w.lines.inside(parent) {
		b := w.lines.block(depth)
		if number++; !b.style.ordered() || !ordered {
			number = 1
		}
		ordered = b.style.ordered()
		prefix := strings.Repeat("  ", depth+max(b.shift, 0)) + textMarker(b.style, number)
		w.lines.each(b, func(l line, at int) {
			w.noteLine(l, at)
			text := w.inline(l.ops, at)
			if text == "" {
				prefix = strings.TrimRight(prefix, " ")
			}
			w.out.write(prefix, text, "\n")
		})
		if b.style.kind == listItem {
			w.blocks(b.style.indent, depth+1)
		}
	}
}

func textMarker(s style, number int) string {
	switch {
	case s.ordered():
		return strconv.Itoa(number) + ". "
	case s.list == "checked":
		return "[x] "
	case s.list == "unchecked":
		return "[ ] "
	case s.kind == listItem:
		return "- "
	case s.kind == quote || s.callout != "":
		return "> "
	}
	return ""
}

const noteText = "Formats became plain text."

func (w *textWriter) noteLine(l line, at int) {
	_, rest := styleOf(l.attrs)
	w.notes.noteRest(rest, 0)
	for _, a := range l.attrs {
		if _, isRest := rest.Get(a.Name); !isRest {
			w.notes.add(a.Name, at+1, noteText)
		}
	}
}

// inline returns a line's text; what a link leads to stands behind it.
func (w *textWriter) inline(ops ot.Delta, at int) string {
	var s strings.Builder
	for i, op := range ops {
		m, rest := marksOf(op.Attributes)
		w.notes.noteRest(withoutPicture(op, rest), at+1)
		if op.Embed.Type == "" {
			s.WriteString(op.Insert)
		} else {
			w.notes.add(op.Embed.Type, at+1, "Pictures, files and the like became text.")
			s.WriteString(embedText(op.Embed, op.Attributes))
		}
		for _, m := range m.each() {
			w.notes.add(m.name, at+1, noteText)
		}
		if m.link != "" && !linkGoesOn(ops, i) && linkLabel(ops, i) != m.link {
			s.WriteString(" (" + m.link + ")")
		}
	}
	return s.String()
}

// withoutPicture takes from rest what belongs to an image and is written with it.
func withoutPicture(op ot.Op, rest ot.Attributes) ot.Attributes {
	if op.Embed.Type != "image" {
		return rest
	}
	var kept ot.Attributes
	for _, a := range rest {
		if a.Name != "alt" && a.Name != "width" {
			kept = append(kept, a)
		}
	}
	return kept
}

// linkGoesOn reports whether the link on ops[i] is on the next op too.
func linkGoesOn(ops ot.Delta, i int) bool {
	if i+1 == len(ops) {
		return false
	}
	here, _ := ops[i].Attributes.Get("link")
	next, _ := ops[i+1].Attributes.Get("link")
	return here == next
}

// linkLabel returns the text of the link that ends with ops[i].
func linkLabel(ops ot.Delta, i int) string {
	from := i
	for from > 0 && linkGoesOn(ops, from-1) {
		from--
	}
	return plainText(ops[from:i+1], objectText)
}

func objectText(ot.Embed) string { return "\ufffc" }
