package main

import (
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
	"halley/editor/exchange"
)

// A transfer is one file on its way in or out.
type transfer struct {
	name string
	run  func(ctx context.Context) (done string, notes []client.Note, err error)
}

// transferAll runs one transfer after the other. One that fails is reported on
// stderr, and the others go on. What a format could not keep is reported on stdout
// at the end. doing and done are words: "import", "imported".
func transferAll(ctx context.Context, env environ, doing, done string, all []transfer) error {
	bar := newProgress(env.stderr, doing, int64(len(all)))
	defer bar.end()
	finished, failed, last := 0, 0, ""
	losses := lossReport{doing: doing, files: len(all)}
	for _, t := range all {
		what, notes, err := t.run(ctx)
		if ctx.Err() != nil {
			bar.end()
			losses.print(env)
			return fmt.Errorf("stopped: %d of %d %s", finished, len(all), done)
		}
		if err != nil {
			failed++
			bar.print(env.stderr, t.name+": "+err.Error())
		} else {
			finished, last = finished+1, what
			losses.add(t.name, notes)
		}
		bar.add(1)
	}
	bar.end()
	losses.print(env)
	switch {
	case finished == 1 && len(all) == 1:
		fmt.Fprintf(env.stdout, "%s %s\n", done, last)
	case finished > 0 || failed == 0:
		fmt.Fprintf(env.stdout, "%s %d of %d\n", done, finished, len(all))
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d could not be %s", failed, len(all), done)
	}
	return nil
}

// noteLine is one thing that could not be kept: "line 3: html, 2 times: …".
func noteLine(n client.Note) string {
	var s strings.Builder
	if n.Where > 0 {
		fmt.Fprintf(&s, "line %d: ", n.Where)
	}
	s.WriteString(n.What)
	if n.Count > 1 {
		fmt.Fprintf(&s, ", %d times", n.Count)
	}
	return s.String() + ": " + n.Note
}

const importUsage = `FILE|FOLDER…

Makes a page of each file, and of each below a folder. Pictures and attachments
that a file refers to come along, if they are in the folder that is named here,
or in the file's own, or below, and not hidden. Those that are not there are left
out: their descriptions stay, and a note names them.
`

// importFiles makes pages of files, and of all files in folders.
func importFiles(ctx context.Context, env environ, args []string) (err error) {
	var t target
	flags := flag.NewFlagSet("import", flag.ContinueOnError)
	t.flags(flags)
	if err := parseFlags(env, flags, importUsage, args); err != nil {
		return err
	}
	if flags.NArg() == 0 {
		fmt.Fprintln(env.stderr, "halley import: which files or folders? `halley help import` says more")
		return errUsage
	}
	if err := areThere(flags.Args()); err != nil {
		return err // before a mistyped name makes a workspace
	}
	w, err := t.reach(ctx, env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.release()) }()
	formats, err := w.Formats(ctx)
	if err != nil {
		return err
	}
	documents, err := gatherFiles(flags.Args(), formats)
	if err != nil {
		return err
	}
	all := make([]transfer, len(documents))
	for i, d := range documents {
		all[i] = transfer{d.file, func(ctx context.Context) (string, []client.Note, error) { return importFile(ctx, w, d) }}
	}
	return transferAll(ctx, env, "import", "imported", all)
}

func areThere(names []string) error {
	for _, name := range names {
		if _, err := os.Stat(name); err != nil {
			return plainPathError(err)
		}
	}
	return nil
}

// gatherFiles lists the files that are named, and those below the folders that
// are named: whose extension is one of the formats', and not hidden.
func gatherFiles(names []string, formats []client.Format) ([]document, error) {
	var files []document
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			return nil, plainPathError(err)
		}
		if !info.IsDir() {
			files = append(files, document{name, filepath.Dir(name)})
			continue
		}
		below, err := filesBelow(name, formats)
		if err != nil {
			return nil, plainPathError(err)
		}
		if len(below) == 0 {
			return nil, fmt.Errorf("the folder %s holds no file that can be imported (%s)", name, extensions(formats))
		}
		for _, file := range below {
			files = append(files, document{file, name})
		}
	}
	return files, nil
}

func filesBelow(root string, formats []client.Format) ([]string, error) {
	var files []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		hidden := path != root && strings.HasPrefix(d.Name(), ".")
		switch {
		case err != nil:
			return err
		case hidden && d.IsDir(), d.IsDir() && isFilesFolder(path, formats):
			return fs.SkipDir
		case hidden || d.IsDir() || !isFormat(filepath.Ext(path), formats):
			return nil
		}
		files = append(files, path)
		return nil
	})
	return files, err
}

// isFilesFolder reports whether a folder holds the pictures and attachments of a
// document beside it: those are no pages of their own.
func isFilesFolder(folder string, formats []client.Format) bool {
	stem, ok := strings.CutSuffix(folder, exchange.FilesSuffix)
	if !ok {
		return false
	}
	for _, f := range formats {
		for _, ext := range f.Extensions {
			if info, err := os.Stat(stem + ext); f.Import && err == nil && info.Mode().IsRegular() {
				return true
			}
		}
	}
	return false
}

func isFormat(ext string, formats []client.Format) bool {
	return slices.ContainsFunc(formats, func(f client.Format) bool {
		return f.Import && slices.Contains(f.Extensions, strings.ToLower(ext))
	})
}

func extensions(formats []client.Format) string {
	var all []string
	for _, f := range formats {
		all = append(all, f.Extensions...)
	}
	return strings.Join(all, " ")
}

// importFile makes a page of one file, and of the pictures and attachments that
// it refers to. A key makes it safe to send again; it is new for each run, since
// a file that is imported twice is two pages.
func importFile(ctx context.Context, w *reached, d document) (string, []client.Note, error) {
	data, err := readFile(d.file)
	if err != nil {
		return "", nil, err
	}
	along, closeFolder := d.along(ctx, data)
	defer closeFolder()
	name, key := filepath.Base(d.file), client.NewID()
	var page client.Imported
	if len(along) > 0 {
		page, err = w.ImportWith(ctx, name, data, along, key)
	} else {
		page, err = w.Import(ctx, name, data, key)
	}
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("%s as page %s", d.file, page.ID), page.Notes, nil
}

func readFile(name string) ([]byte, error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, plainPathError(err)
	case !info.Mode().IsRegular():
		return nil, errors.New("this is no file")
	case info.Size() > client.MaxFileBytes:
		return nil, fmt.Errorf("this file has %d MiB; at most %d are taken", info.Size()>>20, client.MaxFileBytes>>20)
	}
	data, err := os.ReadFile(name)
	return data, plainPathError(err)
}

// plainPathError names the path and what is wrong, without the system call.
func plainPathError(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return fmt.Errorf("%s: %w", path.Path, path.Err)
	}
	return err
}
