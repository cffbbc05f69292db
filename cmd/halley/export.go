package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"halley/editor/client"
	"halley/editor/filename"
)

type exportConfig struct {
	target
	to     string
	format string
	force  bool
}

// exportPages writes pages as files, all of them unless some are named.
func exportPages(ctx context.Context, env environ, args []string) (err error) {
	var cfg exportConfig
	flags := flag.NewFlagSet("export", flag.ContinueOnError)
	cfg.flags(flags)
	flags.StringVar(&cfg.to, "to", ".", "the `folder` to write to; made if it is missing")
	flags.StringVar(&cfg.format, "format", "md", "the files' `format`: md, html, txt or json")
	flags.BoolVar(&cfg.force, "force", false, "overwrite files that are there already")
	if err := parseFlags(env, flags, "[PAGE…]", args); err != nil {
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

func exportPage(ctx context.Context, w *reached, cfg exportConfig, id, file string) (string, []client.Note, error) {
	if !cfg.force {
		if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
			return "", nil, errors.New("this file is there already; --force overwrites it")
		}
	}
	content, err := w.Content(ctx, id, cfg.format)
	if err != nil {
		return "", nil, err
	}
	return file, content.Notes, writeFile(file, content.Data)
}

// writeFile puts a file in its place in one step: whoever reads it finds the
// old one or all of the new one.
func writeFile(file string, data []byte) error {
	temp, err := os.CreateTemp(filepath.Dir(file), ".halley-*")
	if err != nil {
		return plainPathError(err)
	}
	defer os.Remove(temp.Name()) // once it is renamed there is none
	_, err = temp.Write(data)
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
