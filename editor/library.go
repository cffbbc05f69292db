package editor

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"

	"halley/ot"
)

// A Page is a page as one reader sees it.
type Page struct {
	Settings
	Seq     uint64
	Updated time.Time // newest change, or when the page was created
	Role    Role
}

// A NewPage is what a page begins with.
type NewPage struct {
	Title   string
	Content ot.Delta // nil: a single newline
	// Key makes creating safe to repeat: the same principal and key name the
	// same page. "": a new page each time.
	Key string
}

// Create makes a page. Content that is given becomes its change 1, by p.
func (ps *Pages) Create(ctx context.Context, p Principal, in NewPage) (Page, error) {
	if p.Nobody() {
		return Page{}, ErrSignedOut
	}
	if ok, err := ps.auth.MayCreate(ctx, p); err != nil {
		return Page{}, err
	} else if !ok {
		return Page{}, ErrForbidden
	}
	if ps.Draining() {
		return Page{}, ErrDraining
	}
	if err := CheckTitle(in.Title); err != nil {
		return Page{}, err
	}
	id := ps.newID(p, in.Key)
	if set, ok := ps.catalog.get(id); ok {
		return ps.page(ctx, p, set)
	}
	created := ps.cfg.Now().UTC().Truncate(time.Millisecond)
	first, err := ps.writeFirst(ctx, p, id, in.Content)
	if err != nil {
		return Page{}, err
	}
	set := Settings{ID: id, Title: in.Title, Creator: p.ID, Created: created}
	set, err = ps.catalog.add(ctx, set, first.seq, cmp.Or(first.time, created))
	if err != nil {
		return Page{}, err
	}
	ps.listChanged(id)
	return ps.page(ctx, p, set)
}

// newID is 127 random bits; under a key, ones that only this store can make of
// it.
func (ps *Pages) newID(p Principal, key string) PageID {
	raw := make([]byte, 16)
	if key == "" {
		rand.Read(raw)
	} else {
		mac := hmac.New(sha256.New, ps.secret)
		fmt.Fprintf(mac, "%s\x00%s", p.ID, key)
		copy(raw, mac.Sum(nil))
	}
	raw[0] &= 0x7f // it begins with a letter: a command line takes "-" for a flag
	return PageID(base64.RawURLEncoding.EncodeToString(raw))
}

// writeFirst commits a new page's content before its settings make it
// visible, and answers where the page then stands.
func (ps *Pages) writeFirst(ctx context.Context, p Principal, id PageID, content ot.Delta) (view, error) {
	if content == nil {
		return view{}, nil
	}
	if err := checkContents(content); err != nil {
		return view{}, err
	}
	if err := ps.checkFiles(ctx, p, id, content); err != nil {
		return view{}, err
	}
	content = content.Normalize()
	if err := checkContent(content); err != nil {
		return view{}, err
	}
	e := Edit{Client: "create-" + string(id), N: 1, Delta: fromEmpty(content)}
	if _, err := ps.submit(ctx, id, &request{Edit: e, author: p.ID, digest: e.digest()}); err != nil {
		return view{}, err
	}
	v, err := ps.look(ctx, id)
	if err != nil {
		return view{}, err
	}
	return *v, nil
}

func (ps *Pages) page(ctx context.Context, p Principal, set Settings) (Page, error) {
	role, err := ps.auth.Role(ctx, p, set)
	if err != nil {
		return Page{}, err
	}
	row, ok := ps.catalog.row(set.ID)
	if !ok || role < RoleView {
		return Page{}, ErrNotFound
	}
	return Page{Settings: row.set, Seq: row.head, Updated: row.updated, Role: role}, nil
}

// Page is the page without its content.
func (ps *Pages) Page(ctx context.Context, p Principal, id PageID) (Page, error) {
	set, _, err := ps.see(ctx, p, id)
	if err != nil {
		return Page{}, err
	}
	return ps.page(ctx, p, set)
}

