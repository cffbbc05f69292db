package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"path"
	"strings"
)

// A PageFile is a picture or an attachment that a page shows.
type PageFile struct {
	Path string `json:"path"` // "/files/HASH"
	Name string `json:"name"` // unique on the page, and safe as a file's name
	Size int64  `json:"size"` // bytes
	Type string `json:"type"`
}

// Files lists the pictures and attachments that a page shows at the seq that it
// returns too.
func (c *Client) Files(ctx context.Context, page string) ([]PageFile, uint64, error) {
	var out struct {
		Seq   uint64     `json:"seq"`
		Files []PageFile `json:"files"`
	}
	_, err := c.do(ctx, get(at(page, "/files")), &out)
	return out.Files, out.Seq, err
}

// Download copies a picture or an attachment. The error may come after some of
// it was written: of a transfer that broke off, or of bytes that are not those
// that the path names.
func (c *Client) Download(ctx context.Context, file string, to io.Writer) error {
	resp, err := c.open(ctx, get(file))
	for tries := newTries(c.patience); err != nil && MayPass(err) && tries.wait(ctx, err); {
		resp, err = c.open(ctx, get(file))
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(to, sum), resp.Body); err != nil {
		return fmt.Errorf("the transfer broke off: %w", err)
	}
	if hex.EncodeToString(sum.Sum(nil)) != path.Base(file) {
		return fmt.Errorf("the server sent other bytes than those of %s", file)
	}
	return nil
}

// A LocalFile is a picture or an attachment that goes along with a document.
type LocalFile struct {
	Name string // as the document refers to it, relative and not escaped
	Open func() (io.ReadCloser, error)
}

// ImportWith is Import with the files that the document refers to. They are read
// while they are sent, and once more where the call is sent again.
func (c *Client) ImportWith(ctx context.Context, name string, data []byte, files []LocalFile, key string) (Imported, error) {
	boundary := multipart.NewWriter(io.Discard).Boundary() // one that no file holds
	what := call{
		method: http.MethodPost, path: "/api/import?files=1",
		header: http.Header{"Content-Type": {"multipart/form-data; boundary=" + boundary}},
		stream: func() io.ReadCloser {
			from, to := io.Pipe()
			// It ends when everything is read, or when the transport closes from.
			go func() { to.CloseWithError(writeImport(to, boundary, name, data, files)) }()
			return from
		},
	}
	what.under(key)
	var out Imported
	_, err := c.do(ctx, what, &out)
	return out, err
}

func writeImport(to io.Writer, boundary, name string, data []byte, files []LocalFile) error {
	form := multipart.NewWriter(to)
	if err := form.SetBoundary(boundary); err != nil {
		return err
	}
	for _, f := range files {
		if err := writePart(form, f); err != nil {
			return err
		}
	}
	part, err := form.CreateFormFile("file", name)
	if err != nil {
		return err
	}
	if _, err := part.Write(data); err != nil {
		return err
	}
	return form.Close()
}

var quoteEscaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\r", "%0D", "\n", "%0A")

func writePart(form *multipart.Writer, f LocalFile) error {
	file, err := f.Open()
	if err != nil {
		return fmt.Errorf("%s: %w", f.Name, err)
	}
	defer file.Close()
	part, err := form.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {`form-data; name="files"; filename="` + quoteEscaper.Replace(f.Name) + `"`},
	})
	if err != nil {
		return err
	}
	if _, err := io.Copy(part, file); err != nil {
		return fmt.Errorf("%s: %w", f.Name, err)
	}
	return nil
}
