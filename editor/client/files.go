package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// MaxFileBytes is the largest file that a server takes.
const MaxFileBytes = 64 << 20

// A Format is a file format that a page can be read from or written as.
type Format struct {
	Name       string   `json:"name"`  // "md"
	Label      string   `json:"label"` // "Markdown"
	MediaType  string   `json:"mediaType"`
	Extensions []string `json:"extensions"` // ".md", the one to write first
	Import     bool     `json:"import"`
	Export     bool     `json:"export"`
}

// Formats lists what the server can read and write.
func (c *Client) Formats(ctx context.Context) ([]Format, error) {
	var out []Format
	_, err := c.do(ctx, get("/api/formats"), &out)
	return out, err
}

// A Note is one thing that a format could not keep.
type Note struct {
	What  string `json:"what"`
	Count int    `json:"count"` // how often
	Where int    `json:"where"` // first line of the source, from 1; 0: unknown
	Note  string `json:"note"`  // a sentence
}

// A File is a page as a file.
type File struct {
	Data  []byte
	Seq   uint64 // what it is a copy of
	Notes []Note
}

// Content writes a page as a file, in a format by its name.
func (c *Client) Content(ctx context.Context, page, format string) (File, error) {
	return c.content(ctx, page, url.Values{"format": {format}})
}

// ContentBeside is Content that refers to the page's files, under the names that
// Files lists, in a folder of that name beside the file.
func (c *Client) ContentBeside(ctx context.Context, page, format, folder string) (File, error) {
	return c.content(ctx, page, url.Values{"format": {format}, "files": {folder}})
}

func (c *Client) content(ctx context.Context, page string, query url.Values) (File, error) {
	a, err := c.do(ctx, get(at(page, "/content?"+query.Encode())), nil)
	if err != nil {
		return File{}, err
	}
	f := File{Data: a.body}
	if f.Seq, err = strconv.ParseUint(strings.Trim(a.header.Get("ETag"), `"`), 10, 64); err != nil {
		return File{}, fmt.Errorf("content of page %s: the server's ETag names no seq: %w", page, err)
	}
	if f.Notes, err = readNotes(a.header.Get("Halley-Notes")); err != nil {
		return File{}, fmt.Errorf("content of page %s: %w", page, err)
	}
	return f, nil
}

func readNotes(header string) ([]Note, error) {
	if header == "" {
		return nil, nil
	}
	text, err := url.QueryUnescape(header)
	if err != nil {
		return nil, fmt.Errorf("the server's notes cannot be read: %w", err)
	}
	var notes []Note
	if err := json.Unmarshal([]byte(text), &notes); err != nil {
		return nil, fmt.Errorf("the server's notes cannot be read: %w", err)
	}
	return notes, nil
}

// A Put is a file that was edited elsewhere.
type Put struct {
	Format string // its name, "md"
	Data   []byte
	Base   uint64 // the seq of the content that it was made from
	Epoch  string // of that content; "" says nothing
	Key    string // Idempotency-Key; "": it is sent only once
}

// A Merged says what became of a Put.
type Merged struct {
	Seq   uint64 `json:"seq"`
	Met   uint64 `json:"met"` // changes that it met on its way in
	Notes []Note `json:"notes"`
}

// PutContent merges a file's difference to its base into the live page.
func (c *Client) PutContent(ctx context.Context, page string, in Put) (Merged, error) {
	query := url.Values{"format": {in.Format}, "base": {strconv.FormatUint(in.Base, 10)}}
	if in.Epoch != "" {
		query.Set("epoch", in.Epoch)
	}
	what := call{method: http.MethodPut, path: at(page, "/content?"+query.Encode()), body: in.Data, header: http.Header{}}
	what.under(in.Key)
	var out Merged
	_, err := c.do(ctx, what, &out)
	return out, err
}

// An Imported is a page that was made of a file.
type Imported struct {
	Page
	Notes []Note `json:"notes"`
}

// Import makes a page of a file. Its name tells the format, and the title
// where the file itself does not. For key see Create.
func (c *Client) Import(ctx context.Context, name string, data []byte, key string) (Imported, error) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", name)
	if err != nil {
		return Imported{}, err
	}
	if _, err := part.Write(data); err != nil {
		return Imported{}, err
	}
	if err := form.Close(); err != nil {
		return Imported{}, err
	}
	what := call{
		method: http.MethodPost, path: "/api/import", body: body.Bytes(),
		header: http.Header{"Content-Type": {form.FormDataContentType()}},
	}
	what.under(key)
	var out Imported
	_, err = c.do(ctx, what, &out)
	return out, err
}
