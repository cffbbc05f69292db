package bolt

import (
	"fmt"
	"strconv"

	"go.etcd.io/bbolt"
)

// migrations turn a store of a format into one of the next, by format. Each is
// one transaction with the new number, so a crash leaves one or the other.
var migrations = map[int]func(*bbolt.Tx) error{
	1: addCheckpoints,
	2: addBlocksAndBlobs,
}

// migrate brings a store of an older format to the newest. newest is its newest
// transaction before and after.
func migrate(db *bbolt.DB, path string, newest int) (int, error) {
	_, format, err := identify(db, path)
	for ; err == nil && format < Format; format++ {
		err = db.Update(func(tx *bbolt.Tx) error {
			newest = tx.ID()
			if err := migrations[format](tx); err != nil {
				return err
			}
			return tx.Bucket(bucketMeta).Put(keyFormat, strconv.AppendInt(nil, int64(format+1), 10))
		})
		if err != nil {
			err = fmt.Errorf("bring the store %s from format %d to %d: %w", path, format, format+1, err)
		}
	}
	return newest, err
}

// addCheckpoints: format 2 keeps checkpoints beside the log. A store without
// any is whole; they come as pages are used.
func addCheckpoints(tx *bbolt.Tx) error {
	_, err := tx.CreateBucket(bucketCheckpoints)
	return err
}

// addBlocksAndBlobs: format 3 folds cold changes into blocks, and knows blobs.
// Every change of a store without blocks is a row, as it may be at any time.
func addBlocksAndBlobs(tx *bbolt.Tx) error {
	if _, err := tx.CreateBucket(bucketBlocks); err != nil {
		return err
	}
	_, err := tx.CreateBucket(bucketBlobs)
	return err
}
