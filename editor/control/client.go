package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"

	"halley/editor"
)

// Verified counts what a verification has read.
type Verified = editor.Verified

// A Client calls the server that has a data folder open. Its errors are sentences
// for the person at the command line.
type Client struct {
	folder string
	http   http.Client
}

// NewClient returns a Client for the server whose socket is at path. It does not
// connect yet.
func NewClient(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return Dial(ctx, path) }
	return &Client{filepath.Dir(path), http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: dial}}}
}

// Backup copies a backup of the workspace to the writer that begin returns for its
// approximate size, in bytes. The copy is complete only if it has a backup's end.
func (c *Client) Backup(ctx context.Context, begin func(size int64) io.Writer) error {
	resp, err := c.call(ctx, http.MethodGet, backupPath, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	size, _ := strconv.ParseInt(resp.Header.Get(backupSizeHeader), 10, 64) // only for showing progress
	if _, err = io.Copy(begin(size), resp.Body); err != nil {
		return fmt.Errorf("the server that has the folder open broke off: %w", err)
	}
	return nil
}

// Verify verifies the workspace. It calls bad with each damage found, and progress
// now and then.
func (c *Client) Verify(ctx context.Context, progress func(done, total uint64), bad func(string)) (Verified, error) {
	resp, err := c.call(ctx, http.MethodGet, verifyPath, nil)
	if err != nil {
		return Verified{}, err
	}
	defer resp.Body.Close()
	for lines := json.NewDecoder(resp.Body); ; {
		var l verifyLine
		if err := lines.Decode(&l); err != nil {
			return Verified{}, fmt.Errorf("the server broke off: %w", err)
		}
		switch {
		case l.Verified != nil:
			return *l.Verified, nil
		case l.Failed != "":
			return Verified{}, errors.New(l.Failed)
		case l.Bad != "":
			bad(l.Bad)
		default:
			progress(l.Done, l.Total)
		}
	}
}

// SignOutAll ends all sessions of the workspace.
func (c *Client) SignOutAll(ctx context.Context) error {
	resp, err := c.call(ctx, http.MethodPost, signOutAllPath, nil)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// RestorePage makes a page of the parts that PackPage wrote. address is the
// workspace's URL.
func (c *Client) RestorePage(ctx context.Context, parts io.Reader) (got RestoredPage, address string, err error) {
	resp, err := c.call(ctx, http.MethodPost, restorePagePath, parts)
	if err != nil {
		return got, "", err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		return got, "", fmt.Errorf("the server broke off: %w", err)
	}
	return got, resp.Header.Get("Content-Location"), nil
}

func (c *Client) call(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://localhost"+path, body)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("the folder %s is in use, and the process that uses it does not answer: %w", c.folder, err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 1000)) // without it the error is still true
		return nil, fmt.Errorf("the server answers: %s", strings.TrimSpace(string(said)))
	}
	return resp, nil
}
