package control

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"iter"

	"halley/editor"
	"halley/editor/account"
	"halley/storage"
)

// A page of a backup travels as a stream of parts from the command, which reads
// the backup, to the workspace that gets it as a new page.

// A pagePart is one part of that stream, encoded as gob. The first has Was and Authors,
// the last has End. A file is several parts with some of its bytes each; its last
// part has FileEnd.
type pagePart struct {
	Was     editor.Settings
	Authors map[string]editor.Author
	Changes []storage.Change
	Bytes   []byte
	FileEnd bool
	End     bool
}

const filePartBytes = 256 << 10

// A RestoredPage is the new page made of a page in a backup.
type RestoredPage struct {
	ID      editor.PageID
	Title   string
	Changes uint64
}

// A PageSource is a page in the store of an opened backup.
type PageSource struct {
	Store storage.Store
	Page  editor.Settings
	// Authors returns the author with an id, or editor.ErrUnknownAuthor.
	Author func(ctx context.Context, id string) (editor.Author, error)
	// Lost gets each file that the page names and the backup does not have whole.
	Lost func(storage.Hash)
	// Progress gets the number of changes packed so far, of all.
	Progress func(done, total uint64)
}

// PackPage writes a page of a backup to out as parts.
func PackPage(ctx context.Context, from PageSource, out io.Writer) error {
	head, err := from.Store.Head(ctx, from.Page.ID)
	if err != nil {
		return err
	}
	first := pagePart{Was: from.Page}
	if first.Authors, err = from.authors(ctx, head); err != nil {
		return err
	}
	to := gob.NewEncoder(out)
	if err := to.Encode(first); err != nil {
		return err
	}
	history := editor.StoredHistory{Store: from.Store, Page: from.Page.ID, Lost: func(h storage.Hash, _ error) { from.Lost(h) }}
	for piece, err := range history.Pieces(ctx) {
		if err == nil {
			err = packPiece(to, piece)
		}
		if err != nil {
			return err
		}
		if n := len(piece.Changes); n > 0 {
			from.Progress(piece.Changes[n-1].Seq, head)
		}
	}
	return to.Encode(pagePart{End: true})
}

// authors returns the known authors of the page and its changes. An unknown one
// stays unknown.
func (from PageSource) authors(ctx context.Context, head uint64) (map[string]editor.Author, error) {
	known, met := map[string]editor.Author{}, map[string]bool{}
	note := func(id string) error {
		if met[id] {
			return nil
		}
		met[id] = true
		author, err := from.Author(ctx, id)
		switch {
		case errors.Is(err, editor.ErrUnknownAuthor):
			return nil
		case err == nil:
			known[id] = author
		}
		return err
	}
	err := from.Store.Read(ctx, from.Page.ID, 0, head, func(c storage.Change) error { return note(c.Author) })
	if err == nil {
		err = note(from.Page.Creator)
	}
	return known, err
}

func packPiece(out *gob.Encoder, piece editor.Piece) error {
	if piece.File == nil {
		return out.Encode(pagePart{Changes: piece.Changes})
	}
	for b := make([]byte, filePartBytes); ; {
		n, err := io.ReadFull(piece.File, b)
		atEnd := err == io.EOF || err == io.ErrUnexpectedEOF
		if err != nil && !atEnd {
			return err
		}
		if err := out.Encode(pagePart{Bytes: b[:n], FileEnd: atEnd}); err != nil || atEnd {
			return err
		}
	}
}

// UnpackPage makes a new page of the parts that PackPage wrote.
func UnpackPage(ctx context.Context, parts io.Reader, pages *editor.Pages, accounts *account.Accounts) (RestoredPage, error) {
	in := gob.NewDecoder(parts)
	var first pagePart
	if err := in.Decode(&first); err != nil {
		return RestoredPage{}, fmt.Errorf("the page does not arrive: %w", err)
	}
	for id, author := range first.Authors {
		if err := accounts.Remember(ctx, id, author); err != nil {
			return RestoredPage{}, err
		}
	}
	set, seq, err := pages.BringBack(ctx, first.Was, unpackPieces(in))
	return RestoredPage{ID: set.ID, Title: set.Title, Changes: seq}, err
}

// unpackPieces yields the pieces that packPiece packed, up to the last part.
func unpackPieces(in *gob.Decoder) iter.Seq2[editor.Piece, error] {
	return func(yield func(editor.Piece, error) bool) {
		for {
			var part pagePart
			if err := in.Decode(&part); err != nil {
				yield(editor.Piece{}, errCutOff)
				return
			}
			piece := editor.Piece{Changes: part.Changes}
			if len(part.Changes) == 0 {
				piece.File = &fileParts{in: in, part: part}
			}
			if part.End || !yield(piece, nil) {
				return
			}
		}
	}
}

var errCutOff = errors.New("the page is cut off")

// fileParts reads a file from its parts; part is the current one.
type fileParts struct {
	in   *gob.Decoder
	part pagePart
}

func (f *fileParts) Read(b []byte) (int, error) {
	for len(f.part.Bytes) == 0 {
		if f.part.FileEnd {
			return 0, io.EOF
		}
		f.part = pagePart{}
		if err := f.in.Decode(&f.part); err != nil || f.part.Changes != nil || f.part.End {
			return 0, errCutOff
		}
	}
	n := copy(b, f.part.Bytes)
	f.part.Bytes = f.part.Bytes[n:]
	return n, nil
}
