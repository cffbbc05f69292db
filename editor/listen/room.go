package listen

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// A Room bounds the connections of an http.Server, so that those who only hold
// one never take the descriptors of those who do something. Where it is full,
// a new connection is let in for the one that has been without a request for
// longest, be it that its request never came or that it waits for the next.
// Where all are busy, the new one is turned away.
//
// Set its Watch as the server's ConnState. Safe for concurrent use.
type Room struct {
	limit func() int

	mu      sync.Mutex                 // guards what follows
	conns   map[net.Conn]*list.Element // nil: busy
	waiting *list.List                 // of net.Conn, the longest first
}

// NewRoom makes a room for as many connections as limit says at the time.
func NewRoom(limit func() int) *Room {
	return &Room{limit: limit, conns: map[net.Conn]*list.Element{}, waiting: list.New()}
}

// Watch is told of each connection's state.
func (r *Room) Watch(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		if surplus := r.enter(c); surplus != nil {
			hangUp(surplus) // Watch hears of it again, as closed
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
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.conns) >= r.limit() {
		surplus = c
		if longest := r.waiting.Front(); longest != nil {
			surplus = r.waiting.Remove(longest).(net.Conn)
			delete(r.conns, surplus)
		}
	}
	if surplus != c {
		r.conns[c] = r.waiting.PushBack(c)
	}
	return surplus
}

func (r *Room) wait(c net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if place, here := r.conns[c]; here && place == nil {
		r.conns[c] = r.waiting.PushBack(c)
	}
}

func (r *Room) work(c net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if place := r.conns[c]; place != nil {
		r.waiting.Remove(place)
		r.conns[c] = nil
	}
}

func (r *Room) leave(c net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if place := r.conns[c]; place != nil {
		r.waiting.Remove(place)
	}
	delete(r.conns, c)
}
