package ot

import (
	"slices"
	"strconv"
	"unicode/utf8"
)

// Parse reads a Delta from JSON, the array of ops, and normalises it.
//
// It is strict: the error is an *InvalidError, which names the op by its index
// as sent, for anything but one JSON array of ops with exactly one action each;
// for lengths that are negative, fractional or, all added up, greater than
// 2^53-1; for an insert that is neither text nor an object with exactly one
// member; for {"retain": {...}}; for invalid UTF-8 or half of a surrogate pair
// anywhere; for a member that is unknown or there twice; for attributes on a
// delete; and for values nested more than 32 deep or longer than 1 MiB. Ops of
// no length are dropped, as are empty attributes and null ones on an insert.
//
// A plain retain at the end stays, so that the caller can refuse one that
// reaches past the end of the content; see [Delta.Chop].
func Parse(data []byte) (Delta, error) {
	p := newParser(data, "the delta")
	p.space()
	b := newBuilder(opsIn(len(data)))
	if err := p.ops(b.push); err != nil {
		return nil, err
	}
	if err := p.end(); err != nil {
		return nil, err
	}
	return b.delta(), nil
}

// ParseOps is Parse without normalising: index i of the result is op i as sent,
// or the zero Op if that op has no length. Use it to name an op as it was sent.
func ParseOps(data []byte) (Delta, error) {
	p := newParser(data, "the delta")
	p.space()
	d, err := p.opsAsSent()
	if err == nil {
		err = p.end()
	}
	if err != nil {
		return nil, err
	}
	return d, nil
}

// opsAsSent is what ParseOps returns.
func (p *parser) opsAsSent() (Delta, error) {
	d := make(Delta, 0, opsIn(len(p.data)-p.pos))
	err := p.ops(func(op Op) {
		if op.Len() == 0 {
			op = Op{}
		}
		d = append(d, op)
	})
	return d, err
}

// ops reads an array of ops and calls each with every op as sent.
func (p *parser) ops(each func(Op)) error {
	if p.peek() != '[' {
		return p.fail("is not a JSON array")
	}
	total := 0
	index := -1
	return p.list('[', ']', func() error {
		index++
		p.op = index
		op, err := p.parseOp()
		if err != nil {
			return err
		}
		n := op.Len()
		if n > maxLength-total {
			return p.fail("brings the sum of lengths over 2^53-1")
		}
		total += n
		each(op)
		p.op = -1
		return nil
	})
}

// opsIn is the initial capacity, in ops, for n bytes of JSON.
func opsIn(n int) int { return min(n/16+1, builderCapacity) }

// parseOp reads one op. Its action is known only at its end.
func (p *parser) parseOp() (Op, error) {
	var op Op
	if p.peek() != '{' {
		return op, p.fail("is not an object")
	}
	action, attributes := "", false
	err := p.object(func(name []byte) error {
		switch string(name) {
		case "insert", "retain", "delete":
			if action == string(name) {
				return p.fail("has %s twice", action)
			}
			if action != "" {
				return p.fail("has both %s and %s", action, name)
			}
			switch string(name) {
			case "insert":
				action = "insert"
				return p.insert(&op)
			case "retain":
				action = "retain"
				return p.retain(&op)
			default:
				action = "delete"
				return p.delete(&op)
			}
		case "attributes":
			if attributes {
				return p.fail("has attributes twice")
			}
			attributes = true
			return p.attributes(&op)
		}
		return p.fail("has an unknown member %s", quoted(string(name)))
	})
	switch {
	case err != nil:
	case action == "":
		err = p.fail("has none of insert, retain and delete")
	case action == "delete" && len(op.Attributes) > 0:
		err = p.fail("has attributes on a delete")
	case action == "insert":
		op.Attributes = op.Attributes.withoutNulls()
	}
	return op, err
}

func (p *parser) insert(op *Op) error {
	switch p.peek() {
	case '"':
		text, err := p.str()
		op.Insert = p.keep(text)
		return err
	case '{':
		return p.embed(op)
	}
	return p.fail("inserts neither text nor an embed")
}

func (p *parser) embed(op *Op) error {
	members := 0
	err := p.object(func(name []byte) (err error) {
		if members++; members > 1 {
			return p.fail("inserts an embed with more than one member")
		}
		op.Embed.Type = p.keep(name)
		op.Embed.Value, err = p.value()
		return err
	})
	switch {
	case err != nil:
		return err
	case members == 0:
		return p.fail("inserts an empty embed")
	case op.Embed.Type == "":
		return p.fail("inserts an embed without a name")
	}
	return nil
}

func (p *parser) retain(op *Op) (err error) {
	if p.peek() == '{' {
		return p.fail("retains an embed to change it, which is not supported")
	}
	if !p.atNumber() {
		return p.fail("has a retain that is no number")
	}
	op.Retain, err = p.length("retain")
	return err
}

func (p *parser) delete(op *Op) (err error) {
	if !p.atNumber() {
		return p.fail("has a delete that is no number")
	}
	op.Delete, err = p.length("delete")
	return err
}

// atNumber reports whether a number is next.
func (p *parser) atNumber() bool {
	b := p.peek()
	return b == '-' || b >= '0' && b <= '9'
}

func (p *parser) attributes(op *Op) error {
	if p.peek() != '{' {
		return p.fail("has attributes that are no object")
	}
	var attrs Attributes
	err := p.object(func(name []byte) error {
		attr := Attr{Name: p.keep(name)}
		value, err := p.value()
		attr.Value = value
		attrs = append(attrs, attr)
		return err
	})
	if err != nil {
		return err
	}
	if !slices.IsSortedFunc(attrs, compareNames) {
		slices.SortFunc(attrs, compareNames)
	}
	for i := 1; i < len(attrs); i++ {
		if attrs[i-1].Name == attrs[i].Name {
			return p.fail("has the attribute %s twice", quoted(attrs[i].Name))
		}
	}
	op.Attributes = attrs
	return nil
}

