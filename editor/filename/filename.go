// Package filename makes file names from text that people write: titles,
// descriptions of pictures, names of uploads. The names are valid on every
// system, and contain no control sequences for a terminal. It has no state.
package filename

import (
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxBytes leaves room for a number and an extension in the 255 bytes that file
// systems give a name.
const maxBytes = 200

// Untitled is the name of a document without a title.
const Untitled = "Untitled"

// Safe turns a title into a file name that is valid on every system: it has no
// separators, no name that Windows reserves, no leading dot, no control
// characters, and no characters that change the direction of text, which can make
// "exe.gpj" look like "jpg.exe". It returns Untitled if nothing is left.
func Safe(title string) string {
	name := strings.Map(func(r rune) rune {
		if isUnsafe(r) {
			return '-'
		}
		return r
	}, title)
	name = strings.Trim(cut(strings.Trim(name, " ."), maxBytes), " .")
	if name == "" {
		return Untitled
	}
	if device, _, _ := strings.Cut(name, "."); isDevice(strings.TrimRight(device, " ")) {
		return "_" + name
	}
	return name
}

func isUnsafe(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' ||
		r == unicode.ReplacementChar || strings.ContainsRune(`/\:*?"<>|`, r)
}

// cut shortens s to at most n bytes, between characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// isDevice reports whether the name, whatever its extension, is a device on
// Windows.
func isDevice(name string) bool {
	name = strings.ToUpper(name)
	switch name {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	port, isPort := strings.CutPrefix(name, "COM")
	if !isPort {
		port, isPort = strings.CutPrefix(name, "LPT")
	}
	return isPort && utf8.RuneCountInString(port) == 1 && strings.Contains("0123456789¹²³", port)
}

// A Set gives each file of a folder a unique name, also on file systems that
// ignore case. It maps each name in lower case to the last number tried for it, so
// that many files of one name take no longer than others. Use make: the nil Set
// is not ready.
type Set map[string]int

// Next returns a name for title with an extension (".md"), preceded by a number
// if the name is taken: "Plan.md", "Plan (2).md".
func (taken Set) Next(title, ext string) string { return taken.next(Safe(title), ext, "%s (%d)%s") }

// NextFile is Next for a file that a document refers to: "plan.png",
// "plan-2.png", since brackets have a meaning in documents. The extension of name
// is kept unless ext, that of the file's type, is of another type; an empty ext
// changes nothing.
func (taken Set) NextFile(name, ext string) string {
	stem, own := strings.TrimSuffix(Safe(name), path.Ext(Safe(name))), path.Ext(Safe(name))
	switch {
	case ext == "" || sameType(own, ext):
		ext = own
	default:
		stem += own
	}
	if stem == "" {
		stem = Untitled
	}
	return taken.next(cut(stem, maxBytes-len(ext)), ext, "%s-%d%s")
}

// sameType reports whether two extensions are of the same type.
func sameType(a, b string) bool {
	a, b = strings.ToLower(a), strings.ToLower(b)
	return a == b || a == ".jpeg" && b == ".jpg" || a == ".tif" && b == ".tiff"
}

func (taken Set) next(stem, ext, numbered string) string {
	name := stem + ext
	first := strings.ToLower(name)
	for taken[strings.ToLower(name)] > 0 {
		taken[first]++
		name = fmt.Sprintf(numbered, stem, taken[first], ext)
	}
	taken[strings.ToLower(name)] = 1
	return name
}
