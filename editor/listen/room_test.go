package listen

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
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
func rooms(t *testing.T, limit int) (l net.Listener, room *Room, arrived chan struct{}, release chan struct{}) {
	t.Helper()
	arrived, release = make(chan struct{}, 10), make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/wait", func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-release
	})
	room = NewRoom(func() int { return limit })
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
func await(t *testing.T, room *Room, conns, waiting int) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		room.mu.Lock()
		c, w := len(room.conns), room.waiting.Len()
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
