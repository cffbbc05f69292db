package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"halley/editor"
)

// Paths that only the socket in the data folder serves, besides the API.
const (
	backupPath = "/control/backup"
	verifyPath = "/control/verify"

	signOutAllPath = "/control/sign-out-all"
)

// writePatience is how long a command may take nothing of a backup: the store
// does not recover from a failing disk while one is written.
const writePatience = 30 * time.Second

// control serves the folder's socket. address is where the workspace is served otherwise.
func (w *workspace) control(address string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", w.server)
	mux.HandleFunc("GET "+backupPath, w.sendBackup)
	mux.HandleFunc("GET "+verifyPath, w.sendVerified)
	mux.HandleFunc("POST "+signOutAllPath, w.signOutAll)
	mux.HandleFunc("POST "+pagePath, w.receivePage(address))
	return mux
}

// backupSizeHeader says about how many bytes a backup will have.
const backupSizeHeader = "Halley-Backup-Size"

// sendBackup sends a backup. What is damaged in the workspace is named in the
// backup itself, whose end also says that it is complete.
func (w *workspace) sendBackup(rw http.ResponseWriter, r *http.Request) {
	begun := false
	err := w.store.Backup(r.Context(), func(size int64) io.Writer {
		begun = true
		rw.Header().Set(backupSizeHeader, fmt.Sprint(size))
		return impatient{rw, http.NewResponseController(rw)}
	})
	switch {
	case err != nil && begun:
		panic(http.ErrAbortHandler) // the connection breaks off, so that nobody takes this for all of it
	case err != nil:
		http.Error(rw, err.Error(), http.StatusInternalServerError)
	}
}

// impatient fails where a write takes too long.
type impatient struct {
	io.Writer
	control *http.ResponseController
}

func (w impatient) Write(b []byte) (int, error) {
	if err := w.control.SetWriteDeadline(time.Now().Add(writePatience)); err != nil {
		return 0, err
	}
	return w.Writer.Write(b)
}

// A verifyLine is one line of what the socket says of verifying.
type verifyLine struct {
	Done, Total uint64           `json:",omitempty"`
	Bad         string           `json:",omitempty"`
	Failed      string           `json:",omitempty"`
	Verified    *editor.Verified `json:",omitempty"` // last, and only where nothing failed
}

func (w *workspace) sendVerified(rw http.ResponseWriter, r *http.Request) {
	lines := json.NewEncoder(rw)
	flush := http.NewResponseController(rw)
	say := func(l verifyLine) {
		if lines.Encode(l) == nil {
			_ = flush.Flush() // a command that has gone ends the request's context
		}
	}
	v, err := editor.Verify(r.Context(), w.store, sparse(func(done, total uint64) { say(verifyLine{Done: done, Total: total}) }),
		func(bad error) { say(verifyLine{Bad: bad.Error()}) })
	if err != nil {
		say(verifyLine{Failed: err.Error()})
		return
	}
	say(verifyLine{Verified: &v})
}

// sparse passes on one call in a thousand, and the last.
func sparse(progress func(done, total uint64)) func(done, total uint64) {
	return func(done, total uint64) {
		if done%1000 == 0 || done == total {
			progress(done, total)
		}
	}
}

// askControl asks the server that has a folder open.
func askControl(ctx context.Context, dir, method, path string, body io.Reader) (*http.Response, error) {
	c := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dialSocket(ctx, dir) },
	}}
	req, err := http.NewRequestWithContext(ctx, method, "http://localhost"+path, body)
	if err != nil {
		return nil, err
	}
	resp, err := c.Do(req)
	if err != nil {
		return nil, fmt.Errorf("the folder %s is in use, and the process that uses it does not answer: %w", dir, err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 1000)) // the status says enough without
		return nil, fmt.Errorf("the server answers: %s", strings.TrimSpace(string(said)))
	}
	return resp, nil
}
