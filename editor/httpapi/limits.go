package httpapi

import (
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"golang.org/x/time/rate"

	"halley/editor"
)

// A pace is how often something may be done: so many a second, and so many at
// once after a pause.
type pace struct {
	perSecond rate.Limit
	burst     int
}

// Paces. A person types ten keys a second; the rest is room for programs, and
// for a team behind one address.
var (
	editsPerClient  = pace{100, 400}
	editsPerAddress = pace{1000, 4000}
	callsPerAddress = pace{500, 2000}
	makesPerSession = pace{5, 100}
	signInsPer      = pace{2, 100}
)

// limits holds a limiter for each pace and key, and forgets those at rest.
type limits struct {
	on  bool
	now func() time.Time

	mu      sync.Mutex // guards what follows
	buckets map[bucketKey]*rate.Limiter
	swept   time.Time
}

type bucketKey struct {
	pace pace
	key  string
}

func newLimits(on bool, now func() time.Time) *limits {
	return &limits{on: on, now: now, buckets: map[bucketKey]*rate.Limiter{}}
}

// allow takes one from key's bucket, or answers a *editor.TooManyError.
func (l *limits) allow(p pace, key string) error {
	if !l.on {
		return nil
	}
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sweep(now)
	k := bucketKey{p, key}
	b := l.buckets[k]
	if b == nil {
		b = rate.NewLimiter(p.perSecond, p.burst)
		l.buckets[k] = b
	}
	if b.AllowN(now, 1) {
		return nil
	}
	return &editor.TooManyError{After: time.Duration(float64(time.Second) / float64(p.perSecond))}
}

// sweep drops full buckets once a minute: they say nothing. The caller holds mu.
func (l *limits) sweep(now time.Time) {
	if now.Sub(l.swept) < time.Minute {
		return
	}
	l.swept = now
	for k, b := range l.buckets {
		if b.TokensAt(now) >= float64(k.pace.burst) {
			delete(l.buckets, k)
		}
	}
}

// address is the client's, who is at the other end of the connection or of a
// trusted proxy's. Of an IPv6 address it is the network, within which a client
// has as many addresses as it likes.
func address(r *http.Request) string {
	if isLocal(r.Context()) {
		return "local"
	}
	addr, ok := parseNode(r.RemoteAddr)
	switch {
	case !ok:
		return r.RemoteAddr
	case addr.Is4() || addr.IsLoopback():
		return addr.String()
	}
	return netip.PrefixFrom(addr, 64).Masked().String()
}

// paced refuses a call beyond p, counted by key. Who runs the server may go as
// fast as they can.
func (s *Server) paced(c *gin.Context, p pace, key string) bool {
	if isLocal(c.Request.Context()) {
		return true
	}
	if err := s.limits.allow(p, key); err != nil {
		s.fail(c, err)
		return false
	}
	return true
}
