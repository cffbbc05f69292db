package editor

import (
	"errors"
	"fmt"
	"time"
)

// What can be wrong with a call. The edge has one row for each.
var (
	ErrSignedOut    = errors.New("nobody is signed in")
	ErrForbidden    = errors.New("not allowed")
	ErrNotFound     = errors.New("no such page")
	ErrNoSuchSeq    = errors.New("the page never was at that seq")
	ErrTrashed      = errors.New("the page is in the trash")
	ErrEpochChanged = errors.New("the store was restored from a backup since this was made; load the page again")
	ErrClientTaken  = errors.New("this client id belongs to somebody else; make up a new one")
	ErrPageFull     = errors.New("the page would grow over its limit of 10 MB or 500,000 lines")
	ErrDraining     = errors.New("the server is going away; send it again to its successor")
	ErrMoved        = errors.New("the page has moved on")
)

// A BaseAheadError says that an edit or cursor claims a base that the page has not reached.
type BaseAheadError struct{ Base, Head uint64 }

func (e *BaseAheadError) Error() string {
	return fmt.Sprintf("base %d is ahead of the page, which is at %d; load it again", e.Base, e.Head)
}

// A BaseTooOldError says that transforming an edit from so far behind would
// cost too much; the client transforms it to Head itself and sends the same n.
type BaseTooOldError struct{ Base, Head uint64 }

func (e *BaseTooOldError) Error() string {
	return fmt.Sprintf("base %d is too far behind the head %d; "+
		"transform the edit to the head and send it again with the same n", e.Base, e.Head)
}

// An NGapError says that a client's count skipped: Next is the n that would be taken.
type NGapError struct{ N, Next uint64 }

func (e *NGapError) Error() string {
	return fmt.Sprintf("edit n %d skips ahead; this client's next edit is n %d", e.N, e.Next)
}

// An NReusedError says that the newest n came again with another delta.
type NReusedError struct{ N, Seq uint64 }

func (e *NReusedError) Error() string {
	return fmt.Sprintf("edit n %d was used for another edit, which became change %d", e.N, e.Seq)
}

// A BadValueError says which part of a request has no acceptable value, for a
// call that is not an edit (a title, a cursor, a client's form).
type BadValueError struct {
	Name   string
	Reason string
}

func (e *BadValueError) Error() string { return e.Name + " " + e.Reason }

// A TooManyError says when to try again.
type TooManyError struct{ After time.Duration }

func (e *TooManyError) Error() string {
	return fmt.Sprintf("too many at once; try again in %v", e.After)
}
