package storage

import (
	"context"
	"fmt"
	"time"
)

// Limits of the log. A driver refuses what exceeds them with ErrInvalid.
const (
	MaxPageIDBytes  = 64
	MaxClientBytes  = 64
	MaxAuthorBytes  = 256
	MaxPayloadBytes = 64 << 20
)

// A PageID names a page's log: 1 to 64 characters from A-Za-z0-9_-.
type PageID string

// Validate returns an error wrapping ErrInvalid where id is no page's name.
func (id PageID) Validate() error {
	if len(id) == 0 || len(id) > MaxPageIDBytes || !urlSafe(string(id)) {
		return fmt.Errorf("page id %q is not 1 to %d characters from A-Za-z0-9_-: %w", id, MaxPageIDBytes, ErrInvalid)
	}
	return nil
}

// A Change is one committed edit of a page.
type Change struct {
	Seq    uint64    // set by Append, from 1 up
	Client string    // the open editor that sent it; empty, with N 0, for a change that is never sent again
	N      uint64    // that client's own count, from 1 up
	Author string    // principal's id
	Time   time.Time // UTC, whole milliseconds

	// Digest is of the edit as sent (base and delta), for n-reused. It is kept
	// for each client's newest n only: Log.Client returns it, Read leaves it zero.
	Digest [16]byte

	Payload []byte // the delta as committed; opaque here

	// Blobs are those that Payload names, each once. Append counts them, so that
	// they are kept; they are no part of what is kept of the change itself, and
	// Read leaves them out.
	Blobs []Hash
}

// Validate returns an error wrapping ErrInvalid where c can be in no log.
func (c *Change) Validate() error {
	switch {
	case len(c.Client) > MaxClientBytes || !urlSafe(c.Client):
		return fmt.Errorf("client %q is not up to %d characters from A-Za-z0-9_-: %w", c.Client, MaxClientBytes, ErrInvalid)
	case (c.Client == "") != (c.N == 0):
		return fmt.Errorf("client %q with n %d: a client counts from 1, and only a client does: %w", c.Client, c.N, ErrInvalid)
	case len(c.Author) > MaxAuthorBytes:
		return fmt.Errorf("an author's id of %d bytes; at most %d are kept: %w", len(c.Author), MaxAuthorBytes, ErrInvalid)
	case len(c.Payload) > MaxPayloadBytes:
		return fmt.Errorf("a change of %d bytes; at most %d are kept: %w", len(c.Payload), MaxPayloadBytes, ErrInvalid)
	}
	return nil
}

// A ClientState is what the log knows of one client on one page.
type ClientState struct {
	Author string   // the principal that used it first
	N      uint64   // newest committed n; 0: none
	Seq    uint64   // its seq
	Digest [16]byte // its digest
}

// A LogInfo is one page's log at a glance.
type LogInfo struct {
	Page PageID
	Head uint64
	Time time.Time // of the newest change; zero where there is none
}

// Log keeps each page's changes.
type Log interface {
	// Append stores changes under seq expect+1, expect+2, … and returns when
	// they are durable. If the page's head is not expect, nothing is stored and
	// the error is a *ConflictError holding the head. ErrDiskFull: nothing was
	// stored. ErrUnknown: whether they were stored cannot be told; reload.
	// Append sets Seq in the given changes.
	//
	// A client's n grows by exactly one, its author stays, and the blobs that a
	// change names are kept already: whatever else is a caller's mistake, and
	// refused with ErrInvalid. If ctx ends before
	// the write has begun, nothing is stored and the error is ctx's; once it
	// has begun, Append waits for the truth. The caller must not change the
	// changes or their payloads until Append returns.
	Append(ctx context.Context, page PageID, expect uint64, changes []Change) error

	// Head is the newest seq; 0 for a page that has no changes or is unknown.
	Head(ctx context.Context, page PageID) (uint64, error)

	// Read calls fn with each change in (after, upTo], oldest first, until fn
	// returns an error, which Read returns. An upTo beyond the head means the
	// head at the time of the call. Payloads are valid only during the
	// call unless fn copies them. A checksum that does not hold is a
	// *CorruptError; fn has seen only changes whose checksums hold.
	Read(ctx context.Context, page PageID, after, upTo uint64, fn func(Change) error) error

	// Client says what page's log knows of a client; the zero state if nothing.
	Client(ctx context.Context, page PageID, client string) (ClientState, error)

	// Find returns the seq of the change that client sent as n; ErrNotFound.
	// For the newest n it costs one look-up; for an older one it may read up
	// to some thousand changes, never more however long the log is.
	Find(ctx context.Context, page PageID, client string, n uint64) (uint64, error)

	// Logs calls fn for each page that has changes, in order of id. Pages that
	// get their first change meanwhile may or may not be among them.
	Logs(ctx context.Context, fn func(LogInfo) error) error
}

// urlSafe reports whether s has only characters that need no escape in a URL.
func urlSafe(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}
