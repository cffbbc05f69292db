package httpapi

import (
	"bufio"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"halley/editor"
	"halley/editor/exchange"
	"halley/editor/filename"
	"halley/storage"
)

func (s *Server) fileRoutes(e *gin.Engine, api *gin.RouterGroup) {
	api.GET("/pages/:id/files", s.handle(s.signedIn), s.handle(s.listFiles))
	api.POST("/pages/:id/files", s.handle(s.signedIn), s.handle(s.uploadFile))
	files := e.Group("/files", s.handle(s.identify), s.handle(s.signedIn))
	files.GET("/:hash", s.handle(s.getFile))
	files.HEAD("/:hash", s.handle(s.getFile))
}

type fileJSON struct {
	Path string `json:"path"`
	Name string `json:"name"`
	Size int64  `json:"size"`
	Type string `json:"type"`
}

// uploadFile keeps a file as it comes in: it is never whole in memory.
func (s *Server) uploadFile(c *gin.Context) error {
	ctx, p, id := c.Request.Context(), principal(c), pageID(c)
	if _, err := s.pages.Role(ctx, p, id); err != nil {
		return err
	}
	if err := s.takeWork(c, workUpload, c.Request.ContentLength/(bytesPerUpload/bytesPerWork)); err != nil {
		return err
	}
	if body := timedWriterOf(c.Writer).body; body != nil {
		body.deadline.most = streamedRate // it goes to the disk
	}
	part, err := filePart(c, s.pages.MaxFileBytes())
	if err != nil {
		return err
	}
	file := bufio.NewReaderSize(part, sniffBytes)
	head, err := file.Peek(sniffBytes)
	if err != nil && err != io.EOF {
		return badForm(err, s.pages.MaxFileBytes())
	}
	out := fileJSON{Name: filename.Display(part.FileName()), Type: fileType(head)}
	blob, err := s.pages.Upload(ctx, p, id, formReader{file, s.pages.MaxFileBytes()})
	if err != nil {
		return err
	}
	out.Path, out.Size = editor.FilePath(blob.Hash), blob.Size
	c.Header("Location", out.Path)
	return s.writeJSON(c, http.StatusCreated, out)
}

// A formReader tells what is wrong with a form in a person's words.
type formReader struct {
	from  io.Reader
	limit int64
}

func (r formReader) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	if err != nil && err != io.EOF {
		err = badForm(err, r.limit)
	}
	return n, err
}

// filePart finds the field "file" of a multipart form whose files have at most
// limit bytes.
func filePart(c *gin.Context, limit int64) (*multipart.Part, error) {
	if c.Request.ContentLength > limit+maxOtherBytes {
		return nil, fileTooLarge(limit)
	}
	heads := &formHeads{ReadCloser: http.MaxBytesReader(plainWriter(c), c.Request.Body, limit+maxOtherBytes)}
	c.Request.Body = heads
	form, err := c.Request.MultipartReader()
	if err != nil {
		return nil, unsupported("The Content-Type must be multipart/form-data, with the file in the field \"file\".")
	}
	for {
		part, err := form.NextPart()
		if err == io.EOF {
			return nil, badRequest("The form has no field \"file\".")
		}
		if err != nil {
			return nil, badForm(err, limit)
		}
		if err := checkPartText(part); err != nil {
			return nil, err
		}
		if part.FormName() == "file" {
			heads.over = true
			return part, nil
		}
	}
}

// formHeads bounds what comes of a form before a part's data: the headers of a
// part are read into memory, and may be as long as the sender likes.
type formHeads struct {
	io.ReadCloser
	read int
	over bool
}

var errLongHeads = errors.New("the headers before its file are too long")

// begin expects the headers of another part.
func (h *formHeads) begin() { h.read, h.over = 0, false }

func (h *formHeads) Read(p []byte) (int, error) {
	if !h.over && h.read > maxOtherBytes {
		return 0, errLongHeads
	}
	n, err := h.ReadCloser.Read(p)
	h.read += n
	return n, err
}

