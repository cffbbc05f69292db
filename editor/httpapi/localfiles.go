package httpapi

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"path"

	"github.com/gin-gonic/gin"

	"halley/editor"
	"halley/editor/exchange"
	"halley/editor/filename"
)

// listFiles answers with the files that a page's content shows.
func (s *Server) listFiles(c *gin.Context) error {
	ctx, p, id := c.Request.Context(), principal(c), pageID(c)
	page, text, err := s.pages.Read(ctx, p, id)
	if err != nil {
		return err
	}
	files, err := s.exchange.Files(ctx, p, text.Delta())
	if err != nil {
		return err
	}
	out := struct {
		Seq   uint64     `json:"seq"`
		Files []fileJSON `json:"files"`
	}{page.Seq, []fileJSON{}}
	for _, f := range files {
		out.Files = append(out.Files, fileJSON{Path: editor.FilePath(f.Hash), Name: f.Name, Size: f.Size, Type: f.Type})
	}
	c.Header("Cache-Control", "private, no-cache")
	return s.writeJSON(c, http.StatusOK, out)
}

// folderAsked is ?files=, the folder beside the file that is written, "" for none.
func folderAsked(c *gin.Context) (string, error) {
	folder, there := c.GetQuery("files")
	if there && folder != filename.Safe(folder) {
		return "", badRequest("files must be the name of a folder, without a path.")
	}
	return folder, nil
}

// What an import with files may bring along.
const (
	maxBroughtFiles = 2000
	maxBroughtBytes = 4 << 30
	maxLocalPath    = 4096 // bytes of a file's name; systems have no longer ones
)

// bringFiles keeps the files that come along with a document, in fields "files"
// before the field "file", each named as the document names it. It returns the
// document's part. A file that is too large is left out: the document's import
// then says so, as of any file that is not there.
func (s *Server) bringFiles(c *gin.Context) (*multipart.Part, exchange.Along, error) {
	along := exchange.Along{
		ID: s.pages.NewID(principal(c), c.GetHeader("Idempotency-Key")), Files: map[string]exchange.LocalFile{},
	}
	heads := &formHeads{ReadCloser: http.MaxBytesReader(plainWriter(c), c.Request.Body, maxBroughtBytes)}
	c.Request.Body = heads
	form, err := c.Request.MultipartReader()
	if err != nil {
		return nil, along, unsupported("The Content-Type must be multipart/form-data, " +
			"with the document in the field \"file\", after its files in fields \"files\".")
	}
	for parts := 0; ; parts++ {
		heads.begin()
		part, err := form.NextPart()
		heads.over = true
		if err == nil {
			err = checkPartText(part)
		}
		switch {
		case err == io.EOF:
			return nil, along, badRequest("The form has no field \"file\".")
		case err != nil:
			return nil, along, badForm(err, maxBroughtBytes)
		case part.FormName() == "file":
			return part, along, nil
		case parts >= maxBroughtFiles:
			return nil, along, badRequest("At most %d files come along with a document.", maxBroughtFiles)
		case part.FormName() == "files":
			if err := s.bringFile(c, along, part); err != nil {
				return nil, along, err
			}
		}
		if _, err := io.Copy(io.Discard, part); err != nil { // here, where its length is no header's
			return nil, along, badForm(err, maxBroughtBytes)
		}
	}
}

func (s *Server) bringFile(c *gin.Context, along exchange.Along, part *multipart.Part) error {
	local, ok := localPart(part)
	if !ok {
		return badRequest("Each field \"files\" must have a file name that is a relative path of at most %d bytes.", maxLocalPath)
	}
	if err := s.takeWork(c, workAlong, 0); err != nil {
		return err
	}
	b, err := s.pages.UploadAhead(c.Request.Context(), principal(c), along.ID, formReader{part, maxBroughtBytes})
	var large *editor.FileTooLargeError
	if errors.As(err, &large) {
		return nil // bringFiles skips the rest of it
	}
	if err == nil {
		along.Files[local] = exchange.LocalFile{Path: editor.FilePath(b.Hash), Size: b.Size}
	}
	return err
}

// localPart is the path that a part is named by; Part.FileName keeps only its
// last element.
func localPart(part *multipart.Part) (string, bool) {
	_, params, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
	if err != nil || params["filename"] == "" {
		return "", false
	}
	name := path.Clean(params["filename"])
	return name, len(name) <= maxLocalPath && !path.IsAbs(name) && name != "." && name != ".."
}
