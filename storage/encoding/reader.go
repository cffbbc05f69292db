package encoding

import (
	"encoding/binary"
	"errors"
)

// ErrInvalid reports bytes that are not in the expected encoding.
var ErrInvalid = errors.New("its encoding is damaged")

// AppendBytes appends the length of s as a varint, then s.
func AppendBytes[T string | []byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// A Reader takes values off the front of Rest. After the first value that does
// not fit, Err is ErrInvalid, Rest is empty, and every further value is zero, so
// a caller checks Err once, at the end.
type Reader struct {
	Rest []byte
	Err  error
}

// Fail makes r behave as if a value had not fitted.
func (r *Reader) Fail() {
	r.Rest, r.Err = nil, ErrInvalid
}

// Byte takes one byte.
func (r *Reader) Byte() byte {
	if len(r.Rest) == 0 {
		r.Fail()
		return 0
	}
	b := r.Rest[0]
	r.Rest = r.Rest[1:]
	return b
}

// Uvarint takes an unsigned varint.
func (r *Reader) Uvarint() uint64 {
	v, n := binary.Uvarint(r.Rest)
	if n <= 0 {
		r.Fail()
		return 0
	}
	r.Rest = r.Rest[n:]
	return v
}

// Varint takes a signed varint.
func (r *Reader) Varint() int64 {
	v, n := binary.Varint(r.Rest)
	if n <= 0 {
		r.Fail()
		return 0
	}
	r.Rest = r.Rest[n:]
	return v
}

// Bytes takes what AppendBytes appended. The result shares memory with Rest.
func (r *Reader) Bytes() []byte {
	n := r.Uvarint()
	if n > uint64(len(r.Rest)) {
		r.Fail()
		return nil
	}
	b := r.Rest[:n:n]
	r.Rest = r.Rest[n:]
	return b
}

// String takes what AppendBytes appended, as a string.
func (r *Reader) String() string { return string(r.Bytes()) }

// Fixed fills into with the next bytes.
func (r *Reader) Fixed(into []byte) {
	if len(r.Rest) < len(into) {
		r.Fail()
		return
	}
	copy(into, r.Rest)
	r.Rest = r.Rest[len(into):]
}

// End returns Err, or ErrInvalid if something is left in Rest.
func (r *Reader) End() error {
	if r.Err == nil && len(r.Rest) > 0 {
		return ErrInvalid
	}
	return r.Err
}
