package ot

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	// maxDepth bounds how deep objects and arrays may nest in a Value.
	maxDepth = 32
	// maxValueBytes bounds the canonical text of one Value.
	maxValueBytes = 1 << 20
)

// A parser reads JSON strictly (RFC 8259) from data. It refuses invalid UTF-8
// and halves of surrogate pairs, and objects that name a member twice.
type parser struct {
	data    []byte
	whole   string // what data is, for errors: "the delta"
	pos     int
	op      int             // index of the op being read, -1 outside of one
	text    []byte          // the last string that had escapes
	scratch []byte          // the canonical text of the last value
	kept    strings.Builder // short strings, one behind the other
}

func newParser(data []byte, whole string) parser { return parser{data: data, whole: whole, op: -1} }

// fail returns the error that the op, or outside of one the whole, "<format>".
func (p *parser) fail(format string, args ...any) error {
	if p.op < 0 {
		return invalid(p.whole+" "+format, args...)
	}
	return invalidOp(p.op, format, args...)
}

const (
	// maxShared is the longest string that shares its memory with others, and
	// shareRoom how much they get at once: what an edit of one word takes.
	maxShared = 32
	shareRoom = 64
)

// keep returns text as a string that outlives data. Short ones lie in one piece
// of memory, so that an edit costs few allocations, and whoever holds one of
// them holds little more.
func (p *parser) keep(text []byte) string {
	if len(text) <= 1 || len(text) > maxShared {
		return string(text) // Go keeps strings of one byte
	}
	if p.kept.Cap()-p.kept.Len() < len(text) {
		p.kept.Reset()
		p.kept.Grow(min(shareRoom, len(text)+len(p.data)-p.pos))
	}
	p.kept.Write(text)
	return p.kept.String()[p.kept.Len()-len(text):]
}

// syntax returns the error that JSON wants something else at this byte.
func (p *parser) syntax(want string) error {
	if p.pos >= len(p.data) {
		return p.fail("is cut off: %s is missing", want)
	}
	return p.fail("is not JSON: byte %d should be %s", p.pos, want)
}

// peek returns the next byte, 0 at the end.
func (p *parser) peek() byte {
	if p.pos < len(p.data) {
		return p.data[p.pos]
	}
	return 0
}

// space skips white space.
func (p *parser) space() {
	for p.pos < len(p.data) {
		switch p.data[p.pos] {
		case ' ', '\t', '\n', '\r':
			p.pos++
		default:
			return
		}
	}
}

// accept skips the byte b, if it is next, and the white space behind it.
func (p *parser) accept(b byte) bool {
	if p.peek() != b {
		return false
	}
	p.pos++
	p.space()
	return true
}

// end makes sure that nothing but white space follows.
func (p *parser) end() error {
	p.space()
	if p.pos < len(p.data) {
		return p.fail("ends before byte %d, but more follows", p.pos)
	}
	return nil
}

// list reads the items between open, which is next, and shut.
func (p *parser) list(open, shut byte, item func() error) error {
	if !p.accept(open) {
		return p.syntax(fmt.Sprintf("'%c'", open))
	}
	if p.accept(shut) {
		return nil
	}
	for {
		if err := item(); err != nil {
			return err
		}
		p.space()
		if p.accept(shut) {
			return nil
		}
		if !p.accept(',') {
			return p.syntax(fmt.Sprintf("',' or '%c'", shut))
		}
	}
}

// object reads an object; member reads the value behind each name. The name is
// valid until the next string is read.
func (p *parser) object(member func(name []byte) error) error {
	return p.list('{', '}', func() error {
		name, err := p.str()
		if err != nil {
			return err
		}
		p.space()
		if !p.accept(':') {
			return p.syntax("':'")
		}
		return member(name)
	})
}

// str reads a string. The result is valid until the next string is read.
func (p *parser) str() ([]byte, error) {
	if p.peek() != '"' {
		return nil, p.syntax("a string")
	}
	p.pos++
	start, ascii := p.pos, true
	for i := start; i < len(p.data); i++ {
		switch b := p.data[i]; {
		case b == '"':
			p.pos = i + 1
			return p.utf8(p.data[start:i], ascii)
		case b == '\\':
			p.text = append(p.text[:0], p.data[start:i]...)
			p.pos = i
			return p.escaped(ascii)
		case b < ' ':
			p.pos = i
			return nil, p.fail("is not JSON: byte %d is a control character inside a string", i)
		case b >= utf8.RuneSelf:
			ascii = false
		}
	}
	p.pos = len(p.data)
	return nil, p.syntax("the end of a string")
}

