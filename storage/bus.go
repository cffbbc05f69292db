package storage

import (
	"context"
	"fmt"
)

// Limits of the bus. A driver refuses what exceeds them with ErrInvalid.
const (
	MaxTopicBytes   = 256
	MaxMessageBytes = 1 << 20
)

// BusBacklog is how many messages a subscriber may be behind before it misses some.
const BusBacklog = 256

// Bus delivers small messages to current subscribers; it stores nothing. A
// subscriber gets each message at most once, and the messages of one publisher in
// order. A subscriber that is more than BusBacklog messages behind misses the
// oldest.
type Bus interface {
	// Publish sends payload to topic's subscribers on every node, and does not
	// wait for them. The caller may reuse payload afterwards.
	Publish(ctx context.Context, topic string, payload []byte) error

	// Subscribe returns the messages of topic that are published after it has
	// returned. The channel is closed when ctx ends or the store closes. The
	// caller must not modify the messages: subscribers share them.
	Subscribe(ctx context.Context, topic string) (<-chan []byte, error)
}

// CheckTopic returns an error wrapping ErrInvalid unless topic is 1 to 256
// characters from A-Za-z0-9_-, in parts with a dot between.
func CheckTopic(topic string) error {
	bad := len(topic) > MaxTopicBytes
	start := 0
	for i := 0; i <= len(topic) && !bad; i++ {
		if i == len(topic) || topic[i] == '.' {
			bad = i == start || !urlSafe(topic[start:i])
			start = i + 1
		}
	}
	if bad {
		return fmt.Errorf("topic %.80q is not 1 to %d characters from A-Za-z0-9_- in parts with a dot between: %w",
			topic, MaxTopicBytes, ErrInvalid)
	}
	return nil
}
