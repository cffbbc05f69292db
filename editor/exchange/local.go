package exchange

import (
	"path"
	"slices"
	"strings"

	"halley/editor"
	"halley/editor/filename"
	"halley/ot"
	"halley/storage"
)

// outward is a content with the files that it shows as files in a folder, and
// the schema that allows that.
func outward(d ot.Delta, files []PageFile, folder string) (ot.Delta, localSchema) {
	schema := localSchema{links: map[string]bool{}}
	references := map[storage.Hash]string{}
	for _, f := range files {
		references[f.Hash] = filename.Reference(folder, f.Name)
		schema.links[folder+"/"+f.Name] = true
	}
	out := make(ot.Delta, len(d))
	for i, op := range d {
		if h, ok := editor.FileOf(op.Embed); ok {
			op.Embed = withPath(op.Embed, references[h])
		}
		out[i] = op
	}
	return out, schema
}

// Along holds the files that came along with a document, by the names by
// which it refers to them. They are uploaded to the page before it is there, so
// that its first content can name them.
type Along struct {
	ID    editor.PageID // of the page; "": nothing came along
	Files map[string]LocalFile
}

type LocalFile struct {
	Path string // in the workspace
	Size int64
}

// inward is a content in which the files that came along with a document have
// their paths in the workspace. A link to one becomes an attachment, since a
// page's link leads out of the workspace or to a page.
func inward(d ot.Delta, brought map[string]LocalFile) ot.Delta {
	if len(brought) == 0 {
		return d
	}
	d = slices.Clone(d)
	for i, op := range d {
		local, isLocal := localFile(op.Embed)
		if f, ok := brought[local]; ok && isLocal {
			d[i].Embed = withPath(op.Embed, f.Path)
		}
	}
	out := make(ot.Delta, 0, len(d))
	for i := 0; i < len(d); i++ {
		op := d[i]
		link, _ := op.Attributes.Get("link")
		address, _ := link.Text()
		local, isLocal := filename.Local(address)
		if f, ok := brought[local]; ok && isLocal {
			end := i + 1
			for end < len(d) && sameLink(d[end], link) {
				end++
			}
			out = append(out, attachment(d[i:end], local, f)...)
			i = end - 1
			continue
		}
		out = append(out, op)
	}
	return out
}

func sameLink(op ot.Op, link ot.Value) bool {
	other, _ := op.Attributes.Get("link")
	return other == link
}

// attachment returns the ops that replace a link to a file: text becomes the name
// of the attachment, and pictures stay before it.
func attachment(linked ot.Delta, local string, f LocalFile) (out ot.Delta) {
	var text strings.Builder
	attrs := without(linked[0].Attributes, "link", "alt", "width")
	for _, op := range linked {
		op.Attributes = without(op.Attributes, "link")
		switch {
		case op.Embed.Type != "":
			out = append(out, op)
		case strings.Contains(op.Insert, "\n"):
			out = append(out, op)
		default:
			text.WriteString(op.Insert)
		}
	}
	name := text.String()
	if name == "" {
		name = path.Base(local)
	}
	return append(out, ot.Op{Embed: fileEmbed(fileValue{filename.Display(name), f.Path, f.Size}), Attributes: attrs})
}

func without(attrs ot.Attributes, names ...string) ot.Attributes {
	return slices.DeleteFunc(slices.Clone(attrs), func(a ot.Attr) bool { return slices.Contains(names, a.Name) })
}
