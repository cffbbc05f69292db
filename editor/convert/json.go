package convert

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"

	"halley/ot"
)

// readJSON reads {"title"?,"delta":[…]}, Quill's {"ops":[…]}, or a bare array.
func readJSON(data []byte, b *builder) (title string, err error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	var file struct {
		Title json.RawMessage `json:"title"`
		Delta json.RawMessage `json:"delta"`
		Ops   json.RawMessage `json:"ops"`
	}
	if first := bytes.TrimSpace(data); len(first) > 0 && first[0] == '[' {
		file.Delta = data
	} else if err := json.Unmarshal(data, &file); err != nil {
		return "", jsonError(data, err)
	}
	if file.Delta == nil {
		file.Delta = file.Ops
	}
	if file.Delta == nil {
		return "", &SyntaxError{Reason: `there is neither "delta" nor "ops" in this JSON`}
	}
	if title, err = readTitle(file.Title); err != nil {
		return "", err
	}
	content, err := ot.Parse(file.Delta)
	if err != nil {
		return "", jsonError(data, err)
	}
	for _, op := range content {
		switch {
		case op.Embed.Type != "":
			b.embed(op.Embed, b.checkAll(op.Attributes))
		case op.Insert != "":
			b.splitText(unixLines(op.Insert), b.checkAll(op.Attributes))
		default:
			return "", &SyntaxError{Reason: "the delta is an edit, not a content: it has other ops than inserts"}
		}
	}
	return title, nil
}

// readTitle reads a title that may be missing. encoding/json would replace what
// is not Unicode.
func readTitle(raw json.RawMessage) (string, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return "", nil
	}
	title, err := ot.NewReader(raw, "the title").Text()
	if err != nil {
		return "", &SyntaxError{Reason: err.Error()}
	}
	return title, nil
}

// jsonError says where data is wrong, as far as err knows.
func jsonError(data []byte, err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		before := data[:min(int(syntax.Offset), len(data))]
		return &SyntaxError{Line: 1 + bytes.Count(before, []byte("\n")), Reason: "this is not JSON: " + err.Error()}
	}
	return &SyntaxError{Reason: "this is not a Delta: " + err.Error()}
}

func writeJSON(p *page, out *output) {
	title, err := json.Marshal(p.title)
	if err != nil {
		panic("convert: a string is always JSON: " + err.Error())
	}
	out.write(`{"title":`, string(title), `,"seq":`, strconv.FormatUint(p.seq, 10), `,"delta":[`)
	w := jsonWriter{out: out}
	for {
		if _, _, ok := p.lines.peek(); !ok {
			break
		}
		l, _, _ := p.lines.next()
		for _, op := range l.ops {
			w.insert(op)
		}
		w.insert(ot.Op{Insert: "\n", Attributes: l.attrs})
	}
	w.close()
	out.write("]}\n")
}

// A jsonWriter writes normalised inserts piece by piece.
type jsonWriter struct {
	out   *output
	attrs ot.Attributes // of the open insert of text
	tail  string        // what closes that; "": none is open
	any   bool
}

// jsonText is what an insert of text begins with.
const jsonText = `{"insert":"`

func (w *jsonWriter) insert(op ot.Op) {
	if op.Embed.Type != "" || w.tail == "" || !w.attrs.Equal(op.Attributes) {
		w.close()
		if w.any {
			w.out.write(",")
		}
		w.any = true
	}
	if op.Embed.Type != "" {
		w.out.write(opJSON(op))
		return
	}
	if w.tail == "" {
		w.out.write(jsonText)
		w.attrs = op.Attributes
		w.tail = opJSON(ot.Op{Insert: "x", Attributes: op.Attributes})[len(jsonText+"x"):]
	}
	plain := opJSON(ot.Op{Insert: op.Insert})
	w.out.write(plain[len(jsonText) : len(plain)-len(`"}`)])
}

// close ends the open insert.
func (w *jsonWriter) close() {
	w.out.write(w.tail)
	w.tail = ""
}

// opJSON returns op as JSON.
func opJSON(op ot.Op) string {
	all := ot.Delta{op}.AppendJSON(nil)
	return string(all[1 : len(all)-1])
}
