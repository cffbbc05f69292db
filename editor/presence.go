package editor

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"halley/editor/budget"
)

const (
	lineGrace  = 5 * time.Second  // a client whose line went may come back for so long,
	lineGap    = 1 * time.Second  // which nobody is told at once: a poll is asked again, a page loaded anew
	postGrace  = 30 * time.Second // a client without a line is there for so long after a post
	sweepEvery = 500 * time.Millisecond

	presencePerSecond = 20 // of one client

	// A place is one client on one page. Each counts for the budget.
	maxPlaces    = 2000   // of one person
	maxAllPlaces = 50_000 // of everybody
	placeBytes   = 768

	// Of a crowd only so many are told, those who were active last: a thousand
	// cursors are no help to anybody, and cost a million events a second.
	maxListed = 50
	// Who was active within listedStay keeps a place on the list: otherwise it
	// would be another one with each keystroke of a crowd.
	listedStay = 10 * time.Second
)

// States that a client may be in. StateReconnecting is said by the server.
const (
	StateActive       = "active"
	StateTyping       = "typing"
	StateIdle         = "idle"
	StateAway         = "away"
	StateLeft         = "left"
	StateReconnecting = "reconnecting"
)

// PersonColors are the colours that people get, chosen to be told apart on
// white and on black and to carry white text. Those of the second row are like
// the ones above them.
var PersonColors = []string{
	"#c2410c", "#0f766e", "#7c3aed", "#be185d", "#1d4ed8", "#4d7c0f",
	"#b45309", "#0e7490", "#a21caf", "#b91c1c", "#15803d", "#4338ca",
}

// A Cursor is a selection in committed content, in UTF-16 code units.
type Cursor struct {
	Index  int `json:"index"`
	Length int `json:"length"`
}

// A Here says where one client is.
type Here struct {
	Client string
	Base   uint64
	Cursor *Cursor // nil: nowhere in the text
	State  string
}

// A Person is somebody who is on a page now.
type Person struct {
	User  string `json:"user"`
	Name  string `json:"name"`
	Color string `json:"color"`
}

// presence knows who is on which page. Nothing of it is stored. Changes of a
// page are gathered and told at most once in every PresenceEvery.
type presence struct {
	ps   *Pages
	stop chan struct{}
	done sync.WaitGroup

	share *budget.Share

	mu     sync.Mutex // guards all below; never held over a call out
	pages  map[PageID]*room
	places map[string]int // by person
	total  int            // places
}

// A room is one page's presence.
type room struct {
	clients map[string]*guest
	people  map[string]*coloring // those who have a colour here, by id
	present int                  // how many of them
	counted int                  // as readers know it
	left    []string             // to be told: they left, or are no longer listed
	armed   bool                 // a flush is coming
}

// A coloring is the colour that a person has on a page.
type coloring struct {
	color   string
	clients int // that have it
}

// A guest is one open editor in a room.
type guest struct {
	who     Principal
	color   string // on this page: see room.color; "" until it posts
	lines   int    // open lines that name it
	present bool   // it posted, and has not left
	listed  bool   // it is present, and among those who are told of
	gone    bool   // its last line ended, and it has not been heard of since
	lost    bool   // and that is a while ago
	here    Here
	active  time.Time     // when it last was
	told    presentClient // as readers know it; zero: they do not
	until   time.Time     // without a line: when it is gone
	limit   *rate.Limiter // nil until it posts
}

func newPresence(ps *Pages) *presence {
	pr := &presence{
		ps: ps, share: ps.cfg.Budget.Share("presence", 0.05),
		stop: make(chan struct{}), pages: map[PageID]*room{}, places: map[string]int{},
	}
	pr.done.Go(pr.sweep)
	return pr
}

func (pr *presence) close() {
	close(pr.stop)
	pr.done.Wait()
}

// claim refuses a client id that somebody else is using on the page.
func (pr *presence) claim(id PageID, client, user string) error {
	pr.mu.Lock()
	defer pr.mu.Unlock()
	if r := pr.pages[id]; r != nil {
		if g := r.clients[client]; g != nil && g.who.ID != user {
			return ErrClientTaken
		}
	}
	return nil
}