// Read is the page with its content as it is now. The content is the
// caller's to read, never changes, and is not copied.
func (ps *Pages) Read(ctx context.Context, p Principal, id PageID) (Page, *ot.Content, error) {
	page, err := ps.Page(ctx, p, id)
	if err != nil {
		return Page{}, nil, err
	}
	v, err := ps.look(ctx, id)
	if err != nil {
		return Page{}, nil, err
	}
	return page.at(v.seq, v.time), v.content, nil
}

// ReadAt is Read at an earlier seq; ErrNoSuchSeq for one that never was.
func (ps *Pages) ReadAt(ctx context.Context, p Principal, id PageID, seq uint64) (Page, *ot.Content, error) {
	page, err := ps.Page(ctx, p, id)
	if err != nil {
		return Page{}, nil, err
	}
	content, at, err := ps.contentAt(ctx, id, seq)
	if err != nil {
		return Page{}, nil, err
	}
	return page.at(seq, at), content, nil
}

// at makes seq and time those of the content that goes with the page.
func (pg Page) at(seq uint64, changed time.Time) Page {
	pg.Seq = seq
	if pg.Updated = changed; changed.IsZero() {
		pg.Updated = pg.Created
	}
	return pg
}

// A SettingsEdit says which settings to change; nil leaves one as it is.
type SettingsEdit struct {
	Title *string
}

// Change changes a page's settings and tells its readers.
func (ps *Pages) Change(ctx context.Context, p Principal, id PageID, in SettingsEdit) (Page, error) {
	if in.Title != nil {
		if err := CheckTitle(*in.Title); err != nil {
			return Page{}, err
		}
	}
	return ps.changeSettings(ctx, p, id, func(set *Settings) error {
		if !set.Trashed.IsZero() {
			return ErrTrashed
		}
		if in.Title != nil {
			set.Title = *in.Title
		}
		return nil
	})
}

// Trash moves a page to the trash; its readers are told that it is gone.
// A page that is there already stays.
func (ps *Pages) Trash(ctx context.Context, p Principal, id PageID) error {
	_, err := ps.changeSettings(ctx, p, id, func(set *Settings) error {
		if set.Trashed.IsZero() {
			set.Trashed = ps.cfg.Now().UTC().Truncate(time.Millisecond)
		}
		return nil
	})
	return err
}

// Untrash brings a page back from the trash.
func (ps *Pages) Untrash(ctx context.Context, p Principal, id PageID) (Page, error) {
	return ps.changeSettings(ctx, p, id, func(set *Settings) error {
		set.Trashed = time.Time{}
		return nil
	})
}

func (ps *Pages) changeSettings(ctx context.Context, p Principal, id PageID, edit func(*Settings) error) (Page, error) {
	_, role, err := ps.see(ctx, p, id)
	switch {
	case err != nil:
		return Page{}, err
	case role < RoleEdit:
		return Page{}, ErrForbidden
	case ps.Draining():
		return Page{}, ErrDraining
	}
	set, changed, err := ps.catalog.change(ctx, id, edit)
	if err != nil {
		return Page{}, err
	}
	if changed {
		ps.settingsChanged(set)
	}
	return ps.page(ctx, p, set)
}

// A ListQuery says which pages to list.
type ListQuery struct {
	Text    string // only pages whose title or text has all its words, in any case
	Trashed bool   // those in the trash instead
	Limit   int    // most rows
	// After is the last row of the listing before: its time and id.
	After   time.Time
	AfterID PageID
}

// A Row is a page in a list.
type Row struct {
	Page
	Excerpt string   // the beginning of its text
	Here    []Person // who is there now
}

