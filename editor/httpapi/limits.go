package httpapi

import (
	"hash/maphash"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"halley/editor"
	"halley/editor/bounded"
)

// A rate is how many units somebody may use: perSecond in the long run, and up
// to burst at once after a pause.
type rate struct {
	perSecond float64
	burst     float64
}

const day = 24 * 60 * 60 // seconds

// Rates. A person types ten keys a second; the rest is room for programs, and
// for a few hundred people behind one address.
var (
	// Calls: each request costs 1, a large edit more.
	callsPerPerson  = rate{200, 1000}
	callsPerAddress = rate{5000, 20_000}

	// Work: what costs the server much more than a call, in the units below.
	workPerPerson  = rate{10, 200}
	workPerAddress = rate{50, 1000}
	workOfServer   = rate{250, 5000}

	pagesPerPerson  = rate{1000.0 / day, 1000}
	pagesPerAddress = rate{10_000.0 / day, 10_000}

	// Guests are told apart by the program that signs them in, its User-Agent:
	// one that signs in without end uses up its own part of the address's rate.
	signInsPerProgram = rate{0.5, 300}
	signInsPerAddress = rate{2, 900}
)

// Units of work. What is large costs more: bytesPerWork for each unit.
const (
	workCreate   = 4
	workImport   = 4
	workUpload   = 1
	workAlong    = 0.05 // a file that comes along with an import, of up to 2,000
	workMerge    = 2
	workExport   = 2
	workSearch   = 2
	workPast     = 2 // a page as it was
	bytesPerWork = 512 << 10

	bytesPerUpload = 4 << 20 // for each unit: these go to the disk as they are
	bytesPerCall   = 16 << 10
	unknownBytes   = 4 << 20 // what a body counts for whose length is not given
)

const (
	maxBuckets = 20_000 // of one rate: some MB
	overflows  = 256    // buckets that the rest share
)

// A bucketKey names who is limited: a person's id or an address, which have a
// bounded form, and where they are told apart further a hash.
type bucketKey struct {
	who  string
	part uint64
}

// buckets are those of one rate. A bucket is the time, since the start of
// limits, at which it will be full again (the generic cell rate algorithm). One
// that was not used for as long as it takes to fill says nothing, and goes.
// Where there are too many, new keys share the overflow, so that making up keys
// gains nothing.
type buckets struct {
	unit     time.Duration // to get one unit back
	burst    time.Duration // units that are there at once
	of       *bounded.Map[bucketKey, time.Duration]
	overflow [overflows]time.Duration
}

func newBuckets(r rate) *buckets {
	unit := time.Duration(float64(time.Second) / r.perSecond)
	burst := time.Duration(r.burst * float64(unit))
	return &buckets{unit: unit, burst: burst, of: bounded.New[bucketKey, time.Duration](maxBuckets, burst)}
}

// limits holds the buckets of all rates.
type limits struct {
	on    bool
	now   func() time.Time
	start time.Time
	seed  maphash.Seed

	mu             sync.Mutex // guards the buckets
	calls, callsAt *buckets   // per person, per address
	work, workAt   *buckets
	workAll        *buckets
	pages, pagesAt *buckets
	signIns        *buckets // per program
	signInsAt      *buckets
}

func newLimits(on bool, now func() time.Time) *limits {
	return &limits{
		on: on, now: now, start: now(), seed: maphash.MakeSeed(),
		calls: newBuckets(callsPerPerson), callsAt: newBuckets(callsPerAddress),
		work: newBuckets(workPerPerson), workAt: newBuckets(workPerAddress), workAll: newBuckets(workOfServer),
		pages: newBuckets(pagesPerPerson), pagesAt: newBuckets(pagesPerAddress),
		signIns: newBuckets(signInsPerProgram), signInsAt: newBuckets(signInsPerAddress),
	}
}

// A charge is what a call costs in one bucket.
type charge struct {
	in    *buckets
	key   bucketKey
	units float64
}

// take takes all charges, or none and returns a *editor.TooManyError.
func (l *limits) take(charges ...charge) error {
	if !l.on {
		return nil
	}
	now := l.now()
	at := now.Sub(l.start)
	l.mu.Lock()
	defer l.mu.Unlock()
	var found [3]*time.Duration // each in a map of its own, so that it stays valid
	var full [3]time.Duration   // when the buckets are full again
	wait := time.Duration(0)
	for i, c := range charges {
		var w time.Duration
		found[i] = l.bucket(c.in, c.key, now)
		*found[i] = min(*found[i], at+c.in.burst) // the clock may have been set back
		full[i], w = c.in.after(at, *found[i], c.units)
		wait = max(wait, w)
	}
	if wait > 0 {
		return &editor.TooManyError{After: wait}
	}
	for i := range charges {
		*found[i] = full[i]
	}
	return nil
}

// after is when a bucket is full again once units are taken at a time, and how
// long to wait until they can be. Nothing costs more than a whole bucket.
func (b *buckets) after(at, full time.Duration, units float64) (then, wait time.Duration) {
	cost := min(time.Duration(units*float64(b.unit)), b.burst)
	then = max(full, at) + cost
	return then, max(0, then-at-b.burst)
}

// bucket finds or makes the bucket of a key. The caller holds mu.
func (l *limits) bucket(in *buckets, key bucketKey, now time.Time) *time.Duration {
	if full := in.of.Get(key, now); full != nil {
		return full
	}
	if in.of.Put(key, 0, now) {
		return in.of.Get(key, now)
	}
	return &in.overflow[maphash.Comparable(l.seed, key)%overflows]
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

// within refuses a call beyond the limits. Who runs the server may go as fast
// as they can.
func (s *Server) within(c *gin.Context, charges ...charge) error {
	if isLocal(c.Request.Context()) {
		return nil
	}
	return s.limits.take(charges...)
}

// called counts units of calls by the principal.
func (s *Server) called(c *gin.Context, units float64) error {
	if !s.limits.on {
		return nil
	}
	l := s.limits
	return s.within(c,
		charge{l.calls, bucketKey{who: principal(c).ID}, units},
		charge{l.callsAt, bucketKey{who: addressOf(c)}, units})
}

// takeWork counts work by the principal: units, and more for a large size; a
// negative number of bytes is unknown.
func (s *Server) takeWork(c *gin.Context, units float64, bytes int64) error {
	if isLocal(c.Request.Context()) {
		return nil
	}
	l := s.limits
	if bytes < 0 {
		bytes = unknownBytes
	}
	units += float64(bytes / bytesPerWork)
	return l.take(
		charge{l.work, bucketKey{who: principal(c).ID}, units},
		charge{l.workAt, bucketKey{who: addressOf(c)}, units},
		charge{l.workAll, bucketKey{}, units})
}

// makesPage counts a page that the principal makes.
func (s *Server) makesPage(c *gin.Context) error {
	l := s.limits
	return s.within(c,
		charge{l.pages, bucketKey{who: principal(c).ID}, 1},
		charge{l.pagesAt, bucketKey{who: addressOf(c)}, 1})
}

// signsIn counts a guest who signs in.
func (s *Server) signsIn(c *gin.Context) error {
	l, from := s.limits, addressOf(c)
	program := maphash.String(l.seed, c.GetHeader("User-Agent"))
	return s.within(c,
		charge{l.signInsAt, bucketKey{who: from}, 1},
		charge{l.signIns, bucketKey{from, program}, 1})
}