// UnmarshalJSON reads d as [Parse] does.
func (d *Delta) UnmarshalJSON(data []byte) error {
	parsed, err := Parse(data)
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}

// MarshalJSON returns d as the array of its ops; it never fails.
func (d Delta) MarshalJSON() ([]byte, error) { return d.AppendJSON(nil), nil }

// AppendJSON appends d to dst as JSON, the array of its ops, without white
// space and with only the escapes that JSON requires.
func (d Delta) AppendJSON(dst []byte) []byte {
	dst = append(dst, '[')
	for i := range d {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = d[i].appendJSON(dst)
	}
	return append(dst, ']')
}

func (op *Op) appendJSON(dst []byte) []byte {
	switch {
	case op.Retain > 0:
		dst = strconv.AppendInt(append(dst, `{"retain":`...), int64(op.Retain), 10)
	case op.Delete > 0:
		dst = strconv.AppendInt(append(dst, `{"delete":`...), int64(op.Delete), 10)
	case op.Embed.Type != "":
		dst = op.Embed.AppendJSON(append(dst, `{"insert":`...))
	default:
		dst = appendString(append(dst, `{"insert":`...), op.Insert)
	}
	return appendAttributes(dst, op.Attributes)
}

// appendAttributes appends an op's attributes, if it has any, and its end.
func appendAttributes(dst []byte, a Attributes) []byte {
	if len(a) > 0 {
		dst = a.AppendJSON(append(dst, `,"attributes":`...))
	}
	return append(dst, '}')
}

// AppendJSON appends e to dst as a JSON object with one member.
func (e Embed) AppendJSON(dst []byte) []byte {
	dst = append(appendString(append(dst, '{'), e.Type), ':')
	return append(append(dst, e.Value...), '}')
}

// AppendJSON appends a to dst as a JSON object.
func (a Attributes) AppendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	for i, attr := range a {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, attr.Name), ':')
		dst = append(dst, attr.Value...)
	}
	return append(dst, '}')
}

// Validate returns an *InvalidError that names the first fault of a Delta that
// was built by hand. It refuses what Parse refuses, and ops, attributes and
// values that are not in the form that their types require. d need not be
// normalised.
func (d Delta) Validate() error {
	total := 0
	for i := range d {
		if err := d[i].validate(i); err != nil {
			return err
		}
		n := d[i].Len()
		if n > maxLength-total {
			return invalidOp(i, "brings the sum of lengths over 2^53-1")
		}
		total += n
	}
	return nil
}

// validate checks op, the one at index i.
func (op *Op) validate(i int) error {
	if err := op.validateShape(i); err != nil {
		return err
	}
	if op.Embed.Type != "" {
		if !utf8.ValidString(op.Embed.Type) {
			return invalidOp(i, "inserts an embed whose name is not UTF-8")
		}
		if !op.Embed.Value.isCanonical() {
			return invalidOp(i, "inserts an embed whose value is not canonical JSON")
		}
	}
	return op.validateAttributes(i)
}

// validateShape checks all of op but the values and attributes in it.
func (op *Op) validateShape(i int) error {
	if op.isPlainRetain() || op.isPlainInsert() && utf8.ValidString(op.Insert) {
		return nil
	}
	actions := one(op.Insert != "") + one(op.Embed.Type != "") + one(op.Retain != 0) + one(op.Delete != 0)
	switch {
	case actions == 0:
		return invalidOp(i, "does nothing")
	case actions > 1:
		return invalidOp(i, "has more than one action")
	case op.Retain < 0 || op.Delete < 0:
		return invalidOp(i, "has a negative length")
	case op.Retain > maxLength || op.Delete > maxLength:
		return invalidOp(i, "has a length greater than 2^53-1")
	case op.Insert != "" && !utf8.ValidString(op.Insert):
		return invalidOp(i, "has text that is not UTF-8")
	case op.Delete > 0 && len(op.Attributes) > 0:
		return invalidOp(i, "has attributes on a delete")
	}
	return nil
}

// isPlainRetain reports whether op is a well-formed retain without attributes, as
// most edits begin with.
func (op *Op) isPlainRetain() bool {
	return op.Retain > 0 && op.Retain <= maxLength && op.Delete == 0 && op.Insert == "" && op.Embed.Type == ""
}

// isPlainInsert reports whether op inserts text and does nothing else.
func (op *Op) isPlainInsert() bool {
	return op.Insert != "" && op.Retain == 0 && op.Delete == 0 && op.Embed.Type == ""
}

// one returns 1 for true.
func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (op *Op) validateAttributes(i int) error {
	for j, attr := range op.Attributes {
		switch {
		case j > 0 && op.Attributes[j-1].Name >= attr.Name:
			return invalidOp(i, "has attributes that are not sorted, each once")
		case !utf8.ValidString(attr.Name):
			return invalidOp(i, "has an attribute whose name is not UTF-8")
		case attr.Value == Null && op.IsInsert():
			return invalidOp(i, "sets the attribute %s of an insert to null", quoted(attr.Name))
		case !attr.Value.isCanonical():
			return invalidOp(i, "has the attribute %s with a value that is not canonical JSON", quoted(attr.Name))
		}
	}
	return nil
}

// isCanonical reports whether v is what ParseValue makes of it.
func (v Value) isCanonical() bool {
	if v == True {
		return true
	}
	canonical, err := ParseValue([]byte(v))
	return err == nil && canonical == v
}
