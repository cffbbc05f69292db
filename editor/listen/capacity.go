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

// A Capacity bounds the connections of an http.Server, in total and per address,
// so that idle connections never take the descriptors of busy ones. When it is
// full, a new connection replaces the one that has waited longest for its peer:
// one without a request, or else one whose request waits for its body to arrive or
// its answer to be read. If all are busy, the new connection is closed.
//
// Set its Watch as the server's ConnState, and give each connection its Slot in
// the server's ConnContext. Safe for concurrent use.
type Capacity struct {
	limits Limits

	mu        sync.Mutex // guards the fields below
	conns     map[net.Conn]*Slot
	idle      *list.List // of *Slot, without a request, the longest first
	inside    int        // of conns: those that were let in
	addresses map[netip.Addr]int
}

// Limits are the numbers of connections at a time.
type Limits struct {
	All        func() int
	PerAddress func() int // nil or 0: no limit besides All
	// Exempt reports whether PerAddress does not apply to an address, as for a
	// proxy's. nil: it applies to every address.
	Exempt func(netip.Addr) bool
}

// slowAfter is how long a request must have waited for its peer before a new
// connection may replace it: most requests wait only for a moment.
const slowAfter = time.Second

// NewCapacity returns a Capacity with these limits.
func NewCapacity(limits Limits) *Capacity {
	return &Capacity{limits: limits, conns: map[net.Conn]*Slot{}, idle: list.New(), addresses: map[netip.Addr]int{}}
}

// A Slot belongs to one connection. Its requests call Begin when they work, and
// Wait when they wait for their peer or end.
type Slot struct {
	conn    net.Conn
	from    netip.Addr // invalid: of no address that is counted
	working atomic.Int32
	since   atomic.Int64 // when working became 0, in nanoseconds since started

	// Guarded by the room's mu.
	inside bool
	asked  bool          // by Slot: its requests say what they do
	idle   *list.Element // nil: in the middle of a request
}

var started = time.Now()

// Begin records that a request works.
func (s *Slot) Begin() { s.working.Add(1) }

// Wait records that a request waits for its peer, or has ended.
func (s *Slot) Wait() {
	if s.working.Add(-1) == 0 {
		s.rest()
	}
}

func (s *Slot) rest() { s.since.Store(int64(time.Since(started))) }

// waited returns how long all requests of the connection have waited for their
// peer; 0 if one of them works.
func (s *Slot) waited() time.Duration {
	if s.working.Load() > 0 {
		return 0
	}
	return time.Since(started) - time.Duration(s.since.Load())
}

// Slot returns the slot of a connection, for its requests to call. Call it before
// Watch gets the connection.
func (capacity *Capacity) Slot(c net.Conn) *Slot {
	from := capacity.counted(c)
	capacity.mu.Lock()
	defer capacity.mu.Unlock()
	slot := capacity.slot(c, from)
	slot.asked = true
	return slot
}

// slot returns the slot of a connection from an address, and makes it if
// necessary. The caller holds mu.
func (capacity *Capacity) slot(c net.Conn, from netip.Addr) *Slot {
	slot := capacity.conns[c]
	if slot == nil {
		slot = &Slot{conn: c, from: from}
		capacity.conns[c] = slot
	}
	return slot
}

// counted returns the address that a connection counts for. It is the /64 network
// of an IPv6 address, since a peer can use any address in it.
func (capacity *Capacity) counted(c net.Conn) netip.Addr {
	at, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil || capacity.limits.PerAddress == nil {
		return netip.Addr{}
	}
	addr := at.Addr().Unmap().WithZone("")
	if capacity.limits.Exempt != nil && capacity.limits.Exempt(addr) {
		return netip.Addr{}
	}
	if addr.Is6() && !addr.IsLoopback() {
		return netip.PrefixFrom(addr, 64).Masked().Addr()
	}
	return addr
}

