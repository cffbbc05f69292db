//go:build !linux

package bolt

import "context"

// boundResident does nothing: how much of a mapping is resident is the system's
// own business here.
func (s *Store) boundResident(context.Context, int64) {}
