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
	"testing"
	"testing/synctest"
	"time"

	"halley/editor"
	"halley/editor/account"
	"halley/editor/httpapi"
)

// call sends one request over a connection of its own, and returns the status.
func call(t *testing.T, l *pipeListener, method, path, cookie, body string) (status int, answer, newCookie string) {
	t.Helper()
	conn := l.dial()
	defer conn.Close()
	go fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nCookie: %s\r\nContent-Length: %d\r\n\r\n%s",
		method, path, cookie, len(body), body)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, err.Error(), ""
	}
	all, _ := io.ReadAll(resp.Body) // however it ends
	newCookie, _, _ = strings.Cut(resp.Header.Get("Set-Cookie"), ";")
	return resp.StatusCode, string(all), newCookie
}

// TestPeersThatOnlyWait: bodies that never come and answers that nobody takes
// fill the room, and an edit finds a place all the same.
func TestPeersThatOnlyWait(t *testing.T) {
	const room = 8
	for name, request := range map[string]string{
		"half-sent bodies":  "POST /api/pages/PAGE/changes HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nCookie: COOKIE\r\nContent-Length: 60000\r\n\r\n{",
		"answers not taken": "GET /api/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				logger := slog.New(slog.DiscardHandler)
				w, err := openWorkspace(t.Context(), dir, nil, account.Config{}, editor.Config{}, httpapi.Config{Logger: logger})
				if err != nil {
					t.Fatal(err)
				}
				l := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
				f := &listeners{capacity: capacity{conns: room, requests: room}, logger: logger, public: l}
				srv := f.publicServer(w)
				done := make(chan error)
				go func() { done <- srv.Serve(l) }()

				_, _, cookie := call(t, l, "POST", "/api/session", "", `{"name":"Ann"}`)
				_, made, _ := call(t, l, "POST", "/api/pages", cookie, `{}`)
				_, after, _ := strings.Cut(made, `"id":"`)
				page, _, _ := strings.Cut(after, `"`)
				request := strings.NewReplacer("PAGE", page, "COOKIE", cookie).Replace(request)
				for range room {
					conn := l.dial()
					defer conn.Close()
					go io.WriteString(conn, request)
					synctest.Wait()
				}
				time.Sleep(2 * time.Second)
				start := time.Now()
				edit := `{"client":"client-1","n":1,"base":0,"delta":[{"insert":"x"}]}`
				if status, answer, _ := call(t, l, "POST", "/api/pages/"+page+"/changes", cookie, edit); status != 200 {
					t.Errorf("an edit beside %s: %d %s", name, status, answer)
				}
				if took := time.Since(start); took > time.Second {
					t.Errorf("the edit waits for %v", took)
				}
				if err := errors.Join(srv.Close(), w.close()); err != nil {
					t.Error(err)
				}
				<-done
			})
		})
	}
}
