//go:build !linux

package push

import "time"

// newSockets: here every line has a goroutine.
func newSockets() sockets { return nil }

// boundSilence: here the system has its own idea of when a peer is gone.
func boundSilence(any, time.Duration) {}