func badForm(err error, limit int64) error {
	var over *http.MaxBytesError
	var own *problem
	switch {
	case errors.As(err, &over):
		return fileTooLarge(limit)
	case errors.As(err, &own):
		return own
	}
	return brokenBody("The form cannot be read: %v.", err)
}

func fileTooLarge(limit int64) error { return &editor.FileTooLargeError{Limit: limit} }

// sniffBytes is as much of a file as http.DetectContentType looks at.
const sniffBytes = exchange.SniffBytes

// What a browser may take a file for. Pictures of these types run nothing and
// are shown in their place. Everything else is only ever downloaded; and what
// is none of these other types either, an HTML or SVG file above all, is just
// bytes.
var (
	pictureTypes = []string{"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp"}
	otherTypes   = []string{"application/pdf", "application/zip", "application/x-gzip", "text/plain; charset=utf-8",
		"audio/mpeg", "audio/wave", "audio/aiff", "audio/basic", "audio/midi", "application/ogg", "video/mp4", "video/webm", "video/avi"}
)

const anyBytes = "application/octet-stream"

// fileType is told by how a file begins: its name is whatever somebody says.
func fileType(head []byte) string {
	kind := http.DetectContentType(head)
	if len(head) >= 12 && string(head[4:12]) == "ftypavif" {
		kind = "image/avif"
	}
	if slices.Contains(pictureTypes, kind) || slices.Contains(otherTypes, kind) {
		return kind
	}
	return anyBytes
}

// fileSecurity lets a file that a browser opens by itself do nothing at all,
// whatever it is. The styles are the browser's own, around a picture.
const fileSecurity = "default-src 'none'; style-src 'unsafe-inline'; sandbox"

func (s *Server) getFile(c *gin.Context) error {
	h, err := storage.ParseHash(c.Param("hash"))
	if err != nil {
		return editor.ErrNoSuchFile
	}
	file, err := s.pages.OpenFile(c.Request.Context(), principal(c), h)
	if err != nil {
		return err
	}
	defer file.Close()
	if file.Size <= smallFile {
		if err := s.checkFirst(c.Request.Context(), file); err != nil {
			return err
		}
	}
	head := make([]byte, sniffBytes)
	n, err := io.ReadFull(file, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return err
	}
	kind := fileType(head[:n])
	c.Header("Content-Type", kind)
	if !slices.Contains(pictureTypes, kind) {
		c.Header("Content-Disposition", "attachment")
	}
	c.Header("Content-Security-Policy", fileSecurity)
	c.Header("Cache-Control", "private, no-cache")
	c.Header("ETag", `"`+h.String()+`"`)
	checked := newCheckedFile(file)
	http.ServeContent(&fileWriter{ResponseWriter: c.Writer, refuse: func(p *problem) { s.fail(c, p) }}, c.Request, "", time.Time{}, checked)
	if checked.damaged {
		s.cutOff(c, h)
	}
	return nil
}

// A fileWriter answers what http.ServeContent refuses the way everything here
// is refused.
type fileWriter struct {
	http.ResponseWriter
	refuse  func(*problem)
	refused bool
}

func (w *fileWriter) WriteHeader(status int) {
	switch status {
	case http.StatusRequestedRangeNotSatisfiable:
		w.refused = true
		w.Header().Del("ETag")
		w.refuse(&problem{
			status: 416, name: "bad-range", title: "No such part",
			detail: "The file does not have the bytes that Range asks for; Content-Range says how many it has.",
		})
	case http.StatusPreconditionFailed:
		w.refused = true
		w.Header().Del("ETag")
		w.refuse(&problem{status: 412, name: "moved-on", title: "Another file", detail: "The file is not the one that If-Match names."})
	default:
		w.ResponseWriter.WriteHeader(status)
	}
}

func (w *fileWriter) Write(b []byte) (int, error) {
	if w.refused {
		return len(b), nil // ServeContent's own words
	}
	return w.ResponseWriter.Write(b)
}
