package storage

import (
	"context"
	"fmt"
)

// MaxCheckpointBytes bounds a checkpoint. A driver refuses more with ErrInvalid.
const MaxCheckpointBytes = 256 << 20

// CheckpointReach decides which checkpoints a driver keeps: the newest, and enough
// older ones that no change is more than CheckpointReach changes after a
// checkpoint, provided that they were put often enough.
const CheckpointReach = 16_000

// A Checkpoint is a caller's state after all changes up to Seq. Data is opaque
// here.
type Checkpoint struct {
	Seq  uint64
	Data []byte
}

// Validate returns an error wrapping ErrInvalid if c cannot be stored.
func (c *Checkpoint) Validate() error {
	switch {
	case c.Seq == 0:
		return fmt.Errorf("a checkpoint of a page without changes: %w", ErrInvalid)
	case len(c.Data) > MaxCheckpointBytes:
		return fmt.Errorf("a checkpoint of %d bytes; at most %d are kept: %w", len(c.Data), MaxCheckpointBytes, ErrInvalid)
	}
	return nil
}

// Checkpoints stores the state of pages at some seqs, so that a reader need not
// replay a log from its beginning. They can be rebuilt from the log.
type Checkpoints interface {
	// PutCheckpoint stores c durably, in small steps with lower priority than
	// appends, so that it delays none. Until it returns nil, c may be stored or
	// not, but never in part. ErrInvalid: c is ahead of the head. Older
	// checkpoints that CheckpointReach does not need are removed. If ctx ends
	// first, the checkpoint is not stored and the error is ctx.Err().
	PutCheckpoint(ctx context.Context, page PageID, c Checkpoint) error

	// Checkpoint returns the newest checkpoint at or before atOrBelow, or
	// ErrNotFound. A damaged one is a *CorruptError with its seq. The caller owns
	// the Data.
	Checkpoint(ctx context.Context, page PageID, atOrBelow uint64) (Checkpoint, error)
}
