package ot

import "bufio"

// WriteJSON writes the whole content as Delta().AppendJSON would, piece by piece,
// so that it needs only the memory of w's buffer and of one embed. c must not
// change until it returns. It returns the error of w.
func (c *Content) WriteJSON(w *bufio.Writer) error {
	j := jsonOps{w: w}
	j.byte('[')
	for piece, r := range c.pieces(0, c.sum.units) {
		if j.add(piece, r.style) != nil {
			break // w keeps its error
		}
	}
	j.close()
	return j.byte(']')
}

// jsonOps writes pieces as ops. Only w must be set.
type jsonOps struct {
	w     *bufio.Writer
	some  bool   // at least one op is written
	style *style // of the open text op; nil: no op is open
}

func (j *jsonOps) byte(b byte) error { return j.w.WriteByte(b) }

func (j *jsonOps) add(piece []byte, s *style) error {
	if s.isEmbed() {
		j.close()
		j.comma()
		op := Op{Embed: s.embed, Attributes: s.attributes}
		_, err := j.w.Write(op.appendJSON(j.w.AvailableBuffer()))
		return err
	}
	if j.style != s {
		j.close()
		j.comma()
		j.style = s
		_, _ = j.w.WriteString(`{"insert":"`) // w keeps its error
	}
	_, err := j.w.Write(appendEscaped(j.w.AvailableBuffer(), piece))
	return err
}

func (j *jsonOps) comma() {
	if j.some {
		_ = j.byte(',') // w keeps its error
	}
	j.some = true
}

// close ends the text op that is open.
func (j *jsonOps) close() {
	if j.style != nil {
		_, _ = j.w.Write(appendAttributes(append(j.w.AvailableBuffer(), '"'), j.style.attributes)) // w keeps its error
		j.style = nil
	}
}