// utf8 returns s if it is well-formed.
func (p *parser) utf8(s []byte, ascii bool) ([]byte, error) {
	if !ascii && !utf8.Valid(s) {
		return nil, p.fail("has text that is not UTF-8, before byte %d", p.pos)
	}
	return s, nil
}

// escaped reads the rest of a string whose beginning is in p.text, from its
// first escape on.
func (p *parser) escaped(ascii bool) ([]byte, error) {
	for p.pos < len(p.data) {
		switch b := p.data[p.pos]; {
		case b == '"':
			p.pos++
			return p.utf8(p.text, ascii)
		case b == '\\':
			if err := p.escape(); err != nil {
				return nil, err
			}
		case b < ' ':
			return nil, p.fail("is not JSON: byte %d is a control character inside a string", p.pos)
		default:
			ascii = ascii && b < utf8.RuneSelf
			p.text = append(p.text, b)
			p.pos++
		}
	}
	return nil, p.syntax("the end of a string")
}

// escape reads one escape, or the two of a surrogate pair, into p.text.
func (p *parser) escape() error {
	if p.pos+1 >= len(p.data) {
		p.pos = len(p.data)
		return p.syntax("the end of a string")
	}
	escape := p.data[p.pos+1]
	if escape == 'u' {
		return p.unicodeEscape()
	}
	i := bytes.IndexByte([]byte(`"\/bfnrt`), escape)
	if i < 0 {
		return p.fail("is not JSON: byte %d is no escape", p.pos)
	}
	p.text = append(p.text, "\"\\/\b\f\n\r\t"[i])
	p.pos += 2
	return nil
}

// unicodeEscape reads \uXXXX, or two of them that make a surrogate pair.
func (p *parser) unicodeEscape() error {
	const half = "has half of a surrogate pair at byte %d"
	at := p.pos
	r, err := p.hex4()
	if err != nil {
		return err
	}
	switch {
	case r >= 0xdc00 && r < 0xe000:
		return p.fail(half, at)
	case r >= 0xd800 && r < 0xdc00:
		if !bytes.HasPrefix(p.data[p.pos:], []byte(`\u`)) {
			return p.fail(half, at)
		}
		low, err := p.hex4()
		if err != nil {
			return err
		}
		if low < 0xdc00 || low >= 0xe000 {
			return p.fail(half, at)
		}
		r = (r-0xd800)<<10 + (low - 0xdc00) + 0x10000
	}
	p.text = utf8.AppendRune(p.text, r)
	return nil
}

// hex4 reads \uXXXX, of which \u is known to be there.
func (p *parser) hex4() (rune, error) {
	at := p.pos
	if len(p.data) < at+6 {
		p.pos = len(p.data)
		return 0, p.syntax("the end of a string")
	}
	var r rune
	for _, b := range p.data[at+2 : at+6] {
		switch {
		case b >= '0' && b <= '9':
			b -= '0'
		case b >= 'a' && b <= 'f':
			b -= 'a' - 10
		case b >= 'A' && b <= 'F':
			b -= 'A' - 10
		default:
			return 0, p.fail("is not JSON: byte %d is no escape", at)
		}
		r = r<<4 | rune(b)
	}
	p.pos = at + 6
	return r, nil
}

// number reads the text of a number.
func (p *parser) number() ([]byte, error) {
	start := p.pos
	if p.peek() == '-' {
		p.pos++
	}
	whole := p.digits()
	if whole == 0 || whole > 1 && p.data[p.pos-whole] == '0' {
		p.pos -= whole
		return nil, p.syntax("a number without a leading zero")
	}
	if p.peek() == '.' {
		p.pos++
		if p.digits() == 0 {
			return nil, p.syntax("a digit")
		}
	}
	if b := p.peek(); b == 'e' || b == 'E' {
		p.pos++
		if b := p.peek(); b == '+' || b == '-' {
			p.pos++
		}
		if p.digits() == 0 {
			return nil, p.syntax("a digit")
		}
	}
	return p.data[start:p.pos], nil
}

// digits skips digits and returns how many there were.
func (p *parser) digits() int {
	start := p.pos
	for b := p.peek(); b >= '0' && b <= '9'; b = p.peek() {
		p.pos++
	}
	return p.pos - start
}

