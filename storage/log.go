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

// Validate returns an error wrapping ErrInvalid if id is malformed.
func (id PageID) Validate() error {
	if len(id) == 0 || len(id) > MaxPageIDBytes || !urlSafe(string(id)) {
		return fmt.Errorf("page id %q is not 1 to %d characters from A-Za-z0-9_-: %w", id, MaxPageIDBytes, ErrInvalid)
	}
	return nil
}

// A Change is one committed edit of a page.
type Change struct {
	Seq    uint64    // set by Append, from 1 up
	Client string    // the open editor that sent it; empty, with N 0, for a change that is never resent
	N      uint64    // that client's own count, from 1 up
	Author string    // principal's id
	Time   time.Time // UTC, whole milliseconds

	// Digest identifies the edit as sent (base and delta), to detect a client
	// that uses an n twice. Only that of each client's newest n is stored:
	// Log.Client returns it, Read leaves it zero.
	Digest [16]byte

	Payload []byte // the delta as committed; opaque here

	// Blobs are those that Payload names, each once. Append counts these
	// references so that the blobs are kept. They are not stored with the change:
	// Read leaves them empty.
	Blobs []Hash
}

// Validate returns an error wrapping ErrInvalid if no log can store c.
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

// A ClientState is the state of one client on one page.
type ClientState struct {
	Author string   // the principal that used it first
	N      uint64   // newest committed n; 0: none
	Seq    uint64   // its seq
	Digest [16]byte // its digest
}

// A LogInfo summarises one page's log.
type LogInfo struct {
	Page PageID
	Head uint64
	Time time.Time // of the newest change; zero if there is none
}

// Log keeps each page's changes.
type Log interface {
	// Append stores changes under seq expect+1, expect+2, … and returns when
	// they are durable. If the page's head is not expect, nothing is stored and
	// the error is a *ConflictError with the head. ErrDiskFull: nothing was
	// stored. ErrUnknown: they may or may not be stored; reload the page.
	// Append sets Seq in the given changes.
	//
	// A client's n must grow by exactly one, its author must stay the same, and
	// the blobs that a change names must be stored already; otherwise Append
	// returns ErrInvalid. If ctx ends before the write has begun, nothing is
	// stored and Append returns ctx.Err(); once the write has begun, Append waits
	// for its outcome. The caller must not modify the changes or their payloads
	// until Append returns.
	Append(ctx context.Context, page PageID, expect uint64, changes []Change) error

	// Head returns the newest seq; 0 for a page without changes, or an unknown
	// page.
	Head(ctx context.Context, page PageID) (uint64, error)

	// Read calls fn with each change in (after, upTo], oldest first, until fn
	// returns an error, which Read returns. An upTo beyond the head means the
	// head at the time of the call. A payload is valid only during fn's call. A
	// wrong checksum is a *CorruptError; fn gets only changes whose checksums are
	// right.
	Read(ctx context.Context, page PageID, after, upTo uint64, fn func(Change) error) error

	// Client returns the state of a client on page; the zero state if it has
	// sent nothing.
	Client(ctx context.Context, page PageID, client string) (ClientState, error)

	// Find returns the seq of the change that client sent as n; ErrNotFound.
	// The newest n takes one look-up; an older one may read some thousands of
	// changes, however long the log is.
	Find(ctx context.Context, page PageID, client string, n uint64) (uint64, error)

	// Logs calls fn for each page that has changes, in order of id. Pages that
	// get their first change during the call may be left out.
	Logs(ctx context.Context, fn func(LogInfo) error) error
}

// urlSafe reports whether s consists of characters that need no escape in a URL.
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
