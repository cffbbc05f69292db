package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"slices"
	"strconv"

	"github.com/gin-gonic/gin"

	"halley/editor"
	"halley/editor/budget"
	"halley/ot"
)

// Limits on requests, in bytes and operations; openapi.json states them.
const (
	maxEditBytes  = 16 << 20
	maxEditOps    = 100_000
	maxFileBytes  = 64 << 20
	maxOtherBytes = 64 << 10
)

// readBody reads at most limit bytes and refuses what is longer.
func readBody(c *gin.Context, limit int64) ([]byte, error) {
	r := c.Request
	if r.ContentLength > limit {
		return nil, tooLarge("The body", limit)
	}
	// The plain writer, so that net/http closes the connection of a peer that
	// goes on sending.
	limited := http.MaxBytesReader(plainWriter(c), r.Body, limit)
	body, err := readHeld(c, nil, limited, r.ContentLength)
	var over *http.MaxBytesError
	switch {
	case err == nil:
		return body, nil
	case errors.As(err, &over):
		return nil, tooLarge("The body", limit)
	case isRefusal(err):
		return nil, err
	}
	return nil, brokenBody("The body ended early: %v.", err)
}

// isRefusal tells that the server has no memory for a body.
func isRefusal(err error) bool {
	var busy *budget.BusyError
	var never *budget.NeverError
	return errors.As(err, &busy) || errors.As(err, &never)
}

// brokenBody tells a body that came too slowly from one that ended or cannot
// be read.
func brokenBody(format string, err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &problem{
			status: 408, name: "too-slow", title: "The request came too slowly",
			detail: fmt.Sprintf("The body came too slowly; send it again over a better line. A body must come at %d bytes a second, "+
				"and faster the larger it is, up to %d KiB a second.", bodyRate, heldRate>>10),
		}
	}
	return badRequest(format, err)
}

// readHeld appends all that r holds to body, and has c's request hold the memory
// as it comes: a sender who is slow holds little. said is how much the sender
// says will come; negative: not known. Of that, a small body gets its memory at
// once.
func readHeld(c *gin.Context, body []byte, r io.Reader, said int64) ([]byte, error) {
	body = slices.Grow(body, int(min(max(said, 0), freeBytes))+bytes.MinRead)
	for {
		if len(body) == cap(body) {
			size := growBody(len(body), said)
			if err := holdBody(c, int64(size), int64(size+len(body))); err != nil {
				return nil, err
			}
			body = append(make([]byte, 0, size), body...)
		}
		n, err := r.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if err == io.EOF {
			return body, nil
		}
		if err != nil {
			return body, err
		}
	}
}

// growBody is the next size of a body's memory: twice as much, or what the sender
// says will come, with room to find its end.
func growBody(size int, said int64) int {
	if whole := said + bytes.MinRead; said > 0 && int64(size) < whole && whole < int64(2*size) {
		return int(whole)
	}
	return 2 * size
}

// Memory that decoded JSON takes, for each byte of it and for each object and
// member. An edit of 100,000 retains of 1.3 MB becomes 9 MB, and passes through
// twice that on its way.
const (
	decodedPerByte = 1
	decodedPerItem = 64
)

// holdDecoded has c's request hold what the JSON in its body becomes.
func holdDecoded(c *gin.Context, body []byte) error {
	size := int64(len(body))
	if size <= freeBytes {
		return nil
	}
	return holdBody(c, size, size*(1+decodedPerByte)+int64(countItems(body))*decodedPerItem)
}

// countItems counts the objects and members in valid JSON.
func countItems(raw []byte) int {
	n, quoted := 0, false
	for i := 0; i < len(raw); i++ {
		switch b := raw[i]; {
		case quoted && b == '\\':
			i++
		case b == '"':
			quoted = !quoted
		case (b == '{' || b == ':') && !quoted:
			n++
		}
	}
	return n
}

func requireJSON(c *gin.Context) error {
	if c.GetHeader("Content-Type") == "application/json" {
		return nil // as nearly everybody writes it
	}
	kind, _, err := mime.ParseMediaType(c.GetHeader("Content-Type"))
	if err != nil || kind != "application/json" {
		return unsupported("The Content-Type must be application/json.")
	}
	return nil
}

// readJSON reads a body of at most limit bytes that says it is JSON.
func readJSON(c *gin.Context, limit int64) ([]byte, error) {
	if err := requireJSON(c); err != nil {
		return nil, err
	}
	body, err := readBody(c, limit)
	if err == nil && len(body) > smallBytes {
		err = takeTurn(c)
	}
	return body, err
}

// decodeJSON reads a JSON body of at most limit bytes into in.
func decodeJSON(c *gin.Context, limit int64, in any) error {
	body, err := readJSON(c, limit)
	if err != nil {
		return err
	}
	return unmarshal(body, in)
}

// unmarshal decodes a JSON body, whose text must be Unicode.
func unmarshal(body []byte, in any) error {
	if err := unmarshalAny(body, in); err != nil {
		return err
	}
	return checkJSONText(body, nil)
}

// unmarshalAny does not check the text in a body: the caller does.
func unmarshalAny(body []byte, in any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	if err := d.Decode(in); err != nil {
		return jsonProblem(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return badRequest("The body holds more than one JSON value.")
	}
	return nil
}

func jsonProblem(err error) error {
	var kind *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &kind) && kind.Field != "":
		return badRequest("The member %q cannot be a JSON %s.", kind.Field, kind.Value)
	case errors.As(err, &kind):
		return badRequest("The body must be a JSON object, not a JSON %s.", kind.Value)
	case errors.As(err, &syntax):
		return badRequest("The body is no JSON: %v at byte %d.", err, syntax.Offset)
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return badRequest("The body is no JSON: it ends early.")
	}
	var own *problem
	if errors.As(err, &own) {
		return own
	}
	return badRequest("The body cannot be read: %v.", err)
}

