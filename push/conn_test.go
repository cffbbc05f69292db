//go:build unix

package push

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
)

// The test server may run with TLS, over HTTP/1.1, where lines have goroutines.
func TestSendBufferIsBounded(t *testing.T) {
	for _, secure := range []bool{false, true} {
		w := &world{memory: newMemory(), t: t, ended: make(chan struct{}, 1)}
		w.hub = NewHub(Config{}, w.memory)
		w.hub.sockets = nil
		var conn net.Conn
		server := httptest.NewUnstartedServer(http.HandlerFunc(w.serve))
		server.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
			conn = c
			return ConnContext(ctx, c)
		}
		if secure {
			server.StartTLS()
		} else {
			server.Start()
		}
		w.client, w.url = server.Client(), server.URL
		r := w.open(SSE, "page=a")
		r.want(`hello#0 {"a":0}`, `all "a=0"`)
		if size := sendBufferOf(t, conn); size > 2*sendBuffer {
			t.Errorf("TLS %v: the send buffer holds %d bytes, want at most twice %d", secure, size, sendBuffer)
		}
		w.hub.Close()
		r.close()
		server.Close()
	}
}

func sendBufferOf(t *testing.T, c net.Conn) (bytes int) {
	t.Helper()
	if tls, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = tls.NetConn()
	}
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if controlErr := raw.Control(func(fd uintptr) {
		bytes, err = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF)
	}); controlErr != nil || err != nil {
		t.Fatal(controlErr, err)
	}
	return bytes
}