// guest finds or makes the client's place in the room. Errors: ErrClientTaken,
// *TooManyError, *budget.BusyError. The caller holds mu.
func (pr *presence) guest(id PageID, client string, who Principal) (*room, *guest, error) {
	r := pr.pages[id]
	if r == nil {
		r = &room{clients: map[string]*guest{}, people: map[string]*coloring{}}
	}
	g := r.clients[client]
	if g == nil {
		if err := pr.takePlace(who.ID); err != nil {
			return nil, nil, err
		}
		g = &guest{who: who}
		r.clients[client] = g
		pr.pages[id] = r
	}
	if g.who.ID != who.ID {
		return nil, nil, ErrClientTaken
	}
	g.who = who // the name may have changed
	return r, g, nil
}

func (pr *presence) takePlace(user string) error {
	switch {
	case pr.places[user] >= maxPlaces:
		return &TooManyError{lineGrace}
	case pr.total >= maxAllPlaces: // others' doing, so lines go on without
		return &budget.BusyError{Share: "presence", Bytes: placeBytes, After: lineGrace}
	}
	if err := pr.share.Take(placeBytes); err != nil {
		return err
	}
	pr.places[user]++
	pr.total++
	return nil
}

// remove takes a client's place away. The caller holds mu.
func (pr *presence) remove(r *room, client string) {
	g := r.clients[client]
	delete(r.clients, client)
	if c := r.people[g.who.ID]; c != nil && g.color != "" {
		if c.clients--; c.clients == 0 {
			delete(r.people, g.who.ID)
		}
	}
	if pr.places[g.who.ID]--; pr.places[g.who.ID] == 0 {
		delete(pr.places, g.who.ID)
	}
	pr.total--
	pr.share.Give(placeBytes)
}

// color is a person's own where nobody else here has it or one like it, else one
// of which that is so, else one that nobody has, as long as there are any. All
// their clients have the same.
func (r *room) color(who Principal) string {
	if c := r.people[who.ID]; c != nil {
		return c.color
	}
	taken := map[string]bool{}
	for _, c := range r.people {
		taken[c.color] = true
	}
	own, n := max(slices.Index(PersonColors, who.Color), 0), len(PersonColors)
	free := ""
	for i := range n {
		color, like := PersonColors[(own+i)%n], PersonColors[(own+i+n/2)%n]
		switch {
		case !taken[color] && !taken[like]:
			return color
		case !taken[color] && free == "":
			free = color
		}
	}
	return cmp.Or(free, who.Color)
}

// post takes a client's word of where it is.
func (pr *presence) post(id PageID, who Principal, h Here) error {
	now := pr.ps.cfg.Now()
	pr.mu.Lock()
	defer pr.mu.Unlock()
	r, g, err := pr.guest(id, h.Client, who)
	if err != nil {
		return err
	}
	if h.State == StateLeft {
		pr.leave(id, r, h.Client)
		return nil
	}
	r.begin(g)
	if !g.limit.AllowN(now, 1) {
		return &TooManyError{time.Second / presencePerSecond}
	}
	if !g.present {
		g.present = true
		r.present++
		g.listed = r.present <= maxListed
	}
	g.gone, g.lost, g.here, g.until = false, false, h, now.Add(postGrace)
	if h.State == StateActive || h.State == StateTyping {
		g.active = now
	}
	pr.arm(id, r)
	return nil
}

// begin gives a client that posts for the first time what it needs for that:
// a line may name many that never do.
func (r *room) begin(g *guest) {
	if g.limit != nil {
		return
	}
	g.limit = rate.NewLimiter(presencePerSecond, 2*presencePerSecond)
	g.color = r.color(g.who)
	if r.people[g.who.ID] == nil {
		r.people[g.who.ID] = &coloring{color: g.color}
	}
	r.people[g.who.ID].clients++
}

// attach counts a line that names the client; detach takes it back.
func (pr *presence) attach(id PageID, client string, who Principal) error {
	pr.mu.Lock()
	defer pr.mu.Unlock()
	r, g, err := pr.guest(id, client, who)
	if err != nil {
		return err
	}
	g.lines++
	g.gone = false
	if g.lost {
		g.lost = false
		pr.arm(id, r)
	}
	return nil
}

