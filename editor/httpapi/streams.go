package httpapi

import (
	"fmt"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
)

// StreamLimits say how many streams may be open at once, waiting long polls
// among them. 0: as many as one likes.
type StreamLimits struct {
	PerSession int
	PerAddress int
	Machine    int // all together: each may hold a descriptor
}

// retryStream is when somebody for whom there was no room may ask again.
const retryStream = 15 * time.Second

// streams counts the open ones. What is refused leaves them as they are.
type streams struct {
	limits StreamLimits

	mu        sync.Mutex // guards what follows
	sessions  map[string]int
	addresses map[string]int
	open      int
	apart     int // of the open ones: those that outlived their request
}

func newStreams(limits StreamLimits) *streams {
	return &streams{limits: limits, sessions: map[string]int{}, addresses: map[string]int{}}
}

// A place is one open stream's.
type place struct {
	in               *streams
	session, address string
	apart, left      bool // guarded by in.mu
}

// enter takes a place. An empty session or address is not counted. Where
// there is none left, it says whose limit was reached.
func (s *streams) enter(session, address string) (p *place, limit string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case reached(s.open, s.limits.Machine):
		return nil, "machine"
	case session != "" && reached(s.sessions[session], s.limits.PerSession):
		return nil, "session"
	case address != "" && reached(s.addresses[address], s.limits.PerAddress):
		return nil, "address"
	}
	s.open++
	count(s.sessions, session, 1)
	count(s.addresses, address, 1)
	return &place{in: s, session: session, address: address}, ""
}

func reached(n, limit int) bool { return limit > 0 && n >= limit }

// count forgets who has none left.
func count(all map[string]int, key string, by int) {
	if all[key] += by; all[key] == 0 || key == "" {
		delete(all, key)
	}
}

// leave gives the place back, when the stream has ended.
func (p *place) leave() {
	p.in.mu.Lock()
	defer p.in.mu.Unlock()
	p.left = true
	p.in.open--
	count(p.in.sessions, p.session, -1)
	count(p.in.addresses, p.address, -1)
	if p.apart {
		p.in.apart--
	}
}

// answered says that the request is over. A stream that is not has taken its
// connection with it.
func (p *place) answered() {
	p.in.mu.Lock()
	defer p.in.mu.Unlock()
	if !p.left {
		p.apart = true
		p.in.apart++
	}
}

// StreamsApart is how many streams have taken their connection away from
// net/http, which no longer knows of it.
func (s *Server) StreamsApart() int {
	s.streams.mu.Lock()
	defer s.streams.mu.Unlock()
	return s.streams.apart
}

// placeFor takes a place for the caller's stream, or refuses it.
func (s *Server) placeFor(c *gin.Context) (*place, error) {
	session, from := callerOf(c).session, addressOf(c)
	if session == "" {
		session = principal(c).ID
	}
	if isLocal(c.Request.Context()) {
		session, from = "", ""
	}
	p, limit := s.streams.enter(session, from)
	if p != nil {
		return p, nil
	}
	s.metrics.TurnedAway(limit)
	if limit == "machine" {
		s.logger.Warn("no room for another stream; raise the number of open files, see `halley help serve`", "streams", s.streams.limits.Machine)
	}
	return nil, &problem{
		status: 503, name: "too-many-streams", title: "Too many streams",
		detail: s.streams.limits.sentence(limit), after: retryStream,
	}
}

func (l StreamLimits) sentence(limit string) string {
	switch limit {
	case "session":
		return fmt.Sprintf("This session has %d streams open, and may have no more; close one, or follow several pages with one.", l.PerSession)
	case "address":
		return fmt.Sprintf("From this address %d streams are open, and there may be no more; try again later.", l.PerAddress)
	}
	return "The server holds as many streams as it can; try again later."
}
