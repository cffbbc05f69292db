package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"halley/editor"
	"halley/editor/convert"
	"halley/editor/exchange"
	"halley/editor/filename"
	"halley/ot"
)

type content = ot.Content

// emptyNotNil is a content that was given and is empty, which no page's is.
var emptyNotNil = ot.Delta{}

func (s *Server) contentRoutes(api *gin.RouterGroup) {
	api.POST("/import", s.handle(s.signedIn), s.handle(s.importFile))
	g := api.Group("/pages", s.handle(s.signedIn))
	g.GET("/:id/content", s.handle(s.getContent))
	g.HEAD("/:id/content", s.handle(s.getContent))
	g.PUT("/:id/content", s.handle(s.putContent))
}

type formatJSON struct {
	Name       string   `json:"name"`
	Label      string   `json:"label"`
	MediaType  string   `json:"mediaType"`
	Extensions []string `json:"extensions"`
	Import     bool     `json:"import"`
	Export     bool     `json:"export"`
}

func (s *Server) formats(c *gin.Context) error {
	out := []formatJSON{}
	for _, f := range convert.Formats() {
		out = append(out, formatJSON{f.Name, f.Label, f.MediaTypes[0], f.Extensions, true, true})
	}
	return s.writeJSON(c, http.StatusOK, out)
}

// asked for by name, or by Accept; anything goes: Markdown.
func formatToGive(c *gin.Context) (convert.Format, error) {
	if name, there := c.GetQuery("format"); there {
		if f, ok := convert.ByName(name); ok {
			return f, nil
		}
		return convert.Format{}, notGiven(name)
	}
	accept := c.GetHeader("Accept")
	if accept == "" {
		accept = "*/*"
	}
	for _, want := range byPreference(accept) {
		if want == "*/*" || want == "text/*" {
			want = "text/markdown"
		}
		if f, ok := convert.ByMediaType(want); ok {
			return f, nil
		}
	}
	return convert.Format{}, notGiven(accept)
}

func notGiven(asked string) error {
	return &problem{
		status: 406, name: "not-acceptable", title: "Not in this format",
		detail: fmt.Sprintf("A page cannot be given as %.100q; /api/formats lists what it can be given as.", asked),
	}
}

// formatSent is what a file is, by ?format= or its Content-Type.
func formatSent(c *gin.Context) (convert.Format, error) {
	if name, there := c.GetQuery("format"); there {
		if f, ok := convert.ByName(name); ok {
			return f, nil
		}
		return convert.Format{}, unsupported("There is no format %.100q; /api/formats lists what can be read.", name)
	}
	header := c.GetHeader("Content-Type")
	kind, _, err := mime.ParseMediaType(header)
	if err != nil {
		return convert.Format{}, unsupported("The Content-Type is missing or cannot be read; say it, or give ?format=.")
	}
	if f, ok := convert.ByMediaType(kind); ok {
		return f, nil
	}
	return convert.Format{}, unsupported("A file of type %.100q cannot be read; /api/formats lists what can be.", kind)
}

func (s *Server) getContent(c *gin.Context) error {
	ctx, p, id := c.Request.Context(), principal(c), pageID(c)
	page, text, err := s.pages.Read(ctx, p, id)
	if err != nil {
		return err
	}
	format, err := formatToGive(c)
	if err != nil {
		return err
	}
	folder, err := folderAsked(c)
	if err != nil {
		return err
	}
	c.Header("Vary", "Accept")
	c.Header("Cache-Control", "private, no-cache")
	tag := `"` + strconv.FormatUint(page.Seq, 10) + `"`
	c.Header("ETag", tag)
	if matchesTag(c.GetHeader("If-None-Match"), tag) {
		c.Status(http.StatusNotModified)
		return nil
	}
	if err := s.takeWork(c, workExport, int64(text.Size())); err != nil {
		return err
	}
	var file spool
	defer file.Close()
	notes, err := s.exchange.Export(ctx, p, page, text, format, folder, &file)
	if err == nil {
		err = holdAnswer(c, int64(cap(file.memory)))
	}
	if err != nil {
		c.Writer.Header().Del("ETag")
		return err
	}
	setNotes(c, notes)
	if c.Query("download") == "1" {
		c.Header("Content-Disposition", disposition(page.Title, format.Extensions[0]))
	}
	// A page's HTML is looked at in the browser: it may load pictures and
	// nothing else, whatever slipped through. Its own pictures are for whoever is
	// signed in here, so it keeps its origin; without scripts that gives it nothing.
	c.Header("Content-Security-Policy",
		"default-src 'none'; img-src 'self' https: data:; style-src 'unsafe-inline'; sandbox allow-same-origin")
	c.Header("Content-Type", format.MediaTypes[0])
	c.Header("Content-Length", strconv.FormatInt(file.size, 10))
	c.Status(http.StatusOK)
	_, _ = file.WriteTo(c.Writer) // the reader may be gone
	return nil
}

