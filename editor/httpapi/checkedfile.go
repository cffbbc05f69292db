package httpapi

import (
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"net/http"

	"github.com/gin-gonic/gin"

	"halley/storage"
)

// smallFile is up to how many bytes a file is hashed before any of it is sent.
// A larger one is hashed while it is sent, and its last piece is held back where
// the hash is another; of a part of a large one only the scrub knows.
const smallFile = 1 << 20

var errOtherBytes = errors.New("the file's bytes are not those that it is named after")

// checkFirst reads a small file and returns to its beginning. The error is a
// *storage.CorruptError where it is damaged. It costs a look at the page cache,
// and no memory.
func (s *Server) checkFirst(ctx context.Context, file storage.BlobReader) error {
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil || storage.Hash(sum.Sum(nil)) != file.Hash {
		if err := s.pages.CheckFile(context.WithoutCancel(ctx), file.Hash); err != nil {
			return err
		}
		// Somebody has just uploaded it again, and this reader has the old one.
		return &storage.CorruptError{Key: "blob " + file.Hash.String(), Reason: "its bytes are not those that it is named after; try again"}
	}
	_, err := file.Seek(0, io.SeekStart)
	return err
}

// A checkedFile hashes a file that is read from its beginning to its end without
// a gap, and fails in place of the last bytes where the hash is another.
type checkedFile struct {
	file    storage.BlobReader
	sum     hash.Hash
	at      int64 // where the next read begins
	hashed  int64 // bytes from the beginning that are in sum
	damaged bool
}

func newCheckedFile(file storage.BlobReader) *checkedFile {
	return &checkedFile{file: file, sum: sha256.New(), at: -1}
}

func (f *checkedFile) Seek(offset int64, forwarding int) (int64, error) {
	at, err := f.file.Seek(offset, forwarding)
	if err == nil {
		f.at = at
	}
	return at, err
}

func (f *checkedFile) Read(p []byte) (int, error) {
	n, err := f.file.Read(p)
	if f.at == f.hashed {
		f.sum.Write(p[:n])
		f.hashed += int64(n)
		f.damaged = err != nil && err != io.EOF || f.hashed == f.file.Size && storage.Hash(f.sum.Sum(nil)) != f.file.Hash
	}
	f.at += int64(n)
	if f.damaged {
		return 0, errOtherBytes
	}
	return n, err
}

// cutOff ends an answer of which the beginning is sent: the client sees that the
// transfer broke, since fewer bytes came than were announced.
func (s *Server) cutOff(c *gin.Context, h storage.Hash) {
	err := s.pages.CheckFile(context.WithoutCancel(c.Request.Context()), h)
	s.logger.Error("a damaged file was cut off while it was sent", "request", requestID(c), "file", h.String(), "error", err)
	panic(http.ErrAbortHandler)
}
