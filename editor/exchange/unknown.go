package exchange

import (
	"context"
	"fmt"
	"strings"

	"halley/editor"
	"halley/editor/convert"
	"halley/ot"
)

// namedFiles is how many files the notes name that are left out.
const namedFiles = 20

// A leftOut collects the files that a document shows and the workspace lacks.
type leftOut struct {
	names []string
	count int
}

func (l *leftOut) add(name string) {
	if l.count++; len(l.names) < namedFiles {
		l.names = append(l.names, fmt.Sprintf("%.200s", name))
	}
}

func (l *leftOut) notes() []convert.Note {
	if l.count == 0 {
		return nil
	}
	list := strings.Join(l.names, ", ")
	if more := l.count - len(l.names); more > 0 {
		list += fmt.Sprintf(", and %d more", more)
	}
	return []convert.Note{{What: "missing file", Count: l.count,
		Note: "These pictures and files were left out, since they are not here or not yours to see; " +
			"their descriptions stand in their place: " + list + "."}}
}

// withoutUnknown replaces the files that p may not name on a page, or that are
// not there at all, by their descriptions. It takes contents and edits.
func (x *Exchange) withoutUnknown(ctx context.Context, p editor.Principal, id editor.PageID, d ot.Delta) (ot.Delta, []convert.Note, error) {
	unknown, err := x.pages.UnknownFiles(ctx, p, id, d)
	if err != nil {
		return nil, nil, err
	}
	var left leftOut
	out := make(ot.Delta, 0, len(d))
	for i, op := range d {
		local, isLocal := localFile(op.Embed)
		isUnknown := len(unknown) > 0 && unknown[0] == i
		if isUnknown {
			unknown = unknown[1:]
			h, _ := editor.FileOf(op.Embed)
			local = editor.FilePath(h)
		}
		if !isUnknown && !isLocal {
			out = append(out, op)
			continue
		}
		left.add(local)
		if op = description(op); op.Insert != "" {
			out = append(out, op)
		}
	}
	return out, left.notes(), nil
}

// description returns op with words in place of the file that it shows; its insert
// is empty where the file has no description.
func description(op ot.Op) ot.Op {
	words := embedName(op)
	if op.Embed.Type == "image" {
		alt, _ := op.Attributes.Get("alt")
		words, _ = alt.Text()
	}
	return ot.Op{Insert: oneLine(words), Attributes: without(op.Attributes, "alt", "width")}
}

// oneLine is text without what a page's text may not hold, or ends a line.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case 0, '\r':
			return -1
		case '\n':
			return ' '
		}
		return r
	}, text)
}