// setNotes tells what the file could not keep.
func setNotes(c *gin.Context, notes []convert.Note) {
	if len(notes) == 0 {
		return
	}
	c.Header("Halley-Notes", strings.ReplaceAll(url.QueryEscape(string(mustJSON(notes))), "+", "%20"))
}

func disposition(title, ext string) string {
	return mime.FormatMediaType("attachment", map[string]string{"filename": filename.Safe(title) + ext})
}

type putAnswer struct {
	Seq   uint64         `json:"seq"`
	Met   uint64         `json:"met"` // changes that the edit met on its way in
	Notes []convert.Note `json:"notes,omitempty"`
}

func (s *Server) putContent(c *gin.Context) error {
	ctx, p, id := c.Request.Context(), principal(c), pageID(c)
	if _, err := s.pages.Role(ctx, p, id); err != nil {
		return err
	}
	format, err := formatSent(c)
	if err != nil {
		return err
	}
	target, err := parseTarget(c)
	if err != nil {
		return err
	}
	if err := s.takeWork(c, workMerge, c.Request.ContentLength); err != nil {
		return err
	}
	file, err := readBody(c, maxFileBytes)
	if err != nil {
		return err
	}
	return s.idempotent(c, file, func(ctx context.Context, key string) (reply, error) {
		out, err := s.exchange.Merge(ctx, p, id, format, file, target, clientFor(p, key))
		if err != nil {
			return reply{}, err
		}
		return reply{Status: http.StatusOK, Body: mustJSON(putAnswer(out))}, nil
	})
}

func parseTarget(c *gin.Context) (exchange.Base, error) {
	t := exchange.Base{Epoch: c.Query("epoch")}
	if _, there := c.GetQuery("base"); there {
		base, err := queryWhole(c, "base", 0, editor.MaxWhole)
		t.Seq = base
		return t, err
	}
	match := strings.TrimPrefix(strings.TrimSpace(c.GetHeader("If-Match")), "W/")
	if match == "" || match == "*" {
		return t, &problem{
			status: 428, name: "base-required", title: "Which state was this made from?",
			detail: "Give ?base=SEQ, the seq of the content that this file was made from, or If-Match with its ETag.",
		}
	}
	base, err := strconv.ParseUint(strings.Trim(match, `"`), 10, 64)
	if err != nil {
		return t, editor.ErrMoved // a tag that no content of ours ever had
	}
	t.Seq, t.Exact = base, true
	return t, nil
}

// clientFor names the client of an edit that comes as a file: under a key the
// same one each time, so that the log itself recognises it again.
func clientFor(p editor.Principal, key string) string {
	if key == "" {
		return newClient()
	}
	sum := sha256.Sum256([]byte(p.ID + " " + key)) // two people may make up the same key
	return "put-" + base64.RawURLEncoding.EncodeToString(sum[:18])
}

// importFile makes a page of a file.
func (s *Server) importFile(c *gin.Context) error {
	if err := s.takeWork(c, workImport, c.Request.ContentLength); err != nil {
		return err
	}
	if err := s.makesPage(c); err != nil {
		return err
	}
	part, along, err := s.importParts(c)
	if err != nil {
		return err
	}
	name, kind, request, err := readUpload(c, part)
	if err != nil {
		return err
	}
	file := request[len(name)+1:]
	return s.idempotent(c, request, func(ctx context.Context, key string) (reply, error) {
		if along.ID == "" {
			along.ID = s.pages.NewID(principal(c), key)
		}
		return s.imported(ctx, principal(c), exchange.File{Name: name, Type: kind, Data: file}, along)
	})
}

// importParts finds the document in the form of an import, and with ?files=1
// what comes along with it.
func (s *Server) importParts(c *gin.Context) (*multipart.Part, exchange.Along, error) {
	if c.Query("files") == "1" {
		return s.bringFiles(c)
	}
	part, err := filePart(c, maxFileBytes)
	return part, exchange.Along{}, err
}

func (s *Server) imported(ctx context.Context, p editor.Principal, f exchange.File, along exchange.Along) (reply, error) {
	id, notes, err := s.exchange.Import(ctx, p, f, along)
	if err != nil {
		return reply{}, err
	}
	return s.created(ctx, p, id, notes)
}

// readUpload reads a file that is sent in a multipart form. The request is its
// name, a line feed and the file itself, in one piece of memory.
func readUpload(c *gin.Context, part *multipart.Part) (name, kind string, request []byte, err error) {
	size := c.Request.ContentLength
	if c.Query("files") == "1" {
		size = -1 // that of everything that comes along
	}
	name = part.FileName()
	request, err = readHeld(c, []byte(name+"\n"), io.LimitReader(part, maxFileBytes+1), size)
	if isRefusal(err) {
		return "", "", nil, err
	}
	if err != nil {
		return "", "", nil, badForm(err, maxFileBytes)
	}
	if len(request) > len(name)+1+maxFileBytes {
		return "", "", nil, fileTooLarge(maxFileBytes)
	}
	return name, part.Header.Get("Content-Type"), request, nil
}
