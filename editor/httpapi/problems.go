package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"halley/editor"
	"halley/editor/account"
	"halley/editor/budget"
	"halley/editor/convert"
	"halley/editor/exchange"
	"halley/ot"
	"halley/storage"
)

// A problem is an answer in RFC 9457's form. Its type is /problems/ and name.
type problem struct {
	status int
	name   string
	title  string
	detail string
	extra  map[string]any // members of its own: head, op, ...
	after  time.Duration  // Retry-After; 0: none
}

func (p *problem) Error() string { return p.detail }

// Problems of the edge itself.
func badRequest(format string, args ...any) error {
	return &problem{status: 400, name: "bad-request", title: "The request cannot be read", detail: fmt.Sprintf(format, args...)}
}

func tooLarge(what string, limit int64) error {
	return &problem{
		status: 413, name: "too-large", title: "Too large",
		detail: fmt.Sprintf("%s is over the limit of %d.", what, limit), extra: map[string]any{"limit": limit},
	}
}

func unsupported(format string, args ...any) error {
	return &problem{status: 415, name: "unsupported-format", title: "This format cannot be read here", detail: fmt.Sprintf(format, args...)}
}

// A mapping makes an answer of the errors that it fits; nil for others.
type mapping func(error) *problem

// is maps errors that wrap target. The answer's detail is target's text: what is
// wrapped around it may name files and addresses.
func is(target error, status int, name, title string, after time.Duration) mapping {
	return func(err error) *problem {
		if !errors.Is(err, target) {
			return nil
		}
		return &problem{status: status, name: name, title: title, detail: sentence(target), after: after}
	}
}

// as maps errors that wrap an E. more adds to the answer, and returns false if the
// mapping does not fit the error after all; nil adds nothing.
func as[E error](status int, name, title string, more func(e E, p *problem) bool) mapping {
	return func(err error) *problem {
		var e E
		if !errors.As(err, &e) {
			return nil
		}
		p := &problem{status: status, name: name, title: title}
		if more != nil && !more(e, p) {
			return nil
		}
		if p.detail == "" {
			p.detail = sentence(err)
		}
		return p
	}
}

// with sets a member of the answer.
func (p *problem) with(name string, value any) bool {
	if p.extra == nil {
		p.extra = map[string]any{}
	}
	p.extra[name] = value
	return true
}

// mappings are tried in order: an error may wrap several.
var mappings = []mapping{
	as(409, "base-ahead", "The base is ahead of the page", func(e *editor.BaseAheadError, p *problem) bool { return p.with("head", e.Head) }),
	as(409, "base-too-old", "The base is too far behind", func(e *editor.BaseTooOldError, p *problem) bool { return p.with("head", e.Head) }),
	as(409, "n-gap", "n skips ahead", func(e *editor.NGapError, p *problem) bool { return p.with("next", e.Next) }),
	as(409, "n-reused", "n was used for another edit", func(e *editor.NReusedError, p *problem) bool { return p.with("seq", e.Seq) }),
	as(503, "busy", "The server is at its memory budget", func(e *budget.BusyError, p *problem) bool {
		p.after = e.After
		return true
	}),
	as(413, "too-large", "Too large for this server's memory", func(e *budget.NeverError, p *problem) bool {
		return p.with("limit", e.Limit)
	}),
	as(429, "too-many", "Too many at once", func(e *editor.TooManyError, p *problem) bool {
		p.after = max(e.After, time.Second)
		return true
	}),
	as(400, "bad-request", "The request cannot be read", func(e *editor.BadValueError, p *problem) bool { return p.with("member", e.Name) }),
	as(422, "invalid-edit", "The edit does not fit the page", func(e *ot.InvalidError, p *problem) bool {
		return e.Op < 0 || p.with("op", e.Op)
	}),
	as(422, "unreadable-file", "The file cannot be read", func(e *convert.SyntaxError, p *problem) bool {
		return e.Line <= 0 || p.with("line", e.Line)
	}),
	as(422, "page-full", "The page is full", func(e *convert.LimitError, _ *problem) bool {
		return e.What == convert.Lines || e.What == convert.Size
	}),
	as(413, "too-large", "Too much to convert", func(e *convert.LimitError, p *problem) bool { return p.with("limit", e.Limit) }),
	as(503, "conflict", "Something else changed this at the same time; send it again", func(e *storage.ConflictError, p *problem) bool {
		p.after, p.detail = time.Second, sentence(e) // without what the store was doing, and where
		return true
	}),
	as(500, "damaged", "The page is damaged on the server's disk", func(e *storage.CorruptError, p *problem) bool {
		if p.detail = damagedSentence; e.Page == "" {
			p.title = "This is damaged on the server's disk"
		}
		return true
	}),
	as(422, "quota-full", "No room for another upload", func(e *editor.QuotaError, p *problem) bool {
		return p.with("used", e.Used) && p.with("allowed", e.Allowed)
	}),
	as(415, "unsupported-format", "This format cannot be read here", func(e *exchange.UnknownFormatError, p *problem) bool {
		p.detail = sentence(e) + " /api/formats lists those that can be read."
		return true
	}),
	as[*editor.NoSuchPageError](404, "not-found", "No such page", nil),
	as(413, "too-large", "Too large", func(e *editor.FileTooLargeError, p *problem) bool { return p.with("limit", e.Limit) }),
	as(413, "too-large", "Too large", func(e *http.MaxBytesError, p *problem) bool { return p.with("limit", e.Limit) }),

	is(editor.ErrSignedOut, 401, "signed-out", "Nobody is signed in", 0),
	is(account.ErrNoSession, 401, "signed-out", "Nobody is signed in", 0),
	is(editor.ErrForbidden, 403, "forbidden", "Not allowed", 0),
	is(editor.ErrNotFound, 404, "not-found", "No such page", 0),
	is(editor.ErrNoSuchSeq, 404, "not-found", "The page never was at that seq", 0),
	is(editor.ErrNoSuchFile, 404, "not-found", "No such file", 0),
	is(editor.ErrUnknownAuthor, 404, "not-found", "Nobody is known by that id", 0),
	is(editor.ErrTrashed, 410, "trashed", "The page is in the trash", 0),
	is(editor.ErrEpochChanged, 409, "epoch-changed", "The store was restored from a backup", 0),
	is(editor.ErrClientTaken, 409, "client-taken", "This client id is somebody else's", 0),
	is(editor.ErrMoved, 412, "moved-on", "The page has moved on", 0),
	is(editor.ErrPageFull, 422, "page-full", "The page is full", 0),
	is(editor.ErrDraining, 503, "draining", "The server is going away", time.Second),
	is(exchange.ErrTooMany, 503, "busy", "Too many files at once", 5*time.Second),
	is(storage.ErrUnknown, 503, "disk-failing", "It is not known whether this was stored; send it again", 2*time.Second),
	is(storage.ErrDiskFull, 507, "disk-full", "The disk is full or refuses writes; nothing was changed", 10*time.Second),
	is(storage.ErrClosed, 503, "draining", "The server is going away", time.Second),
	is(storage.ErrNotFound, 404, "not-found", "There is no such thing", 0),
	is(storage.ErrInvalid, 500, "internal", "Something went wrong here", 0),
	is(context.DeadlineExceeded, 503, "draining", "This took too long", time.Second),
}

