package main

import (
	"context"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"os"
	"time"

	"halley/editor"
	"halley/editor/account"
	"halley/editor/httpapi"
	"halley/storage"
	"halley/storage/bolt"
)

// A page that is brought back from a backup goes as a stream of parts from the
// command, which reads the backup, to the workspace: into the server that has
// the folder open, through its socket, or into the folder itself.

const pagePath = "/control/page"

// A pagePart is one part of that stream, in gob. The first has Was and Authors,
// the last has End. A file is parts with some of its bytes each, and one with
// FileEnd.
type pagePart struct {
	Was     editor.Settings
	Authors map[string]editor.Author
	Changes []storage.Change
	Bytes   []byte
	FileEnd bool
	End     bool
}

const filePartBytes = 256 << 10

// A broughtPage is what came of it.
type broughtPage struct {
	ID      editor.PageID
	Title   string
	Changes uint64
}

// restorePage brings one page of a backup back as a new page.
func restorePage(ctx context.Context, env environ, cfg keepConfig) error {
	if err := wantStore(cfg.data); err != nil {
		return err
	}
	from, err := os.Open(cfg.file)
	if err != nil {
		return fmt.Errorf("the backup cannot be read: %w", plainPathError(err))
	}
	defer from.Close()
	aside, err := os.MkdirTemp("", "halley-restore-")
	if err != nil {
		return fmt.Errorf("there is no place for the backup to be opened in; TMPDIR names one: %w", plainPathError(err))
	}
	defer os.RemoveAll(aside)
	losses := &losses{to: env.stderr}
	o := restoring(ctx, losses)
	o.Only = storage.PageID(idOf(cfg.page))
	o.Check = func(s *bolt.Store) error { return bringPage(ctx, env, cfg, s, losses) }
	if err := bolt.Restore(aside, storeConfig(nil), from, o); err != nil {
		return fmt.Errorf("restore a page of %s: %w", cfg.file, plainBackupError(err))
	}
	if losses.count > 0 {
		return fmt.Errorf("restore a page of %s: it was damaged (listed above); everything else of it is restored", cfg.file)
	}
	return nil
}

// bringPage brings a page from an opened backup into the workspace.
func bringPage(ctx context.Context, env environ, cfg keepConfig, backup *bolt.Store, losses *losses) error {
	pages, err := editor.StoredPages(ctx, backup)
	if err != nil {
		return err
	}
	was, err := editor.FindPage(pages, editor.PageID(idOf(cfg.page)))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	parts, sink := io.Pipe()
	packed := make(chan error, 1)
	go func() {
		err := packPage(ctx, env, backup, was, losses, sink)
		sink.CloseWithError(err)
		packed <- err
	}()
	got, address, err := deliverPage(ctx, env, cfg.data, parts)
	parts.CloseWithError(errors.New("nobody takes the page"))
	if packErr := <-packed; err == nil {
		err = packErr
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(env.stdout, "restored page %s with %d changes as %q: %s/p/%s\n", was.ID, got.Changes, got.Title, address, got.ID)
	return nil
}

// packPage writes a page of a backup as parts.
func packPage(ctx context.Context, env environ, backup *bolt.Store, was editor.Settings, losses *losses, to io.Writer) error {
	head, err := backup.Head(ctx, was.ID)
	if err != nil {
		return err
	}
	people := account.New(backup, time.Now)
	first := pagePart{Was: was, Authors: map[string]editor.Author{}}
	err = backup.Read(ctx, was.ID, 0, head, func(c storage.Change) error {
		return noteAuthor(ctx, people, first.Authors, c.Author)
	})
	if err == nil {
		err = noteAuthor(ctx, people, first.Authors, was.Creator)
	}
	if err != nil {
		return err
	}
	out := gob.NewEncoder(to)
	if err := out.Encode(first); err != nil {
		return err
	}
	bar := newProgress(env.stderr, "restore", int64(head))
	defer bar.end()
	history := editor.StoredHistory{Store: backup, Page: was.ID, Lost: func(h storage.Hash, _ error) {
		losses.add(fmt.Sprintf("the file %v, which the page names, is not in the backup, or damaged there", h))
	}}
	for piece, err := range history.Pieces(ctx) {
		if err == nil {
			err = packPiece(out, piece)
		}
		if err != nil {
			return err
		}
		if n := len(piece.Changes); n > 0 {
			bar.set(int64(piece.Changes[n-1].Seq))
		}
	}
	return out.Encode(pagePart{End: true})
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

// noteAuthor looks up an author who is not among known yet. One of whom nothing
// is known stays unknown.
func noteAuthor(ctx context.Context, people *account.Accounts, known map[string]editor.Author, id string) error {
	if _, met := known[id]; met {
		return nil
	}
	author, err := people.Author(ctx, id)
	if errors.Is(err, editor.ErrUnknownAuthor) {
		return nil
	}
	known[id] = author
	return err
}

// deliverPage gives the parts to who has the folder, else to the folder itself.
// address is where its pages are.
func deliverPage(ctx context.Context, env environ, data string, parts io.Reader) (got broughtPage, address string, err error) {
	w, err := openWorkspace(ctx, data, nil, account.Config{}, editor.Config{}, httpapi.Config{Logger: warnings(env)})
	if err == nil {
		got, err = w.takePage(ctx, parts)
		return got, "", errors.Join(err, w.close())
	}
	var damaged *bolt.DamagedError
	if errors.As(err, &damaged) {
		return got, "", errors.New(damaged.Error()) // the workspace, which must not pass for the backup
	}
	if !errors.Is(err, bolt.ErrInUse) {
		return got, "", err
	}
	resp, err := askControl(ctx, data, http.MethodPost, pagePath, parts)
	if err != nil {
		return got, "", err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		return got, "", fmt.Errorf("the server broke off: %w", err)
	}
	return got, resp.Header.Get("Content-Location"), nil
}

// receivePage answers a command that brings a page.
func (w *workspace) receivePage(address string) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		got, err := w.takePage(r.Context(), r.Body)
		if err != nil {
			http.Error(rw, err.Error(), http.StatusInternalServerError)
			return
		}
		rw.Header().Set("Content-Location", address)
		_ = json.NewEncoder(rw).Encode(got) // the command may be gone
	}
}

// takePage makes a page of parts.
func (w *workspace) takePage(ctx context.Context, parts io.Reader) (broughtPage, error) {
	in := gob.NewDecoder(parts)
	var first pagePart
	if err := in.Decode(&first); err != nil {
		return broughtPage{}, fmt.Errorf("the page does not arrive: %w", err)
	}
	for id, author := range first.Authors {
		if err := w.accounts.Remember(ctx, id, author); err != nil {
			return broughtPage{}, err
		}
	}
	set, seq, err := w.pages.BringBack(ctx, first.Was, unpackPieces(in))
	return broughtPage{ID: set.ID, Title: set.Title, Changes: seq}, err
}

// unpackPieces yields what packPiece has packed, up to the last part.
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

// fileParts reads a file of parts, of which the first is there.
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
