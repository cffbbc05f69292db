package exchange

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"path"

	"halley/editor"
	"halley/editor/filename"
	"halley/ot"
	"halley/storage"
)

const anyBytes = "application/octet-stream"

// A PageFile is one file that a page's content shows.
type PageFile struct {
	Hash storage.Hash
	Name string // unique on the page, and safe in a file system
	Size int64
	Type string // its media type
}

// Files lists what a content shows, in its order. A file that cannot be read
// is among them, since the document names it.
func (x *Exchange) Files(ctx context.Context, p editor.Principal, d ot.Delta) ([]PageFile, error) {
	files := []PageFile{}
	names, seen := filename.Set{}, map[storage.Hash]bool{}
	for _, op := range d {
		h, ok := editor.FileOf(op.Embed)
		if !ok || seen[h] {
			continue
		}
		seen[h] = true
		f := PageFile{Hash: h, Type: anyBytes}
		if err := x.lookAt(ctx, p, &f); err != nil {
			return nil, err
		}
		f.Name = names.NextFile(wordsFor(op), extensionFor(op, f.Type))
		files = append(files, f)
	}
	return files, nil
}

// lookAt finds a file's size and type; of one that is missing or damaged they
// stay as they are.
func (x *Exchange) lookAt(ctx context.Context, p editor.Principal, f *PageFile) error {
	r, err := x.pages.OpenFile(ctx, p, f.Hash)
	var corrupt *storage.CorruptError
	switch {
	case errors.Is(err, editor.ErrNoSuchFile) || errors.As(err, &corrupt):
		return nil
	case err != nil:
		return err
	}
	defer r.Close()
	head := make([]byte, SniffBytes)
	n, err := io.ReadFull(r, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return err
	}
	f.Size, f.Type = r.Size, x.sniff(head[:n])
	return nil
}

// maxStemChars is how much of a picture's description becomes its name.
const maxStemChars = 60

// wordsFor is what a person would call the file that op shows.
func wordsFor(op ot.Op) string {
	words := filename.Display(embedName(op))
	if op.Embed.Type == "image" {
		if alt, _ := op.Attributes.Get("alt"); alt != "" {
			words, _ = alt.Text()
		}
		if runes := []rune(words); len(runes) > maxStemChars {
			words = string(runes[:maxStemChars])
		}
		if filename.Safe(words) == filename.Untitled {
			return "picture"
		}
	}
	return words
}

// embedName is the name that a file embed has; "" for other embeds.
func embedName(op ot.Op) string {
	var value fileValue
	if op.Embed.Type != "file" || json.Unmarshal([]byte(op.Embed.Value), &value) != nil {
		return ""
	}
	return value.Name
}

// extensionFor is the extension by which systems know a type. An attachment
// keeps its own: many types look like plain text, or like a zip archive.
func extensionFor(op ot.Op, kind string) string {
	ext := extensions[kind]
	if op.Embed.Type == "file" && path.Ext(embedName(op)) != "" {
		return ""
	}
	return ext
}

var extensions = map[string]string{
	"image/png": ".png", "image/jpeg": ".jpg", "image/gif": ".gif", "image/webp": ".webp", "image/avif": ".avif", "image/bmp": ".bmp",
	"application/pdf": ".pdf", "application/zip": ".zip", "application/x-gzip": ".gz", "text/plain; charset=utf-8": ".txt",
	"audio/mpeg": ".mp3", "audio/wave": ".wav", "audio/aiff": ".aiff", "audio/basic": ".au", "audio/midi": ".mid",
	"application/ogg": ".ogg", "video/mp4": ".mp4", "video/webm": ".webm", "video/avi": ".avi",
}
