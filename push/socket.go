package push

import (
	"net"
	"net/http"
)

// A socket is a connection whose calls never block. Only its stream's driver calls
// it, one call at a time, and not after close.
type socket interface {
	// write writes what the system takes of p at once: 0 where it takes nothing.
	// After less than all of p, it raises writable once it takes more.
	write(p []byte) (n int, err error)
	// queued is how much of what was written has not reached the peer.
	queued() int
	// watch raises on s, from now on, what happens to the connection: hungUp, writable.
	watch(s *stream) error
	// close ends the connection. With a reset, the peer cannot mistake it for the
	// proper end of the response, and the bytes that it has not taken are dropped.
	close(reset bool)
	// release gives up the connection, which stays open.
	release()
}

// sockets makes them.
type sockets interface {
	// grasp returns a socket for c, which the caller closes before it uses the
	// socket; nil if it cannot.
	grasp(c net.Conn) socket
	close()
}

// grasp returns a socket for the request's connection, or nil if the stream needs
// a goroutine: it is not over plain HTTP/1, or net/http cannot give up the
// connection.
func (h *Hub) grasp(w http.ResponseWriter, r *http.Request, t Transport) socket {
	if h.sockets == nil || t == LongPoll || r.ProtoMajor != 1 || r.TLS != nil || r.Method == http.MethodHead || !hijackable(w) {
		return nil
	}
	c, ok := r.Context().Value(connKey{}).(net.Conn)
	if !ok {
		return nil
	}
	return h.sockets.grasp(c)
}

func hijackable(w http.ResponseWriter) bool {
	for {
		switch u := w.(type) {
		case http.Hijacker:
			return true
		case interface{ Unwrap() http.ResponseWriter }:
			w = u.Unwrap()
		default:
			return false
		}
	}
}
