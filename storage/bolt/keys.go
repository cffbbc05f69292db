package bolt

import (
	"bytes"
	"encoding/binary"

	"halley/storage"
)

var (
	bucketMeta    = []byte("meta")
	bucketPages   = []byte("pages")
	bucketRecords = []byte("records")
	bucketExpiry  = []byte("expiry")

	bucketCheckpoints = []byte("checkpoints") // since format 2
	bucketBlocks      = []byte("blocks")      // since format 3
	bucketBlobs       = []byte("blobs")       // since format 3
)

// bucketsOf are what a store of a format has.
func bucketsOf(format int) [][]byte {
	buckets := [][]byte{bucketMeta, bucketPages, bucketRecords, bucketExpiry}
	if format >= 2 {
		buckets = append(buckets, bucketCheckpoints)
	}
	if format >= 3 {
		buckets = append(buckets, bucketBlocks, bucketBlobs)
	}
	return buckets
}

// The kinds of rows that a page has, in the order in which they lie. No page
// or client id holds a byte as low as these, so no page's keys begin with
// another's.
const (
	kindChange = 1 + iota
	kindHead
	kindClient
	kindMark
	kindEnd // sorts after all of a page's rows
)

func pageKey(page storage.PageID, kind byte) []byte {
	return append([]byte(page), kind)
}

func changeKey(page storage.PageID, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(pageKey(page, kindChange), seq)
}

func clientKey(page storage.PageID, client string) []byte {
	return append(pageKey(page, kindClient), client...)
}

func markPrefix(page storage.PageID, client string) []byte {
	return append(append(pageKey(page, kindMark), client...), 0)
}

func markKey(page storage.PageID, client string, n uint64) []byte {
	return binary.BigEndian.AppendUint64(markPrefix(page, client), n)
}

// The kinds of rows that a checkpoint or a block has, in a bucket of its own.
// The seq of a block is that of its last change.
const (
	kindPart = 1 + iota
	kindSeal
)

func partKey(page storage.PageID, seq uint64, part int) []byte {
	return binary.BigEndian.AppendUint32(partsOf(page, seq), uint32(part))
}

func partsOf(page storage.PageID, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(pageKey(page, kindPart), seq)
}

// partSeq is the seq in a part's key.
func partSeq(k []byte) uint64 {
	return tailNumber(k[:len(k)-4])
}

// partNumber is the part in a part's key.
func partNumber(k []byte) int {
	return int(binary.BigEndian.Uint32(k[len(k)-4:]))
}

func sealKey(page storage.PageID, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(pageKey(page, kindSeal), seq)
}

func expiryKey(expires int64, key string) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(expires)), key...)
}

func splitExpiryKey(k []byte) (expires int64, key string) {
	return int64(binary.BigEndian.Uint64(k)), string(k[8:])
}

// pageOf is the page whose row has the key k.
func pageOf(k []byte) storage.PageID {
	end := bytes.IndexFunc(k, func(r rune) bool { return r < kindEnd })
	return storage.PageID(k[:max(end, 0)])
}

// tailNumber is the integer that the key of a change or a mark ends with.
func tailNumber(k []byte) uint64 {
	return binary.BigEndian.Uint64(k[len(k)-8:])
}
