package editor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"halley/ot"
	"halley/storage"
	"halley/storage/encoding"
)

// BlockCodec splits changes into columns by what their ops do, for a store that
// folds them into blocks. The columns, with integers as varints:
//
//	shapes    the kinds of ops that one change has, each such row of kinds once
//	which     for each change, its shape: 0 for the next new one, else how many
//	          shapes ago it was met first
//	moves     by how much the first retain of a change differs from where its
//	          client's cursor was left, and others' edits took it
//	retains   all other retains
//	deletes   lengths of deletes
//	inserts   bytes of each inserted text
//	text      inserted texts, one after the other
//	formats   for each op with attributes: 0 for new ones, else how many ago
//	objects   attributes and embeds as JSON, each behind its length
//	raw       payloads that would not come back byte for byte, each behind its length
type BlockCodec struct{}

// What an op is in a shape; kindFormatted is added where it has attributes.
const (
	kindInsert = 1 + iota
	kindEmbed
	kindRetain
	kindDelete
	kindRaw       // instead of ops: the payload itself
	kindFormatted = 8
)

const (
	columnShapes = iota
	columnWhich
	columnMoves
	columnRetains
	columnDeletes
	columnInserts
	columnText
	columnFormats
	columnObjects
	columnRaw
	columnCount
)

// maxUnits is the greatest length that an op of a Delta has.
const maxUnits = min(1<<53-1, math.MaxInt)

// minOpJSON is how many bytes an op has in JSON at least: {"retain":1}.
const minOpJSON = 12

var errBlock = errors.New("the columns of its block do not fit together")

// cursors are where clients' next edits are expected. All of them move with each
// change, so they lie in a row. The zero value is ready.
type cursors struct {
	of map[string]int // index in at
	at []int
}

// next is where client's next edit is expected: at 0 where nothing is known.
func (c *cursors) next(client string) int {
	if i, known := c.of[client]; known {
		return c.at[i]
	}
	return 0
}

// maxCursors bounds what one edit costs where hundreds write on one page.
const maxCursors = 64

// take moves all cursors as change d of client does.
func (c *cursors) take(client string, d ot.Delta) {
	at, own := 0, 0
	for i := range d {
		op := &d[i]
		switch {
		case op.Retain > 0:
			at += op.Retain
			own = at
		case op.Delete > 0:
			c.shift(at, -op.Delete)
			own = at
		default:
			n := op.Len()
			c.shift(at, n)
			at += n
			own = at
		}
	}
	i, known := c.of[client]
	if !known {
		if len(c.at) == maxCursors || c.of == nil {
			c.of, c.at = map[string]int{}, c.at[:0]
		}
		i = len(c.at)
		c.of[client], c.at = i, append(c.at, own)
	}
	c.at[i] = own
}

// shift moves the cursors at or behind a place where n units are put in, or
// -n are taken away.
func (c *cursors) shift(at, n int) {
	for i, cursor := range c.at {
		if cursor >= at {
			c.at[i] = max(cursor+n, at)
		}
	}
}

// numbers gives numbers to strings as they are met: 0 for a new one, else by
// how many it came before the newest, plus 1.
type numbers struct {
	at    map[string]int
	count int
}

func (n *numbers) of(s []byte) (number uint64, isNew bool) {
	if at, ok := n.at[string(s)]; ok {
		return uint64(n.count - at), false
	}
	n.at[string(s)] = n.count
	n.count++
	return 0, true
}

// A blockWriter splits one block.
type blockWriter struct {
	columns [columnCount][]byte
	shapes  numbers
	formats numbers
	cursors cursors
	shape   []byte // of the change at hand
	scratch []byte
}

// Split implements storage.BlockCodec.
func (BlockCodec) Split(changes []storage.Change) [][]byte {
	w := blockWriter{shapes: numbers{at: map[string]int{}}, formats: numbers{at: map[string]int{}}}
	for i := range changes {
		w.change(&changes[i])
	}
	return w.columns[:]
}

func (w *blockWriter) change(c *storage.Change) {
	w.shape = w.shape[:0]
	d, err := ot.Parse(c.Payload)
	if w.scratch = d.AppendJSON(w.scratch[:0]); err != nil || string(w.scratch) != string(c.Payload) {
		w.shape = append(w.shape, kindRaw)
		w.columns[columnRaw] = encoding.AppendBytes(w.columns[columnRaw], c.Payload)
		d = nil
	}
	for i := range d {
		w.op(c.Client, &d[i], i == 0)
	}
	number, isNew := w.shapes.of(w.shape)
	w.number(columnWhich, number)
	if isNew {
		w.columns[columnShapes] = encoding.AppendBytes(w.columns[columnShapes], w.shape)
	}
	w.cursors.take(c.Client, d)
}

func (w *blockWriter) number(column int, n uint64) {
	w.columns[column] = binary.AppendUvarint(w.columns[column], n)
}

