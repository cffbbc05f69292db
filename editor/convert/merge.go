package convert

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"halley/ot"
	"halley/ot/diff"
)

// Merge returns the edit on base that brings over what somebody changed in data,
// a file that Write made from base with src and that was then edited elsewhere.
// A file that nobody changed gives an empty edit. The notes are those that
// reading data gives and reading the unchanged file does not, and one more where
// a change could not be brought over; the error is a *SyntaxError where data is
// no such file.
//
// A format that cannot say everything strips nothing: with X what a reader makes
// of the file as it was written, the person's change is the difference from X to
// the file as it is now, and what the format lost is the difference from X to
// base. Both were made on X, so the one is transformed over the other. Where the
// format lost something that the person changed, the person's change stays.
//
// Limits and the end of ctx end it as they do Read.
func (f Format) Merge(
	ctx context.Context, base ot.Delta, data []byte, src *Source, schema Schema, limits Limits,
) (edit ot.Delta, ns []Note, err error) {
	w := newWork(ctx, limits)
	err = guard(func() error {
		edit, ns, err = f.merge(base, data, src, schema, w)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return edit, ns, nil
}

func (f Format) merge(base ot.Delta, data []byte, src *Source, schema Schema, w *work) (ot.Delta, []Note, error) {
	edited, err := f.read(data, schema, w)
	if err != nil {
		return nil, nil, err
	}
	m := merger{format: f, src: src, schema: schema, want: edited.Content, work: w}
	merged, left, err := m.merge(base)
	if err != nil {
		return nil, nil, fmt.Errorf("merge %s into page: %w", f.Name, err)
	}
	notes := slices.DeleteFunc(edited.Notes, func(n Note) bool { return slices.ContainsFunc(m.usual, n.sameAs) })
	if left > 0 {
		notes = append(notes, Note{What: "merge", Count: left,
			Note: "A change to something that this kind of file cannot hold was left out: the page keeps what it had."})
	}
	return m.diff(base, merged), notes, nil
}

// A merger changes contents so that, written in a format, they say what an
// edited file says.
type merger struct {
	format Format
	src    *Source
	schema Schema
	work   *work
	want   ot.Delta // the edited file as read
	usual  []Note   // what reading the unchanged file gives
}

// sameAs reports whether two notes say the same, wherever in the file.
func (n Note) sameAs(other Note) bool {
	n.Where, other.Where = 0, 0
	return n == other
}

// A version is a content on the way to the one that is wanted.
type version struct {
	content ot.Delta
	written ot.Delta // what a reader makes of its file
	notes   []Note   // what it notes
	missing ot.Delta // the change from written to what is wanted
}

// merge returns base with what the file changed, and how many changes could not
// be brought over.
func (m *merger) merge(base ot.Delta) (merged ot.Delta, left int, err error) {
	v, err := m.version(base)
	m.usual = v.notes
	if err != nil || len(v.missing) == 0 {
		return base, 0, err
	}
	changed := hunksOf(v.written, m.want, v.missing)
	if v, err = m.version(m.carry(v)); err != nil {
		return nil, 0, err
	}
	if v, err = m.settleFormats(v); err != nil {
		return nil, 0, err
	}
	if v, err = m.settleLines(v, changed); err != nil {
		return nil, 0, err
	}
	left, err = m.left(v)
	return v.content, left, err
}

// settleFormats gives v the formats that the file has, where a format of the
// page that the file could not say now hides them. A line that the page has as a
// heading and a list, say, is written as a heading; if the person made it a
// quote, it is a quote only once it is no list either.
func (m *merger) settleFormats(v version) (version, error) {
	const rounds = 3 // one format may hide another
	for range rounds {
		// Text that differs is text that the format cannot say, or says in
		// another way: bringing it over once more would double it.
		if len(v.missing) == 0 || !retainsOnly(v.missing) {
			break
		}
		next, err := m.version(m.carry(v))
		if err != nil {
			return version{}, err
		}
		v = next
	}
	return v, nil
}

// settleLines puts the file's own lines in the place of those that the person
// changed and that still read otherwise: the person changed the very characters
// that stand for a format in this file, such as the brackets of "[ ] Milk" in
// plain text.
func (m *merger) settleLines(v version, changed []hunk) (version, error) {
	wrong := slices.DeleteFunc(hunksOf(v.written, m.want, v.missing), func(h hunk) bool {
		return !slices.ContainsFunc(changed, h.concerns)
	})
	if len(wrong) == 0 {
		return v, nil
	}
	replaced, err := m.version(replaceLines(v.content, v.written, m.want, wrong))
	if err != nil || changedLength(replaced.missing) >= changedLength(v.missing) {
		return v, err // it was no help
	}
	return replaced, nil
}

// left counts the hunks that v's file and the wanted one, written anew, differ
// in. What the format cannot say of the file itself is none of them.
func (m *merger) left(v version) (int, error) {
	if len(v.missing) == 0 {
		return 0, nil
	}
	want, err := m.reread(m.want)
	return len(hunksOf(v.written, want.Content, m.diff(v.written, want.Content))), err
}

// diff returns the change from one content to another.
func (m *merger) diff(from, to ot.Delta) ot.Delta {
	return diff.ContentsWatched(from, to, m.work.tick)
}

func (m *merger) version(content ot.Delta) (version, error) {
	written, err := m.reread(content)
	if err != nil {
		return version{}, err
	}
	return version{content, written.Content, written.Notes, m.diff(written.Content, m.want)}, nil
}

// reread returns what a reader makes of the file that content is written as.
func (m *merger) reread(content ot.Delta) (Document, error) {
	defer m.work.release(m.work.mark())
	var file bytes.Buffer
	if _, err := m.format.write(&file, "", 0, content, m.src, m.schema, m.work); err != nil {
		return Document{}, err
	}
	return m.format.read(file.Bytes(), m.schema, m.work)
}

// carry returns v's content with what is missing from its file.
func (m *merger) carry(v version) ot.Delta {
	lost := m.diff(v.written, v.content)
	edit := ot.Transform(lost, v.missing, false)
	return ot.Compose(v.content, inherit(edit, v.content, lost))
}

// inherit returns edit with the formats of content that its file lost on text
// that edit inserts into text with such formats on both sides: a letter mended
// within a comment belongs to the comment.
func inherit(edit, content, lost ot.Delta) ot.Delta {
	formats := formatsSet(lost)
	if len(formats) == 0 {
		return edit
	}
	lines := lineBeginnings(content)
	// at returns what was lost on the unit at a position, if it is no newline.
	at := func(position int) ot.Attributes {
		i, _ := slices.BinarySearchFunc(formats, position+1, func(f lostFormats, p int) int { return f.to - p })
		if i == len(formats) || position < formats[i].from || lines.behindNewline[position+1] {
			return nil
		}
		return formats[i].attributes
	}
	var out ot.Delta
	position := 0
	for i, op := range edit {
		if op.Insert != "" && !strings.Contains(op.Insert, "\n") {
			behind := position
			for _, next := range edit[i+1:] {
				if next.Retain > 0 {
					break
				}
				behind += next.Delete
			}
			op.Attributes = withShared(op.Attributes, at(position-1), at(behind))
		}
		position += op.Retain + op.Delete
		out = out.Push(op)
	}
	return out
}

// lostFormats are what a file did not say of a stretch of text.
type lostFormats struct {
	from, to   int
	attributes ot.Attributes
}

// formatsSet returns where, in what change makes, change sets formats.
func formatsSet(change ot.Delta) []lostFormats {
	var formats []lostFormats
	position := 0
	for _, op := range change {
		length := op.Retain + insertLength(op)
		if op.Retain > 0 && len(op.Attributes) > 0 {
			formats = append(formats, lostFormats{position, position + length, op.Attributes})
		}
		position += length
	}
	return formats
}

// withShared returns attributes and those that left and right agree on.
func withShared(attributes, left, right ot.Attributes) ot.Attributes {
	for _, a := range left {
		_, has := attributes.Get(a.Name)
		if v, ok := right.Get(a.Name); ok && v == a.Value && v != ot.Null && !has {
			attributes = ot.MakeAttributes(append(slices.Clone(attributes), a)...)
		}
	}
	return attributes
}

// retainsOnly reports whether change is about formats alone.
func retainsOnly(change ot.Delta) bool { return changedLength(change) == 0 }

// changedLength is how much text a change inserts and deletes, in UTF-16 units.
func changedLength(change ot.Delta) int {
	n := 0
	for _, op := range change {
		n += op.Delete + insertLength(op)
	}
	return n
}

// insertLength is the length of what op inserts, in UTF-16 units.
func insertLength(op ot.Op) int {
	if op.Embed.Type != "" {
		return 1
	}
	return ot.LenUTF16(op.Insert)
}
