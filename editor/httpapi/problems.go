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

// A mapping says how one error below becomes an answer.
type mapping struct {
	is     error
	status int
	name   string
	title  string
	after  time.Duration
}

// mappings are tried in order: an error may wrap several.
var mappings = []mapping{
	{editor.ErrSignedOut, 401, "signed-out", "Nobody is signed in", 0},
	{account.ErrNoSession, 401, "signed-out", "Nobody is signed in", 0},
	{editor.ErrForbidden, 403, "forbidden", "Not allowed", 0},
	{editor.ErrNotFound, 404, "not-found", "No such page", 0},
	{editor.ErrNoSuchSeq, 404, "not-found", "The page never was at that seq", 0},
	{editor.ErrNoSuchFile, 404, "not-found", "No such file", 0},
	{editor.ErrUnknownAuthor, 404, "not-found", "Nobody is known by that id", 0},
	{editor.ErrTrashed, 410, "trashed", "The page is in the trash", 0},
	{editor.ErrEpochChanged, 409, "epoch-changed", "The store was restored from a backup", 0},
	{editor.ErrClientTaken, 409, "client-taken", "This client id is somebody else's", 0},
	{editor.ErrMoved, 412, "moved-on", "The page has moved on", 0},
	{editor.ErrPageFull, 422, "page-full", "The page is full", 0},
	{editor.ErrDraining, 503, "draining", "The server is going away", time.Second},
	{storage.ErrUnknown, 503, "disk-failing", "It is not known whether this was stored; send it again", 2 * time.Second},
	{storage.ErrDiskFull, 507, "disk-full", "The disk is full or refuses writes; nothing was changed", 10 * time.Second},
	{storage.ErrClosed, 503, "draining", "The server is going away", time.Second},
	{storage.ErrNotFound, 404, "not-found", "There is no such thing", 0},
	{storage.ErrInvalid, 500, "internal", "Something went wrong here", 0},
	{context.DeadlineExceeded, 503, "draining", "This took too long", time.Second},
}

// typed errors carry more than a sentence.
func typedProblem(err error) *problem {
	var (
		ahead   *editor.BaseAheadError
		old     *editor.BaseTooOldError
		gap     *editor.NGapError
		reused  *editor.NReusedError
		many    *editor.TooManyError
		value   *editor.BadValueError
		invalid *ot.InvalidError
		syntax  *convert.SyntaxError
		much    *convert.LimitError
		body    *http.MaxBytesError
		file    *editor.FileTooLargeError
		quota   *editor.QuotaError
		page    *editor.NoSuchPageError
		other   *storage.ConflictError
		corrupt *storage.CorruptError
		busy    *budget.BusyError
		never   *budget.NeverError
	)
	switch {
	case errors.As(err, &ahead):
		return &problem{status: 409, name: "base-ahead", title: "The base is ahead of the page", extra: map[string]any{"head": ahead.Head}}
	case errors.As(err, &old):
		return &problem{status: 409, name: "base-too-old", title: "The base is too far behind", extra: map[string]any{"head": old.Head}}
	case errors.As(err, &gap):
		return &problem{status: 409, name: "n-gap", title: "n skips ahead", extra: map[string]any{"next": gap.Next}}
	case errors.As(err, &reused):
		return &problem{status: 409, name: "n-reused", title: "n was used for another edit", extra: map[string]any{"seq": reused.Seq}}
	case errors.As(err, &busy):
		return &problem{status: 503, name: "busy", title: "The server is at its memory budget", after: busy.After}
	case errors.As(err, &never):
		return &problem{
			status: 413, name: "too-large", title: "Too large for this server's memory", extra: map[string]any{"limit": never.Limit},
		}
	case errors.As(err, &many):
		return &problem{status: 429, name: "too-many", title: "Too many at once", after: max(many.After, time.Second)}
	case errors.As(err, &value):
		return &problem{status: 400, name: "bad-request", title: "The request cannot be read", extra: map[string]any{"member": value.Name}}
	case errors.As(err, &invalid):
		p := &problem{status: 422, name: "invalid-edit", title: "The edit does not fit the page"}
		if invalid.Op >= 0 {
			p.extra = map[string]any{"op": invalid.Op}
		}
		return p
	case errors.As(err, &syntax):
		p := &problem{status: 422, name: "unreadable-file", title: "The file cannot be read"}
		if syntax.Line > 0 {
			p.extra = map[string]any{"line": syntax.Line}
		}
		return p
	case errors.As(err, &much) && (much.What == convert.Lines || much.What == convert.Size):
		return &problem{status: 422, name: "page-full", title: "The page is full"}
	case errors.As(err, &much):
		return &problem{status: 413, name: "too-large", title: "Too much to convert", extra: map[string]any{"limit": much.Limit}}
	case errors.As(err, &other):
		return &problem{
			status: 503, name: "conflict", title: "Something else changed this at the same time; send it again", after: time.Second,
			detail: sentence(other), // without what the store was doing, and where
		}
	case errors.As(err, &corrupt):
		title := "The page is damaged on the server's disk"
		if corrupt.Page == "" {
			title = "This is damaged on the server's disk"
		}
		return &problem{status: 500, name: "damaged", title: title, detail: damagedSentence}
	case errors.As(err, &quota):
		return &problem{
			status: 422, name: "quota-full", title: "No room for another upload",
			extra: map[string]any{"used": quota.Used, "allowed": quota.Allowed},
		}
	case errors.As(err, &page):
		return &problem{status: 404, name: "not-found", title: "No such page"}
	case errors.As(err, &file):
		return &problem{status: 413, name: "too-large", title: "Too large", extra: map[string]any{"limit": file.Limit}}
	case errors.As(err, &body):
		return &problem{status: 413, name: "too-large", title: "Too large", extra: map[string]any{"limit": body.Limit}}
	}
	return nil
}

// toProblem finds the answer to an error. An unknown error shows none of its text.
func toProblem(err error) *problem {
	var own *problem
	if errors.As(err, &own) {
		return own
	}
	if p := typedProblem(err); p != nil {
		if p.detail == "" {
			p.detail = sentence(err)
		}
		return p
	}
	for _, m := range mappings {
		if errors.Is(err, m.is) {
			return &problem{status: m.status, name: m.name, title: m.title, detail: sentence(m.is), after: m.after}
		}
	}
	return &problem{
		status: 500, name: "internal", title: "Something went wrong here",
		detail: "The server could not do this. Whoever runs it finds the cause in its log, under the request's id.",
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
