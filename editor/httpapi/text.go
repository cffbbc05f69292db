package httpapi

import (
	"bytes"
	"fmt"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/gin-gonic/gin"
)

// All text that comes in is checked here, once: what is not Unicode is refused.
// Otherwise encoding/json would replace it with U+FFFD, and other parsers would
// pass it on. The text of a Delta is checked by ot, which names the operation,
// and files are decoded by convert.

// readHeaders are the request headers, in canonical form, whose text this package
// reads. Others are
// not checked: a proxy may send headers in another encoding.
var readHeaders = []string{
	"Accept", "Accept-Encoding", "Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "Last-Event-Id",
	"Range", "If-Range", "User-Agent",
}

func invalidText(what string) error {
	return &problem{
		status: 422, name: "invalid-text", title: "The text is not valid UTF-8",
		detail: what + " is not valid UTF-8 text; nothing was changed. Encode the text as UTF-8 and send it again.",
	}
}

// requireText refuses a request whose path, query or headers are not text. The
// addresses of the browser app are left to the app.
func (s *Server) requireText(c *gin.Context) error {
	if c.FullPath() == "" {
		return nil
	}
	if err := checkRequestText(c.Request); err != nil {
		return err
	}
	return nil
}

func checkRequestText(r *http.Request) error {
	if !utf8.ValidString(r.URL.Path) {
		return invalidText("The address")
	}
	if err := checkQueryText(r.URL.RawQuery); err != nil {
		return err
	}
	for _, name := range readHeaders {
		for _, value := range r.Header[name] {
			if !utf8.ValidString(value) {
				return invalidText("The header " + name)
			}
		}
	}
	return nil
}

func checkQueryText(raw string) error {
	if !strings.ContainsAny(raw, "%;") && utf8.ValidString(raw) {
		return nil // most queries: no second parsing
	}
	query, err := url.ParseQuery(raw)
	if err != nil { // parameters that cannot be decoded would silently be left out
		return invalidText("The query, which cannot be decoded,")
	}
	for name, values := range query {
		if !utf8.ValidString(name) {
			return invalidText("The name of a query parameter")
		}
		for _, value := range values {
			if !utf8.ValidString(value) {
				return invalidText(fmt.Sprintf("The query parameter %.100q", name))
			}
		}
	}
	return nil
}

// checkPartText checks the names and the type in the headers of a form's field.
func checkPartText(part *multipart.Part) error {
	for _, name := range []string{"Content-Disposition", "Content-Type"} {
		value := part.Header.Get(name)
		_, params, _ := mime.ParseMediaType(value) // who needs the parameters notices what is wrong
		if !utf8.ValidString(value) {
			return invalidText("The " + name + " of a form field")
		}
		for param, text := range params { // "filename*" may hide bytes behind percent signs
			if !utf8.ValidString(text) {
				return invalidText(fmt.Sprintf("The %.100q of a form field", param))
			}
		}
	}
	return nil
}

// checkJSONText refuses valid JSON whose text is not Unicode: bytes that are not
// UTF-8, or escapes of half a surrogate pair. It leaves out delta, the bytes of a
// member that is checked elsewhere.
func checkJSONText(body, delta []byte) error {
	bad, first := countInvalidText(body)
	if bad == 0 {
		return nil
	}
	if inDelta, _ := countInvalidText(delta); bad == inDelta {
		return nil
	}
	return invalidText(fmt.Sprintf("The body, at byte %d,", first))
}

// countInvalidText counts what is not Unicode text in valid JSON, and returns the
// offset of the first.
func countInvalidText(raw []byte) (n, first int) {
	if utf8.Valid(raw) && !bytes.Contains(raw, []byte(`\u`)) {
		return 0, 0
	}
	for i := 0; i < len(raw); {
		size, ok := characterAt(raw[i:])
		if !ok {
			if n++; n == 1 {
				first = i
			}
		}
		i += size
	}
	return n, first
}

// characterAt returns the length of the character or escape with which raw
// begins, and whether it is Unicode.
func characterAt(raw []byte) (size int, ok bool) {
	if raw[0] != '\\' {
		r, size := utf8.DecodeRune(raw)
		return size, r != utf8.RuneError || size > 1
	}
	r, isUnicode := unicodeEscape(raw)
	if !isUnicode {
		return 2, true
	}
	if !utf16.IsSurrogate(r) {
		return escapeLen, true
	}
	low, isUnicode := unicodeEscape(raw[escapeLen:])
	if isUnicode && utf16.DecodeRune(r, low) != utf8.RuneError {
		return 2 * escapeLen, true
	}
	return escapeLen, false
}

const escapeLen = len(`\uXXXX`)

func unicodeEscape(raw []byte) (r rune, ok bool) {
	if len(raw) < escapeLen || raw[0] != '\\' || raw[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(raw[2:escapeLen]), 16, 16)
	return rune(n), err == nil
}
