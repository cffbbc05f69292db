package bolt

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"

	"halley/storage"
)

const linkBytes = 16

// A link is a change's place in its page's chain: 16 bytes of a SHA-256 over
// the link before, the seq and the change. Forging one takes 2^64 tries, and
// chance has no chance.
type link [linkBytes]byte

// A chain computes a page's links one after another.
type chain struct {
	hash hash.Hash
	at   link // of the change before
	head [linkBytes + 8]byte
	sum  [sha256.Size]byte
}

// firstLink is what the link of a page's change 1 stands on, so that no change
// holds in another page's log.
func firstLink(page storage.PageID) (l link) {
	sum := sha256.Sum256([]byte("halley log 1\x00" + page))
	copy(l[:], sum[:])
	return l
}

func newChain(at link) *chain {
	return &chain{hash: sha256.New(), at: at}
}

// next moves on to the change seq with its canonical encoding, and returns its link.
func (c *chain) next(seq uint64, encoded []byte) link {
	copy(c.head[:], c.at[:])
	binary.BigEndian.PutUint64(c.head[linkBytes:], seq)
	c.hash.Reset()
	c.hash.Write(c.head[:])
	c.hash.Write(encoded)
	copy(c.at[:], c.hash.Sum(c.sum[:0]))
	return c.at
}

// splitLink parts a row of the log into the change's encoding and its link.
func splitLink(row []byte) (encoded []byte, l link, ok bool) {
	if len(row) < linkBytes {
		return nil, link{}, false
	}
	cut := len(row) - linkBytes
	copy(l[:], row[cut:])
	return row[:cut], l, true
}
