package push

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The test server may run with TLS, over HTTP/1.1, where lines have goroutines.
func TestConnectionIsBounded(t *testing.T) {
	for _, secure := range []bool{false, true} {
		w := &world{memory: newMemory(), t: t, second: time.Second, ended: make(chan struct{}, 1)}
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
		if size := optionOf(t, conn, unix.SOL_SOCKET, unix.SO_SNDBUF); size > 2*sendBuffer {
			t.Errorf("TLS %v: the send buffer holds %d bytes, want at most twice %d", secure, size, sendBuffer)
		}
		if ms := optionOf(t, conn, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT); ms != 60_000 {
			t.Errorf("TLS %v: the system gives up after %d ms, want 60,000", secure, ms)
		}
		w.hub.Close()
		r.close()
		server.Close()
	}
}

func optionOf(t *testing.T, c net.Conn, level, option int) (value int) {
	t.Helper()
	if tls, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = tls.NetConn()
	}
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if controlErr := raw.Control(func(fd uintptr) {
		value, err = unix.GetsockoptInt(int(fd), level, option)
	}); controlErr != nil || err != nil {
		t.Fatal(controlErr, err)
	}
	return value
}

func TestNonblockingConnectionIsBounded(t *testing.T) {
	w := newSocketWorld(t, Config{}, shards)
	made := make(chan *descriptor, 1)
	w.hub.sockets = recorded{w.hub.sockets, made}
	w.dial("page=a")
	fd := (<-made).fd
	size, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF)
	if err != nil || size > 2*sendBuffer {
		t.Errorf("the send buffer holds %d bytes (%v), want at most twice %d", size, err, sendBuffer)
	}
	ms, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
	if err != nil || ms != 60_000 {
		t.Errorf("the system gives up after %d ms (%v), want 60,000", ms, err)
	}
}

// recorded hands on each descriptor that sockets make. A test must not read it
// from its stream, which belongs to the shard.
type recorded struct {
	sockets
	made chan *descriptor
}

func (r recorded) grasp(c net.Conn) socket {
	s := r.sockets.grasp(c)
	if d, ok := s.(*descriptor); ok {
		r.made <- d
	}
	return s
}
