package push

import (
	"context"
	"net"
	"net/http"
	"time"
)

// sendBuffer bounds what the kernel takes ahead of a stream's reader, in bytes
// (Linux doubles it). Left to itself it grows to megabytes: memory that a stalled
// reader holds, and so much that a write to a slow one seems to make no progress,
// since room is reported only once a third of the buffer is free.
const sendBuffer = 64 << 10

type connKey struct{}

// ConnContext is meant for http.Server.ConnContext. With it, Serve bounds the
// connection's send buffer; without it, a reader slower than about 30 KB/s that is
// far behind may be taken for dead.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// bound bounds what the system holds for a stream, and for how long. It leaves
// alone the connections of HTTP/2, which others share.
func bound(r *http.Request, silence time.Duration) {
	if r.ProtoMajor != 1 {
		return
	}
	c := r.Context().Value(connKey{})
	if tls, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = tls.NetConn()
	}
	if tcp, ok := c.(interface{ SetWriteBuffer(bytes int) error }); ok {
		_ = tcp.SetWriteBuffer(sendBuffer) // optional: the stream works without it
	}
	boundSilence(c, silence)
}