// toProblem finds the answer to an error. An unknown error shows none of its text.
func toProblem(err error) *problem {
	var own *problem
	if errors.As(err, &own) {
		return own
	}
	for _, m := range mappings {
		if p := m(err); p != nil {
			return p
		}
	}
	return &problem{
		status: 500, name: "internal", title: "Something went wrong here",
		detail: "The server could not do this. The person who runs it finds the cause in its log, under the request's id.",
	}
}

// damagedSentence does not say what is damaged: the name of the data folder and
// its parts are for administrators alone.
const damagedSentence = "Part of what the server has stored for this is damaged. " +
	"The server's log names it under the request's id, and `halley verify` lists it."

// sentence is an error's text as a person reads it.
func sentence(err error) string {
	s := err.Error()
	return strings.ToUpper(s[:min(1, len(s))]) + s[min(1, len(s)):] + "."
}

// fail answers with a problem; the error itself goes to the log where it is ours.
func (s *Server) fail(c *gin.Context, err error) {
	p := toProblem(err)
	if c.Request.Context().Err() != nil && p.status != http.StatusRequestTimeout {
		c.Abort() // nobody is there to read an answer
		return
	}
	if p.status >= 500 {
		s.logger.Log(c.Request.Context(), p.level(), "request failed", "request", requestID(c), "path", c.Request.URL.Path, "error", err)
	}
	s.metrics.Refused(c.FullPath(), p.name)
	s.writeProblem(c.Writer, requestID(c), p)
	c.Abort()
}

// level is how the log is told: of what the store or the end of the server has
// told it already, in as many requests as there are, only who asks for it.
func (p *problem) level() slog.Level {
	switch p.name {
	case "busy", "disk-full", "disk-failing", "draining":
		return slog.LevelDebug
	}
	return slog.LevelError
}

func (s *Server) writeProblem(w http.ResponseWriter, request string, p *problem) {
	body := map[string]any{"type": problemPath + p.name, "title": p.title, "status": p.status, "detail": p.detail}
	for k, v := range p.extra {
		body[k] = v
	}
	if request != "" {
		body["request"] = request
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	if p.after > 0 {
		h.Set("Retry-After", strconv.Itoa(int((p.after+time.Second-1)/time.Second)))
	}
	w.WriteHeader(p.status)
	_ = json.NewEncoder(w).Encode(body) // the reader may be gone
}
