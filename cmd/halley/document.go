package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"halley/editor"
	"halley/editor/client"
	"halley/editor/convert"
	"halley/editor/filename"
	"halley/ot"
)

// A document is a file to be imported. It takes along only files in or below its
// folder, whatever it refers to: somebody else's document must not bring this
// machine's own files into a workspace.
type document struct {
	file   string // its path
	folder string // that was named on the command line, or the file's own
}

// along returns the pictures and attachments that a document refers to, as far as
// they exist, and a function that closes the folder. The import's notes name
// those that are missing.
func (d document) along(ctx context.Context, data []byte) (files []client.LocalFile, closeFolder func()) {
	names := referredTo(ctx, d.file, data)
	if len(names) == 0 {
		return nil, func() {}
	}
	root, err := os.OpenRoot(d.folder) // it also stays inside where there are symbolic links
	if err != nil {
		return nil, func() {}
	}
	own, err := filepath.Rel(d.folder, filepath.Dir(d.file))
	if err != nil {
		own = "."
	}
	for _, name := range names {
		below := path.Join(filepath.ToSlash(own), name)
		if !mayGoAlong(root, below) {
			continue
		}
		files = append(files, client.LocalFile{Name: name, Open: func() (io.ReadCloser, error) {
			return root.Open(filepath.FromSlash(below))
		}})
	}
	return files, func() { root.Close() }
}

// mayGoAlong reports whether a name is that of a file in a folder which is not
// hidden, and not too large for any server.
func mayGoAlong(root *os.Root, name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") { // ".." too
			return false
		}
	}
	info, err := root.Stat(filepath.FromSlash(name))
	return err == nil && info.Mode().IsRegular() && info.Size() <= client.MaxFileBytes
}

// mostMemory is what reading one document may hold here, in bytes; a server has
// limits of its own.
const mostMemory = 1 << 30

// referredTo returns the local files that a document shows or links to, as it
// names them, but no other documents. It returns none where the document cannot
// be read: the import then says what is wrong.
func referredTo(ctx context.Context, file string, data []byte) []string {
	format, ok := convert.Detect(filepath.Base(file), "", data)
	if !ok {
		return nil
	}
	var c collector
	if _, err := format.Read(ctx, data, &c, convert.Limits{Bytes: mostMemory}); err != nil {
		return nil
	}
	return c.names
}

// A collector is a schema that collects the names of the local files in what it checks.
type collector struct {
	editor.Schema
	names []string
	seen  map[string]bool
}

func (c *collector) add(address string) {
	name, ok := filename.Local(address)
	if !ok || c.seen[name] {
		return
	}
	if c.seen == nil {
		c.seen = map[string]bool{}
	}
	c.seen[name] = true
	c.names = append(c.names, name)
}

// CheckAttribute takes links to other files, but for those to other documents,
// which are pages of their own.
func (c *collector) CheckAttribute(name string, v ot.Value) error {
	if address, ok := v.Text(); ok && name == "link" {
		local, _ := filename.Local(address)
		isDocument := slices.ContainsFunc(convert.Formats(), func(f convert.Format) bool {
			return slices.Contains(f.Extensions, strings.ToLower(path.Ext(local)))
		})
		if !isDocument || strings.HasSuffix(path.Dir(local), filesSuffix) {
			c.add(address)
		}
	}
	return c.Schema.CheckAttribute(name, v)
}

// CheckEmbed takes pictures and attachments.
func (c *collector) CheckEmbed(e ot.Embed) error {
	switch e.Type {
	case "image":
		address, _ := e.Value.Text()
		c.add(address)
	case "file":
		var value struct {
			Path string `json:"path"`
		}
		if json.Unmarshal([]byte(e.Value), &value) == nil {
			c.add(value.Path)
		}
	}
	return c.Schema.CheckEmbed(e)
}
