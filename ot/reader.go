package ot

// A Reader reads JSON as strictly as [Parse] does, value by value, for whoever
// is sent a Delta as part of something else. Its errors are *InvalidErrors; after
// one it is of no more use.
type Reader struct{ p parser }

// NewReader returns a Reader of data, which its errors call by name: "the edit".
func NewReader(data []byte, name string) *Reader {
	r := &Reader{newParser(data, name)}
	r.p.space()
	return r
}

// Object reads an object. member is called for each name, valid until it
// returns, and must read the value that follows.
func (r *Reader) Object(member func(name []byte) error) error { return r.p.object(member) }

// Text reads a string.
func (r *Reader) Text() (string, error) {
	text, err := r.p.str()
	return r.p.keep(text), err
}

// Whole reads a whole number from 0 up to 2^53-1, written with digits alone.
func (r *Reader) Whole() (uint64, error) {
	text, err := r.p.number()
	if err != nil {
		return 0, err
	}
	const digits = 16 // of 2^53-1
	n := uint64(0)
	if len(text) > digits || !isDigits(text) {
		return 0, r.p.fail("has a number that is not a whole one up to 2^53-1")
	}
	for _, b := range text {
		n = n*10 + uint64(b-'0')
	}
	if n > 1<<53-1 {
		return 0, r.p.fail("has a number that is not a whole one up to 2^53-1")
	}
	return n, nil
}

// Ops reads a Delta as [ParseOps] does: op i is the one sent as op i.
func (r *Reader) Ops() (Delta, error) { return r.p.opsAsSent() }

// End makes sure that nothing but white space follows.
func (r *Reader) End() error { return r.p.end() }