func (w *blockWriter) op(client string, op *ot.Op, first bool) {
	kind := byte(kindInsert)
	switch {
	case op.Retain > 0 && first:
		kind = kindRetain
		w.columns[columnMoves] = binary.AppendVarint(w.columns[columnMoves], int64(op.Retain-w.cursors.next(client)))
	case op.Retain > 0:
		kind = kindRetain
		w.number(columnRetains, uint64(op.Retain))
	case op.Delete > 0:
		kind = kindDelete
		w.number(columnDeletes, uint64(op.Delete))
	case op.Embed.Type != "":
		kind = kindEmbed
		w.columns[columnObjects] = encoding.AppendBytes(w.columns[columnObjects], op.Embed.AppendJSON(nil))
	default:
		w.number(columnInserts, uint64(len(op.Insert)))
		w.columns[columnText] = append(w.columns[columnText], op.Insert...)
	}
	if len(op.Attributes) > 0 {
		kind |= kindFormatted
		json := op.Attributes.AppendJSON(nil)
		number, isNew := w.formats.of(json)
		w.number(columnFormats, number)
		if isNew {
			w.columns[columnObjects] = encoding.AppendBytes(w.columns[columnObjects], json)
		}
	}
	w.shape = append(w.shape, kind)
}

// A blockReader joins one block.
type blockReader struct {
	columns [columnCount]encoding.Reader
	shapes  [][]byte
	formats []ot.Attributes
	cursors cursors
	text    string // of columnText; texts are parts of it
	size    int    // of all payloads
	room    int    // what is left of it, at least, before the change at hand is encoded
	delta   ot.Delta
}

// Join implements storage.BlockCodec.
func (BlockCodec) Join(changes []storage.Change, columns [][]byte, size int) error {
	if len(columns) != columnCount {
		return errBlock
	}
	r := blockReader{text: string(columns[columnText]), size: size}
	for i := range columns {
		r.columns[i].Rest = columns[i]
	}
	payloads := make([]byte, 0, size)
	for i := range changes {
		start := len(payloads)
		var err error
		if payloads, err = r.change(payloads, changes[i].Client); err != nil {
			return err
		}
		if len(payloads) > size {
			return errBlock
		}
		changes[i].Payload = payloads[start:len(payloads):len(payloads)]
	}
	if len(payloads) != size || len(r.text) > 0 {
		return errBlock
	}
	for i := range r.columns {
		if c := &r.columns[i]; c.Err != nil || i != columnText && len(c.Rest) > 0 {
			return errBlock
		}
	}
	return nil
}

// change appends the payload of client's next change to dst.
func (r *blockReader) change(dst []byte, client string) ([]byte, error) {
	shape, err := pick(&r.columns[columnWhich], &r.shapes, func() ([]byte, error) {
		return r.columns[columnShapes].Bytes(), nil
	})
	if err != nil {
		return nil, err
	}
	if len(shape) == 1 && shape[0] == kindRaw {
		r.cursors.take(client, nil)
		return append(dst, r.columns[columnRaw].Bytes()...), nil
	}
	r.delta, r.room = r.delta[:0], r.size-len(dst)
	for i, kind := range shape {
		op, err := r.op(kind, client, i == 0)
		if err != nil {
			return nil, err
		}
		if r.room -= minOpJSON; r.room < 0 {
			return nil, errBlock
		}
		r.delta = append(r.delta, op)
	}
	r.cursors.take(client, r.delta)
	return r.delta.AppendJSON(dst), nil
}

// pick takes a number off column and returns what it stands for among met; for
// a new one, what make returns.
func pick[T any](column *encoding.Reader, met *[]T, make func() (T, error)) (picked T, err error) {
	n := column.Uvarint()
	if column.Err != nil || n > uint64(len(*met)) {
		return picked, errBlock
	}
	if n > 0 {
		return (*met)[uint64(len(*met))-n], nil
	}
	if picked, err = make(); err == nil {
		*met = append(*met, picked)
	}
	return picked, err
}

func (r *blockReader) op(kind byte, client string, first bool) (op ot.Op, err error) {
	switch kind &^ kindFormatted {
	case kindRetain:
		op.Retain, err = r.retain(client, first)
	case kindDelete:
		op.Delete, err = r.length(columnDeletes)
	case kindEmbed:
		op, err = r.object(`[{"insert":`, `}]`)
		r.room -= len(op.Embed.Type) + len(op.Embed.Value)
	case kindInsert:
		n := r.columns[columnInserts].Uvarint()
		if n == 0 || n > uint64(len(r.text)) {
			return op, errBlock
		}
		op.Insert, r.text = r.text[:n], r.text[n:]
		r.room -= int(n)
	default:
		err = errBlock
	}
	if kind&kindFormatted == 0 || err != nil {
		return op, err
	}
	op.Attributes, err = pick(&r.columns[columnFormats], &r.formats, func() (ot.Attributes, error) {
		o, err := r.object(`[{"retain":1,"attributes":`, `}]`)
		return o.Attributes, err
	})
	for _, a := range op.Attributes {
		r.room -= len(a.Name) + len(a.Value)
	}
	return op, err
}

func (r *blockReader) retain(client string, first bool) (int, error) {
	if !first {
		return r.length(columnRetains)
	}
	at := int64(r.cursors.next(client)) + r.columns[columnMoves].Varint()
	if at <= 0 || at > maxUnits {
		return 0, errBlock
	}
	return int(at), nil
}

func (r *blockReader) length(column int) (int, error) {
	n := r.columns[column].Uvarint()
	if n == 0 || n > maxUnits {
		return 0, errBlock
	}
	return int(n), nil
}

// object parses the next of the objects, which stands between before and after
// in a change of one op.
func (r *blockReader) object(before, after string) (ot.Op, error) {
	json := r.columns[columnObjects].Bytes()
	d, err := ot.Parse(append(append([]byte(before), json...), after...))
	switch {
	case err != nil:
		return ot.Op{}, fmt.Errorf("%w: %w", errBlock, err)
	case len(d) != 1:
		return ot.Op{}, errBlock
	}
	return d[0], nil
}
