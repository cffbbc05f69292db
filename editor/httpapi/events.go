package httpapi

import (
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"halley/editor"
	"halley/push"
)

const (
	protocolVersion = 1
	maxPagesALine   = 100
	fewPlaces       = 8 // of pages and clients, up to which joining takes no turn
	maxClientsALine = editor.MaxPlacesALine
	defaultWait     = 25 * time.Second
	maxWait         = 60 * time.Second
)

func (s *Server) eventRoutes(api *gin.RouterGroup) {
	api.GET("/events", s.handle(s.signedIn), s.handle(s.events))
}

// An asked is the open line as the request puts it.
type asked struct {
	pages   []editor.PageID
	at      map[editor.PageID]uint64 // where it says @SEQ
	clients []string
	list    bool
	epoch   string
	cursor  push.Cursor
	kind    push.Transport
	wait    time.Duration
}

func (s *Server) events(c *gin.Context) error {
	in, err := parseEvents(c)
	if err != nil {
		return err
	}
	place, err := s.placeFor(c)
	if err != nil {
		return err
	}
	defer place.answered()
	ctx, p := c.Request.Context(), principal(c)
	if len(in.pages)*max(1, len(in.clients)) > fewPlaces {
		if err := takeTurn(c); err != nil {
			return err
		}
	}
	refused, release, err := s.pages.Join(ctx, p, editor.Follow{Pages: in.pages, Clients: in.clients})
	timedWriterOf(c.Writer).endTurn()
	if err != nil {
		place.leave()
		return err
	}
	if len(in.pages) == 1 && len(refused) == 1 {
		release()
		place.leave()
		return refused[0].Err
	}
	line := in.line(s.pages.Epoch(), refused)
	line.Reader, line.Hello = p.ID, s.hello
	forget := func() {}
	if key := callerOf(c).session; key != "" {
		line.OnOpen = func(end func(why string)) error {
			stop, err := s.accounts.Watch(ctx, key, func() { end("signed-out") })
			if err == nil {
				forget = stop
			}
			return err
		}
	}
	opened := s.opened(c, in.kind)
	line.OnEnd = func() {
		forget()
		release()
		place.leave()
		opened.log()
	}
	if err := s.pages.Hub().Serve(streamWriter{plainWriter(c), c.Writer}, c.Request, line); err != nil {
		return err // nothing has been sent
	}
	return nil
}

// An openLine is what the log says of a line when it ends, which may be long
// after its request.
type openLine struct {
	logger  *slog.Logger
	request string
	kind    push.Transport
	start   time.Time
}

func (s *Server) opened(c *gin.Context, kind push.Transport) openLine {
	return openLine{s.logger, requestID(c), kind, time.Now()}
}

func (l openLine) log() {
	l.logger.Debug("line ended", "request", l.request, "transport", l.kind, "took", time.Since(l.start))
}

func parseEvents(c *gin.Context) (asked, error) {
	in := asked{at: map[editor.PageID]uint64{}, clients: c.QueryArray("client"), list: c.Query("list") == "1", epoch: c.Query("epoch")}
	for _, text := range c.QueryArray("page") {
		if err := in.addPage(text); err != nil {
			return in, err
		}
	}
	switch {
	case len(in.pages) == 0 && !in.list:
		return in, badRequest("Nothing to follow: give page=ID@SEQ, or list=1.")
	case len(in.pages) > maxPagesALine:
		return in, badRequest("A line follows at most %d pages, not %d.", maxPagesALine, len(in.pages))
	case len(in.clients) > maxClientsALine:
		return in, badRequest("A line serves at most %d clients, not %d.", maxClientsALine, len(in.clients))
	case len(in.pages)*len(in.clients) > editor.MaxPlacesALine:
		return in, badRequest("%d pages with %d clients are %d places, and a line has at most %d. "+
			"Open several lines, each with the pages of some clients.",
			len(in.pages), len(in.clients), len(in.pages)*len(in.clients), editor.MaxPlacesALine)
	}
	var err error
	if in.kind, in.wait, err = parseTransport(c); err != nil {
		return in, err
	}
	sent := c.GetHeader("Last-Event-ID")
	if sent == "" {
		sent = c.Query("cursor")
	}
	topics := make([]string, len(in.pages))
	for i, id := range in.pages {
		topics[i] = string(id)
	}
	if in.cursor, err = push.ParseCursor(sent, topics); err != nil {
		return in, badRequest("The position cannot be read: %v.", err)
	}
	return in, nil
}

