package httpapi

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"

	"github.com/gin-gonic/gin"
)

// app is the built browser app, held in memory, plain and compressed.
type app struct {
	files map[string]*asset // by path, "/assets/main-HASH.js"
}

type asset struct {
	data, gz []byte // gz: nil where it would not be smaller
	kind     string
	tag      string
}

const index = "/index.html"

func newApp(dist fs.FS) (*app, error) {
	a := &app{files: map[string]*asset{}}
	if dist == nil {
		return a, nil
	}
	err := fs.WalkDir(dist, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(path.Base(name), ".") {
			return err
		}
		data, err := fs.ReadFile(dist, name)
		if err != nil {
			return err
		}
		a.files["/"+name], err = newAsset(name, data)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the browser app: %w", err)
	}
	return a, nil
}

func newAsset(name string, data []byte) (*asset, error) {
	sum := sha256.Sum256(data)
	f := &asset{data: data, kind: mime.TypeByExtension(path.Ext(name)), tag: `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
	if f.kind == "" {
		f.kind = "application/octet-stream"
	}
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if packed.Len() < len(data)*9/10 {
		f.gz = packed.Bytes()
	}
	return f, nil
}

// serveApp answers all that is not the API: the app's files, and the app
// itself at the addresses of its screens.
func (s *Server) serveApp(c *gin.Context) error {
	at := c.Request.URL.Path
	if strings.HasPrefix(at, problemPath) && c.Request.Method == http.MethodGet {
		return noSuchProblem(c)
	}
	if strings.HasPrefix(at, "/api/") || strings.HasPrefix(at, problemPath) {
		return &problem{status: 404, name: "not-found", title: "No such address", detail: "There is nothing at this address."}
	}
	if c.Request.Method != http.MethodGet && c.Request.Method != http.MethodHead {
		return noSuchMethod(c)
	}
	status := http.StatusOK
	f := s.app.files[at]
	switch {
	case f != nil && at != index:
		c.Header("Cache-Control", "public, max-age=3600")
		if strings.HasPrefix(at, "/assets/") {
			c.Header("Cache-Control", "public, max-age=31536000, immutable")
		}
	default:
		c.Header("Cache-Control", "no-cache")
		if f = s.app.files[index]; f == nil {
			c.String(http.StatusNotFound, "The browser app was not built into this server; run `make build`.\n")
			return nil
		}
		if !isScreen(at) {
			status = http.StatusNotFound // the app says so in its own words
		}
	}
	f.serve(c, status)
	return nil
}

func noSuchMethod(c *gin.Context) error {
	return &problem{
		status: 405, name: "no-such-method", title: "Not this method",
		detail: "This address does not take " + c.Request.Method + ".",
	}
}

// isScreen reports whether the app has a screen at this address.
func isScreen(at string) bool {
	page, isPage := strings.CutPrefix(at, "/p/")
	return at == "/" || at == "/trash" || isPage && page != "" && !strings.Contains(page, "/")
}

func (f *asset) serve(c *gin.Context, status int) {
	c.Header("ETag", f.tag)
	c.Header("Vary", "Accept-Encoding")
	if matchesTag(c.GetHeader("If-None-Match"), f.tag) {
		c.Status(http.StatusNotModified)
		return
	}
	data := f.data
	if f.gz != nil && strings.Contains(c.GetHeader("Accept-Encoding"), "gzip") {
		c.Header("Content-Encoding", "gzip")
		data = f.gz
	}
	c.Data(status, f.kind, data)
}