func (pr *presence) detach(id PageID, client string) {
	pr.mu.Lock()
	defer pr.mu.Unlock()
	r := pr.pages[id]
	if r == nil || r.clients[client] == nil {
		return // it left by word
	}
	g := r.clients[client]
	if g.lines--; g.lines > 0 {
		return
	}
	g.until = pr.ps.cfg.Now().Add(lineGrace)
	g.gone = g.present
}

// leave takes a client out of sight at once. Its place stays while a line
// names it, so that nobody else gets its id. The caller holds mu.
func (pr *presence) leave(id PageID, r *room, client string) {
	g := r.clients[client]
	if g.present {
		g.present, g.gone, g.lost = false, false, false
		r.present--
		r.unlist(client)
		pr.arm(id, r)
	}
	if g.lines == 0 {
		pr.remove(r, client)
	}
}

// arm has the room flushed soon: what comes until then goes in one event. A crowd
// is told of itself less often, since each event goes to all of it.
func (pr *presence) arm(id PageID, r *room) {
	if r.armed {
		return
	}
	r.armed = true
	crowd := time.Duration(r.present / maxListed)
	time.AfterFunc(pr.ps.cfg.PresenceEvery*(1+crowd/2), func() { pr.flush(id) })
}

func (pr *presence) flush(id PageID) {
	pr.mu.Lock()
	r := pr.pages[id]
	if r == nil {
		pr.mu.Unlock()
		return
	}
	r.relist(pr.ps.cfg.Now())
	event := presenceEvent{Page: id, Clients: []presentClient{}, Left: r.left, Count: r.present}
	for client, g := range r.clients {
		if !g.listed {
			continue
		}
		// A long poll that was answered and asked again meanwhile is no news;
		// told, it would answer the next one, and so on for ever.
		if shown := g.shown(client); shown != g.told {
			g.told = shown
			event.Clients = append(event.Clients, shown)
		}
	}
	news := len(event.Clients) > 0 || len(event.Left) > 0 || r.counted != r.present
	r.armed, r.left, r.counted = false, nil, r.present
	if len(r.clients) == 0 {
		delete(pr.pages, id)
	}
	pr.mu.Unlock()
	if news {
		pr.ps.publishPresence(id, event.sorted())
	}
}

// relist chooses who is listed: all, or of a crowd those who were active last.
// Who is listed and was active lately goes before who was active just now.
func (r *room) relist(now time.Time) {
	type place struct {
		client string
		g      *guest
		stays  bool
	}
	var places []place
	for client, g := range r.clients {
		if g.present {
			places = append(places, place{client, g, g.listed && now.Sub(g.active) < listedStay})
		}
	}
	if len(places) > maxListed {
		slices.SortFunc(places, func(a, b place) int {
			switch {
			case a.stays && !b.stays:
				return -1
			case b.stays && !a.stays:
				return 1
			}
			return cmp.Or(b.g.active.Compare(a.g.active), cmp.Compare(a.client, b.client))
		})
	}
	for i, p := range places {
		if i < maxListed {
			p.g.listed = true
		} else if p.g.listed {
			r.unlist(p.client)
		}
	}
}

// unlist has readers told that they no longer hear of a client.
func (r *room) unlist(client string) {
	g := r.clients[client]
	if g.listed {
		r.left = append(r.left, client)
	}
	g.listed, g.told = false, presentClient{}
}

// sweep ends the stay of clients that neither a line nor a post keeps here.
func (pr *presence) sweep() {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-pr.stop:
			return
		case <-ticker.C:
			pr.sweepOnce(pr.ps.cfg.Now())
		}
	}
}

func (pr *presence) sweepOnce(now time.Time) {
	pr.mu.Lock()
	defer pr.mu.Unlock()
	for id, r := range pr.pages {
		for client, g := range r.clients {
			switch {
			case g.lines == 0 && !now.Before(g.until):
				pr.leave(id, r, client)
			case g.gone && !g.lost && !now.Before(g.until.Add(lineGap-lineGrace)):
				g.lost = true
				pr.arm(id, r)
			}
		}
		if len(r.clients) == 0 && !r.armed {
			delete(pr.pages, id)
		}
	}
}