func (in *asked) addPage(text string) error {
	name, seq, there := strings.Cut(text, "@")
	id := editor.PageID(name)
	if name == "" {
		return badRequest("page=%s names no page.", text)
	}
	for _, other := range in.pages {
		if other == id {
			return badRequest("The page %s is named twice.", name)
		}
	}
	in.pages = append(in.pages, id)
	if !there {
		return nil
	}
	n, err := strconv.ParseUint(seq, 10, 64)
	if err != nil || n > editor.MaxWhole {
		return badRequest("page=%s: what follows the @ must be a seq.", text)
	}
	in.at[id] = n
	return nil
}

func parseTransport(c *gin.Context) (push.Transport, time.Duration, error) {
	wait := defaultWait
	if text := c.Query("wait"); text != "" {
		seconds, err := strconv.ParseFloat(text, 64)
		if err != nil || !(seconds >= 0) {
			return 0, 0, badRequest("wait must be a number of seconds, not %q.", text)
		}
		wait = min(time.Duration(min(seconds, 3600)*float64(time.Second)), maxWait)
	}
	accept := c.GetHeader("Accept")
	switch {
	case wants(accept, "text/event-stream"):
		return push.SSE, wait, nil
	case wants(accept, "application/x-ndjson"):
		return push.NDJSON, wait, nil
	case wants(accept, "application/json"):
		return push.LongPoll, wait, nil
	}
	return push.SSE, wait, nil
}

// line is the request as push takes it. A position of another epoch cannot be
// replayed, whatever its number.
func (in asked) line(epoch string, refused []editor.Refused) push.Line {
	line := push.Line{Cursor: in.cursor, Composite: len(in.pages) > 1, Transport: in.kind, Wait: in.wait}
	stale := in.epoch != "" && in.epoch != epoch
	gone := map[editor.PageID]bool{}
	for _, r := range refused {
		gone[r.Page] = true
		// A long poll whose cursor no longer names the page has been told.
		if _, named := in.cursor.Seq(string(r.Page)); named || in.cursor.IsZero() || in.kind != push.LongPoll {
			line.First = append(line.First, editor.GoneEvent(r.Page, whyGone(r.Err)))
		}
	}
	for _, id := range in.pages {
		if gone[id] {
			continue
		}
		after, there := in.at[id]
		p := in.cursor.Resume(push.Position{Topic: string(id), After: after, AtHead: !there})
		p.Reset = stale && !p.AtHead
		line.Start = append(line.Start, p)
	}
	if in.list {
		line.Also = []string{editor.ListTopic}
	}
	return line
}

func whyGone(err error) string {
	if errors.Is(err, editor.ErrTrashed) {
		return "trashed"
	}
	return "forbidden" // also where there is no such page: who may not see it cannot tell
}

type hello struct {
	Epoch     string            `json:"epoch"`
	Protocol  int               `json:"protocol"`
	Heartbeat float64           `json:"heartbeat"` // seconds
	Server    string            `json:"server"`
	Pages     map[string]uint64 `json:"pages"`
}

func (s *Server) hello(starts map[string]uint64) push.Event {
	if starts == nil {
		starts = map[string]uint64{}
	}
	return push.Event{Type: "hello", Data: mustJSON(hello{
		Epoch: s.pages.Epoch(), Protocol: protocolVersion, Heartbeat: s.pages.Hub().Heartbeat().Seconds(),
		Server: "halley/" + s.cfg.Version + " " + s.name, Pages: starts,
	})}
}
