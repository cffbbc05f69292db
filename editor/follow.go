package editor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"halley/editor/budget"
	"halley/push"
	"halley/storage"
)

// ListTopic is what readers of the list of pages follow. It has no seq.
const ListTopic = "list"

// Hub is the push line that everything committed goes out on.
func (ps *Pages) Hub() *push.Hub { return ps.hub }

// source answers the hub's questions about a page's topic.
type source struct{ ps *Pages }

func (s source) Head(ctx context.Context, topic string) (uint64, error) {
	// The page may have gone to the trash since it was asked whether it may be
	// followed, before the hub had anybody to tell.
	if set, ok := s.ps.catalog.get(PageID(topic)); !ok {
		return 0, ErrNotFound
	} else if !set.Trashed.IsZero() {
		return 0, ErrTrashed
	}
	v, err := s.ps.look(ctx, PageID(topic))
	if err != nil {
		return 0, err
	}
	return v.seq, nil
}

func (s source) Replay(ctx context.Context, topic string, after, upTo uint64, emit func(push.Event) error) error {
	id := PageID(topic)
	return s.ps.store.Read(ctx, id, after, upTo, func(sc storage.Change) error {
		return emit(changeEvent(id, sc))
	})
}

func (s source) Snapshot(ctx context.Context, topic string) ([]push.Event, error) {
	if topic == ListTopic {
		return nil, nil
	}
	id := PageID(topic)
	row, ok := s.ps.catalog.row(id)
	if !ok {
		return nil, ErrNotFound
	}
	return []push.Event{
		{Type: "presence", Data: s.ps.presence.all(id).json()},
		s.ps.pageEvent(row),
	}, nil
}

func (s source) Reset(topic string, seq uint64) push.Event {
	return push.Event{Type: "reset", Data: marshal(struct {
		Page string `json:"page"`
		Seq  uint64 `json:"seq"`
	}{topic, seq})}
}

// published is called by a page for each change, once it is durable.
func (ps *Pages) published(id PageID, sc storage.Change) {
	ps.catalog.moved(id, sc.Seq, sc.Time)
	ps.excerpts.changed(id)
	ps.hub.PublishFunc(string(id), func() push.Event { return changeEvent(id, sc) })
	ps.listChanged(id)
}

// changeEvent has the delta's bytes as they are stored: each change is encoded once.
func changeEvent(id PageID, sc storage.Change) push.Event {
	return push.Event{Type: "change", Seq: sc.Seq, Data: appendStored(nil, id, sc)}
}

func marshal(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // our own plain types
	}
	return data
}

func (ps *Pages) publishPresence(id PageID, e presenceEvent) {
	ps.hub.Publish(string(id), push.Event{Type: "presence", Data: e.json()})
	ps.listChanged(id)
}

// settingsChanged publishes a page's settings to its readers, and ends their
// subscriptions when the page was moved to the trash or deleted. The catalog
// calls it for each change of settings, whoever made it.
func (ps *Pages) settingsChanged(before, now listed) {
	switch {
	case now.set.ID == "":
		ps.hub.End(string(before.set.ID), GoneEvent(before.set.ID, "deleted"))
		ps.hub.Publish(ListTopic, push.Event{Type: "list", Data: goneRow(before.set.ID)})
		return
	case !now.set.Trashed.IsZero():
		ps.hub.End(string(now.set.ID), GoneEvent(now.set.ID, "trashed"))
	case before.set.ID != "": // else it is new and has no readers yet
		ps.hub.Publish(string(now.set.ID), ps.pageEvent(now))
	}
	ps.listChanged(now.set.ID)
}

// GoneEvent tells a reader that a page leaves the line; why is "trashed",
// "forbidden" or "deleted".
func GoneEvent(id PageID, why string) push.Event {
	return push.Event{Type: "gone", Data: marshal(struct {
		Page PageID `json:"page"`
		Why  string `json:"why"`
	}{id, why})}
}

// A PageJSON is the page object as the wire has it, without its delta.
type PageJSON struct {
	ID      PageID `json:"id"`
	Title   string `json:"title"`
	Seq     uint64 `json:"seq"`
	Version uint64 `json:"version"`
	Epoch   string `json:"epoch"`
	Role    string `json:"role,omitempty"`
	Created string `json:"created"`
	Updated string `json:"updated"`
	Trashed string `json:"trashed,omitempty"`
}

// JSON is the page object that pg's reader sees.
func (ps *Pages) JSON(pg Page) PageJSON {
	out := PageJSON{
		ID: pg.ID, Title: pg.Title, Seq: pg.Seq, Version: pg.Version, Epoch: ps.Epoch(),
		Created: pg.Created.UTC().Format(TimeForm), Updated: pg.Updated.UTC().Format(TimeForm),
	}
	if pg.Role != RoleNone {
		out.Role = pg.Role.String()
	}
	if !pg.Trashed.IsZero() {
		out.Trashed = pg.Trashed.UTC().Format(TimeForm)
	}
	return out
}

func (ps *Pages) pageEvent(l listed) push.Event {
	pg := Page{Settings: l.set, Seq: l.head, Updated: l.updated}
	return push.Event{Type: "page", Data: marshal(ps.JSON(pg))}
}

