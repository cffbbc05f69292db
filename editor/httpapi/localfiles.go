package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"halley/editor"
	"halley/editor/convert"
	"halley/editor/filename"
	"halley/ot"
	"halley/storage"
)

// A page names its pictures and attachments by their path in the workspace,
// "/files/HASH"; a file that is kept elsewhere names them as files beside it,
// "Plan.files/a cat.png". Here the one becomes the other: on the content, before
// a converter writes it or after one has read it.

// A pageFile is one file that a page's content shows.
type pageFile struct {
	hash storage.Hash
	name string // unique on the page, and safe in a file system
	size int64
	kind string // its media type
}

// filesOf lists what a content shows, in its order. A file that cannot be read
// is among them, since the document names it.
func (s *Server) filesOf(ctx context.Context, p editor.Principal, d ot.Delta) ([]pageFile, error) {
	files := []pageFile{}
	names, seen := filename.Set{}, map[storage.Hash]bool{}
	for _, op := range d {
		h, ok := editor.FileOf(op.Embed)
		if !ok || seen[h] {
			continue
		}
		seen[h] = true
		f := pageFile{hash: h, kind: anyBytes}
		if err := s.lookAt(ctx, p, &f); err != nil {
			return nil, err
		}
		f.name = names.NextFile(wordsFor(op), extensionFor(op, f.kind))
		files = append(files, f)
	}
	return files, nil
}

// lookAt finds a file's size and type; of one that is missing or damaged they
// stay as they are.
func (s *Server) lookAt(ctx context.Context, p editor.Principal, f *pageFile) error {
	r, err := s.pages.OpenFile(ctx, p, f.hash)
	var corrupt *storage.CorruptError
	switch {
	case errors.Is(err, editor.ErrNoSuchFile) || errors.As(err, &corrupt):
		return nil
	case err != nil:
		return err
	}
	defer r.Close()
	head := make([]byte, sniffBytes)
	n, err := io.ReadFull(r, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return err
	}
	f.size, f.kind = r.Size, fileType(head[:n])
	return nil
}

// maxStemChars is how much of a picture's description becomes its name.
const maxStemChars = 60

// wordsFor is what a person would call the file that op shows.
func wordsFor(op ot.Op) string {
	words := filename.Display(embedName(op))
	if op.Embed.Type == "image" {
		if alt, _ := op.Attributes.Get("alt"); alt != "" {
			words, _ = alt.Text()
		}
		if runes := []rune(words); len(runes) > maxStemChars {
			words = string(runes[:maxStemChars])
		}
		if filename.Safe(words) == filename.Untitled {
			return "picture"
		}
	}
	return words
}

// embedName is the name that a file embed has; "" for other embeds.
func embedName(op ot.Op) string {
	var value fileValue
	if op.Embed.Type != "file" || json.Unmarshal([]byte(op.Embed.Value), &value) != nil {
		return ""
	}
	return value.Name
}

// extensionFor is the extension by which systems know a type. An attachment
// keeps its own: many types look like plain text, or like a zip archive.
func extensionFor(op ot.Op, kind string) string {
	ext := extensions[kind]
	if op.Embed.Type == "file" && path.Ext(embedName(op)) != "" {
		return ""
	}
	return ext
}

var extensions = map[string]string{
	"image/png": ".png", "image/jpeg": ".jpg", "image/gif": ".gif", "image/webp": ".webp", "image/avif": ".avif", "image/bmp": ".bmp",
	"application/pdf": ".pdf", "application/zip": ".zip", "application/x-gzip": ".gz", "text/plain; charset=utf-8": ".txt",
	"audio/mpeg": ".mp3", "audio/wave": ".wav", "audio/aiff": ".aiff", "audio/basic": ".au", "audio/midi": ".mid",
	"application/ogg": ".ogg", "video/mp4": ".mp4", "video/webm": ".webm", "video/avi": ".avi",
}

// A localSchema allows what a page may hold, and references to the files beside
// a document.
type localSchema struct {
	editor.Schema
	links    map[string]bool // local names that a link may lead to
	pictures bool            // a picture or an attachment may be any local file, to be looked for later
}

