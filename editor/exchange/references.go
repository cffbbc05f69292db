package exchange

import (
	"context"
	"encoding/json"
	"path"
	"slices"
	"strings"

	"halley/editor"
	"halley/editor/convert"
	"halley/editor/filename"
	"halley/ot"
)

// FilesSuffix ends the name of the folder for the files of a document: those of
// "Plan.md" are in "Plan.files".
const FilesSuffix = ".files"

// mostReferencesMemory is what References may hold, in bytes. A server has limits
// of its own.
const mostReferencesMemory = 1 << 30

// References returns the local files that a document shows or links to, as it
// names them, but no other documents. It returns none if the document cannot be
// read: its import then reports why.
func References(ctx context.Context, file string, data []byte) []string {
	format, ok := convert.Detect(file, "", data)
	if !ok {
		return nil
	}
	var c collector
	if _, err := format.Read(ctx, data, &c, convert.Limits{Bytes: mostReferencesMemory}); err != nil {
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
		if !isDocument || strings.HasSuffix(path.Dir(local), FilesSuffix) {
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