// List returns the pages that p may see, newest change first, and whether
// there are more.
func (ps *Pages) List(ctx context.Context, p Principal, q ListQuery) (rows []Row, more bool, err error) {
	if p.Nobody() {
		return nil, false, ErrSignedOut
	}
	words := strings.Fields(strings.ToLower(q.Text))
	last := listed{set: Settings{ID: q.AfterID}, updated: q.After}
	for _, l := range ps.catalog.list(q.Trashed) {
		if q.AfterID != "" && newestFirst(l, last) <= 0 {
			continue
		}
		role, err := ps.auth.Role(ctx, p, l.set)
		if err != nil {
			return nil, false, err
		}
		if role < RoleView {
			continue
		}
		found, err := ps.hasWords(ctx, l, words)
		if err != nil {
			return nil, false, err
		}
		if !found {
			continue
		}
		if len(rows) == q.Limit {
			return rows, true, nil
		}
		row, err := ps.row(ctx, l, role)
		if err != nil {
			return nil, false, err
		}
		rows = append(rows, row)
	}
	return rows, false, nil
}

// textOf is a page's text, or its first most UTF-16 units. One damaged page
// must not take the list of all from everybody: its text is then empty.
func (ps *Pages) textOf(ctx context.Context, l listed, most int) (string, error) {
	if l.head == 0 {
		return "", nil
	}
	v, err := ps.look(ctx, l.set.ID)
	if err != nil {
		if ctx.Err() != nil {
			return "", err
		}
		ps.cfg.Logger.Error("cannot read a page for the list", "page", l.set.ID, "error", err)
		return "", nil
	}
	if most >= v.content.Len() {
		return v.content.Text(), nil
	}
	var text strings.Builder
	for _, op := range v.content.Slice(0, most) {
		text.WriteString(op.Insert)
	}
	return text.String(), nil
}

const excerptChars = 160

// row is a page as lists show it. Its excerpt is read once for each change.
func (ps *Pages) row(ctx context.Context, l listed, role Role) (Row, error) {
	if l.excerptAt != l.head {
		text, err := ps.textOf(ctx, l, 4*excerptChars)
		if err != nil {
			return Row{}, err
		}
		l.excerpt, l.excerptAt = excerpt(text), l.head
		ps.catalog.noteExcerpt(l)
	}
	return Row{
		Page:    Page{Settings: l.set, Seq: l.head, Updated: l.updated, Role: role},
		Excerpt: l.excerpt,
		Here:    ps.presence.here(l.set.ID),
	}, nil
}

// excerpt is the beginning of a text in one line, cut between words.
func excerpt(text string) string {
	var out strings.Builder
	chars := 0
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || r == '\ufffc' }) {
		n := len([]rune(word)) + 1
		if chars > 0 && chars+n > excerptChars {
			return out.String() + " …"
		}
		if chars > 0 {
			out.WriteByte(' ')
		}
		out.WriteString(word)
		chars += n
		if chars > excerptChars { // one word that is longer than an excerpt
			return string([]rune(out.String())[:excerptChars]) + "…"
		}
	}
	return out.String()
}

// hasWords reports whether a page's title and text have all the words, which
// are in lower case.
func (ps *Pages) hasWords(ctx context.Context, l listed, words []string) (bool, error) {
	title := strings.ToLower(l.set.Title)
	missing := slices.DeleteFunc(slices.Clone(words), func(w string) bool { return strings.Contains(title, w) })
	if len(missing) == 0 {
		return true, nil
	}
	text, err := ps.textOf(ctx, l, math.MaxInt)
	if err != nil {
		return false, err
	}
	text = strings.ToLower(text)
	return !slices.ContainsFunc(missing, func(w string) bool { return !strings.Contains(text, w) }), nil
}

// Authors are all who changed the page, by id.
func (ps *Pages) Authors(ctx context.Context, p Principal, id PageID) (map[string]Author, error) {
	if _, _, err := ps.see(ctx, p, id); err != nil {
		return nil, err
	}
	v, err := ps.look(ctx, id)
	if err != nil {
		return nil, err
	}
	authors := make(map[string]Author, len(v.authors))
	for who := range v.authors {
		a, err := ps.people.Author(ctx, who)
		if errors.Is(err, ErrUnknownAuthor) {
			continue
		}
		if err != nil {
			return nil, err
		}
		authors[who] = a
	}
	return authors, nil
}

// ErrUnknownAuthor: nothing is known of whoever has this id.
var ErrUnknownAuthor = errors.New("unknown author")
