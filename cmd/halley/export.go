package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"halley/editor/client"
	"halley/editor/exchange"
	"halley/editor/filename"
)

type exportConfig struct {
	target
	to     string
	format string
	force  bool
}

const exportUsage = `[PAGE…]

Writes all pages, or those that are named by id or address, as files. Pictures
and attachments of "Plan.md" go into the folder "Plan.files" beside it, and the
file refers to them there; ` + "`halley import`" + ` takes both. Ends with status 1 where
something could not be written, and names it.
`

// exportPages writes pages as files, all of them unless some are named.
func exportPages(ctx context.Context, env environ, args []string) (err error) {
	var cfg exportConfig
	flags := flag.NewFlagSet("export", flag.ContinueOnError)
	cfg.flags(flags)
	flags.StringVar(&cfg.to, "to", ".", "the `folder` to write to; created if it is missing")
	flags.StringVar(&cfg.format, "format", "md", "the `format` of the files: md, html, txt or json")
	flags.BoolVar(&cfg.force, "force", false, "overwrite files that already exist")
	if err := parseFlags(env, flags, exportUsage, args); err != nil {
		return err
	}
	if cfg.server == "" {
		if err := wantStore(cfg.data); err != nil {
			return err
		}
	}
	w, err := cfg.reach(ctx, env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.release()) }()
	ext, err := extensionOf(ctx, w, cfg.format)
	if err != nil {
		return err
	}
	pages, err := pagesToExport(ctx, w, flags.Args())
	if err != nil {
		return err
	}
	if err := os.MkdirAll(cfg.to, 0o777); err != nil {
		return fmt.Errorf("the folder to export to cannot be made: %w", plainPathError(err))
	}
	names := filename.Set{}
	all := make([]transfer, len(pages))
	for i, p := range pages {
		file := filepath.Join(cfg.to, names.Next(p.Title, ext))
		all[i] = transfer{file, func(ctx context.Context) (string, []client.Note, error) { return exportPage(ctx, w, cfg, p.ID, file) }}
	}
	return transferAll(ctx, env, "export", "exported", all)
}

func extensionOf(ctx context.Context, w *reached, format string) (string, error) {
	formats, err := w.Formats(ctx)
	if err != nil {
		return "", err
	}
	var names []string
	for _, f := range formats {
		if f.Name == format && f.Export && len(f.Extensions) > 0 {
			return f.Extensions[0], nil
		}
		names = append(names, f.Name)
	}
	return "", fmt.Errorf("--format: there is no format %q, only %s", format, strings.Join(names, ", "))
}

// pagesToExport finds the pages that are named by id or address, else all. The
// oldest comes first, so that of two with one title it keeps the plain name.
func pagesToExport(ctx context.Context, w *reached, named []string) ([]client.Page, error) {
	var pages []client.Page
	for _, name := range named {
		p, err := w.Page(ctx, idOf(name))
		if err != nil {
			return nil, fmt.Errorf("page %s: %w", name, err)
		}
		pages = append(pages, p)
	}
	if len(named) > 0 {
		return pages, nil
	}
	for p, err := range w.Pages(ctx) {
		if err != nil {
			return nil, err
		}
		pages = append(pages, p)
	}
	slices.SortFunc(pages, func(a, b client.Page) int {
		return cmp.Or(a.Created.Compare(b.Created), strings.Compare(a.ID, b.ID))
	})
	return pages, nil
}

// idOf takes a page's id out of its address.
func idOf(name string) string {
	if _, id, ok := strings.Cut(name, "/p/"); ok {
		return id
	}
	return name
}

// exportPage writes a page as a file, and the pictures and attachments that it
// shows into a folder beside it: "Plan.md" and "Plan.files".
func exportPage(ctx context.Context, w *reached, cfg exportConfig, id, file string) (string, []client.Note, error) {
	if err := cfg.isFree("this file", file); err != nil {
		return "", nil, err
	}
	folder := filesFolder(file)
	content, files, err := contentWithFiles(ctx, w, id, cfg.format, filepath.Base(folder))
	if err != nil {
		return "", nil, err
	}
	var failed []string
	if len(files) > 0 {
		if err := cfg.isFree("the folder "+filepath.Base(folder), folder); err != nil {
			return "", nil, err
		}
		if failed, err = exportFiles(ctx, w, folder, files); err != nil {
			return "", nil, err
		}
	}
	if err := writeFile(file, content.Data); err != nil {
		return "", nil, err
	}
	if len(failed) > 0 {
		return "", nil, fmt.Errorf("the page is written, but not everything that it shows: %s", strings.Join(failed, "; "))
	}
	return file, content.Notes, nil
}

// filesFolder is the folder beside a document for the files that it shows.
func filesFolder(file string) string {
	return strings.TrimSuffix(file, filepath.Ext(file)) + exchange.FilesSuffix
}

func (cfg exportConfig) isFree(what, path string) error {
	if cfg.force {
		return nil
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is there already; --force overwrites it", what)
	}
	return nil
}

// contentWithFiles reads a page and the list of its files at the same seq.
func contentWithFiles(ctx context.Context, w *reached, id, format, folder string) (client.File, []client.PageFile, error) {
	const tries = 10 // somebody may be typing between the two calls
	for range tries {
		files, seq, err := w.Files(ctx, id)
		if err != nil {
			return client.File{}, nil, err
		}
		read := w.Content
		if len(files) > 0 {
			read = func(ctx context.Context, id, format string) (client.File, error) {
				return w.ContentBeside(ctx, id, format, folder)
			}
		}
		content, err := read(ctx, id, format)
		if err != nil || content.Seq == seq {
			return content, files, err
		}
	}
	return client.File{}, nil, errors.New("the page changes too fast to be read with its pictures; try again")
}

// exportFiles writes files into a folder. failed names those that the server
// could not give; the others are there.
func exportFiles(ctx context.Context, w *reached, folder string, files []client.PageFile) (failed []string, err error) {
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return nil, plainPathError(err)
	}
	for _, f := range files {
		if f.Name != filename.Safe(f.Name) {
			return failed, fmt.Errorf("the server names a file %q, which is no safe name", f.Name)
		}
		err := writeFileBy(filepath.Join(folder, f.Name), func(to io.Writer) error { return w.Download(ctx, f.Path, to) })
		if err != nil && ctx.Err() != nil {
			return failed, ctx.Err()
		}
		if err != nil {
			failed = append(failed, fmt.Sprintf("%s: %v", f.Name, err))
		}
	}
	return failed, nil
}

// writeFile puts a file in its place in one step: whoever reads it finds the
// old one or all of the new one.
func writeFile(file string, data []byte) error {
	return writeFileBy(file, func(to io.Writer) error {
		_, err := to.Write(data)
		return err
	})
}

// writeFileBy is writeFile for what write writes.
func writeFileBy(file string, write func(io.Writer) error) error {
	temp, err := os.CreateTemp(filepath.Dir(file), ".halley-*")
	if err != nil {
		return plainPathError(err)
	}
	defer os.Remove(temp.Name()) // once it is renamed there is none
	err = write(temp)
	if err == nil {
		err = temp.Chmod(0o644) // CreateTemp's are for their owner alone
	}
	if err == nil {
		err = temp.Sync()
	}
	if err = errors.Join(err, temp.Close()); err != nil {
		return plainPathError(err)
	}
	return plainPathError(os.Rename(temp.Name(), file))
}
