package push

import (
	"context"
	"net/http"
	"sync/atomic"
)

// A driver moves a stream's events onto its connection: it decides when the
// stream gathers and where the bytes go. The stream decides what is sent. There
// are two drivers, blocking and nonblocking.
type driver interface {
	// memory is how many bytes an open stream counts for.
	memory() int64
	// serve sends what a new stream starts with. It reports whether the stream
	// goes on without it; otherwise the stream has ended when serve returns. An
	// error means that nothing was written.
	serve(ctx context.Context, w http.ResponseWriter, r *http.Request, starts map[string]uint64) (goesOn bool, err error)
	// release gives up the connection of a stream that does not go on.
	release()
	// wake has the driver take the stream's signals soon. It never blocks, and
	// any goroutine may call it.
	wake()
	// interrupt ends a write that blocks, and all later ones. Any goroutine may
	// call it, after it has raised cut.
	interrupt()
}

// signals say what is to be done for a stream. Any goroutine raises them; the
// stream's driver takes them.
type signals struct {
	bits   atomic.Uint32
	driver driver
	// waiting is called when a signal ends what the driver waits for outside its
	// usual place: a turn with a large event, or room in the connection. nil:
	// there is no such wait.
	waiting atomic.Pointer[func()]
}

// What is raised for a stream.
const (
	news     uint32 = 1 << iota // a topic has something new
	beat                        // a heartbeat is due
	bye                         // the hub drains
	over                        // the stream is to end with a bye: see stream.end
	cut                         // the stream is to end at once
	hungUp                      // nonblocking: the peer has gone
	writable                    // nonblocking: the connection takes bytes again
	lapse                       // nonblocking: it has taken none for the timeout
	back                        // nonblocking: the shard has the stream again
)

// final ends a stream. urgent ends a catch-up early.
const (
	final  = over | cut | hungUp
	urgent = final | bye
)

// raise never blocks. It is safe from any goroutine.
func (s *signals) raise(bit uint32) {
	if bit&(final|writable) != 0 {
		defer s.interruptWait()
	}
	if s.bits.Or(bit) == 0 { // else the driver is awake, or about to take the bits
		s.driver.wake()
	}
}

func (s *signals) interruptWait() {
	if waiting := s.waiting.Load(); waiting != nil {
		(*waiting)()
	}
}

// raised reports whether one of the bits is raised. It takes none.
func (s *signals) raised(bits uint32) bool { return s.bits.Load()&bits != 0 }

// take returns what was raised since the last take.
func (s *signals) take() uint32 { return s.bits.Swap(0) }