// length reads the length of a retain or delete: a whole number from 0 up to
// maxLength. Like JavaScript it takes 3.0 and 3e0 for 3.
func (p *parser) length(action string) (int, error) {
	text, err := p.number()
	if err != nil {
		return 0, err
	}
	if len(text) <= 15 && isDigits(text) {
		n := 0
		for _, b := range text {
			n = n*10 + int(b-'0')
		}
		return p.bounded(action, n)
	}
	x, err := strconv.ParseFloat(string(text), 64)
	switch {
	case x < 0:
		return 0, p.fail("has a negative %s", action)
	case err != nil || x > maxLength:
		return 0, p.fail("has a %s greater than 2^53-1", action)
	case x != math.Trunc(x):
		return 0, p.fail("has a %s that is no whole number", action)
	}
	return int(x), nil
}

// bounded returns n unless it is too great for this machine's int.
func (p *parser) bounded(action string, n int) (int, error) {
	if n > maxLength {
		return 0, p.fail("has a %s greater than 2^53-1", action)
	}
	return n, nil
}

func isDigits(text []byte) bool {
	for _, b := range text {
		if b < '0' || b > '9' {
			return false
		}
	}
	return true
}

// value reads any JSON value.
func (p *parser) value() (Value, error) {
	switch b := p.peek(); {
	case b == 't' && p.literal("true"):
		return True, nil
	case b == 'n' && p.literal("null"):
		return Null, nil
	}
	text, err := p.appendValue(p.scratch[:0], 1)
	if err != nil {
		return "", err
	}
	p.scratch = text
	if len(text) > maxValueBytes {
		return "", p.fail("has a value of more than %d bytes", maxValueBytes)
	}
	return Value(p.keep(text)), nil
}

// literal skips word if it is next.
func (p *parser) literal(word string) bool {
	if !bytes.HasPrefix(p.data[p.pos:], []byte(word)) {
		return false
	}
	p.pos += len(word)
	return true
}

// appendValue reads a value and appends its canonical text to dst.
func (p *parser) appendValue(dst []byte, depth int) ([]byte, error) {
	switch b := p.peek(); {
	case b == '{' || b == '[':
		if depth > maxDepth {
			return nil, p.fail("has a value nested more than %d deep", maxDepth)
		}
		if b == '[' {
			return p.appendArray(dst, depth)
		}
		return p.appendObject(dst, depth)
	case b == '"':
		text, err := p.str()
		if err != nil {
			return nil, err
		}
		return appendString(dst, text), nil
	case b == '-' || b >= '0' && b <= '9':
		return p.appendNumber(dst)
	}
	for _, word := range []string{"true", "false", "null"} {
		if p.literal(word) {
			return append(dst, word...), nil
		}
	}
	return nil, p.syntax("a value")
}

func (p *parser) appendNumber(dst []byte) ([]byte, error) {
	text, err := p.number()
	if err != nil {
		return nil, err
	}
	if len(text) <= 15 && isDigits(text) {
		return append(dst, text...), nil
	}
	x, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return nil, p.fail("has a number that is too great")
	}
	return appendNumber(dst, x), nil
}

func (p *parser) appendArray(dst []byte, depth int) ([]byte, error) {
	dst = append(dst, '[')
	first := true
	err := p.list('[', ']', func() (err error) {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst, err = p.appendValue(dst, depth+1)
		return err
	})
	return append(dst, ']'), err
}

// A member is where one member of an object stands in canonical text.
type member struct {
	start, end int
	name       string // unescaped
}

func (p *parser) appendObject(dst []byte, depth int) ([]byte, error) {
	dst = append(dst, '{')
	start := len(dst)
	var members []member
	err := p.object(func(name []byte) (err error) {
		m := member{start: len(dst), name: string(name)}
		dst = append(appendString(dst, name), ':')
		dst, err = p.appendValue(dst, depth+1)
		dst = append(dst, ',')
		m.end = len(dst)
		members = append(members, m)
		return err
	})
	if err != nil || len(members) == 0 {
		return append(dst, '}'), err
	}
	if dst, err = p.sortMembers(dst, start, members); err != nil {
		return nil, err
	}
	dst[len(dst)-1] = '}' // instead of the last comma
	return dst, nil
}

// sortMembers puts the members of the object in dst[start:] in order.
func (p *parser) sortMembers(dst []byte, start int, members []member) ([]byte, error) {
	byName := func(a, b member) int { return strings.Compare(a.name, b.name) }
	sorted := slices.IsSortedFunc(members, byName)
	if !sorted {
		slices.SortFunc(members, byName)
	}
	for i := 1; i < len(members); i++ {
		if members[i-1].name == members[i].name {
			return nil, p.fail("has a value that names %s twice", quoted(members[i].name))
		}
	}
	if sorted {
		return dst, nil
	}
	unsorted := slices.Clone(dst[start:])
	dst = dst[:start]
	for _, m := range members {
		dst = append(dst, unsorted[m.start-start:m.end-start]...)
	}
	return dst, nil
}