// here lists people on a page, each once: all, or those of a crowd who are listed.
func (pr *presence) here(id PageID) []Person {
	pr.mu.Lock()
	defer pr.mu.Unlock()
	people := []Person{}
	r := pr.pages[id]
	if r == nil {
		return people
	}
	for _, g := range r.clients {
		p := Person{g.who.ID, g.who.Name, g.color}
		if g.listed && !slices.Contains(people, p) {
			people = append(people, p)
		}
	}
	slices.SortFunc(people, func(a, b Person) int { return cmp.Compare(a.User, b.User) })
	return people
}

// all is what is listed, as the first presence event of a line gives it.
func (pr *presence) all(id PageID) presenceEvent {
	pr.mu.Lock()
	defer pr.mu.Unlock()
	event := presenceEvent{Page: id, All: true, Clients: []presentClient{}}
	if r := pr.pages[id]; r != nil {
		event.Count = r.present
		for client, g := range r.clients {
			if g.listed {
				event.Clients = append(event.Clients, g.shown(client))
			}
		}
	}
	return event.sorted()
}

type presenceEvent struct {
	Page    PageID          `json:"page"`
	All     bool            `json:"all,omitempty"`
	Clients []presentClient `json:"clients"`
	Left    []string        `json:"left"`
	Count   int             `json:"count"`
}

type presentClient struct {
	Client string  `json:"client"`
	User   string  `json:"user"`
	Name   string  `json:"name"`
	Color  string  `json:"color"`
	Base   uint64  `json:"base"`
	Cursor *Cursor `json:"cursor"`
	State  string  `json:"state"`
}

func (g *guest) shown(client string) presentClient {
	state := g.here.State
	if g.lost {
		state = StateReconnecting
	}
	return presentClient{client, g.who.ID, g.who.Name, g.color, g.here.Base, g.here.Cursor, state}
}

func (e presenceEvent) sorted() presenceEvent {
	slices.SortFunc(e.Clients, func(a, b presentClient) int { return cmp.Compare(a.Client, b.Client) })
	if e.Left == nil {
		e.Left = []string{}
	}
	return e
}

func (e presenceEvent) json() []byte {
	data, err := json.Marshal(e)
	if err != nil {
		panic(err) // strings and numbers only
	}
	return data
}

// Presence says where a client is. It comes back to everybody on the page,
// its own sender too. Errors: *BadValueError, ErrClientTaken, ErrTrashed,
// *BaseAheadError, *TooManyError.
func (ps *Pages) Presence(ctx context.Context, p Principal, id PageID, h Here) error {
	set, _, err := ps.see(ctx, p, id)
	if err != nil {
		return err
	}
	if err := h.checkForm(); err != nil {
		return err
	}
	if err := ps.mayUse(ctx, p, id, h.Client); err != nil {
		return err
	}
	if !set.Trashed.IsZero() && h.State != StateLeft {
		return ErrTrashed
	}
	row, _ := ps.catalog.row(id)
	if h.Base > row.head {
		return &BaseAheadError{h.Base, row.head}
	}
	return ps.presence.post(id, p, h)
}

func (h Here) checkForm() error {
	if err := CheckClient(h.Client); err != nil {
		return err
	}
	switch h.State {
	case StateActive, StateTyping, StateIdle, StateAway, StateLeft:
	default:
		return &BadValueError{"state", "must be active, typing, idle, away or left"}
	}
	if c := h.Cursor; c != nil && (c.Index < 0 || c.Length < 0 || c.Index > MaxWhole || c.Length > MaxWhole) {
		return &BadValueError{"cursor", "must have an index and a length that are whole numbers from 0"}
	}
	return nil
}

// mayUse refuses a client id that belongs to another principal, by an edit in
// the log or by being here.
func (ps *Pages) mayUse(ctx context.Context, p Principal, id PageID, client string) error {
	if err := ps.presence.claim(id, client, p.ID); err != nil {
		return err
	}
	c, err := ps.store.Client(ctx, id, client)
	if err != nil {
		return err
	}
	if c.N > 0 && c.Author != p.ID {
		return ErrClientTaken
	}
	return nil
}
