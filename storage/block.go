package storage

// A BlockCodec splits the payloads of successive changes into columns, each with
// bytes of one kind (lengths, or text), which compress better one by one. The
// package that knows the payloads' format gives one to a driver that folds cold
// changes into blocks. Safe for concurrent use.
type BlockCodec interface {
	// Split turns the payloads of successive changes of one page into columns.
	// It does not modify the changes; the columns share no memory with anything.
	Split(changes []Change) (columns [][]byte)

	// Join sets the payload of each change to its value before Split, byte for
	// byte; the other fields of the changes must be as they were then. size is
	// the total of the payloads, in bytes. For columns that no Split made, Join
	// returns an error, and allocates little more than size bytes. The payloads
	// may share memory with each other and the columns.
	Join(changes []Change, columns [][]byte, size int) error
}
