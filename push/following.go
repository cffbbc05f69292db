package push

import "time"

// Heartbeat is how often a quiet line gives a sign of life.
func (h *Hub) Heartbeat() time.Duration { return h.cfg.Heartbeat }
