package main

import (
	"context"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"halley/editor/client"
	"halley/editor/exchange"
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
	names := exchange.References(ctx, filepath.Base(d.file), data)
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
