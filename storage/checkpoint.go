package storage

import (
	"context"
	"fmt"
)

// MaxCheckpointBytes bounds a checkpoint. A driver refuses more with ErrInvalid.
const MaxCheckpointBytes = 256 << 20

// Which checkpoints a driver keeps: the newest always, and of older ones as
// many as it takes so that no change lies further than CheckpointReach behind
// the checkpoint before it, provided that they were put often enough.
const CheckpointReach = 16_000

// A Checkpoint is what a caller made of all changes up to Seq. Data is opaque here.
type Checkpoint struct {
	Seq  uint64
	Data []byte
}

// Validate returns an error wrapping ErrInvalid where c cannot be kept.
func (c *Checkpoint) Validate() error {
	switch {
	case c.Seq == 0:
		return fmt.Errorf("a checkpoint of a page without changes: %w", ErrInvalid)
	case len(c.Data) > MaxCheckpointBytes:
		return fmt.Errorf("a checkpoint of %d bytes; at most %d are kept: %w", len(c.Data), MaxCheckpointBytes, ErrInvalid)
	}
	return nil
}

// Checkpoints keeps what pages' logs amount to at some seqs, so that nobody has
// to read a log from its beginning. They hold nothing that the log does not.
type Checkpoints interface {
	// PutCheckpoint stores c durably, in small steps behind every append that
	// waits, so that it delays none. Until it returns without an error, c may
	// be there or not, but never in part. ErrInvalid: c lies ahead of the head.
	// Older checkpoints that are too many by CheckpointReach go. If ctx ends
	// meanwhile the rest is left out, and the error is ctx's.
	PutCheckpoint(ctx context.Context, page PageID, c Checkpoint) error

	// Checkpoint returns the newest one at atOrBelow or before it; ErrNotFound.
	// One that is damaged is a *CorruptError with its seq. Data is the caller's own.
	Checkpoint(ctx context.Context, page PageID, atOrBelow uint64) (Checkpoint, error)
}
