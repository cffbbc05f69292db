package editor

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

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
	// ID is what NewID has returned for the same principal and Key; "": Create
	// calls NewID itself.
	ID PageID
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
	id := in.ID
	if id == "" {
		id = ps.NewID(p, in.Key)
	}
	if set, ok := ps.catalog.get(id); ok {
		return ps.page(ctx, p, set)
	}
	created := ps.cfg.Now().UTC().Truncate(time.Millisecond)
	if err := ps.writeFirst(ctx, p, id, in.Content); err != nil {
		return Page{}, err
	}
	set, err := ps.catalog.add(ctx, Settings{ID: id, Title: in.Title, Creator: p.ID, Created: created})
	if err != nil {
		return Page{}, err
	}
	return ps.page(ctx, p, set)
}

// NewID is the id that a page of p's will have: 127 random bits; under a key,
// ones that only this store can make of it.
func (ps *Pages) NewID(p Principal, key string) PageID {
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
// visible.
func (ps *Pages) writeFirst(ctx context.Context, p Principal, id PageID, content ot.Delta) error {
	if content == nil {
		return nil
	}
	if err := checkContents(content); err != nil {
		return err
	}
	if err := ps.checkFiles(ctx, p, id, content); err != nil {
		return err
	}
	content = content.Normalize()
	if err := checkContent(content); err != nil {
		return err
	}
	e := Edit{Client: "create-" + string(id), N: 1, Delta: fromEmpty(content)}
	_, err := ps.submit(ctx, id, newRequest(e, p.ID))
	return err
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
	// BaseTitle is the title that Title was made from: the change from it to
	// Title is merged into the title as it is now. nil: Title replaces that.
	BaseTitle *string
	// Key makes the edit safe to repeat: an edit of the same page by the same
	// principal under the same key, if it is among the last maxTitleEdits, is not
	// applied again. "": each call is an edit of its own.
	Key string
}

// check returns a *BadValueError for titles that no page can have.
func (e SettingsEdit) check() error {
	if e.Title != nil {
		if err := CheckTitle(*e.Title); err != nil {
			return err
		}
	}
	if e.BaseTitle == nil {
		return nil
	}
	if e.Title == nil {
		return &BadValueError{"base_title", "is given without a title that was made from it"}
	}
	return checkTitle("base_title", *e.BaseTitle)
}

// UpdateSettings changes a page's settings and publishes them to its readers.
func (ps *Pages) UpdateSettings(ctx context.Context, p Principal, id PageID, in SettingsEdit) (Page, error) {
	if err := in.check(); err != nil {
		return Page{}, err
	}
	name := titleEditName(p.ID, in.Key)
	return ps.changeSettings(ctx, p, id, name, func(set *storedSettings) error {
		if !set.Trashed.IsZero() {
			return ErrTrashed
		}
		if in.Title == nil {
			return nil
		}
		title, err := mergeTitle(in.BaseTitle, *in.Title, set.Title)
		if err != nil {
			return err
		}
		set.Title, set.TitleEdits = title, set.TitleEdits.add(name)
		return nil
	})
}

// Trash moves a page to the trash; its readers are told that it is gone.
// A page that is there already stays.
func (ps *Pages) Trash(ctx context.Context, p Principal, id PageID) error {
	_, err := ps.changeSettings(ctx, p, id, "", func(set *storedSettings) error {
		if set.Trashed.IsZero() {
			set.Trashed = ps.cfg.Now().UTC().Truncate(time.Millisecond)
		}
		return nil
	})
	return err
}

// Untrash brings a page back from the trash.
func (ps *Pages) Untrash(ctx context.Context, p Principal, id PageID) (Page, error) {
	return ps.changeSettings(ctx, p, id, "", func(set *storedSettings) error {
		set.Trashed = time.Time{}
		return nil
	})
}

// changeSettings rewrites a page's settings by edit, if p may edit the page by the
// settings that edit is applied to: they may be newer than those in the catalog.
// An edit whose name is among the page's title edits is not applied again, whatever
// has become of the page and of p's role.
func (ps *Pages) changeSettings(
	ctx context.Context, p Principal, id PageID, name string, edit func(*storedSettings) error,
) (Page, error) {
	if _, _, err := ps.see(ctx, p, id); err != nil {
		return Page{}, err
	}
	set, err := ps.catalog.change(ctx, id, func(set *storedSettings) error {
		role, err := ps.auth.Role(ctx, p, set.Settings)
		switch {
		case err != nil:
			return fmt.Errorf("role of %s on %s: %w", p.ID, id, err)
		case role < RoleView:
			return ErrNotFound
		case set.TitleEdits.has(name):
			return nil
		case role < RoleEdit:
			return ErrForbidden
		case ps.Draining():
			return ErrDraining
		}
		return edit(set)
	})
	if err != nil {
		return Page{}, err
	}
	return ps.page(ctx, p, set)
}

// A ListQuery says which pages to list.
type ListQuery struct {
	Trashed bool // those in the trash instead
	Limit   int  // most rows
	// After and AfterID are the Updated and ID of the last row of the listing
	// before.
	After   time.Time
	AfterID PageID
}

func (q ListQuery) after() position {
	if q.AfterID == "" {
		return position{}
	}
	return position{q.After.UnixMilli(), q.AfterID}
}

// A Row is a page in a list.
type Row struct {
	Page
	Excerpt string   // the beginning of its text, as far as it is known yet
	Here    []Person // who is there now
}

// List returns the pages that p may see, newest change first, and whether
// there are more. It loads none of them.
func (ps *Pages) List(ctx context.Context, p Principal, q ListQuery) (rows []Row, more bool, err error) {
	if p.Nobody() {
		return nil, false, ErrSignedOut
	}
	at := q.after()
	for {
		part := ps.catalog.part(q.Trashed, at, min(listPart, q.Limit+1))
		for _, l := range part {
			at = l.position()
			role, err := ps.auth.Role(ctx, p, l.set)
			if err != nil {
				return nil, false, err
			}
			if role < RoleView {
				continue
			}
			if len(rows) == q.Limit {
				return rows, true, nil
			}
			rows = append(rows, ps.row(ctx, l, role))
		}
		if len(part) == 0 || ctx.Err() != nil {
			return rows, false, ctx.Err()
		}
	}
}

// row is a page as lists show it.
func (ps *Pages) row(ctx context.Context, l listed, role Role) Row {
	return Row{
		Page:    Page{Settings: l.set, Seq: l.head, Updated: l.updated, Role: role},
		Excerpt: ps.excerpts.of(ctx, l.set.ID, l.head),
		Here:    ps.presence.here(l.set.ID),
	}
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
