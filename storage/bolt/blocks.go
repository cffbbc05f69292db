package bolt

import (
	"bytes"
	"encoding/binary"

	"halley/storage"
	"halley/storage/encoding"
)

// A sealedBlock is a block that is there: which changes it has, between which
// links of the chain, and what its parts amount to.
type sealedBlock struct {
	first, last uint64
	open        bool // it may be packed again with the changes that follow
	parts       int
	size        int
	sum         uint32 // CRC-32C of all parts
	before, end link
}

func (b sealedBlock) count() int { return int(b.last - b.first + 1) }

func (b sealedBlock) encode(key []byte) []byte {
	v := binary.AppendUvarint([]byte{rowVersion}, uint64(b.count()))
	v = append(v, map[bool]byte{true: 1}[b.open])
	for _, n := range []uint64{uint64(b.parts), uint64(b.size), uint64(b.sum)} {
		v = binary.AppendUvarint(v, n)
	}
	v = append(v, b.before[:]...)
	return seal(key, append(v, b.end[:]...))
}

func decodeSealedBlock(key, sealed []byte) (b sealedBlock, err error) {
	value, err := unseal(key, sealed)
	if err != nil {
		return b, err
	}
	d := encoding.Reader{Rest: value}
	count := d.Uvarint()
	b = sealedBlock{last: tailNumber(key), open: d.Byte() != 0, parts: int(d.Uvarint()), size: int(d.Uvarint()), sum: uint32(d.Uvarint())}
	b.first = b.last - count + 1
	d.Fixed(b.before[:])
	d.Fixed(b.end[:])
	if err := d.End(); err != nil {
		return b, err
	}
	if count == 0 || count > min(b.last, maxBlockChanges) || b.size < 0 || b.size > maxPackedBytes || b.parts < 0 || b.parts > b.size {
		return b, encoding.ErrInvalid
	}
	return b, nil
}

// blockOf is the block that has change seq of page, if one has.
func (t *tables) blockOf(page storage.PageID, seq uint64) (b sealedBlock, there bool, err error) {
	k, v := t.blocks.Cursor().Seek(sealKey(page, seq))
	if !bytes.HasPrefix(k, pageKey(page, kindSeal)) {
		return b, false, nil
	}
	if b, err = decodeSealedBlock(k, v); err != nil {
		return b, false, &storage.CorruptError{Page: page, Seq: seq, Reason: "its block's seal: " + err.Error()}
	}
	return b, b.first <= seq, nil
}

// lastBlock is page's newest block; the zero one where there is none.
func (t *tables) lastBlock(page storage.PageID) (b sealedBlock, err error) {
	c := t.blocks.Cursor()
	k, _ := c.Seek(pageKey(page, kindSeal+1))
	if k == nil {
		k, _ = c.Last()
	} else {
		k, _ = c.Prev()
	}
	if !bytes.HasPrefix(k, pageKey(page, kindSeal)) {
		return b, nil
	}
	b, _, err = t.blockOf(page, tailNumber(k))
	return b, err
}

// blockBytes returns a copy of a block as it was packed.
func (t *tables) blockBytes(page storage.PageID, b sealedBlock) ([]byte, error) {
	packed := make([]byte, 0, b.size)
	for part := range b.parts {
		packed = append(packed, t.blocks.Get(partKey(page, b.last, part))...)
	}
	if len(packed) != b.size || sumOf(packed) != b.sum {
		return nil, &storage.CorruptError{Page: page, Seq: b.first, Reason: "the checksum of its block does not hold"}
	}
	return packed, nil
}
