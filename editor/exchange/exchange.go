package exchange

import (
	"context"
	"fmt"
	"io"
	"slices"

	"halley/editor"
	"halley/editor/budget"
	"halley/editor/convert"
	"halley/editor/filename"
	"halley/ot"
)

// Exchange imports, exports and merges files. Use New.
type Exchange struct {
	pages       *editor.Pages
	conversions *conversions
	sniff       func(head []byte) string
}

// SniffBytes is the most of a file's beginning that tells its type.
const SniffBytes = 512

// New returns an Exchange over pages. Conversions take their memory from a share
// of a budget; nil sets no bound. sniff returns the media type of a file from its
// first SniffBytes.
func New(pages *editor.Pages, memory *budget.Share, sniff func(head []byte) string) *Exchange {
	return &Exchange{pages: pages, conversions: newConversions(memory), sniff: sniff}
}

// A File is a document to be imported.
type File struct {
	Name string
	Type string // the media type that the sender names; "" if none
	Data []byte
}

// UnknownFormatError reports a file that no format can read.
type UnknownFormatError struct{ Name string }

func (e *UnknownFormatError) Error() string {
	return fmt.Sprintf("%.100q is in no format that can be read", e.Name)
}

// Base is the content that a file was made from before it was edited elsewhere.
type Base struct {
	Seq   uint64
	Exact bool   // refuse the merge if the page has changed since
	Epoch string // of the store; "": not known
}

// Merged is the result of a merge.
type Merged struct {
	Seq   uint64
	Met   uint64 // changes that the edit was transformed over
	Notes []convert.Note
}

// Export writes a page's content to out, and returns what the format could not
// keep. If folder is not empty, the document refers to the page's files as files
// in that folder.
func (x *Exchange) Export(
	ctx context.Context, p editor.Principal, page editor.Page, text *ot.Content, format convert.Format, folder string, out io.Writer,
) (notes []convert.Note, err error) {
	source, err := x.source(ctx, p, page.ID)
	if err != nil {
		return nil, err
	}
	delta, schema := text.Delta(), localSchema{}
	if folder != "" {
		files, err := x.Files(ctx, p, delta)
		if err != nil {
			return nil, err
		}
		delta, schema = outward(delta, files, folder)
	}
	err = x.conversions.run(ctx, text.Size()+sourceSize(source), func(limits convert.Limits) error {
		notes, err = format.Write(ctx, out, page.Title, page.Seq, delta, source, schema, limits)
		return err
	})
	return notes, err
}

func sourceSize(source *convert.Source) int {
	if source == nil {
		return 0
	}
	return len(source.Data)
}

func (x *Exchange) source(ctx context.Context, p editor.Principal, id editor.PageID) (*convert.Source, error) {
	o, err := x.pages.Original(ctx, p, id)
	if o == nil || o.Format == "" || err != nil {
		return nil, err
	}
	return &convert.Source{Format: o.Format, Data: o.Data}, nil
}

// Merge turns a file that was edited elsewhere into one small edit of the live page,
// by the given client. Files that p may not see are left out, and noted.
func (x *Exchange) Merge(
	ctx context.Context, p editor.Principal, id editor.PageID, format convert.Format, file []byte, b Base, client string,
) (Merged, error) {
	if b.Epoch != "" && b.Epoch != x.pages.Epoch() {
		return Merged{}, editor.ErrEpochChanged
	}
	page, base, err := x.contentAtBase(ctx, p, id, b)
	if err != nil {
		return Merged{}, err
	}
	source, err := x.source(ctx, p, id)
	if err != nil {
		return Merged{}, err
	}
	var refused leftOut
	var delta ot.Delta
	var notes []convert.Note
	err = x.conversions.run(ctx, base.Size()+len(file)+sourceSize(source), func(limits convert.Limits) error {
		delta, notes, err = format.Merge(ctx, base.Delta(), file, source, namingSchema{refused: &refused}, limits)
		return err
	})
	if err != nil {
		return Merged{}, err
	}
	if slices.ContainsFunc(notes, func(n convert.Note) bool { return n.What == "image" || n.What == "file" }) {
		notes = append(notes, refused.notes()...)
	}
	delta, missing, err := x.withoutUnknown(ctx, p, id, delta)
	if err != nil {
		return Merged{}, err
	}
	notes = append(notes, missing...)
	seq, err := x.pages.Submit(ctx, p, id, editor.Edit{Client: client, N: 1, Base: b.Seq, Delta: delta, Exact: b.Exact})
	if err != nil {
		return Merged{}, err
	}
	out := Merged{Seq: seq, Met: seq - b.Seq, Notes: notes}
	if len(delta) > 0 {
		out.Met-- // its own
	}
	if page.Role >= editor.RoleEdit {
		err = x.pages.KeepOriginal(ctx, p, id, editor.Original{Format: format.Name, Data: file})
	}
	return out, err
}

func (x *Exchange) contentAtBase(ctx context.Context, p editor.Principal, id editor.PageID, b Base) (editor.Page, *ot.Content, error) {
	page, err := x.pages.Page(ctx, p, id)
	switch {
	case err != nil:
		return page, nil, err
	case b.Seq > page.Seq && b.Exact:
		return page, nil, editor.ErrMoved
	case b.Seq > page.Seq:
		return page, nil, &editor.BaseAheadError{Base: b.Seq, Head: page.Seq}
	}
	_, text, err := x.pages.ReadAt(ctx, p, id, b.Seq)
	return page, text, err
}

// Import makes a page of a file. The error is an *UnknownFormatError if no format
// fits the file, and a *convert.SyntaxError if the file cannot be read as it.
func (x *Exchange) Import(ctx context.Context, p editor.Principal, f File, along Along) (editor.PageID, []convert.Note, error) {
	format, ok := convert.Detect(f.Name, f.Type, f.Data)
	if !ok {
		return "", nil, &UnknownFormatError{f.Name}
	}
	schema := localSchema{links: map[string]bool{}, pictures: true}
	for local := range along.Files {
		schema.links[local] = true
	}
	var doc convert.Document
	err := x.conversions.run(ctx, len(f.Data), func(limits convert.Limits) (err error) {
		doc, err = format.Read(ctx, f.Data, schema, limits)
		return err
	})
	if err != nil {
		return "", nil, err
	}
	content, missing, err := x.withoutUnknown(ctx, p, along.ID, inward(doc.Content, along.Files))
	if err != nil {
		return "", nil, err
	}
	page, err := x.pages.Create(ctx, p, editor.NewPage{ID: along.ID, Title: filename.Title(doc.Title, f.Name), Content: content})
	if err != nil {
		return "", nil, err
	}
	return page.ID, append(doc.Notes, missing...), x.pages.KeepOriginal(ctx, p, page.ID, editor.Original{Format: format.Name, Data: f.Data})
}
