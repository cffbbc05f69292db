package filename

import (
	"path"
	"strings"
	"unicode"
)

// Limits on text made from names, in characters.
const (
	maxDisplayChars = 255
	maxTitleChars   = 200
)

// Display turns the name of an upload into one that a page may show: without
// control characters and characters that change the direction of text. It keeps
// separators, and at most 255 characters. It returns Untitled if nothing is left.
func Display(name string) string {
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == unicode.ReplacementChar {
			return '-'
		}
		return r
	}, name)
	if runes := []rune(name); len(runes) > maxDisplayChars {
		name = string(runes[:maxDisplayChars])
	}
	if name = strings.TrimSpace(name); name == "" {
		return Untitled
	}
	return name
}

// Title returns the title of a page made from a file: the title that the file
// gives itself, or else its name without folders and extension. It is one line of
// at most 200 characters, and "…" where it was cut. It may be empty.
func Title(title, file string) string {
	if title == "" {
		title = strings.TrimSuffix(path.Base(file), path.Ext(file))
	}
	title = strings.Join(strings.FieldsFunc(title, func(r rune) bool {
		return r <= ' ' || r == 0x7f || r == '\u2028' || r == '\u2029'
	}), " ")
	if runes := []rune(title); len(runes) > maxTitleChars {
		title = string(runes[:maxTitleChars]) + "…"
	}
	return title
}
