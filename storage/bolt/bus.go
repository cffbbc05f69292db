package bolt

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"halley/storage"
)

// A bus is the storage.Bus of one process.
type bus struct {
	mu     sync.Mutex                             // held while a message is handed out, so that all see one order
	topics map[string]map[chan []byte]func() bool // guarded by mu: each subscriber, and what lets its ctx go
	closed bool                                   // guarded by mu
}

func newBus() *bus { return &bus{topics: map[string]map[chan []byte]func() bool{}} }

// Publish hands payload to topic's subscribers.
func (s *Store) Publish(ctx context.Context, topic string, payload []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := storage.CheckTopic(topic); err != nil {
		return err
	}
	if len(payload) > storage.MaxMessageBytes {
		return fmt.Errorf("a message of %d bytes; at most %d are carried: %w", len(payload), storage.MaxMessageBytes, storage.ErrInvalid)
	}
	return s.bus.publish(topic, slices.Clone(payload))
}

func (b *bus) publish(topic string, message []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return storage.ErrClosed
	}
	for to := range b.topics[topic] {
		if len(to) == cap(to) {
			select {
			case <-to: // the oldest, unless it was taken just now
			default:
			}
		}
		to <- message // there is room: nobody else sends
	}
	return nil
}

// Subscribe returns topic's messages from now on.
func (s *Store) Subscribe(ctx context.Context, topic string) (<-chan []byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := storage.CheckTopic(topic); err != nil {
		return nil, err
	}
	return s.bus.subscribe(ctx, topic)
}

func (b *bus) subscribe(ctx context.Context, topic string) (<-chan []byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, storage.ErrClosed
	}
	messages := make(chan []byte, storage.BusBacklog)
	letGo := context.AfterFunc(ctx, func() { b.leave(topic, messages) })
	if b.topics[topic] == nil {
		b.topics[topic] = map[chan []byte]func() bool{}
	}
	b.topics[topic][messages] = letGo
	return messages, nil
}

// leave ends a subscription; a second time does nothing.
func (b *bus) leave(topic string, messages chan []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.topics[topic][messages] == nil {
		return
	}
	close(messages)
	delete(b.topics[topic], messages)
	if len(b.topics[topic]) == 0 {
		delete(b.topics, topic)
	}
}

// close ends every subscription.
func (b *bus) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for _, subscribers := range b.topics {
		for messages, letGo := range subscribers {
			letGo()
			close(messages)
		}
	}
	clear(b.topics)
}