// A RowJSON is a page in a list, as the wire has it.
type RowJSON struct {
	PageJSON
	Excerpt string   `json:"excerpt"`
	People  []Person `json:"people"`
}

// RowJSON is the row that its reader sees.
func (ps *Pages) RowJSON(r Row) RowJSON {
	return RowJSON{ps.JSON(r.Page), r.Excerpt, r.Here}
}

// listEvery is how often a page's row is told at most.
const listEvery = time.Second

// listChanged has the page's row told to whoever follows the list, soon.
func (ps *Pages) listChanged(id PageID) {
	if !ps.hub.Has(ListTopic) {
		return
	}
	ps.catalog.mu.Lock()
	l := ps.catalog.pages[id]
	armed := l == nil || l.telling
	if !armed {
		l.telling = true
	}
	ps.catalog.mu.Unlock()
	if !armed {
		time.AfterFunc(listEvery, func() { ps.tellRow(id) })
	}
}

func (ps *Pages) tellRow(id PageID) {
	ps.catalog.mu.Lock()
	l := ps.catalog.pages[id]
	if l == nil { // deleted since
		ps.catalog.mu.Unlock()
		return
	}
	l.telling = false
	row := *l
	ps.catalog.mu.Unlock()
	ps.hub.Publish(ListTopic, push.Event{Type: "list", Data: ps.rowData(row)})
}

// rowData is the data of a list event: the page's row, or that it is gone.
func (ps *Pages) rowData(l listed) []byte {
	if !l.set.Trashed.IsZero() {
		return goneRow(l.set.ID)
	}
	return marshal(struct {
		Page RowJSON `json:"page"`
	}{ps.RowJSON(ps.row(context.Background(), l, RoleNone))})
}

// goneRow is the data of a list event for a page that leaves the list.
func goneRow(gone PageID) []byte {
	type id struct {
		ID PageID `json:"id"`
	}
	return marshal(struct {
		Page id   `json:"page"`
		Gone bool `json:"gone"`
	}{id{gone}, true})
}

// A Follow is a request for an open line, as the edge understood it.
type Follow struct {
	Pages   []PageID
	Clients []string // open editors that the line serves
}

// Refused says why a page is not on a line.
type Refused struct {
	Page PageID
	Err  error
}

// MaxPlacesALine bounds the pages times the clients of a Follow.
const MaxPlacesALine = 500

// Join checks that p may follow the pages and names its clients as being
// there. It returns which pages are not followed, and release, which the
// caller calls when the line ends. An error refuses the whole line: a
// *BadValueError beyond MaxPlacesALine, ErrClientTaken, *TooManyError. Where
// the budget has no room for presence, the line goes on without it.
func (ps *Pages) Join(ctx context.Context, p Principal, f Follow) (refused []Refused, release func(), err error) {
	if p.Nobody() {
		return nil, nil, ErrSignedOut
	}
	if err := f.check(); err != nil {
		return nil, nil, err
	}
	j := joining{ps: ps, who: p}
	for _, id := range f.Pages {
		v, err := ps.mayFollow(ctx, p, id)
		if err != nil {
			refused = append(refused, Refused{id, err})
			continue
		}
		for _, client := range f.Clients {
			if err := j.join(ctx, id, client, v); err != nil {
				j.release()
				return nil, nil, err
			}
		}
	}
	return refused, j.release, nil
}

func (f Follow) check() error {
	if n := len(f.Pages) * len(f.Clients); n > MaxPlacesALine {
		return &BadValueError{"client", fmt.Sprintf(
			"is given too often: %d pages with %d clients are %d places, and a line has at most %d; open several lines",
			len(f.Pages), len(f.Clients), n, MaxPlacesALine)}
	}
	for _, client := range f.Clients {
		if err := CheckClient(client); err != nil {
			return err
		}
	}
	return nil
}

// A joining is a line's clients that are named as being on its pages.
type joining struct {
	ps     *Pages
	who    Principal
	joined []clientOnPage
}

type clientOnPage struct {
	page   PageID
	client string
}

func (j *joining) join(ctx context.Context, id PageID, client string, v *view) error {
	// Nobody else's edits are in the log, so nobody else's clients are.
	alone := len(v.authors) == 0 || len(v.authors) == 1 && v.authors[j.who.ID]
	if !alone {
		if err := j.ps.mayUse(ctx, j.who, id, client); err != nil {
			return err
		}
	}
	err := j.ps.presence.attach(id, client, j.who)
	var busy *budget.BusyError
	if errors.As(err, &busy) {
		return nil
	}
	if err == nil {
		j.joined = append(j.joined, clientOnPage{id, client})
	}
	return err
}

func (j *joining) release() {
	for _, at := range j.joined {
		j.ps.presence.detach(at.page, at.client)
	}
}

func (ps *Pages) mayFollow(ctx context.Context, p Principal, id PageID) (*view, error) {
	set, _, err := ps.see(ctx, p, id)
	if err != nil {
		return nil, err
	}
	if !set.Trashed.IsZero() {
		return nil, ErrTrashed
	}
	return ps.look(ctx, id) // so that what cannot be read is said before the line opens
}
