package convert

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// escape writes the text of the i-th piece so that it is read as text. It
// escapes what would mean something else, not what merely looks so.
func (r *renderer) escape(i int) string {
	e := escaper{
		renderer: r,
		text:     r.pieces[i].text,
		before:   lastRune(r.out.String()),
		first:    i == 0,
		last:     i == len(r.pieces)-1,
		inLink:   r.pieces[i].marks.link != "",
	}
	if !e.last {
		e.next = r.pieces[i+1]
	}
	return e.escaped()
}

func lastRune(s string) rune {
	if s == "" {
		return ' '
	}
	c, _ := utf8.DecodeLastRuneInString(s)
	return c
}

type escaper struct {
	*renderer
	text        string
	before      rune // what stands before the text, ' ' at the start of a line
	first, last bool // the piece begins or ends the line
	inLink      bool
	next        piece

	run struct{ from, to int } // of equal signs, that was looked at last
}

func (e *escaper) escaped() string {
	var out strings.Builder
	mark := -1
	switch {
	case !e.first:
	case e.at == inAlert && underline.MatchString(e.text):
		mark = 0
	case e.at != inHeading:
		mark = blockMarker(e.text)
	}
	closing := -1
	if e.last && e.at == inHeading {
		closing = closingMarks(e.text)
	}
	for i, c := range e.text {
		if i%outputPiece == 0 {
			e.work.tick()
		}
		switch {
		case e.atEdge(i, c):
			fmt.Fprintf(&out, "&#%d;", c)
			continue
		case c < utf8.RuneSelf && (i == mark || i == closing || e.needed(i, byte(c))):
			out.WriteByte('\\')
		}
		out.WriteRune(c)
	}
	return out.String()
}

// atEdge reports whether c is white space at an end of the line, which
// Markdown strips, or what a reader takes for a byte order mark.
func (e *escaper) atEdge(i int, c rune) bool {
	start := e.first && i == 0
	end := e.last && i+utf8.RuneLen(c) == len(e.text)
	return start && c == '\ufeff' || (start || end) && c < utf8.RuneSelf && unicode.IsSpace(c)
}

var (
	listMarker = regexp.MustCompile(`^(?:[-+*](?:[ \t]|$)|#{1,6}(?:[ \t]|$)|>|~~~|` + "```" + `)`)
	number     = regexp.MustCompile(`^[0-9]{1,9}[.)](?:[ \t]|$)`)
	rule       = regexp.MustCompile(`^(?:-[ \t]*){3,}$|^(?:_[ \t]*){3,}$|^(?:\*[ \t]*){3,}$|^[ \t]*\[[ xX]\]`)
	underline  = regexp.MustCompile(`^=+[ \t]*$`)
	endMarks   = regexp.MustCompile(`(?:^|[ \t])(#+)[ \t]*$`)
	mailEnd    = regexp.MustCompile(`^@[A-Za-z0-9-]+\.[A-Za-z0-9]`)
)

// blockMarker returns the index of the sign that would make a list, heading,
// quote or rule of a line that begins with text; -1 where there is none.
func blockMarker(text string) int {
	switch {
	case listMarker.MatchString(text), rule.MatchString(text):
		return strings.IndexFunc(text, func(c rune) bool { return c != ' ' && c != '\t' })
	case number.MatchString(text):
		return strings.IndexAny(text, ".)")
	}
	return -1
}

// closingMarks returns the index of the signs that would end a heading.
func closingMarks(text string) int {
	if m := endMarks.FindStringSubmatchIndex(text); m != nil {
		return m[2]
	}
	return -1
}

// needed reports whether the sign c at i would mean something.
func (e *escaper) needed(i int, c byte) bool {
	rest := e.text[i+1:]
	if e.careful && strings.IndexByte("\\`*_[]<>~&!|#:@$.+-=(){}^", c) >= 0 {
		return true
	}
	switch c {
	case '\\':
		return rest == "" || isPunct(rest[0])
	case '*', '_', '~':
		return e.paired[c] && e.flanks(i, c)
	case '`':
		return e.paired['`']
	case '[':
		return e.inLink || e.bracket || strings.HasPrefix(rest, "!")
	case ']':
		return e.inLink
	case '!':
		return rest == "" && e.next.marks.link != "" && !e.inLink
	case '<':
		return rest != "" && (isLetter(rest[0]) || strings.IndexByte("/!?", rest[0]) >= 0)
	case '&':
		return characterReference.MatchString(e.text[i:min(len(e.text), i+40)])
	case '$':
		return rest == "" && (e.next.marks.code || e.next.embed.Embed.Type == "formula") || e.before == '$'
	case ':':
		return strings.HasPrefix(rest, "//") && e.startsWord(i, "http", "https", "ftp")
	case '.':
		return rest != "" && e.startsWord(i, "www")
	case '@':
		return i > 0 && mailEnd.MatchString(e.text[i:])
	}
	return false
}

// startsWord reports whether one of words stands right before i, with nothing
// before it that a link could not follow.
func (e *escaper) startsWord(i int, words ...string) bool {
	for _, word := range words {
		if head, ok := strings.CutSuffix(e.text[:i], word); ok {
			c := e.before
			if head != "" {
				c = lastRune(head)
			}
			return unicode.IsSpace(c) || strings.ContainsRune("*_~(>", c)
		}
	}
	return false
}

// flanks reports whether the run of c around i can open or close emphasis.
func (e *escaper) flanks(i int, c byte) bool {
	if i >= e.run.to { // signs are asked for from left to right
		e.run.from, e.run.to = i, i+1
		for e.run.from > 0 && e.text[e.run.from-1] == c {
			e.run.from--
		}
		for e.run.to < len(e.text) && e.text[e.run.to] == c {
			e.run.to++
		}
	}
	from, to := e.run.from, e.run.to
	before, after := e.before, ' '
	if from > 0 {
		before = lastRune(e.text[:from])
	}
	if to < len(e.text) {
		after, _ = utf8.DecodeRuneInString(e.text[to:])
	} else if !e.last {
		after = '*' // whatever comes: a delimiter, a tag or text
	}
	if c == '_' && isWord(before) && isWord(after) {
		return false
	}
	return !unicode.IsSpace(before) || !unicode.IsSpace(after)
}

func isWord(c rune) bool { return unicode.IsLetter(c) || unicode.IsDigit(c) || c == '_' }

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func isPunct(c byte) bool { return c < utf8.RuneSelf && unicode.In(rune(c), unicode.P, unicode.S) }
