package exchange

import (
	"encoding/json"
	"slices"

	"halley/editor"
	"halley/editor/filename"
	"halley/ot"
	"halley/storage"
)

// A localSchema allows what a page may hold, and references to the files beside
// a document.
type localSchema struct {
	editor.Schema
	links    map[string]bool // local names that a link may lead to
	pictures bool            // a picture or an attachment may be any local file, to be looked for later
}

func (s localSchema) CheckAttribute(name string, v ot.Value) error {
	if address, ok := v.Text(); ok && name == "link" {
		if local, ok := filename.Local(address); ok && s.links[local] {
			return nil
		}
	}
	return s.Schema.CheckAttribute(name, v)
}

func (s localSchema) CheckEmbed(e ot.Embed) error {
	if local, ok := localFile(e); ok && (s.pictures || s.links[local]) {
		e = withPath(e, editor.FilePath(storage.Hash{})) // the rest of it must be right
	}
	return s.Schema.CheckEmbed(e)
}

// A namingSchema notes which local files it has refused.
type namingSchema struct {
	editor.Schema
	refused *leftOut
}

func (s namingSchema) CheckEmbed(e ot.Embed) error {
	if local, ok := localFile(e); ok && !slices.Contains(s.refused.names, local) {
		s.refused.add(local)
	}
	return s.Schema.CheckEmbed(e)
}

// localFile is the local name of the file that an embed shows.
func localFile(e ot.Embed) (name string, ok bool) {
	switch e.Type {
	case "image":
		address, isText := e.Value.Text()
		if !isText {
			return "", false
		}
		return filename.Local(address)
	case "file":
		var value fileValue
		if json.Unmarshal([]byte(e.Value), &value) != nil {
			return "", false
		}
		return filename.Local(value.Path)
	}
	return "", false
}