func (s localSchema) CheckAttribute(name string, v ot.Value) error {
	if address, ok := v.Text(); ok && name == "link" {
		if local, ok := filename.Local(address); ok && s.links[local] {
			return nil
		}
	}
	return s.Schema.CheckAttribute(name, v)
}

func (s localSchema) CheckEmbed(e ot.Embed) error {
	if local, ok := localFile(e); ok && (s.pictures || s.links[local]) {
		e = withPath(e, editor.FilePath(storage.Hash{})) // the rest of it must be right
	}
	return s.Schema.CheckEmbed(e)
}

// A namingSchema notes which local files it has refused.
type namingSchema struct {
	editor.Schema
	refused *leftOut
}

func (s namingSchema) CheckEmbed(e ot.Embed) error {
	if local, ok := localFile(e); ok && !slices.Contains(s.refused.names, local) {
		s.refused.add(local)
	}
	return s.Schema.CheckEmbed(e)
}

// localFile is the local name of the file that an embed shows.
func localFile(e ot.Embed) (name string, ok bool) {
	switch e.Type {
	case "image":
		address, isText := e.Value.Text()
		if !isText {
			return "", false
		}
		return filename.Local(address)
	case "file":
		var value fileValue
		if json.Unmarshal([]byte(e.Value), &value) != nil {
			return "", false
		}
		return filename.Local(value.Path)
	}
	return "", false
}