// serveJSON decodes a JSON body, calls fn and answers with its result.
func serveJSON[In, Out any](s *Server, c *gin.Context, fn func(context.Context, editor.Principal, In) (Out, error)) error {
	var in In
	if err := decodeJSON(c, maxOtherBytes, &in); err != nil {
		return err
	}
	return s.answer(c, http.StatusOK)(fn(c.Request.Context(), principal(c), in))
}

// answer returns a function that writes a result as JSON, or returns its error.
func (s *Server) answer(c *gin.Context, status int) func(out any, err error) error {
	return func(out any, err error) error {
		if err != nil {
			return err
		}
		return s.writeJSON(c, status, out)
	}
}

func (s *Server) writeJSON(c *gin.Context, status int, out any) error {
	data, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("encode an answer: %w", err)
	}
	if c.Writer.Header().Get("Cache-Control") == "" {
		c.Header("Cache-Control", "no-store")
	}
	return s.send(c, status, "application/json", data)
}

// send answers with data, which counts as held until the peer has taken it.
func (s *Server) send(c *gin.Context, status int, kind string, data []byte) error {
	if err := holdAnswer(c, int64(cap(data))); err != nil {
		c.Writer.Header().Del("ETag")
		return err
	}
	c.Data(status, kind, data)
	return nil
}

// decodeEdit reads a submitted edit. What editor.ParseEdit takes is what
// explainEdit takes, at a fraction of its cost; what it does not take is read
// again, to say what is wrong. Too many ops are noticed before they take memory.
func decodeEdit(body []byte) (editor.Edit, error) {
	if !hasTooManyOps(body) {
		if e, ok := editor.ParseEdit(body); ok {
			return e, nil
		}
	}
	return explainEdit(body)
}

// An editBody is a submitted edit as it stands in the request.
type editBody struct {
	Client *string         `json:"client"`
	N      json.RawMessage `json:"n"`
	Base   json.RawMessage `json:"base"`
	Delta  json.RawMessage `json:"delta"`
	Epoch  *string         `json:"epoch"`
}

// explainEdit reads an edit by encoding/json: a name that it knows counts in
// upper case too, and there twice it counts the last time; others are ignored.
func explainEdit(body []byte) (editor.Edit, error) {
	var in editBody
	if err := unmarshalAny(body, &in); err != nil {
		return editor.Edit{}, err
	}
	if err := checkJSONText(body, in.Delta); err != nil {
		return editor.Edit{}, err
	}
	if in.Client == nil {
		return editor.Edit{}, badRequest("The member \"client\" is missing.")
	}
	e := editor.Edit{Client: *in.Client}
	var err error
	if e.N, err = wholeNumber("n", in.N); err != nil {
		return e, err
	}
	if e.Base, err = wholeNumber("base", in.Base); err != nil {
		return e, err
	}
	if in.Epoch != nil {
		e.Epoch = *in.Epoch
	}
	e.Delta, e.Invalid, err = decodeDelta(in.Delta)
	return e, err
}

// decodeDelta tells what is no array of ops at all (err) from ops that no
// delta may have (invalid), which is said only in its turn.
func decodeDelta(raw json.RawMessage) (d ot.Delta, invalid, err error) {
	if len(raw) == 0 {
		return nil, nil, badRequest("The member \"delta\" is missing.")
	}
	if raw[0] != '[' {
		return nil, nil, badRequest("The member \"delta\" must be an array of operations.")
	}
	if hasTooManyOps(raw) {
		return nil, nil, tooLarge("The number of operations", maxEditOps)
	}
	d, invalid = ot.ParseOps(raw)
	return d, invalid, nil
}

// hasTooManyOps counts only where there are bytes for so many.
func hasTooManyOps(raw []byte) bool { return len(raw) > maxEditOps && countOps(raw) > maxEditOps }

// countOps counts the objects in the arrays of valid JSON, nested ones too.
func countOps(raw []byte) int {
	n, quoted := 0, false
	for i := 0; i < len(raw); i++ {
		switch b := raw[i]; {
		case quoted && b == '\\':
			i++
		case b == '"':
			quoted = !quoted
		case b == '{' && !quoted && opensOp(raw, i):
			n++
		}
	}
	return n
}

// opensOp tells an op's brace from that of its attributes or embed: an op
// stands in an array.
func opensOp(raw []byte, i int) bool {
	for i--; i >= 0; i-- {
		switch raw[i] {
		case ' ', '\t', '\n', '\r':
		case '[', ',':
			return true
		default:
			return false
		}
	}
	return false
}

func wholeNumber(name string, raw json.RawMessage) (uint64, error) {
	if len(raw) == 0 {
		return 0, badRequest("The member %q is missing.", name)
	}
	n, err := strconv.ParseUint(string(raw), 10, 64)
	if err != nil || n > editor.MaxWhole {
		return 0, badRequest("The member %q must be a whole number from 0 to 2^53-1.", name)
	}
	return n, nil
}

// queryWhole reads a whole number from the query, or the default.
func queryWhole(c *gin.Context, name string, def, most uint64) (uint64, error) {
	text, there := c.GetQuery(name)
	if !there {
		return def, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n > editor.MaxWhole {
		return 0, badRequest("%s must be a whole number, not %q.", name, text)
	}
	return min(n, most), nil
}
