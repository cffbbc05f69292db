package listen

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// A Room bounds the connections of an http.Server, in all and from one address,
// so that those who only hold one never take the descriptors of those who do
// something. Where it is full, a new connection is let in for the one that has
// waited for its peer for longest: without a request, or in the middle of one
// for a body that does not come or an answer that is not taken. Where all are
// busy, the new one is turned away.
//
// Set its Watch as the server's ConnState, and give each connection its Seat in
// the server's ConnContext. Safe for concurrent use.
type Room struct {
	limits RoomLimits

	mu        sync.Mutex // guards what follows
	conns     map[net.Conn]*Seat
	idle      *list.List // of *Seat, without a request, the longest first
	inside    int        // of conns: those that were let in
	addresses map[netip.Addr]int
}

// RoomLimits say how many connections there may be at a time.
type RoomLimits struct {
	All        func() int
	PerAddress func() int // nil or 0: All alone limits them
	// Exempt is true for an address without a limit of its own: a proxy's. nil:
	// no address is exempt.
	Exempt func(netip.Addr) bool
}

// slowAfter is how long a request must have waited for its peer before another
// may take its place: most wait for a moment.
const slowAfter = time.Second

// NewRoom makes a room for as many connections as the limits say.
func NewRoom(limits RoomLimits) *Room {
	return &Room{limits: limits, conns: map[net.Conn]*Seat{}, idle: list.New(), addresses: map[netip.Addr]int{}}
}

// A Seat is one connection's. Its requests call Begin when they work, and Wait
// when they wait for their peer, or end.
type Seat struct {
	conn    net.Conn
	from    netip.Addr // invalid: of no address that is counted
	working atomic.Int32
	since   atomic.Int64 // when working became 0, in nanoseconds since started

	// Guarded by the room's mu.
	inside bool
	asked  bool          // by Seat: its requests say what they do
	idle   *list.Element // nil: in the middle of a request
}

var started = time.Now()

// Begin notes that a request works.
func (s *Seat) Begin() { s.working.Add(1) }

// Wait notes that a request waits for its peer, or has ended.
func (s *Seat) Wait() {
	if s.working.Add(-1) == 0 {
		s.rest()
	}
}

func (s *Seat) rest() { s.since.Store(int64(time.Since(started))) }

// waited is for how long the connection's requests have waited for their peer;
// 0 where one works.
func (s *Seat) waited() time.Duration {
	if s.working.Load() > 0 {
		return 0
	}
	return time.Since(started) - time.Duration(s.since.Load())
}

// Seat is the seat of a connection of which Watch has not been told yet, for
// its requests to say what they do.
func (r *Room) Seat(c net.Conn) *Seat {
	from := r.counted(c)
	r.mu.Lock()
	defer r.mu.Unlock()
	seat := r.seat(c, from)
	seat.asked = true
	return seat
}

// seat finds or makes the seat of a connection, which counts for the address
// from. The caller holds mu.
func (r *Room) seat(c net.Conn, from netip.Addr) *Seat {
	seat := r.conns[c]
	if seat == nil {
		seat = &Seat{conn: c, from: from}
		r.conns[c] = seat
	}
	return seat
}

// counted is the address that a connection counts for: of an IPv6 address it is
// the network, in which a peer has as many as it likes.
func (r *Room) counted(c net.Conn) netip.Addr {
	at, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil || r.limits.PerAddress == nil {
		return netip.Addr{}
	}
	addr := at.Addr().Unmap().WithZone("")
	if r.limits.Exempt != nil && r.limits.Exempt(addr) {
		return netip.Addr{}
	}
	if addr.Is6() && !addr.IsLoopback() {
		return netip.PrefixFrom(addr, 64).Masked().Addr()
	}
	return addr
}

// Watch is called when a connection changes its state.
func (r *Room) Watch(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		if surplus := r.enter(c); surplus != nil {
			hangUp(surplus) // Watch is called again, with StateClosed
		}
	case http.StateIdle:
		r.wait(c)
	case http.StateActive:
		r.work(c)
	case http.StateHijacked, http.StateClosed:
		r.leave(c)
	}
}

// hangUp does not wait for a peer, as saying goodbye over TLS might.
func hangUp(c net.Conn) {
	if over, ok := c.(*tls.Conn); ok {
		c = over.NetConn()
	}
	_ = c.Close() // it may be gone already
}

// enter lets c in, and returns the connection that has to go for it; c itself
// where no other can.
func (r *Room) enter(c net.Conn) (surplus net.Conn) {
	from := r.counted(c)
	r.mu.Lock()
	defer r.mu.Unlock()
	seat := r.seat(c, from)
	if full, within := r.full(seat.from); full {
		out := r.longest(within)
		if out == nil {
			out = seat
		}
		surplus = out.conn
		r.remove(out)
	}
	if surplus != c {
		seat.inside, seat.idle = true, r.idle.PushBack(seat)
		r.inside++
		if seat.from.IsValid() {
			r.addresses[seat.from]++
		}
	}
	return surplus
}

// full reports whether there is no place for one more from an address, and which
// seats could make one. The caller holds mu.
func (r *Room) full(from netip.Addr) (full bool, within func(*Seat) bool) {
	if from.IsValid() {
		if most := r.limits.PerAddress(); most > 0 && r.addresses[from] >= most {
			return true, func(s *Seat) bool { return s.from == from }
		}
	}
	return r.inside >= r.limits.All(), func(*Seat) bool { return true }
}

// longest is the seat that has been without a request for longest, else the one
// whose request has waited for its peer for longest; nil: all are busy. The
// caller holds mu.
func (r *Room) longest(within func(*Seat) bool) (out *Seat) {
	for e := r.idle.Front(); e != nil; e = e.Next() {
		if seat := e.Value.(*Seat); within(seat) {
			return seat
		}
	}
	most := slowAfter
	for _, seat := range r.conns {
		if !seat.inside || !seat.asked || !within(seat) {
			continue
		}
		if waited := seat.waited(); waited >= most {
			out, most = seat, waited
		}
	}
	return out
}

func (r *Room) wait(c net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if seat := r.conns[c]; seat != nil && seat.idle == nil {
		seat.idle = r.idle.PushBack(seat)
	}
}

func (r *Room) work(c net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if seat := r.conns[c]; seat != nil && seat.idle != nil {
		r.idle.Remove(seat.idle)
		seat.idle = nil
		seat.rest() // its request begins only now
	}
}

func (r *Room) leave(c net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if seat := r.conns[c]; seat != nil {
		r.remove(seat)
	}
}

// remove forgets a seat. The caller holds mu.
func (r *Room) remove(seat *Seat) {
	delete(r.conns, seat.conn)
	if seat.idle != nil {
		r.idle.Remove(seat.idle)
		seat.idle = nil
	}
	if !seat.inside {
		return
	}
	seat.inside = false
	r.inside--
	if !seat.from.IsValid() {
		return
	}
	if r.addresses[seat.from]--; r.addresses[seat.from] == 0 {
		delete(r.addresses, seat.from)
	}
}
