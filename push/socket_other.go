//go:build !linux

package push

import "time"

// newSockets returns nil: here every stream has a goroutine.
func newSockets() sockets { return nil }

// boundSilence does nothing: here the system decides when a peer is gone.
func boundSilence(any, time.Duration) {}
