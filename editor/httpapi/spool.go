package httpapi

import (
	"io"
	"os"
)

// spoolBytes is how much of an export is held in memory.
const spoolBytes = 1 << 20

// A spool holds a file that is written before the first byte of it is sent:
// what the file could not keep is named in a header. A large one goes to a
// temporary file without a name.
type spool struct {
	memory []byte
	disk   *os.File
	size   int64
}

func (s *spool) Write(p []byte) (int, error) {
	s.size += int64(len(p))
	if s.disk == nil && len(s.memory)+len(p) <= spoolBytes {
		s.memory = append(s.memory, p...)
		return len(p), nil
	}
	if s.disk == nil {
		var err error
		if s.disk, err = os.CreateTemp("", "halley-export-*"); err != nil {
			return 0, err
		}
		// Where an open file cannot be removed, Close removes it.
		_ = os.Remove(s.disk.Name())
	}
	return s.disk.Write(p)
}

// WriteTo writes all that the spool has got.
func (s *spool) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(s.memory)
	if err != nil || s.disk == nil {
		return int64(n), err
	}
	if _, err := s.disk.Seek(0, io.SeekStart); err != nil {
		return int64(n), err
	}
	more, err := io.Copy(w, s.disk)
	return int64(n) + more, err
}

// Close gives the disk's room back.
func (s *spool) Close() error {
	if s.disk == nil {
		return nil
	}
	err := s.disk.Close()
	_ = os.Remove(s.disk.Name()) // it has gone already on most systems
	return err
}
