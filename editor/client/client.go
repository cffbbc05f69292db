package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"
)

// Config says where the server is and how long to try.
type Config struct {
	// Server is its address, "http://127.0.0.1:8080". Where Dial leads to it,
	// the address is only a name.
	Server string
	// Dial connects to the server in place of the network: through a socket,
	// or within the process. Nil: the network.
	Dial func(ctx context.Context) (net.Conn, error)
	// Token signs every call in, in place of a session. "": none.
	Token string
	// Patience is how long a call that may be sent again is tried while the
	// server does not answer. Zero: until its context ends.
	Patience time.Duration
}

// A Client is one principal at one server. Its session lives as long as it does.
type Client struct {
	server   string
	token    string
	http     *http.Client
	patience time.Duration
}

// answerTime is how long a request waits for the beginning of its answer.
const answerTime = time.Minute

// New returns a client that has not signed in. Through a socket that is not
// needed: the server knows who can open it.
func New(cfg Config) (*Client, error) {
	u, err := url.Parse(cfg.Server)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%q is no http or https address", cfg.Server)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 16
	transport.ResponseHeaderTimeout = answerTime
	if cfg.Dial != nil {
		transport.Proxy = nil
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return cfg.Dial(ctx) }
	}
	return &Client{
		server: strings.TrimRight(cfg.Server, "/"), token: cfg.Token, patience: cfg.Patience,
		http: &http.Client{Transport: transport, Jar: jar},
	}, nil
}

// Close lets go of connections that nothing uses.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Credentials are the headers by which a request that somebody else makes
// passes for this client's.
func (c *Client) Credentials() http.Header {
	r := http.Request{Header: http.Header{}}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	if u, err := url.Parse(c.server); err == nil {
		for _, cookie := range c.http.Jar.Cookies(u) {
			r.AddCookie(cookie)
		}
	}
	return r.Header
}

// A call is one request, so that it can be sent again.
type call struct {
	method string
	path   string // with its query, "/api/pages?limit=1"
	header http.Header
	body   []byte
	stream func() io.ReadCloser // the body, in place of body, for each time that it is sent
	once   bool                 // may not be sent again
}

func get(path string) call { return call{method: http.MethodGet, path: path} }

// sending is a call with a JSON body, of our own plain types.
func sending(method, path string, body any) (call, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return call{}, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return call{method: method, path: path, body: data, header: http.Header{"Content-Type": {"application/json"}}}, nil
}

// An answered is an answer that is no refusal, read to its end.
type answered struct {
	header http.Header
	body   []byte
}

// do sends a call until it is answered, and decodes the answer into out,
// unless that is nil.
func (c *Client) do(ctx context.Context, what call, out any) (answered, error) {
	a, err := c.send(ctx, what)
	if err != nil || out == nil {
		return a, err
	}
	if err := json.Unmarshal(a.body, out); err != nil {
		return a, fmt.Errorf("%s %s: the server's answer cannot be read: %w", what.method, what.path, err)
	}
	return a, nil
}

func (c *Client) send(ctx context.Context, what call) (answered, error) {
	tries := newTries(c.patience)
	for {
		a, err := c.sendOnce(ctx, what)
		if err == nil || what.once || !MayPass(err) || ctx.Err() != nil {
			return a, err
		}
		if !tries.wait(ctx, err) {
			return a, err
		}
	}
}

func (c *Client) sendOnce(ctx context.Context, what call) (answered, error) {
	resp, err := c.open(ctx, what)
	if err != nil {
		return answered{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return answered{}, fmt.Errorf("%s %s: the answer broke off: %w", what.method, what.path, err)
	}
	return answered{resp.Header, body}, nil
}

// open sends a call once. The caller closes the answer's body.
func (c *Client) open(ctx context.Context, what call) (*http.Response, error) {
	var body io.Reader = bytes.NewReader(what.body)
	if what.stream != nil {
		body = what.stream() // the transport closes it
	}
	req, err := http.NewRequestWithContext(ctx, what.method, c.server+what.path, body)
	if err != nil {
		return nil, err
	}
	for name, values := range what.header {
		req.Header[name] = values
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(err)
	}
	if resp.StatusCode >= 300 {
		defer resp.Body.Close()
		return nil, ReadProblem(resp)
	}
	return resp, nil
}

func (c *Client) unreachable(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // without the address, which the sentence has
	}
	return fmt.Errorf("cannot reach %s: %w", c.server, err)
}

// MayPass reports whether a call that failed may be answered otherwise later: the
// connection broke, there was too much at once, or the server was going away.
func MayPass(err error) bool {
	var p *Problem
	if !errors.As(err, &p) {
		return true
	}
	return p.Status == http.StatusTooManyRequests || p.Status == http.StatusServiceUnavailable
}

const (
	firstPause = 50 * time.Millisecond
	longPause  = 2 * time.Second
)

// tries paces how often something is tried again: soon at first, then seldom,
// and never in step with others.
type tries struct {
	until time.Time // zero: forever
	pause time.Duration
}

func newTries(patience time.Duration) *tries {
	t := &tries{pause: firstPause}
	if patience > 0 {
		t.until = time.Now().Add(patience)
	}
	return t
}

// wait pauses before the next try; false when that is not worth it any more.
func (t *tries) wait(ctx context.Context, why error) bool {
	pause := t.pause/2 + rand.N(t.pause)
	t.pause = min(2*t.pause, longPause)
	var p *Problem
	if errors.As(why, &p) && p.RetryAfter > 0 {
		pause = p.RetryAfter
	}
	if !t.until.IsZero() && time.Now().Add(pause).After(t.until) {
		return false
	}
	return sleep(ctx, pause)
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
