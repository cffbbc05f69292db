package convert

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

func hasUTF16Mark(data []byte) bool {
	return bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff"))
}

// decodeText returns a text file as UTF-8 without byte order mark and U+0000.
// Files that are no UTF-8 are taken for UTF-16 where they carry its mark, else
// for Windows-1252. Line ends stay as they are.
func decodeText(data []byte, n *notes) string {
	var text string
	switch {
	case hasUTF16Mark(data):
		text = decodeWith(unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), data)
	case utf8.Valid(data):
		text = string(data)
	default:
		n.add("encoding", 0, "The file is no valid UTF-8 and was read as Windows-1252; look for wrong letters.")
		text = decodeWith(charmap.Windows1252, data)
	}
	return dropNulls(strings.TrimPrefix(text, "\ufeff"), n)
}

// decodeHTML is decodeText for HTML, which may name its encoding.
func decodeHTML(data []byte, n *notes) string {
	enc, name, certain := charset.DetermineEncoding(data, "text/html")
	if !certain && utf8.Valid(data) {
		return dropNulls(string(data), n)
	}
	if !certain && name == "windows-1252" {
		return decodeText(data, n)
	}
	return dropNulls(strings.TrimPrefix(decodeWith(enc, data), "\ufeff"), n)
}

func decodeWith(enc encoding.Encoding, data []byte) string {
	text, err := enc.NewDecoder().Bytes(data)
	if err != nil {
		text = data
	}
	return strings.ToValidUTF8(string(text), "\ufffd")
}

func dropNulls(text string, n *notes) string {
	if count := strings.Count(text, "\x00"); count > 0 {
		n.addMany("control character", count, 0, "Zero characters (U+0000) were left out.")
		text = strings.ReplaceAll(text, "\x00", "")
	}
	return text
}

// unixLines turns every line end into \n.
func unixLines(text string) string {
	if !strings.Contains(text, "\r") {
		return text
	}
	return strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
}
