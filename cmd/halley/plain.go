package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// A plainWriter writes text to a terminal or a log without what would steer it.
// Everything that a command prints goes through one, since nearly all of it may
// hold words of others: a page's title, a note about a file, a server's answer.
// Control characters but newline and tab, and those that turn the direction of
// text, come out as Go escapes them, "\x1b" or "\u202e"; so do bytes that are no
// UTF-8, which some terminals take for control characters.
//
// What draws a progress line on a terminal writes to that file itself, see
// terminalOf, and only words of our own. Safe for concurrent use.
type plainWriter struct {
	to io.Writer

	mu   sync.Mutex
	rest []byte // guarded by mu: the beginning of a character that a write has cut
}

func (w *plainWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := p
	if len(w.rest) > 0 {
		text = append(w.rest, p...)
		w.rest = nil
	}
	if cut := cutRune(text); cut > 0 {
		w.rest = bytes.Clone(text[len(text)-cut:])
		text = text[:len(text)-cut]
	}
	if _, err := w.to.Write(escapeControls(text)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// cutRune is how many bytes at the end of text begin a character that is not
// complete.
func cutRune(text []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		tail := text[len(text)-n:]
		if utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}

// escapeControls returns text with what steers a terminal escaped; text itself
// where there is nothing of the kind.
func escapeControls(text []byte) []byte {
	if !needsEscape(text) {
		return text
	}
	out := make([]byte, 0, len(text)+16)
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && size == 1, r < utf8.RuneSelf && steers(r):
			out = fmt.Appendf(out, `\x%02x`, text[0])
		case steers(r):
			out = fmt.Appendf(out, `\u%04x`, r)
		default:
			out = append(out, text[:size]...)
		}
		text = text[size:]
	}
	return out
}

// inOneLine returns text with newlines and tabs escaped too: a reason that names
// what a damaged file holds stays one line.
func inOneLine(text string) string {
	return strings.NewReplacer("\n", `\n`, "\t", `\t`).Replace(string(escapeControls([]byte(text))))
}

func needsEscape(text []byte) bool {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if steers(r) || r == utf8.RuneError && size == 1 {
			return true
		}
		i += size
	}
	return false
}

// steers reports whether a terminal or a reader may take r for something else
// than a character of the text.
func steers(r rune) bool {
	return r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r))
}

// terminalOf is the terminal that w, perhaps a plainWriter, writes to; nil where
// it writes elsewhere.
func terminalOf(w io.Writer) *os.File {
	switch w := w.(type) {
	case *plainWriter:
		return terminalOf(w.to)
	case *os.File:
		if term.IsTerminal(int(w.Fd())) {
			return w
		}
	}
	return nil
}

// plain returns env with everything that is printed made plain.
func (env environ) plain() environ {
	env.stdout, env.stderr = &plainWriter{to: env.stdout}, &plainWriter{to: env.stderr}
	return env
}
