package push

import (
	"context"
	"fmt"
	randv2 "math/rand/v2"
	"time"
)

// Waves in which a drain closes streams, and when their readers may come back.
const (
	waveStreams  = 500
	waveGap      = 50 * time.Millisecond
	returnAfter  = 250 * time.Millisecond
	returnSpread = time.Second      // and half a millisecond more for each stream,
	returnMost   = 10 * time.Second // up to this
)

// leave refuses new streams from now on and returns the open ones.
func (h *Hub) leave() []*stream {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.leaving && h.open == 0 {
		close(h.emptied)
	}
	h.leaving = true
	streams := make([]*stream, 0, h.open)
	for _, slot := range h.slots {
		for s := range slot {
			streams = append(streams, s)
		}
	}
	return streams
}

// Drain sends bye to every stream, in waves and with jittered delays, so that
// readers do not all return at once, and waits until the streams have ended. If
// ctx ends first, it returns an error that wraps ctx.Err(), and Close cuts the
// rest. New streams get bye at once.
func (h *Hub) Drain(ctx context.Context) error {
	streams := h.leave()
	for i, s := range streams {
		if i > 0 && i%waveStreams == 0 {
			select {
			case <-time.After(waveGap):
			case <-ctx.Done():
				return h.undrained(ctx)
			}
		}
		s.sayBye(returnDelay(len(streams)))
	}
	select {
	case <-h.emptied:
		return nil
	case <-ctx.Done():
		return h.undrained(ctx)
	}
}

func (h *Hub) undrained(ctx context.Context) error {
	return fmt.Errorf("drain with %d streams still open: %w", h.Streams(), ctx.Err())
}

// returnDelay is after how long one of the readers of that many streams may come
// back.
func returnDelay(streams int) time.Duration {
	spread := min(returnSpread+time.Duration(streams)*time.Millisecond/2, returnMost)
	return returnAfter + randv2.N(spread)
}

// Close ends the streams that are left, at once and without a bye, waits until
// they have ended, and stops the hub's goroutines.
func (h *Hub) Close() {
	streams := h.leave()
	h.cancel()
	for _, s := range streams {
		s.cut()
	}
	<-h.emptied
	h.mu.Lock()
	select {
	case <-h.stop:
	default:
		close(h.stop)
		if h.sockets != nil {
			h.sockets.close()
		}
	}
	h.mu.Unlock()
	h.running.Wait()
}