// Watch is called when a connection changes its state.
func (capacity *Capacity) Watch(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		if surplus := capacity.enter(c); surplus != nil {
			hangUp(surplus) // Watch is called again, with StateClosed
		}
	case http.StateIdle:
		capacity.wait(c)
	case http.StateActive:
		capacity.work(c)
	case http.StateHijacked, http.StateClosed:
		capacity.leave(c)
	}
}

// hangUp closes a connection without the TLS goodbye, which may wait for the peer.
func hangUp(c net.Conn) {
	if over, ok := c.(*tls.Conn); ok {
		c = over.NetConn()
	}
	_ = c.Close() // it may be gone already
}

// enter admits c, and returns the connection to close for it: c itself if no other
// can go.
func (capacity *Capacity) enter(c net.Conn) (surplus net.Conn) {
	from := capacity.counted(c)
	capacity.mu.Lock()
	defer capacity.mu.Unlock()
	slot := capacity.slot(c, from)
	if full, within := capacity.full(slot.from); full {
		out := capacity.longest(within)
		if out == nil {
			out = slot
		}
		surplus = out.conn
		capacity.remove(out)
	}
	if surplus != c {
		slot.inside, slot.idle = true, capacity.idle.PushBack(slot)
		capacity.inside++
		if slot.from.IsValid() {
			capacity.addresses[slot.from]++
		}
	}
	return surplus
}

// full reports whether the limits allow no further connection from an address, and
// which slots could be freed for it. The caller holds mu.
func (capacity *Capacity) full(from netip.Addr) (full bool, within func(*Slot) bool) {
	if from.IsValid() {
		if most := capacity.limits.PerAddress(); most > 0 && capacity.addresses[from] >= most {
			return true, func(s *Slot) bool { return s.from == from }
		}
	}
	return capacity.inside >= capacity.limits.All(), func(*Slot) bool { return true }
}

// longest returns the slot that has been without a request for longest, or else
// the one whose request has waited longest for its peer; nil if all are busy. The
// caller holds mu.
func (capacity *Capacity) longest(within func(*Slot) bool) (out *Slot) {
	for e := capacity.idle.Front(); e != nil; e = e.Next() {
		if slot := e.Value.(*Slot); within(slot) {
			return slot
		}
	}
	most := slowAfter
	for _, slot := range capacity.conns {
		if !slot.inside || !slot.asked || !within(slot) {
			continue
		}
		if waited := slot.waited(); waited >= most {
			out, most = slot, waited
		}
	}
	return out
}

func (capacity *Capacity) wait(c net.Conn) {
	capacity.mu.Lock()
	defer capacity.mu.Unlock()
	if slot := capacity.conns[c]; slot != nil && slot.idle == nil {
		slot.idle = capacity.idle.PushBack(slot)
	}
}

func (capacity *Capacity) work(c net.Conn) {
	capacity.mu.Lock()
	defer capacity.mu.Unlock()
	if slot := capacity.conns[c]; slot != nil && slot.idle != nil {
		capacity.idle.Remove(slot.idle)
		slot.idle = nil
		slot.rest() // its request begins only now
	}
}

func (capacity *Capacity) leave(c net.Conn) {
	capacity.mu.Lock()
	defer capacity.mu.Unlock()
	if slot := capacity.conns[c]; slot != nil {
		capacity.remove(slot)
	}
}

// remove forgets a slot. The caller holds mu.
func (capacity *Capacity) remove(slot *Slot) {
	delete(capacity.conns, slot.conn)
	if slot.idle != nil {
		capacity.idle.Remove(slot.idle)
		slot.idle = nil
	}
	if !slot.inside {
		return
	}
	slot.inside = false
	capacity.inside--
	if !slot.from.IsValid() {
		return
	}
	if capacity.addresses[slot.from]--; capacity.addresses[slot.from] == 0 {
		delete(capacity.addresses, slot.from)
	}
}
