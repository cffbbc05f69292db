package push

import (
	"net"
	"net/http"
)

// A socket is a connection on which nobody waits. Only the line that has it
// calls it, one call at a time, and not once it is closed.
type socket interface {
	// write writes what the system takes of p at once: 0 where it takes nothing.
	// After less than all of p, it raises writable once it takes more.
	write(p []byte) (n int, err error)
	// queued is how much of what was written has not reached the peer.
	queued() int
	// watch has l told, from now on, what happens to the connection: hungUp, writable.
	watch(l *line) error
	// close ends the connection. With a reset the peer cannot take it for the
	// response's proper end, and what it has not taken is forgotten.
	close(reset bool)
	// release lets go of the connection, which stays open.
	release()
}

// sockets makes them.
type sockets interface {
	// grasp is a second hold on c, which is to be closed before the socket is
	// used; nil where c cannot be had so.
	grasp(c net.Conn) socket
	close()
}

// grasp takes hold of the request's connection for the light path; nil where
// the line needs a goroutine: it is no plain HTTP/1 stream, or the connection
// cannot be had.
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
