package push

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A poller watches the connections of nonblocking streams with epoll, edge
// triggered: the system reports once that a peer has gone, and once that a full
// connection takes bytes again. Go's own poller waits for the epoll descriptor, so
// this one is a parked goroutine and no thread. It starts with its first
// connection.
type poller struct {
	once    sync.Once
	epoll   *os.File // nil if epoll cannot be had
	stopped chan struct{}

	mu      sync.Mutex // guards the fields below
	watched []watch    // by descriptor
	serial  int32
}

// A watch is the stream that is notified of a descriptor's events. The serial
// distinguishes an event of an earlier connection from those of the connection
// that has the same descriptor now.
type watch struct {
	stream *stream
	serial int32
}

func newSockets() sockets { return &poller{} }

func (p *poller) start() {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return // out of descriptors: streams get goroutines
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd) // it was never used
		return
	}
	epoll := os.NewFile(uintptr(fd), "epoll")
	raw, err := epoll.SyscallConn()
	if err != nil {
		_ = epoll.Close() // it was never used
		return
	}
	p.epoll, p.stopped = epoll, make(chan struct{})
	go p.run(raw)
}

func (p *poller) run(raw syscall.RawConn) {
	defer close(p.stopped)
	events := make([]unix.EpollEvent, 256)
	for {
		n := 0
		err := raw.Read(func(fd uintptr) bool {
			var err error
			n, err = unix.EpollWait(int(fd), events, 0)
			return n > 0 || err != nil
		})
		if err != nil {
			return // closed
		}
		for _, e := range events[:max(n, 0)] {
			p.notify(e)
		}
	}
}

func (p *poller) notify(e unix.EpollEvent) {
	p.mu.Lock()
	w := p.watched[e.Fd]
	p.mu.Unlock()
	switch {
	case w.stream == nil || w.serial != e.Pad:
	case e.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0:
		w.stream.raise(hungUp)
	default:
		w.stream.raise(writable)
	}
}

// set has s notified of a descriptor's events from now on, and returns the watch's
// serial.
func (p *poller) set(fd int, s *stream) int32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if fd >= len(p.watched) {
		p.watched = append(p.watched, make([]watch, fd+1-len(p.watched))...)
	}
	p.serial++
	p.watched[fd] = watch{s, p.serial}
	return p.serial
}

func (p *poller) close() {
	p.once.Do(func() {}) // never starts from now on
	if p.epoll != nil {
		_ = p.epoll.Close() // ends run; nothing is watched any more
		<-p.stopped
	}
}

// grasp takes a descriptor of its own for a TCP connection: without net's, an
// idle stream costs neither that nor a place in Go's poller.
func (p *poller) grasp(c net.Conn) socket {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return nil
	}
	p.once.Do(p.start)
	raw, err := tcp.SyscallConn()
	if p.epoll == nil || err != nil {
		return nil
	}
	fd := -1
	controlErr := raw.Control(func(theirs uintptr) {
		fd, err = unix.FcntlInt(theirs, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err != nil || controlErr != nil {
		return nil
	}
	return &descriptor{p, fd}
}

// A descriptor is a TCP connection as the system knows it.
type descriptor struct {
	poller *poller
	fd     int
}

func (d *descriptor) write(p []byte) (int, error) {
	for {
		n, err := unix.Write(d.fd, p)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return 0, nil
		default:
			return max(n, 0), err
		}
	}
}

func (d *descriptor) queued() int {
	n, err := unix.IoctlGetInt(d.fd, unix.SIOCOUTQ)
	if err != nil {
		return 0
	}
	return n
}

func (d *descriptor) watch(s *stream) error {
	_ = unix.SetsockoptInt(d.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, sendBuffer) // optional: the stream works without it
	giveUpAfter(d.fd, s.hub.silence())
	// What the peer sends is never read: it fills what the system holds for a
	// connection, and no more.
	event := unix.EpollEvent{
		Events: unix.EPOLLRDHUP | unix.EPOLLOUT | unix.EPOLLET,
		Fd:     int32(d.fd),
		Pad:    d.poller.set(d.fd, s),
	}
	return d.poller.control(unix.EPOLL_CTL_ADD, d.fd, &event)
}

// giveUpAfter has the system end the connection once the peer has acknowledged
// nothing for so long. Heartbeats alone, whose loss nothing else reports, would otherwise go
// out to a machine that has vanished for a quarter of an hour.
func giveUpAfter(fd int, timeout time.Duration) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(timeout.Milliseconds())) // a wish, as above
}

// boundSilence is giveUpAfter for a connection of net's.
func boundSilence(c any, timeout time.Duration) {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return
	}
	if raw, err := tcp.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { giveUpAfter(int(fd), timeout) }) // a connection that is gone needs none
	}
}

func (p *poller) control(op, fd int, event *unix.EpollEvent) error {
	raw, err := p.epoll.SyscallConn()
	if err != nil {
		return err
	}
	controlErr := raw.Control(func(epoll uintptr) { err = unix.EpollCtl(int(epoll), op, fd, event) })
	return errors.Join(controlErr, err)
}

func (d *descriptor) close(reset bool) {
	if reset {
		// A peer that is gone already needs none.
		_ = unix.SetsockoptLinger(d.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	} else {
		d.drain()
	}
	d.poller.set(d.fd, nil)
	d.release()
}

// drain reads what the peer has sent: were it left unread, closing would reset
// the connection and the peer might lose the last bytes that it was sent.
func (d *descriptor) drain() {
	var scratch [4 << 10]byte
	for range 64 {
		if n, err := unix.Read(d.fd, scratch[:]); n <= 0 || err != nil {
			return
		}
	}
}

func (d *descriptor) release() { _ = unix.Close(d.fd) } // nothing can be done about an error
