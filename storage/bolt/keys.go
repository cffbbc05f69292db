package bolt

import (
	"encoding/binary"
	"time"

	"halley/storage"
)

var (
	bucketMeta    = []byte("meta")
	bucketLog     = []byte("log")
	bucketHeads   = []byte("heads")
	bucketClients = []byte("clients")
	bucketMarks   = []byte("marks")
	bucketRecords = []byte("records")
	bucketExpiry  = []byte("expiry")
)

// allBuckets are what a store of this format has.
var allBuckets = [][]byte{
	bucketMeta, bucketLog, bucketHeads, bucketClients, bucketMarks, bucketRecords, bucketExpiry,
}

// Page and client ids hold no zero byte, so no page's keys begin with
// another's.

func pagePrefix(page storage.PageID) []byte {
	return append([]byte(page), 0)
}

func logKey(page storage.PageID, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(pagePrefix(page), seq)
}

func clientKey(page storage.PageID, client string) []byte {
	return append(pagePrefix(page), client...)
}

func markPrefix(page storage.PageID, client string) []byte {
	return append(clientKey(page, client), 0)
}

func markKey(page storage.PageID, client string, n uint64) []byte {
	return binary.BigEndian.AppendUint64(markPrefix(page, client), n)
}

func expiryKey(expires int64, key string) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(expires)), key...)
}

func splitExpiryKey(k []byte) (expires int64, key string) {
	return int64(binary.BigEndian.Uint64(k)), string(k[8:])
}

// tailNumber is the integer that a key of the log or the marks ends with.
func tailNumber(k []byte) uint64 {
	return binary.BigEndian.Uint64(k[len(k)-8:])
}

// millis is t in milliseconds since 1970; a time that is set is never 0, which
// stands for none.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return max(t.UnixMilli(), 1)
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
