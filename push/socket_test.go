package push

import (
	"net"
	"sync"
	"sync/atomic"
)

// pipes makes nonblocking streams of a world's pipes, where the system has nothing to
// say: a bubble's time stands still while a goroutine waits for a real one.
type pipes struct{}

func (pipes) grasp(c net.Conn) socket {
	p := &pipe{server: c.(*lastingConn)}
	p.filled = sync.NewCond(&p.mu)
	p.server.grasped.Store(true)
	return p
}

func (pipes) close() {}

// A lastingConn is a pipe that outlasts net/http's hold on it, as a connection
// does whose descriptor was duplicated.
type lastingConn struct {
	net.Conn
	grasped atomic.Bool
}

func (c *lastingConn) Close() error {
	if c.grasped.Load() {
		return nil
	}
	return c.Conn.Close()
}

// pipeBuffer is how much a pipe takes ahead of its reader.
const pipeBuffer = 4 << 10

// A pipe is a socket over a net.Pipe: with a buffer, as a system has one, that
// a goroutine empties as the peer reads.
type pipe struct {
	server *lastingConn
	stream *stream

	mu     sync.Mutex // guards the fields below
	buf    []byte
	filled *sync.Cond // buf or closed has changed
	full   bool       // a write was refused some of its bytes
	closed bool
}

func (p *pipe) write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return 0, net.ErrClosed
	}
	n := min(len(b), pipeBuffer-len(p.buf))
	p.buf = append(p.buf, b[:n]...)
	p.full = n < len(b)
	p.filled.Signal()
	return n, nil
}

func (p *pipe) empty() {
	for {
		p.mu.Lock()
		for len(p.buf) == 0 && !p.closed {
			p.filled.Wait()
		}
		next, stream := p.buf, p.stream
		p.mu.Unlock()
		if len(next) == 0 {
			p.server.Conn.Close()
			return
		}
		n, err := p.server.Conn.Write(next[:min(len(next), 100)])
		p.mu.Lock()
		p.buf = p.buf[min(n, len(p.buf)):] // none, if the line was cut meanwhile
		if err != nil {
			p.buf, p.closed = nil, true
		}
		room := p.full
		p.full = false
		p.mu.Unlock()
		if room && stream != nil {
			stream.raise(writable)
		}
	}
}

func (p *pipe) queued() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.buf)
}

func (p *pipe) watch(s *stream) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stream = s
	go p.empty()
	go func() {
		// What the peer sends is nobody's, but that it goes.
		for buf := make([]byte, 100); ; {
			if _, err := p.server.Conn.Read(buf); err != nil {
				s.raise(hungUp)
				return
			}
		}
	}()
	if len(p.buf) < pipeBuffer {
		s.raise(writable) // it may have had room before it was watched
	}
	return nil
}

func (p *pipe) close(reset bool) {
	p.mu.Lock()
	p.closed = true
	if reset {
		p.buf = nil
	}
	p.filled.Signal()
	p.mu.Unlock()
	if reset {
		p.server.Conn.Close()
	}
}

func (p *pipe) release() { p.server.grasped.Store(false) }
