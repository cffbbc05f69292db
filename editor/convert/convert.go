package convert

import (
	"context"
	"fmt"
	"io"
	"slices"

	"halley/ot"
)

// A Schema says which formats and embeds a page may hold; nil error: allowed.
// editor.Schema is one. What it refuses is left out and listed in the notes.
type Schema interface {
	CheckAttribute(name string, v ot.Value) error
	CheckEmbed(e ot.Embed) error
}

// A Note is one thing that a format could not keep, for the person to read.
type Note struct {
	What  string `json:"what"`            // "table", "html", "unsafe link", ...
	Count int    `json:"count"`           // how often
	Where int    `json:"where,omitempty"` // first line of the source (when writing: of the page), from 1; 0: unknown
	Note  string `json:"note"`            // a sentence
}

// A Document is a file as read: a content that ends in a newline.
type Document struct {
	Title   string // "" where the file does not say
	Content ot.Delta
	Notes   []Note
}

// A Format is one file format, both ways.
type Format struct {
	Name       string   // "md"
	Label      string   // "Markdown"
	MediaTypes []string // first is what we send: "text/markdown; charset=utf-8"
	Extensions []string // ".md", ".markdown"
}

// A Source is the file that a page was imported from. Where a page is written
// in the format of its source, blocks that nobody has touched are written byte
// for byte as they were. Markdown makes use of it.
type Source struct {
	Format string
	Data   []byte
}

// A SyntaxError says that a file is not of the format it is read as.
type SyntaxError struct {
	Line   int // from 1; 0: unknown
	Reason string
}

func (e *SyntaxError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("line %d: %s", e.Line, e.Reason)
	}
	return e.Reason
}

// A codec is what a Format does. read gives the builder its lines and returns
// the title; write renders lines that hold nothing the schema refuses.
type codec struct {
	format Format
	read   func(data []byte, b *builder) (title string, err error)
	write  func(p *page, out *output)
}

// A page is what a codec writes.
type page struct {
	title  string
	seq    uint64
	lines  *lineReader
	source *Source
	schema Schema
	notes  *notes
	work   *work
}

var codecs = []codec{
	{
		format: Format{"md", "Markdown", []string{"text/markdown; charset=utf-8", "text/x-markdown"},
			[]string{".md", ".markdown", ".mdown", ".mkd"}},
		read:  readMarkdown,
		write: writeMarkdown,
	},
	{
		format: Format{"html", "HTML", []string{"text/html; charset=utf-8", "application/xhtml+xml"}, []string{".html", ".htm", ".xhtml"}},
		read:   readHTML,
		write:  writeHTML,
	},
	{
		format: Format{"txt", "Plain text", []string{"text/plain; charset=utf-8"}, []string{".txt", ".text"}},
		read:   readText,
		write:  writeText,
	},
	{
		format: Format{"json", "Delta JSON", []string{"application/json"}, []string{".json"}},
		read:   readJSON,
		write:  writeJSON,
	},
}

// codecOf returns the codec of f; f is one of Formats.
func codecOf(f Format) codec {
	i := slices.IndexFunc(codecs, func(c codec) bool { return c.format.Name == f.Name })
	if i < 0 {
		panic("convert: unknown format " + f.Name)
	}
	return codecs[i]
}

// Read turns a file into a Document, or returns a *SyntaxError where it is no
// such file. Only JSON can be wrong in that way: every text is a Markdown, an
// HTML and a plain text document. A file that exceeds limits gives a
// *LimitError or the error of limits.Reserve; the end of ctx, its cause, within
// some milliseconds.
func (f Format) Read(ctx context.Context, data []byte, schema Schema, limits Limits) (doc Document, err error) {
	w := newWork(ctx, limits)
	err = guard(func() error {
		doc, err = f.read(data, schema, w)
		return err
	})
	if err != nil {
		return Document{}, err
	}
	return doc, nil
}

func (f Format) read(data []byte, schema Schema, w *work) (Document, error) {
	b := newBuilder(schema)
	b.work, b.content = w, &joiner{work: w}
	w.begin()
	w.spend(len(data))
	title, err := codecOf(f).read(data, b)
	if err != nil {
		return Document{}, err
	}
	return Document{Title: title, Content: b.document(), Notes: b.notes.list()}, nil
}

// Write writes a content to out as a file, in pieces as it goes; src may be nil.
// It holds no more than a piece of the file at a time, unless it keeps what src
// has. The error is a *LimitError, out's, or why ctx ended, as for Read, or
// says that content has other ops than inserts. What was written to out before
// an error is incomplete.
//
// Reading the file again gives the same content but for what the notes list.
func (f Format) Write(
	ctx context.Context, out io.Writer, title string, seq uint64, content ot.Delta, src *Source, schema Schema, limits Limits,
) (ns []Note, err error) {
	w := newWork(ctx, limits)
	err = guard(func() error {
		ns, err = f.write(out, title, seq, content, src, schema, w)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("write page as %s: %w", f.Name, err)
	}
	return ns, nil
}

func (f Format) write(out io.Writer, title string, seq uint64, content ot.Delta, src *Source, schema Schema, w *work) ([]Note, error) {
	ns := &notes{}
	lines, err := newLineReader(content, schema, ns, w)
	if err != nil {
		return nil, err
	}
	o := newOutput(out, w)
	codecOf(f).write(&page{title: title, seq: seq, lines: lines, source: src, schema: schema, notes: ns, work: w}, o)
	o.flush()
	return ns.list(), nil
}
