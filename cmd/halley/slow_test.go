package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"halley/editor"
	"halley/editor/account"
	"halley/editor/httpapi"
)

// A pipeListener hands out connections in memory, whose time a test decides.
type pipeListener struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

func (l *pipeListener) dial() net.Conn {
	near, far := net.Pipe()
	l.conns <- far
	return near
}

// inBubble serves a workspace to run, in a time of its own.
func inBubble(t *testing.T, run func(t *testing.T, l *pipeListener)) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		logger := slog.New(slog.DiscardHandler)
		w, err := openWorkspace(t.Context(), dir, nil, account.Config{}, editor.Config{}, httpapi.Config{Logger: logger})
		if err != nil {
			t.Fatal(err)
		}
		l := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
		srv := httpServer(w.server, logger)
		done := make(chan error)
		go func() { done <- srv.Serve(l) }()
		run(t, l)
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
		if err := w.close(); err != nil {
			t.Error(err)
		}
	})
}

// trickle writes text byte by byte, one a second, until it is hung up on, and
// returns how long that took and what was answered.
func trickle(conn net.Conn, text string) (time.Duration, string) {
	start := time.Now()
	answer := make(chan string)
	go func() {
		all, _ := io.ReadAll(conn) // however it ends
		answer <- string(all)
	}()
	for i := range len(text) {
		if _, err := conn.Write([]byte(text[i : i+1])); err != nil {
			break
		}
		time.Sleep(time.Second)
	}
	got := <-answer
	return time.Since(start), got
}

// TestSlowPeers: nobody holds a connection for ever by being slow.
func TestSlowPeers(t *testing.T) {
	const post = "POST /api/session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n"
	for _, c := range []struct {
		name   string
		head   string // sent at once
		slowly string // then byte by byte
		within time.Duration
		answer string
	}{
		{"never asks", "", "", 11 * time.Second, ""},
		{"a slow request line", "", strings.Repeat("G", 4000), 12 * time.Second, ""},
		{"slow headers", "GET / HTTP/1.1\r\nHost: localhost\r\n", strings.Repeat("X-A: b\r\n", 4000), 12 * time.Second, ""},
		{"a slow body", post, strings.Repeat(" ", 60000), 30 * time.Second, "HTTP/1.1 408 "},
		{"a body that nobody reads", strings.Replace(post, "POST /api/session", "POST /api/pages", 1), strings.Repeat(" ", 60000), 30 * time.Second, "HTTP/1.1 401 "},
		{"asks once and stays", "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", "", 3 * time.Minute, "HTTP/1.1 200 "},
		{"huge headers", "GET / HTTP/1.1\r\nHost: localhost\r\nX-A: " + strings.Repeat("b", 80<<10), "", 11 * time.Second, "HTTP/1.1 431 "},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, l *pipeListener) {
				conn := l.dial()
				defer conn.Close()
				go io.WriteString(conn, c.head) // as far as it is taken
				synctest.Wait()
				took, answer := trickle(conn, c.slowly)
				if took > c.within {
					t.Errorf("the connection was held for %v, want at most %v", took, c.within)
				}
				if !strings.HasPrefix(answer, c.answer) {
					t.Errorf("answered %.100q, want %q", answer, c.answer)
				}
			})
		})
	}
}

// TestSlowButSteady: a body may take its time as long as it comes.
func TestSlowButSteady(t *testing.T) {
	inBubble(t, func(t *testing.T, l *pipeListener) {
		conn := l.dial()
		defer conn.Close()
		body := `{"name":"Ann"` + strings.Repeat(" ", 60000) + `}`
		var sending sync.WaitGroup
		sending.Go(func() {
			fmt.Fprintf(conn, "POST /api/session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", len(body))
			for rest := body; rest != ""; time.Sleep(time.Second) {
				n := min(600, len(rest))
				io.WriteString(conn, rest[:n])
				rest = rest[n:]
			}
		})
		defer sending.Wait()
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || resp.StatusCode != 200 {
			t.Errorf("a body over 100 s is answered with %v, %v, want 200", resp, err)
		}
	})
}

// TestDeafPeer: who takes nothing of an answer is given up.
func TestDeafPeer(t *testing.T) {
	inBubble(t, func(t *testing.T, l *pipeListener) {
		conn := l.dial()
		defer conn.Close()
		start := time.Now()
		// The pipe holds nothing: whatever is not read stops the server.
		if _, err := io.WriteString(conn, "GET /api/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		for {
			// The server reads on until it is done with this peer.
			if _, err := conn.Write([]byte("G")); err != nil {
				break
			}
			time.Sleep(time.Second)
		}
		if took := time.Since(start); took > time.Minute {
			t.Errorf("the peer was waited for %v, want at most a minute", took)
		}
	})
}
