package convert

import (
	"bytes"
	"io"
	"strings"
)

// outputPiece is how much of a file is gathered before it is written.
const outputPiece = 32 << 10

// An output takes the text of a file and passes it on in pieces.
type output struct {
	work  *work
	to    io.Writer
	piece bytes.Buffer
}

func newOutput(to io.Writer, w *work) *output {
	w.spend(2 * outputPiece)
	return &output{work: w, to: to}
}

func (o *output) write(text ...string) {
	for _, s := range text {
		o.piece.WriteString(s)
	}
	if o.piece.Len() >= outputPiece {
		o.flush()
	}
}

// flush passes on what is gathered; an error of the writer stops the work.
func (o *output) flush() {
	o.work.tick()
	if _, err := o.to.Write(o.piece.Bytes()); err != nil {
		o.work.stop(err)
	}
	o.piece.Reset()
}

// written returns what write writes.
func written(w *work, write func(out *output)) string {
	var text strings.Builder
	out := output{work: w, to: &text}
	write(&out)
	out.flush()
	return text.String()
}
