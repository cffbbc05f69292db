package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// serving serves a folder until stop is called, and returns its address.
func serving(t *testing.T, dir string, args ...string) (address string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, out := io.Pipe()
	ended := make(chan heard, 1)
	go func() { ended <- halley(ctx, out, nil, append(serveArgs(dir), args...)...) }()
	lines := bufio.NewReader(ready)
	line, err := lines.ReadString('\n')
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err != nil || !ok {
		t.Fatalf("serve says %q, %v", line, err)
	}
	go io.Copy(io.Discard, lines)
	return address, func() {
		t.Helper()
		cancel()
		if h := <-ended; h.status != 0 {
			t.Errorf("halley serve ends with %+v", h)
		}
	}
}

// A guest has signed in.
type guest struct {
	t    *testing.T
	http http.Client
}

func newGuest(t *testing.T, address string) *guest {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	g := &guest{t, http.Client{Jar: jar, Timeout: 20 * time.Second}}
	resp, err := g.http.Post(address+"/api/session", "application/json", strings.NewReader(`{"name":"Ann"}`))
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("sign in: %v, %v", resp, err)
	}
	resp.Body.Close()
	return g
}

func (g *guest) want(address string, status int) {
	g.t.Helper()
	resp, err := g.http.Get(address + "/api/session")
	if err != nil {
		g.t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != status {
		g.t.Errorf("whose session it is answers %d, want %d", resp.StatusCode, status)
	}
}

// follow opens a stream and returns where its bye arrives.
func (g *guest) follow(address string) <-chan string {
	g.t.Helper()
	req, err := http.NewRequest("GET", address+"/api/events?list=1", nil)
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Accept", "application/x-ndjson")
	resp, err := g.http.Do(req)
	if err != nil || resp.StatusCode != 200 {
		g.t.Fatalf("follow: %v, %v", resp, err)
	}
	bye := make(chan string, 1)
	go func() {
		defer resp.Body.Close()
		defer close(bye)
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			if strings.Contains(lines.Text(), `"bye"`) {
				bye <- lines.Text()
			}
		}
	}()
	return bye
}

func wantSignedOut(t *testing.T, bye <-chan string) {
	t.Helper()
	select {
	case text := <-bye:
		if !strings.Contains(text, `"signed-out"`) {
			t.Errorf("the stream ends with %q, want a bye with signed-out", text)
		}
	case <-time.After(20 * time.Second):
		t.Error("the stream does not end")
	}
}

// TestSignOutAll: sessions end, and their streams, whether the folder is served
// or not.
func TestSignOutAll(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	signOut := func() {
		t.Helper()
		if h := halley(context.Background(), io.Discard, nil, "sign-out-all", "--data", dir); h.status != 0 || h.stderr != "" {
			t.Errorf("halley sign-out-all ends with %+v", h)
		}
	}
	address, stop := serving(t, dir)
	ann := newGuest(t, address)
	bye := ann.follow(address)
	signOut()
	wantSignedOut(t, bye)
	ann.want(address, 401)
	ben := newGuest(t, address)
	ben.want(address, 200)
	stop()
	signOut()

	address, stop = serving(t, dir)
	ben.want(address, 401)
	newGuest(t, address).want(address, 200)
	stop()
	halley(context.Background(), io.Discard, nil, "sign-out-all", "--data", filepath.Join(t.TempDir(), "none")).wantOneLine(t, 1, "no workspace")
}

// TestRestoreSignsEverybodyOut: who could read a backup could use its sessions.
func TestRestoreSignsEverybodyOut(t *testing.T) {
	dir, file, fresh := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "fresh")
	address, stop := serving(t, dir)
	ann := newGuest(t, address)
	for _, args := range [][]string{{"backup", "--data", dir, file}, {"restore", "--data", fresh, file}} {
		if h := halley(context.Background(), io.Discard, nil, args...); h.status != 0 {
			t.Fatalf("halley %q ends with %+v", args, h)
		}
	}
	ann.want(address, 200)
	stop()
	address, stop = serving(t, fresh)
	ann.want(address, 401)
	stop()
}

// TestSessionsExpire: a stream counts as use of its session, and ends with it.
func TestSessionsExpire(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	address, stop := serving(t, dir, "--session-idle", "1s", "--session-max", "3s")
	ann, idle := newGuest(t, address), newGuest(t, address)
	bye := ann.follow(address)
	wantSignedOut(t, bye)
	ann.want(address, 401)
	idle.want(address, 401)
	stop()
	for _, args := range [][]string{{"--session-idle", "10ms"}, {"--session-max", "24h"}} {
		halley(context.Background(), io.Discard, nil, append(serveArgs(dir), args...)...).wantOneLine(t, 1, "--session-idle")
	}
}
