package ot

import (
	"math"
	"strconv"
	"strings"
)

// A Value is the value of an attribute or an embed: canonical JSON text
// (object keys sorted by UTF-8 bytes, no white space, numbers as JavaScript
// prints them, no escape that is not needed), so that two values are equal
// exactly when the strings are. The zero Value is no value at all; Null is
// JSON's null.
type Value string

// Null as an attribute's value removes that attribute.
const Null Value = "null"

// True is the value of attributes that are either set or not, such as bold.
const True Value = "true"

// StringValue returns s, which must be valid UTF-8, as a Value.
func StringValue(s string) Value { return Value(appendString(nil, s)) }

// IntValue returns n as a Value. Beyond 2^53 it is the nearest number that
// JavaScript has.
func IntValue(n int) Value { return Value(appendNumber(nil, float64(n))) }

// ParseValue reads one JSON value and returns its canonical text. It refuses
// the values that Parse refuses, with an *InvalidError whose Op is -1.
func ParseValue(data []byte) (Value, error) {
	p := newParser(data, "the value")
	p.space()
	v, err := p.value()
	if err != nil {
		return "", err
	}
	return v, p.end()
}

// Text returns the string that v holds, and whether it holds one.
func (v Value) Text() (string, bool) {
	if v == "" || v[0] != '"' {
		return "", false
	}
	if inner := v[1 : len(v)-1]; strings.IndexByte(string(inner), '\\') < 0 {
		return string(inner), true
	}
	p := newParser([]byte(v), "the value")
	text, err := p.str()
	return string(text), err == nil
}

// Int returns the whole number that v holds, and whether it holds one.
func (v Value) Int() (int, bool) {
	n, err := strconv.Atoi(string(v))
	return n, err == nil
}

// isCompound reports whether v is an object or an array.
func (v Value) isCompound() bool { return v != "" && (v[0] == '{' || v[0] == '[') }

// appendNumber appends x, which is finite, as JavaScript prints it
// (ECMA-262, Number::toString).
func appendNumber(dst []byte, x float64) []byte {
	if x == 0 {
		return append(dst, '0') // also for -0
	}
	if abs := math.Abs(x); abs >= 1e-6 && abs < 1e21 {
		return strconv.AppendFloat(dst, x, 'f', -1, 64)
	}
	dst = strconv.AppendFloat(dst, x, 'e', -1, 64)
	// Go writes e-07 where JavaScript writes e-7.
	if n := len(dst); dst[n-4] == 'e' && dst[n-2] == '0' {
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}

// AppendString appends s, which must be valid UTF-8, as a JSON string, as values
// and Deltas are written: it escapes only what JSON requires.
func AppendString(dst []byte, s string) []byte { return appendString(dst, s) }

// appendString appends s as a JSON string, escaping only what JSON requires,
// as JavaScript's JSON.stringify does.
func appendString[T string | []byte](dst []byte, s T) []byte {
	return append(appendEscaped(append(dst, '"'), s), '"')
}

// appendEscaped is appendString without the quotes.
func appendEscaped[T string | []byte](dst []byte, s T) []byte {
	done := 0
	for i := 0; i < len(s); i++ {
		if b := s[i]; b < ' ' || b == '"' || b == '\\' {
			dst = append(dst, s[done:i]...)
			dst = appendEscape(dst, b)
			done = i + 1
		}
	}
	return append(dst, s[done:]...)
}

func appendEscape(dst []byte, b byte) []byte {
	switch b {
	case '"', '\\':
		return append(dst, '\\', b)
	case '\b':
		return append(dst, `\b`...)
	case '\f':
		return append(dst, `\f`...)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	const hex = "0123456789abcdef"
	return append(dst, '\\', 'u', '0', '0', hex[b>>4], hex[b&15])
}
