package load

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// A target is where connections go.
type target struct {
	host    string // as requests name it
	address string // host:port
	tls     *tls.Config
	local   bool // the target is this machine itself
	dialer  net.Dialer

	in, out atomic.Uint64 // bytes
}

func newTarget(server string) (*target, error) {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%q is no http or https address", server)
	}
	if u.Path != "" && u.Path != "/" {
		return nil, fmt.Errorf("%q names a page or folder; give the server's address alone", server)
	}
	t := &target{host: u.Host, address: u.Host, dialer: net.Dialer{Timeout: dialTime}}
	port := "80"
	if u.Scheme == "https" {
		port = "443"
		t.tls = &tls.Config{ServerName: u.Hostname(), NextProtos: []string{"http/1.1"}}
	}
	if u.Port() == "" {
		t.address = net.JoinHostPort(u.Hostname(), port)
	}
	ip, err := netip.ParseAddr(u.Hostname())
	t.local = err == nil && ip.Is4() && ip.IsLoopback()
	return t, nil
}

const (
	dialTime = 20 * time.Second
	// linesAnAddress is how many lines to this machine come from one address:
	// a system has some 28,000 ports to give to each.
	linesAnAddress = 10_000
)

// dial opens the connection of that number.
func (t *target) dial(ctx context.Context, number int) (net.Conn, error) {
	d := t.dialer
	if n := 1 + number/linesAnAddress; t.local && n > 1 {
		d.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 0, byte(n>>8), byte(n))}
	}
	conn, err := d.DialContext(ctx, "tcp", t.address)
	if err != nil {
		return nil, fmt.Errorf("cannot connect: %w", bare(err))
	}
	conn = &counting{Conn: conn, t: t}
	if t.tls != nil {
		return tls.Client(conn, t.tls), nil
	}
	return conn, nil
}

// bare is a network error without its addresses, so that a thousand of them
// are one sentence.
func bare(err error) error {
	if op, ok := err.(*net.OpError); ok && op.Err != nil {
		return op.Err
	}
	return err
}

// counting counts the bytes of a connection.
type counting struct {
	net.Conn
	t *target
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.t.in.Add(uint64(n))
	return n, err
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.t.out.Add(uint64(n))
	return n, err
}

// A conn is a connection for one request at a time. It closes when the context
// ends in which it was opened.
type conn struct {
	net.Conn
	r      *bufio.Reader
	forget func() bool
	buf    []byte // of the request, reused
}

func (t *target) open(ctx context.Context, number int) (*conn, error) {
	c, err := t.dial(ctx, number)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, r: bufio.NewReaderSize(c, 4<<10), forget: context.AfterFunc(ctx, func() { c.Close() })}, nil
}

func (c *conn) close() {
	c.forget()
	c.Close()
}

// A request is one of ours: its values hold nothing that needs escaping.
type request struct {
	method, path string
	header       string // whole lines
	body         []byte
}

// silence is how long a server may say nothing where it should: heartbeats come
// every 15 seconds at most, so several are missing then.
const silence = 40 * time.Second

// ask sends a request and reads the beginning of its answer.
func (c *conn) ask(host string, r request) (*http.Response, error) {
	b := append(c.buf[:0], r.method...)
	b = append(append(append(b, ' '), r.path...), " HTTP/1.1\r\nHost: "...)
	b = append(append(append(b, host...), "\r\n"...), r.header...)
	if r.body != nil {
		b = append(b, "Content-Type: application/json\r\nContent-Length: "...)
		b = append(strconv.AppendInt(b, int64(len(r.body)), 10), "\r\n"...)
	}
	b = append(append(b, "\r\n"...), r.body...)
	c.buf = b
	if err := c.SetDeadline(time.Now().Add(silence)); err != nil {
		return nil, fmt.Errorf("the connection broke: %w", bare(err))
	}
	if _, err := c.Write(b); err != nil {
		return nil, fmt.Errorf("the connection broke: %w", bare(err))
	}
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return nil, fmt.Errorf("the connection broke: %w", bare(err))
	}
	return resp, nil
}

// signsOfLife gives up on a body that says nothing for too long.
type signsOfLife struct {
	io.Reader
	conn net.Conn
	set  time.Time
}

func (s *signsOfLife) Read(p []byte) (int, error) {
	// Not at each read: that many clocks cost more than the reading.
	if now := time.Now(); now.Sub(s.set) > silence/8 {
		s.set = now
		if err := s.conn.SetReadDeadline(now.Add(silence)); err != nil {
			return 0, err
		}
	}
	return s.Reader.Read(p)
}

// headerLines are credentials as a request has them.
func headerLines(h http.Header) string {
	var b strings.Builder
	if err := h.Write(&b); err != nil {
		panic(err) // a Builder takes everything
	}
	return b.String()
}
