package ot

import (
	"errors"
	"fmt"
)

// ErrInvalid is what every *InvalidError is, for errors.Is.
var ErrInvalid = errors.New("invalid delta")

// An InvalidError says what is wrong with a Delta, and at which op of it.
type InvalidError struct {
	// Op is the index of the op, counted from 0 and as sent (before
	// normalising) where the Delta comes from Parse; -1 where none is to blame.
	Op int
	// Reason is a whole sentence for people, which names the op.
	Reason string
}

func (e *InvalidError) Error() string { return e.Reason }

// Is makes every InvalidError an ErrInvalid.
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

// invalidOp returns the error that "op N <format>".
func invalidOp(op int, format string, args ...any) error {
	return &InvalidError{Op: op, Reason: fmt.Sprintf("op %d ", op) + fmt.Sprintf(format, args...)}
}

// invalid returns an error that no op is to blame for.
func invalid(format string, args ...any) error {
	return &InvalidError{Op: -1, Reason: fmt.Sprintf(format, args...)}
}

// maxQuoted is how many bytes of a name from outside an error repeats.
const maxQuoted = 40

// quoted returns name for an error's sentence, shortened if it is long.
func quoted(name string) string {
	if len(name) > maxQuoted {
		return fmt.Sprintf("%.30q…", name)
	}
	return fmt.Sprintf("%q", name)
}
