package bolt

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"time"

	"halley/storage"
	"halley/storage/encoding"
)

// rowVersion is the first byte of every value that this version writes.
const rowVersion = 1

var (
	errSum     = errors.New("its checksum does not hold")
	errVersion = errors.New("its encoding is of an unknown version")
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
		return nil, encoding.ErrInvalid
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
	b = encoding.AppendBytes(b, c.Client)
	b = encoding.AppendBytes(b, c.Author)
	return append(b, c.Payload...)
}

func decodeChange(row []byte) (changeRow, error) {
	if len(row) == 0 {
		return changeRow{}, encoding.ErrInvalid
	}
	if row[0] != rowVersion {
		return changeRow{}, errVersion
	}
	d := encoding.Reader{Rest: row[1:]}
	c := changeRow{n: d.Uvarint(), time: d.Varint(), client: d.Bytes(), author: d.Bytes()}
	c.payload = d.Rest
	return c, d.Err
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
	d := encoding.Reader{Rest: value}
	h := headRow{seq: d.Uvarint(), time: time.UnixMilli(d.Varint()).UTC()}
	d.Fixed(h.link[:])
	return h, d.End()
}

// A clientRow is what a page's log knows of a client, and its newest mark.
type clientRow struct {
	storage.ClientState
	markedN, markedSeq uint64
}

func (c clientRow) encode(key []byte) []byte {
	b := encoding.AppendBytes([]byte{rowVersion}, c.Author)
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
	d := encoding.Reader{Rest: value}
	var c clientRow
	c.Author = string(d.Bytes())
	c.N, c.Seq, c.markedN, c.markedSeq = d.Uvarint(), d.Uvarint(), d.Uvarint(), d.Uvarint()
	d.Fixed(c.Digest[:])
	return c, d.End()
}

func encodeMark(key []byte, seq uint64) []byte {
	return seal(key, binary.AppendUvarint([]byte{rowVersion}, seq))
}

func decodeMark(key, sealed []byte) (uint64, error) {
	value, err := unseal(key, sealed)
	if err != nil {
		return 0, err
	}
	d := encoding.Reader{Rest: value}
	seq := d.Uvarint()
	return seq, d.End()
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
	d := encoding.Reader{Rest: value}
	s := sealRow{parts: int(d.Uvarint()), size: int(d.Uvarint()), sum: uint32(d.Uvarint())}
	if err := d.End(); err != nil {
		return sealRow{}, err
	}
	if s.size < 0 || s.size > storage.MaxCheckpointBytes {
		return sealRow{}, encoding.ErrInvalid
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
	d := encoding.Reader{Rest: value}
	r := recordRow{version: d.Uvarint(), expires: d.Varint()}
	r.value = d.Rest
	return r, d.Err
}

// updateSum is the CRC-32C of what sum is of, with b behind it.
func updateSum(sum uint32, b []byte) uint32 { return crc32.Update(sum, castagnoli, b) }
