package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"time"
)

// A Hash names a blob: the SHA-256 of its bytes.
type Hash [sha256.Size]byte

// String returns h as 64 lower-case hex digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// ParseHash parses the form that Hash.String returns; anything else is ErrInvalid.
func ParseHash(s string) (h Hash, err error) {
	n, err := hex.Decode(h[:], []byte(s[:min(len(s), 2*len(h))]))
	if err != nil || n < len(h) || h.String() != s {
		return Hash{}, fmt.Errorf("%.80q is no blob's hash: %w", s, ErrInvalid)
	}
	return h, nil
}

// A Blob is a picture or an attachment. It is stored once, however often it was
// uploaded.
type Blob struct {
	Hash Hash
	Size int64 // bytes
}

// A BlobReader reads one blob. It stays readable until its owner closes it, also
// if the blob is removed. It is not safe for concurrent use.
type BlobReader struct {
	Blob
	io.ReadSeekCloser
}

// A BlobUse describes why one page keeps a blob.
type BlobUse struct {
	Page    PageID
	Changes uint64 // the number of the page's changes that name it
	// Until is when the newest upload to the page stops keeping it, in whole
	// milliseconds; zero if that time is over or there was no upload.
	Until time.Time
}

// BlobGrace is how much longer than required a driver keeps an upload that no
// change names, so that a caller who found it just before its time was over can
// still append a change that names it.
const BlobGrace = time.Hour

// Blobs stores large files under their hash. It counts the references to a blob:
// changes that name it (Change.Blobs), and recent uploads. A blob without
// references is removed some time later, after any waiting edits.
type Blobs interface {
	// PutBlob reads r to its end and stores the bytes durably as an upload to
	// page, at least until the given time. It holds little of r in memory. An
	// error of r is returned wrapped. ErrDiskFull and ErrUnknown are as for
	// Log.Append. If ctx ends first, PutBlob returns ctx.Err().
	PutBlob(ctx context.Context, page PageID, until time.Time, r io.Reader) (Blob, error)

	// OpenBlob opens the blob of a hash. It returns ErrNotFound for an unknown
	// hash, and a *CorruptError if the blob's file is missing or has the wrong
	// size. The caller verifies the bytes.
	OpenBlob(ctx context.Context, h Hash) (BlobReader, error)

	// BlobUse returns why page keeps h; only its Page is set if the page does
	// not. BlobUses calls fn for each page that keeps h, in order of id, until fn
	// returns an error, which BlobUses returns.
	BlobUse(ctx context.Context, h Hash, page PageID) (BlobUse, error)
	BlobUses(ctx context.Context, h Hash, fn func(BlobUse) error) error

	// Blobs calls fn with each blob, in order of hash, until fn returns an error,
	// which Blobs returns. It is not a snapshot.
	Blobs(ctx context.Context, fn func(Blob) error) error

	// SweepBlobs removes the blobs without references, and returns their number.
	// A driver also does so by itself from time to time, but never while a backup
	// is written. If an Append or a PutBlob names such a blob at the same time,
	// either the blob stays, or it was removed before: then Append refuses the
	// change, and PutBlob stores the blob again.
	SweepBlobs(ctx context.Context) (removed int, err error)
}
