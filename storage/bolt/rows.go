package bolt

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"time"

	"halley/storage"
)

// rowVersion is the first byte of every value that this version writes.
const rowVersion = 1

var (
	errEncoding = errors.New("its encoding is damaged")
	errSum      = errors.New("its checksum does not hold")
	errVersion  = errors.New("its encoding is of an unknown version")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func sumOf(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// seal appends the checksum of key and value to value.
func seal(key, value []byte) []byte {
	sum := crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value)
	return binary.BigEndian.AppendUint32(value, sum)
}

// unseal checks the checksum and the version, and returns what lies between.
func unseal(key, sealed []byte) ([]byte, error) {
	if len(sealed) < 5 {
		return nil, errEncoding
	}
	value, want := sealed[:len(sealed)-4], binary.BigEndian.Uint32(sealed[len(sealed)-4:])
	if crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value) != want {
		return nil, errSum
	}
	if value[0] != rowVersion {
		return nil, errVersion
	}
	return value[1:], nil
}

// A changeRow is a change in its canonical encoding, which the chain's links
// are over: the same change gives the same bytes, always. Its strings point
// into the row.
type changeRow struct {
	n       uint64
	time    int64 // milliseconds since 1970
	client  []byte
	author  []byte
	payload []byte
}

// encodeChange returns c's canonical encoding, with room for a link after it.
func encodeChange(c *storage.Change) []byte {
	size := 1 + 5*binary.MaxVarintLen64 + len(c.Client) + len(c.Author) + len(c.Payload)
	return appendChange(make([]byte, 0, size+linkBytes), c)
}

// appendChange appends c's canonical encoding to b.
func appendChange(b []byte, c *storage.Change) []byte {
	b = append(b, rowVersion)
	b = binary.AppendUvarint(b, c.N)
	b = binary.AppendVarint(b, c.Time.UnixMilli())
	b = appendBytes(b, c.Client)
	b = appendBytes(b, c.Author)
	return append(b, c.Payload...)
}

func decodeChange(row []byte) (changeRow, error) {
	if len(row) == 0 {
		return changeRow{}, errEncoding
	}
	if row[0] != rowVersion {
		return changeRow{}, errVersion
	}
	d := decoder{rest: row[1:]}
	c := changeRow{n: d.uvarint(), time: d.varint(), client: d.bytes(), author: d.bytes()}
	c.payload = d.rest
	return c, d.err
}

// A headRow is where a page's log ends.
type headRow struct {
	seq  uint64
	time time.Time
	link link
}

func (h headRow) encode(key []byte) []byte {
	b := binary.AppendUvarint([]byte{rowVersion}, h.seq)
	b = binary.AppendVarint(b, h.time.UnixMilli())
	return seal(key, append(b, h.link[:]...))
}

func decodeHead(key, sealed []byte) (headRow, error) {
	value, err := unseal(key, sealed)
	if err != nil {
		return headRow{}, err
	}
	d := decoder{rest: value}
	h := headRow{seq: d.uvarint(), time: time.UnixMilli(d.varint()).UTC()}
	d.fixed(h.link[:])
	return h, d.end()
}

// A clientRow is what a page's log knows of a client, and its newest mark.
type clientRow struct {
	storage.ClientState
	markedN, markedSeq uint64
}

func (c clientRow) encode(key []byte) []byte {
	b := appendBytes([]byte{rowVersion}, c.Author)
	for _, v := range []uint64{c.N, c.Seq, c.markedN, c.markedSeq} {
		b = binary.AppendUvarint(b, v)
	}
	return seal(key, append(b, c.Digest[:]...))
}

func decodeClient(key, sealed []byte) (clientRow, error) {
	value, err := unseal(key, sealed)
	if err != nil {
		return clientRow{}, err
	}
	d := decoder{rest: value}
	var c clientRow
	c.Author = string(d.bytes())
	c.N, c.Seq, c.markedN, c.markedSeq = d.uvarint(), d.uvarint(), d.uvarint(), d.uvarint()
	d.fixed(c.Digest[:])
	return c, d.end()
}

func encodeMark(key []byte, seq uint64) []byte {
	return seal(key, binary.AppendUvarint([]byte{rowVersion}, seq))
}

func decodeMark(key, sealed []byte) (uint64, error) {
	value, err := unseal(key, sealed)
	if err != nil {
		return 0, err
	}
	d := decoder{rest: value}
	seq := d.uvarint()
	return seq, d.end()
}

// A sealRow makes the parts of a checkpoint valid.
type sealRow struct {
	parts int
	size  int
	sum   uint32 // CRC-32C of all data
}

func (s sealRow) encode(key []byte) []byte {
	b := binary.AppendUvarint([]byte{rowVersion}, uint64(s.parts))
	b = binary.AppendUvarint(b, uint64(s.size))
	return seal(key, binary.AppendUvarint(b, uint64(s.sum)))
}

func decodeSeal(key, sealed []byte) (sealRow, error) {
	value, err := unseal(key, sealed)
	if err != nil {
		return sealRow{}, err
	}
	d := decoder{rest: value}
	s := sealRow{parts: int(d.uvarint()), size: int(d.uvarint()), sum: uint32(d.uvarint())}
	if err := d.end(); err != nil {
		return sealRow{}, err
	}
	if s.size < 0 || s.size > storage.MaxCheckpointBytes {
		return sealRow{}, errEncoding
	}
	return s, nil
}

// A recordRow is a record but for its key. Its value points into the row.
type recordRow struct {
	version uint64
	expires int64 // milliseconds since 1970; 0: never
	value   []byte
}

func (r recordRow) expired(now time.Time) bool {
	return r.expires != 0 && r.expires <= now.UnixMilli()
}

func (r recordRow) encode(key []byte) []byte {
	b := binary.AppendUvarint([]byte{rowVersion}, r.version)
	b = binary.AppendVarint(b, r.expires)
	return seal(key, append(b, r.value...))
}

func decodeRecord(key, sealed []byte) (recordRow, error) {
	value, err := unseal(key, sealed)
	if err != nil {
		return recordRow{}, err
	}
	d := decoder{rest: value}
	r := recordRow{version: d.uvarint(), expires: d.varint()}
	r.value = d.rest
	return r, d.err
}

func appendBytes[T string | []byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// A decoder takes values off the front of rest; after the first that does not
// fit, err is set and all further ones are zero.
type decoder struct {
	rest []byte
	err  error
}

func (d *decoder) fail() {
	d.rest, d.err = nil, errEncoding
}

func (d *decoder) byte() byte {
	if len(d.rest) == 0 {
		d.fail()
		return 0
	}
	b := d.rest[0]
	d.rest = d.rest[1:]
	return b
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.rest)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) bytes() []byte {
	n := d.uvarint()
	if n > uint64(len(d.rest)) {
		d.fail()
		return nil
	}
	b := d.rest[:n:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) fixed(into []byte) {
	if len(d.rest) < len(into) {
		d.fail()
		return
	}
	copy(into, d.rest)
	d.rest = d.rest[len(into):]
}

// end is the error so far, or that something is left over.
func (d *decoder) end() error {
	if d.err == nil && len(d.rest) > 0 {
		return errEncoding
	}
	return d.err
}

// updateSum is the CRC-32C of what sum is of, with b behind it.
func updateSum(sum uint32, b []byte) uint32 { return crc32.Update(sum, castagnoli, b) }
