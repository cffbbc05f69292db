package httpapi

import (
	"context"
	"runtime"

	"github.com/gin-gonic/gin"
)

// turns share out the processors among the requests that take much of them: Go
// runs goroutines in the order in which they became ready, so that an edit of
// one key, which is handed from goroutine to goroutine, waits at each step
// behind all who decode megabytes. Those wait here instead. What is small never
// asks for a turn.
type turns chan struct{}

func newTurns() turns { return make(turns, runtime.GOMAXPROCS(0)) }

// takeTurn waits until c's request may take much of the processors. The turn
// ends with endTurn, with the first write of the answer, or with the request.
// The error is that of the request's context.
func takeTurn(c *gin.Context) error {
	w := timedWriterOf(c.Writer)
	if w.turn {
		return nil
	}
	select {
	case w.turns <- struct{}{}:
		w.turn = true
		return nil
	case <-c.Request.Context().Done():
		return context.Cause(c.Request.Context())
	}
}

// endTurn lets the next one have its turn. It does nothing where there is none.
func (w *timedWriter) endTurn() {
	if w.turn {
		w.turn = false
		<-w.turns
	}
}