// outward is a content with the files that it shows as files in a folder, and
// the schema that allows that.
func outward(d ot.Delta, files []pageFile, folder string) (ot.Delta, localSchema) {
	schema := localSchema{links: map[string]bool{}}
	references := map[storage.Hash]string{}
	for _, f := range files {
		references[f.hash] = filename.Reference(folder, f.name)
		schema.links[folder+"/"+f.name] = true
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

// withPath is an embed that shows another file.
func withPath(e ot.Embed, path string) ot.Embed {
	if e.Type == "image" {
		return ot.Embed{Type: "image", Value: ot.StringValue(path)}
	}
	var value fileValue
	if json.Unmarshal([]byte(e.Value), &value) != nil {
		return e // which no schema allows
	}
	value.Path = path
	return fileEmbed(value)
}

// A fileValue is the value of a file embed.
type fileValue struct {
	Name string `json:"name"`
	Path string `json:"path"`
	Size int64  `json:"size"`
}

// fileEmbed is the embed of a value, in the one form that contents are compared by.
func fileEmbed(value fileValue) ot.Embed {
	d, err := ot.Parse(mustJSON([]any{map[string]any{"insert": map[string]any{"file": value}}}))
	if err != nil || len(d) != 1 {
		panic(fmt.Sprintf("httpapi: a file embed is a content: %v", err))
	}
	return d[0].Embed
}

// broughtAlong are the files that came along with a document, by the names by
// which it refers to them. They are uploaded to the page before it is there, so
// that its first content can name them.
type broughtAlong struct {
	id    editor.PageID // of the page; "": nothing came along
	files map[string]broughtFile
}

type broughtFile struct {
	path string // in the workspace
	size int64
}

// inward is a content in which the files that came along with a document have
// their paths in the workspace. A link to one becomes an attachment, since a
// page's link leads out of the workspace or to a page.
func inward(d ot.Delta, brought map[string]broughtFile) ot.Delta {
	if len(brought) == 0 {
		return d
	}
	d = slices.Clone(d)
	for i, op := range d {
		local, isLocal := localFile(op.Embed)
		if f, ok := brought[local]; ok && isLocal {
			d[i].Embed = withPath(op.Embed, f.path)
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
func attachment(linked ot.Delta, local string, f broughtFile) (out ot.Delta) {
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
	return append(out, ot.Op{Embed: fileEmbed(fileValue{filename.Display(name), f.path, f.size}), Attributes: attrs})
}

func without(attrs ot.Attributes, names ...string) ot.Attributes {
	return slices.DeleteFunc(slices.Clone(attrs), func(a ot.Attr) bool { return slices.Contains(names, a.Name) })
}

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
func (s *Server) withoutUnknown(ctx context.Context, p editor.Principal, id editor.PageID, d ot.Delta) (ot.Delta, []convert.Note, error) {
	unknown, err := s.pages.UnknownFiles(ctx, p, id, d)
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

// listFiles answers with the files that a page's content shows.
func (s *Server) listFiles(c *gin.Context) error {
	ctx, p, id := c.Request.Context(), principal(c), pageID(c)
	page, text, err := s.pages.Read(ctx, p, id)
	if err != nil {
		return err
	}
	files, err := s.filesOf(ctx, p, text.Delta())
	if err != nil {
		return err
	}
	out := struct {
		Seq   uint64     `json:"seq"`
		Files []fileJSON `json:"files"`
	}{page.Seq, []fileJSON{}}
	for _, f := range files {
		out.Files = append(out.Files, fileJSON{Path: editor.FilePath(f.hash), Name: f.name, Size: f.size, Type: f.kind})
	}
	c.Header("Cache-Control", "private, no-cache")
	return s.writeJSON(c, http.StatusOK, out)
}

// folderAsked is ?files=, the folder beside the file that is written, "" for none.
func folderAsked(c *gin.Context) (string, error) {
	folder, there := c.GetQuery("files")
	if there && folder != filename.Safe(folder) {
		return "", badRequest("files must be the name of a folder, without a path.")
	}
	return folder, nil
}

// What an import with files may bring along.
const (
	maxBroughtFiles = 2000
	maxBroughtBytes = 4 << 30
	maxLocalPath    = 4096 // bytes of a file's name; systems have no longer ones
)

// bringFiles keeps the files that come along with a document, in fields "files"
// before the field "file", each named as the document names it. It returns the
// document's part. A file that is too large is left out: the document's import
// then says so, as of any file that is not there.
func (s *Server) bringFiles(c *gin.Context) (*multipart.Part, broughtAlong, error) {
	along := broughtAlong{s.pages.NewID(principal(c), c.GetHeader("Idempotency-Key")), map[string]broughtFile{}}
	heads := &formHeads{ReadCloser: http.MaxBytesReader(plainWriter(c), c.Request.Body, maxBroughtBytes)}
	c.Request.Body = heads
	form, err := c.Request.MultipartReader()
	if err != nil {
		return nil, along, unsupported("The Content-Type must be multipart/form-data, " +
			"with the document in the field \"file\", after its files in fields \"files\".")
	}
	for parts := 0; ; parts++ {
		heads.begin()
		part, err := form.NextPart()
		heads.over = true
		if err == nil {
			err = checkPartText(part)
		}
		switch {
		case err == io.EOF:
			return nil, along, badRequest("The form has no field \"file\".")
		case err != nil:
			return nil, along, badForm(err, maxBroughtBytes)
		case part.FormName() == "file":
			return part, along, nil
		case parts >= maxBroughtFiles:
			return nil, along, badRequest("At most %d files come along with a document.", maxBroughtFiles)
		case part.FormName() == "files":
			if err := s.bringFile(c, along, part); err != nil {
				return nil, along, err
			}
		}
		if _, err := io.Copy(io.Discard, part); err != nil { // here, where its length is no header's
			return nil, along, badForm(err, maxBroughtBytes)
		}
	}
}

func (s *Server) bringFile(c *gin.Context, along broughtAlong, part *multipart.Part) error {
	local, ok := localPart(part)
	if !ok {
		return badRequest("Each field \"files\" must have a file name that is a relative path of at most %d bytes.", maxLocalPath)
	}
	if err := s.takeWork(c, workAlong, 0); err != nil {
		return err
	}
	b, err := s.pages.UploadAhead(c.Request.Context(), principal(c), along.id, formReader{part, maxBroughtBytes})
	var large *editor.FileTooLargeError
	if errors.As(err, &large) {
		return nil // bringFiles skips the rest of it
	}
	if err == nil {
		along.files[local] = broughtFile{editor.FilePath(b.Hash), b.Size}
	}
	return err
}

// localPart is the path that a part is named by; Part.FileName keeps only its
// last element.
func localPart(part *multipart.Part) (string, bool) {
	_, params, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
	if err != nil || params["filename"] == "" {
		return "", false
	}
	name := path.Clean(params["filename"])
	return name, len(name) <= maxLocalPath && !path.IsAbs(name) && name != "." && name != ".."
}
