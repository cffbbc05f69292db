package convert

import (
	"bytes"
	"mime"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// Formats returns every format, the one to offer first at the front.
func Formats() []Format {
	all := make([]Format, len(codecs))
	for i, c := range codecs {
		all[i] = c.format
	}
	return all
}

// ByName returns the format with that short name, as in ?format=md.
func ByName(name string) (Format, bool) {
	return find(func(f Format) bool { return f.Name == name })
}

// ByMediaType returns the format of an Accept or Content-Type value;
// parameters are ignored.
func ByMediaType(t string) (Format, bool) {
	t = essence(t)
	return find(func(f Format) bool {
		return slices.ContainsFunc(f.MediaTypes, func(m string) bool { return essence(m) == t })
	})
}

// ByExtension returns the format of files that end in ext, as in ".md".
func ByExtension(ext string) (Format, bool) {
	ext = strings.ToLower(ext)
	return find(func(f Format) bool { return slices.Contains(f.Extensions, ext) })
}

// Detect guesses the format from a file's name, then its media type, then its
// first bytes. It reports false for what is no text.
func Detect(filename, mediaType string, data []byte) (Format, bool) {
	if f, ok := ByExtension(path.Ext(filename)); ok {
		return f, true
	}
	if f, ok := ByMediaType(mediaType); ok {
		return f, true
	}
	return sniff(data)
}

func find(is func(Format) bool) (Format, bool) {
	for _, c := range codecs {
		if is(c.format) {
			return c.format, true
		}
	}
	return Format{}, false
}

// essence returns a media type without its parameters, in lower case.
func essence(t string) string {
	if m, _, err := mime.ParseMediaType(t); err == nil {
		return m
	}
	t, _, _ = strings.Cut(t, ";")
	return strings.ToLower(strings.TrimSpace(t))
}

// sniff tells the formats apart by how a file begins.
func sniff(data []byte) (Format, bool) {
	head := data[:min(len(data), 1024)]
	if !hasUTF16Mark(head) && bytes.IndexByte(head, 0) >= 0 {
		return Format{}, false
	}
	text := strings.ToLower(strings.TrimSpace(strings.TrimPrefix(string(head), "\ufeff")))
	for _, start := range []string{"<!doctype html", "<html", "<head", "<body", "<!--startfragment", "<meta", "<div", "<p>", "<p "} {
		if strings.HasPrefix(text, start) {
			return ByName("html")
		}
	}
	for _, start := range []string{`{"ops"`, `{"delta"`, `{"title"`, `[{"insert"`} {
		if strings.HasPrefix(strings.Join(strings.Fields(text), ""), start) {
			return ByName("json")
		}
	}
	if !utf8.Valid(data) && !hasUTF16Mark(head) && mostlyControl(head) {
		return Format{}, false
	}
	return ByName("txt")
}

// mostlyControl tells a binary file without a zero byte from old 8-bit text.
func mostlyControl(head []byte) bool {
	n := 0
	for _, c := range head {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' && c != '\f' {
			n++
		}
	}
	return n*20 > len(head)
}
