package ot

import (
	"errors"
	"fmt"
)

// ErrInvalid matches every *InvalidError in errors.Is.
var ErrInvalid = errors.New("invalid delta")

// An InvalidError names the fault of a Delta, and the op that has it.
type InvalidError struct {
	// Op is the index of the op, from 0: as sent (before normalising) if the
	// Delta comes from Parse, and -1 if the fault is in no single op.
	Op int
	// Reason is a whole sentence for people that names the op.
	Reason string
}

func (e *InvalidError) Error() string { return e.Reason }

// Is makes every InvalidError an ErrInvalid.
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

// invalidOp returns an error whose reason is "op N <format>".
func invalidOp(op int, format string, args ...any) error {
	return &InvalidError{Op: op, Reason: fmt.Sprintf("op %d ", op) + fmt.Sprintf(format, args...)}
}

// invalid returns an error for a fault that is in no single op.
func invalid(format string, args ...any) error {
	return &InvalidError{Op: -1, Reason: fmt.Sprintf(format, args...)}
}

// maxQuoted bounds, in bytes, how much of a caller's name an error repeats.
const maxQuoted = 40

// quoted returns name in quotes for an error's sentence, shortened if it is long.
func quoted(name string) string {
	if len(name) > maxQuoted {
		return fmt.Sprintf("%.30q…", name)
	}
	return fmt.Sprintf("%q", name)
}
