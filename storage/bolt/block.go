package bolt

import (
	"encoding/binary"
	"errors"
	"time"

	"halley/storage"
	"halley/storage/encoding"
)

// A block is a run of changes in few bytes: the version of its encoding, which
// codec split the payloads, how many bytes they have, when the first change
// was, and columns:
//
//	clients  each client with its author, and the n before its first here
//	who      which of them made a change
//	n        by how much a client's n differs from one more than its last
//	quick    milliseconds since the change before: the lowest eight bits
//	slow     and all above
//	…        the payloads, as the codec splits them
//
// Its changes are known by its seal (see sealedBlock), which has first and last
// seq and the links that the block hangs between.
const blockVersion = 1

// Who splits the payloads of a block.
const (
	codecPlain = iota // this package: one after the other
	codecGiven        // Config.Codec
)

// What a block has at most: so many changes, so many bytes of payloads, and so
// many once it is packed.
const (
	maxBlockChanges  = 1 << 14
	maxBlockPayloads = maxBlockPayload + storage.MaxPayloadBytes
	maxPackedBytes   = maxBlockPayloads + 16<<20
)

// columnRoom is how many bytes the columns of a block may have in all: what a
// change has besides its payload, and a little for each and for the codec.
func columnRoom(count, size int) int {
	return size + count*(storage.MaxClientBytes+storage.MaxAuthorBytes+64) + 4096
}

var errCodec = errors.New("its block was made by a codec that is not there")

// A folding packs runs of changes into blocks and unpacks them.
type folding struct {
	codec storage.BlockCodec // nil: payloads stay as they are
}

// pack returns changes, which follow one another, as a block. With check it reads
// the block back, and does without the codec if that does not give the changes
// back byte for byte.
func (f folding) pack(changes []storage.Change, check bool) []byte {
	if f.codec != nil {
		b, ok := packWith(f.codec, codecGiven, changes)
		if ok && check {
			back, err := f.unpack(b, changes[0].Seq, len(changes))
			ok = err == nil && sameChanges(back, changes)
		}
		if ok {
			return b
		}
	}
	b, _ := packWith(plainCodec{}, codecPlain, changes)
	return b
}

// packWith packs changes by a codec. ok: its columns are small enough to be
// unpacked again.
func packWith(codec storage.BlockCodec, id byte, changes []storage.Change) (b []byte, ok bool) {
	size := 0
	for i := range changes {
		size += len(changes[i].Payload)
	}
	b = binary.AppendUvarint([]byte{blockVersion, id}, uint64(size))
	b = binary.AppendVarint(b, changes[0].Time.UnixMilli())
	columns := append(splitSenders(changes), codec.Split(changes)...)
	b = binary.AppendUvarint(b, uint64(len(columns)))
	room := columnRoom(len(changes), size)
	for _, column := range columns {
		b = appendColumn(b, column)
		room -= len(column)
	}
	return b, room >= 0
}

// unpack returns the count changes of block b, of which the first has seq
// first. The changes share memory.
func (f folding) unpack(b []byte, first uint64, count int) ([]storage.Change, error) {
	d := encoding.Reader{Rest: b}
	if version := d.Byte(); d.Err == nil && version != blockVersion {
		return nil, errVersion
	}
	id, size, start := d.Byte(), d.Uvarint(), d.Varint()
	columns := takeColumns(&d, count, size)
	if d.Err != nil {
		return nil, d.Err
	}
	changes := make([]storage.Change, count)
	for i := range changes {
		changes[i].Seq = first + uint64(i)
	}
	if !joinSenders(changes, start, columns[:senderColumns]) {
		return nil, encoding.ErrInvalid
	}
	var codec storage.BlockCodec = plainCodec{}
	if id == codecGiven {
		if codec = f.codec; codec == nil {
			return nil, errCodec
		}
	}
	return changes, codec.Join(changes, columns[senderColumns:], int(size))
}

// takeColumns takes all columns of a block off d.
func takeColumns(d *encoding.Reader, count int, size uint64) (columns [][]byte) {
	n := d.Uvarint()
	if d.Err != nil || size > maxBlockPayloads || count < 1 || count > maxBlockChanges || n < senderColumns || n > uint64(len(d.Rest)) {
		d.Fail()
		return nil
	}
	room := columnRoom(count, int(size))
	for range n {
		columns = append(columns, takeColumn(d, &room))
	}
	d.Err = d.End()
	return columns
}

