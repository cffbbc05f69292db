package convert

import (
	"bytes"
	"encoding/json"
	"errors"

	"halley/ot"
)

// readJSON reads {"title"?,"delta":[…]}, Quill's {"ops":[…]}, or a bare array.
func readJSON(data []byte, b *builder) (title string, err error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	var file struct {
		Title string          `json:"title"`
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
	return file.Title, nil
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

func writeJSON(p *page) []byte {
	title, err := json.Marshal(p.title)
	if err != nil {
		panic("convert: a string is always JSON: " + err.Error())
	}
	seq, _ := json.Marshal(p.seq)
	out := append([]byte(`{"title":`), title...)
	out = append(append(out, `,"seq":`...), seq...)
	out = joinLines(p.lines).AppendJSON(append(out, `,"delta":`...))
	return append(out, "}\n"...)
}
