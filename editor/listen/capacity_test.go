package listen

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// A visitor is a connection as its other end sees it.
type visitor struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func visit(t *testing.T, l net.Listener) *visitor {
	t.Helper()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &visitor{t, conn, bufio.NewReader(conn)}
}

func (v *visitor) ask(path string) *visitor {
	fmt.Fprintf(v.conn, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path)
	return v
}

func (v *visitor) wantAnswer(what string) {
	v.t.Helper()
	resp, err := http.ReadResponse(v.in, nil)
	if err != nil {
		v.t.Fatalf("%s: %v, want an answer", what, err)
	}
	io.Copy(io.Discard, resp.Body)
}

func (v *visitor) wantClosed(what string) {
	v.t.Helper()
	if b, err := v.in.ReadByte(); err == nil {
		v.t.Errorf("%s: the server sends %q, want it to hang up", what, b)
	} else if e, ok := err.(net.Error); ok && e.Timeout() {
		v.t.Errorf("%s: the connection stays open", what)
	}
}

// rooms serves with room for so many: /wait answers when release is closed.
func rooms(t *testing.T, limit int) (l net.Listener, room *Capacity, arrived chan struct{}, release chan struct{}) {
	t.Helper()
	arrived, release = make(chan struct{}, 10), make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/wait", func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-release
	})
	room = NewCapacity(Limits{All: func() int { return limit }})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: mux, ConnState: room.Watch}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return l, room, arrived, release
}

// TestRoom: those who hold a connection and ask for nothing make room for
// those who do, the longest first.
func TestRoom(t *testing.T) {
	l, room, arrived, release := rooms(t, 3)
	busy := visit(t, l).ask("/wait")
	<-arrived
	idle := visit(t, l).ask("/")
	idle.wantAnswer("the first request")
	await(t, room, 2, 1)
	silent := visit(t, l)
	await(t, room, 3, 2)

	fourth := visit(t, l).ask("/")
	fourth.wantAnswer("a new connection in a full room")
	await(t, room, 3, 2)
	idle.wantClosed("the longest without a request")
	fifth := visit(t, l).ask("/wait")
	<-arrived
	silent.wantClosed("one that never asked")
	await(t, room, 3, 1)
	sixth := visit(t, l).ask("/wait")
	<-arrived
	fourth.wantClosed("the last one without a request")

	visit(t, l).wantClosed("one more where all are busy")
	close(release)
	for _, v := range []*visitor{busy, fifth, sixth} {
		v.wantAnswer("a busy one")
	}
	visit(t, l).ask("/").wantAnswer("a new connection afterwards")
}

// await waits until so many connections are there, and of them so many
// without a request.
func await(t *testing.T, room *Capacity, conns, waiting int) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		room.mu.Lock()
		c, w := len(room.conns), room.idle.Len()
		room.mu.Unlock()
		if c == conns && w == waiting {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d connections, %d without a request, want %d and %d", c, w, conns, waiting)
		}
	}
}

func TestRoomForgets(t *testing.T) {
	l, room, _, _ := rooms(t, 100)
	for range 20 {
		v := visit(t, l).ask("/")
		v.wantAnswer("a visit")
		v.conn.Close()
	}
	visit(t, l).conn.Close()
	await(t, room, 0, 0)
}

// A fakeConn is a connection from an address.
type fakeConn struct {
	net.Conn
	from   string
	closed bool
}

func (c *fakeConn) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(c.from))
}

func (c *fakeConn) Close() error { c.closed = true; return nil }

// come opens a connection whose request works.
func come(r *Capacity, from string) (*fakeConn, *Slot) {
	c := &fakeConn{from: from}
	slot := r.Slot(c)
	r.Watch(c, http.StateNew)
	r.Watch(c, http.StateActive)
	slot.Begin()
	return c, slot
}

// TestRoomOfSlowPeers: a request that waits for its peer makes room for one that
// does not, and the one that has waited for longest goes first.
func TestRoomOfSlowPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		room := NewCapacity(Limits{All: func() int { return 3 }})
		first, slow := come(room, "192.0.2.1:1000")
		second, slower := come(room, "192.0.2.2:1000")
		third, _ := come(room, "192.0.2.3:1000")
		slower.Wait()
		time.Sleep(time.Second)
		slow.Wait()
		time.Sleep(slowAfter)
		fourth, _ := come(room, "192.0.2.4:1000")
		if first.closed || !second.closed || third.closed || fourth.closed {
			t.Fatalf("closed: %v %v %v %v, want the second, which has waited for longest", first.closed, second.closed, third.closed, fourth.closed)
		}
		slow.Begin() // what it waited for came
		if fifth, _ := come(room, "192.0.2.5:1000"); !fifth.closed {
			t.Error("a connection is let in where all others are busy")
		}
		if first.closed {
			t.Error("a request that works again has lost its connection")
		}
	})
}

// TestRoomPerAddress: one address does not take the room of others, and what it
// has too many of are its own.
func TestRoomPerAddress(t *testing.T) {
	proxy := netip.MustParseAddr("10.0.0.1")
	room := NewCapacity(Limits{
		All: func() int { return 100 }, PerAddress: func() int { return 2 },
		Exempt: func(a netip.Addr) bool { return a == proxy },
	})
	for _, c := range []struct {
		name  string
		from  []string
		taken int
	}{
		{"one address", []string{"192.0.2.1:1", "192.0.2.1:2", "192.0.2.1:3", "192.0.2.1:4"}, 2},
		{"others", []string{"192.0.2.2:1", "192.0.2.3:1", "192.0.2.4:1"}, 3},
		{"one IPv6 network", []string{"[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8::3]:1"}, 2},
		{"a proxy", []string{"10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3", "10.0.0.1:4"}, 4},
	} {
		taken := 0
		for _, from := range c.from {
			if conn, _ := come(room, from); !conn.closed {
				taken++
			}
		}
		if taken != c.taken {
			t.Errorf("%s: %d of %d connections are let in, want %d", c.name, taken, len(c.from), c.taken)
		}
	}

	idle := &fakeConn{from: "198.51.100.1:1"}
	room.Watch(idle, http.StateNew)
	come(room, "198.51.100.1:2")
	if c, _ := come(room, "198.51.100.1:3"); c.closed || !idle.closed {
		t.Error("an address that has an idle connection too many gets no other for it")
	}
}

// TestRoomForgetsAddresses: what is counted by address ends with its connections.
func TestRoomForgetsAddresses(t *testing.T) {
	room := NewCapacity(Limits{All: func() int { return 10 }, PerAddress: func() int { return 2 }})
	for i := range 1000 {
		c, _ := come(room, fmt.Sprintf("192.0.%d.%d:1", i/250, i%250))
		if i%2 == 0 {
			room.Watch(c, http.StateClosed)
		}
	}
	if n := len(room.addresses); n > 10 || len(room.conns) > 10 {
		t.Errorf("%d addresses and %d connections are held, want at most 10", n, len(room.conns))
	}
	for c := range room.conns {
		room.Watch(c, http.StateHijacked)
	}
	if len(room.addresses)+len(room.conns)+room.inside+room.idle.Len() > 0 {
		t.Errorf("held in the end: %v %v %d %d, want nothing", room.addresses, room.conns, room.inside, room.idle.Len())
	}
}