// A sender is a client with its author, as a block lists them.
type sender struct {
	client, author string
}

// next is the n that follows last. Nobody's changes are not counted.
func (s sender) next(last uint64) uint64 {
	if s.client == "" {
		return 0
	}
	return last + 1
}

const senderColumns = 5

// splitSenders returns the columns of all but the payloads.
func splitSenders(changes []storage.Change) [][]byte {
	var clients, who, ns, quick, slow []byte
	met := map[sender]int{}
	var last []uint64 // n of each sender
	before := changes[0].Time.UnixMilli()
	for i := range changes {
		c := &changes[i]
		id := sender{c.Client, c.Author}
		at, known := met[id]
		if !known {
			at = len(last)
			met[id] = at
			last = append(last, c.N-id.next(0))
			clients = encoding.AppendBytes(encoding.AppendBytes(clients, id.client), id.author)
			clients = binary.AppendUvarint(clients, last[at])
		}
		who = binary.AppendUvarint(who, uint64(at))
		ns = binary.AppendUvarint(ns, c.N-id.next(last[at]))
		last[at] = c.N
		step := uint64(c.Time.UnixMilli() - before)
		before += int64(step)
		quick = append(quick, byte(step))
		slow = binary.AppendUvarint(slow, step>>8)
	}
	return [][]byte{clients, who, ns, quick, slow}
}

// joinSenders sets all but seq and payload of changes.
func joinSenders(changes []storage.Change, start int64, columns [][]byte) bool {
	clients, who, ns := encoding.Reader{Rest: columns[0]}, encoding.Reader{Rest: columns[1]}, encoding.Reader{Rest: columns[2]}
	quick, slow := columns[3], encoding.Reader{Rest: columns[4]}
	if len(quick) != len(changes) {
		return false
	}
	var senders []sender
	var last []uint64
	for len(clients.Rest) > 0 {
		senders = append(senders, sender{clients.String(), clients.String()})
		last = append(last, clients.Uvarint())
	}
	for i := range changes {
		at := who.Uvarint()
		if at >= uint64(len(senders)) {
			return false
		}
		c := &changes[i]
		c.Client, c.Author = senders[at].client, senders[at].author
		c.N = senders[at].next(last[at]) + ns.Uvarint()
		last[at] = c.N
		start += int64(slow.Uvarint()<<8 | uint64(quick[i]))
		c.Time = time.UnixMilli(start).UTC()
	}
	return errors.Join(clients.End(), who.End(), ns.End(), slow.End()) == nil
}

// plainCodec knows nothing of payloads.
type plainCodec struct{}

func (plainCodec) Split(changes []storage.Change) [][]byte {
	var lengths, bytes []byte
	for i := range changes {
		lengths = binary.AppendUvarint(lengths, uint64(len(changes[i].Payload)))
		bytes = append(bytes, changes[i].Payload...)
	}
	return [][]byte{lengths, bytes}
}

func (plainCodec) Join(changes []storage.Change, columns [][]byte, size int) error {
	if len(columns) != 2 || len(columns[1]) != size {
		return encoding.ErrInvalid
	}
	lengths, bytes := encoding.Reader{Rest: columns[0]}, columns[1]
	for i := range changes {
		n := lengths.Uvarint()
		if n > uint64(len(bytes)) {
			return encoding.ErrInvalid
		}
		changes[i].Payload, bytes = bytes[:n:n], bytes[n:]
	}
	if len(bytes) > 0 {
		return encoding.ErrInvalid
	}
	return lengths.End()
}

// sameChanges compares all that a block keeps.
func sameChanges(a, b []storage.Change) bool {
	for i := range a {
		x, y := &a[i], &b[i]
		same := x.Seq == y.Seq && x.Client == y.Client && x.N == y.N && x.Author == y.Author &&
			x.Time.Equal(y.Time) && string(x.Payload) == string(y.Payload)
		if !same {
			return false
		}
	}
	return len(a) == len(b)
}
