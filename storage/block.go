package storage

// A BlockCodec gives the payloads of a run of changes a form in which they
// become small: columns, each holding bytes of one kind (lengths, or text), to
// be compressed one by one. A driver that folds cold changes into blocks is
// given one by who knows what payloads mean. Safe for concurrent use.
type BlockCodec interface {
	// Split turns the payloads of changes, which follow one another on one
	// page, into columns. The changes are not modified; the columns may share
	// memory with nothing.
	Split(changes []Change) (columns [][]byte)

	// Join sets the payload of each change to what it was before Split, byte
	// for byte; all else of the changes is as it was then. The payloads have
	// size bytes in all: of columns that no Split made, Join returns an error,
	// and makes little more than size bytes. The payloads may share memory with
	// each other and the columns.
	Join(changes []Change, columns [][]byte, size int) error
}
