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

// String is h as 64 lower-case hex digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// ParseHash reads what Hash.String writes, and nothing else; else ErrInvalid.
func ParseHash(s string) (h Hash, err error) {
	n, err := hex.Decode(h[:], []byte(s[:min(len(s), 2*len(h))]))
	if err != nil || n < len(h) || h.String() != s {
		return Hash{}, fmt.Errorf("%.80q is no blob's hash: %w", s, ErrInvalid)
	}
	return h, nil
}

// A Blob is a picture or an attachment, kept once however often it was uploaded.
type Blob struct {
	Hash Hash
	Size int64 // bytes
}

// A BlobReader reads one blob. Its owner closes it; it stays readable until
// then, whatever becomes of the blob. It is not safe for concurrent use.
type BlobReader struct {
	Blob
	io.ReadSeekCloser
}

// A BlobUse says why a blob is kept, as far as one page goes.
type BlobUse struct {
	Page    PageID
	Changes uint64 // how many changes of the page name it
	// Until is how long it is kept after its newest upload to the page, in whole
	// milliseconds; zero where that is over, or was never.
	Until time.Time
}

// BlobGrace is how much longer than it must a driver keeps an upload that no
// change names: who has seen it just before its time was over, and then appends
// a change that names it, still finds it.
const BlobGrace = time.Hour

// Blobs keeps large bytes under their hash. What a blob is kept for is counted:
// changes that name it (Change.Blobs), and recent uploads. When neither is left
// it goes, some time later and behind every edit.
type Blobs interface {
	// PutBlob reads r to its end and keeps what it read, durably, at least until
	// until, as uploaded to page. It holds little of it in memory at a time. An
	// error of r is returned as it is, wrapped. ErrDiskFull and ErrUnknown are as
	// for Log.Append. If ctx ends meanwhile, the error is ctx's.
	PutBlob(ctx context.Context, page PageID, until time.Time, r io.Reader) (Blob, error)

	// OpenBlob: ErrNotFound where none is kept; a *CorruptError where it should
	// be and is not, or has another size. Whether the bytes are the right ones
	// is for the reader to check.
	OpenBlob(ctx context.Context, h Hash) (BlobReader, error)

	// BlobUse is why h is kept for page; the zero BlobUse, but for its page,
	// where it is not. BlobUses calls fn for each page that it is kept for, in
	// order of id, until fn returns an error, which BlobUses returns.
	BlobUse(ctx context.Context, h Hash, page PageID) (BlobUse, error)
	BlobUses(ctx context.Context, h Hash, fn func(BlobUse) error) error

	// Blobs calls fn with each blob, in order of hash, until fn returns an error,
	// which Blobs returns. It is no snapshot.
	Blobs(ctx context.Context, fn func(Blob) error) error

	// SweepBlobs removes the blobs that are kept for nothing, and says how many.
	// A driver does so by itself from time to time; while a backup is written,
	// it removes none. One that an Append or a PutBlob names meanwhile stays, or
	// was gone before: then Append has refused it, and PutBlob stored it again.
	SweepBlobs(ctx context.Context) (removed int, err error)
}
