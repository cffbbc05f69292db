package httpapi

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"halley/editor"
	"halley/editor/convert"
)

func (s *Server) pageRoutes(api *gin.RouterGroup) {
	g := api.Group("/pages", s.handle(s.signedIn))
	g.POST("", s.handle(s.createPage))
	g.GET("", s.handle(s.listPages))
	g.GET("/:id", s.handle(s.getPage))
	g.PATCH("/:id", s.handle(s.patchPage))
	g.DELETE("/:id", s.handle(s.trashPage))
	g.POST("/:id/untrash", s.handle(s.untrashPage))
	g.GET("/:id/authors", s.handle(s.authors))
}

func pageID(c *gin.Context) editor.PageID { return editor.PageID(c.Param("id")) }

// A pageWithDelta is a page with its content.
type pageWithDelta struct {
	editor.PageJSON
	Delta json.RawMessage `json:"delta"`
	Notes []convert.Note  `json:"notes,omitempty"` // of an import
}

type createBody struct {
	Title *string         `json:"title"`
	Delta json.RawMessage `json:"delta"`
}

func (s *Server) createPage(c *gin.Context) error {
	if err := s.takeWork(c, workCreate, c.Request.ContentLength); err != nil {
		return err
	}
	if err := s.makesPage(c); err != nil {
		return err
	}
	body, err := readJSON(c, maxEditBytes)
	if err != nil {
		return err
	}
	if err := holdDecoded(c, body); err != nil {
		return err
	}
	in, err := decodeCreate(body)
	if err != nil {
		return err
	}
	return s.idempotent(c, body, func(ctx context.Context, key string) (reply, error) {
		in.Key = key
		page, err := s.pages.Create(ctx, principal(c), in)
		if err != nil {
			return reply{}, err
		}
		return s.created(ctx, principal(c), page.ID, nil)
	})
}

func decodeCreate(body []byte) (editor.NewPage, error) {
	var in createBody
	var out editor.NewPage
	if err := unmarshalAny(body, &in); err != nil {
		return out, err
	}
	if err := checkJSONText(body, in.Delta); err != nil {
		return out, err
	}
	if in.Title != nil {
		out.Title = *in.Title
	}
	if len(in.Delta) == 0 || string(in.Delta) == "null" {
		return out, nil
	}
	delta, invalid, err := decodeDelta(in.Delta)
	if err == nil {
		err = invalid
	}
	out.Content = delta
	if len(delta) == 0 && err == nil {
		out.Content = emptyNotNil // an empty array is given content, and none
	}
	return out, err
}

// created answers 201 with the object of a page that was made.
func (s *Server) created(ctx context.Context, p editor.Principal, id editor.PageID, notes []convert.Note) (reply, error) {
	object, err := s.readPage(ctx, p, id)
	if err != nil {
		return reply{}, err
	}
	object.Notes = notes
	body, err := json.Marshal(object)
	return reply{Status: http.StatusCreated, Location: "/api/pages/" + string(id), Body: body}, err
}

// readPage is the page object with its content.
func (s *Server) readPage(ctx context.Context, p editor.Principal, id editor.PageID) (pageWithDelta, error) {
	page, text, err := s.pages.Read(ctx, p, id)
	if err != nil {
		return pageWithDelta{}, err
	}
	return pageWithDelta{PageJSON: s.pages.JSON(page), Delta: text.Delta().AppendJSON(nil)}, nil
}

func (s *Server) getPage(c *gin.Context) error {
	page, text, release, err := s.contentToSend(c)
	if err != nil {
		return err
	}
	defer release()
	object := s.pages.JSON(page)
	tag := pageTag(object)
	c.Header("ETag", tag)
	c.Header("Cache-Control", "private, no-cache")
	if matchesTag(c.GetHeader("If-None-Match"), tag) {
		c.Status(http.StatusNotModified)
		return nil
	}
	c.Header("Content-Type", "application/json")
	c.Status(http.StatusOK)
	writePage(c.Writer, mustJSON(object), text)
	return nil
}

// contentToSend reads the page that a request asks for, now or at a seq, and
// counts what is held while it is sent. The caller calls release then.
func (s *Server) contentToSend(c *gin.Context) (page editor.Page, text *content, release func(), err error) {
	ctx, p, id := c.Request.Context(), principal(c), pageID(c)
	release = func() {}
	if _, past := c.GetQuery("seq"); !past {
		page, text, err = s.pages.Read(ctx, p, id)
		if err == nil && text.Size() > pinnedBytes {
			release, err = s.memory.pin(id, heldOf(c).from, int64(text.Size()))
		}
		return page, text, release, err
	}
	seq, err := queryWhole(c, "seq", 0, editor.MaxWhole)
	if err == nil {
		err = s.takeWork(c, workPast, 0)
	}
	if err == nil {
		page, text, err = s.pages.ReadAt(ctx, p, id, seq)
	}
	if err == nil { // it is made for this request alone
		err = holdAnswer(c, pastFactor*int64(text.Size()))
	}
	return page, text, release, err
}

const (
	// pinnedBytes is from which size on the content of a page is counted while
	// it is sent: it stays in memory even if the page is unloaded.
	pinnedBytes = 1 << 20
	// pastFactor is the memory of a content of its own, for each of its bytes.
	pastFactor = 2
)

// writePage writes the page object, a piece at a time: who takes it slowly
// holds a piece, and the content that readers share. An error is the peer's.
func writePage(to io.Writer, object []byte, text *content) {
	w := bufio.NewWriterSize(to, min(len(object)+2*text.Size()+1024, freeAnswer))
	_, _ = w.Write(object[:len(object)-1]) // w keeps its error
	_, _ = w.WriteString(`,"delta":`)
	if text.WriteJSON(w) != nil {
		return
	}
	_ = w.WriteByte('}')
	_ = w.Flush()
}

// pageTag changes with anything in the object: its content is told by its seq.
func pageTag(p editor.PageJSON) string {
	data, _ := json.Marshal(p) // plain strings and numbers
	sum := sha256.Sum256(data)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
}

func matchesTag(header, tag string) bool {
	for part := range strings.SplitSeq(header, ",") {
		if part = strings.TrimPrefix(strings.TrimSpace(part), "W/"); part == tag || part == "*" {
			return true
		}
	}
	return false
}

type patchBody struct {
	Title     *string `json:"title"`
	BaseTitle *string `json:"base_title"`
}

// patchPage changes a page's title. The Idempotency-Key goes to the page and not
// through onceOnly: the page notes it in the same write as the title, and a title
// edit that is sent again is answered with the page as it is now.
func (s *Server) patchPage(c *gin.Context) error {
	return serveJSON(s, c, func(ctx context.Context, p editor.Principal, in patchBody) (editor.PageJSON, error) {
		if in.Title == nil {
			return editor.PageJSON{}, badRequest("Nothing to change: give \"title\".")
		}
		key, err := idempotencyKey(c)
		if err != nil {
			return editor.PageJSON{}, err
		}
		page, err := s.pages.UpdateSettings(ctx, p, pageID(c), editor.SettingsEdit{Title: in.Title, BaseTitle: in.BaseTitle, Key: key})
		return s.pages.JSON(page), err
	})
}

func (s *Server) trashPage(c *gin.Context) error {
	if err := s.pages.Trash(c.Request.Context(), principal(c), pageID(c)); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

func (s *Server) untrashPage(c *gin.Context) error {
	page, err := s.pages.Untrash(c.Request.Context(), principal(c), pageID(c))
	return s.answer(c, http.StatusOK)(s.pages.JSON(page), err)
}

func (s *Server) authors(c *gin.Context) error {
	return s.answer(c, http.StatusOK)(s.pages.Authors(c.Request.Context(), principal(c), pageID(c)))
}

const (
	defaultRows = 100
	maxRows     = 1000
)

type listAnswer struct {
	Pages      []editor.RowJSON `json:"pages"`
	Cursor     *string          `json:"cursor"`
	Incomplete bool             `json:"incomplete,omitempty"` // a search that ran out of time
}

func (s *Server) listPages(c *gin.Context) error {
	limit, err := queryWhole(c, "limit", defaultRows, maxRows)
	var from listCursor
	if err == nil {
		from, err = parseListCursor(c.Query("cursor"))
	}
	if err != nil {
		return err
	}
	trashed, most := c.Query("trash") == "1", int(max(limit, 1))
	if text := strings.TrimSpace(c.Query("q")); text != "" {
		if err := s.takeWork(c, workSearch, 0); err != nil {
			return err
		}
		return s.answer(c, http.StatusOK)(s.search(c.Request.Context(), principal(c), editor.SearchQuery{
			Text: text, Trashed: trashed, Limit: most, From: editor.SearchPosition(from),
		}))
	}
	return s.answer(c, http.StatusOK)(s.list(c.Request.Context(), principal(c), editor.ListQuery{
		Trashed: trashed, Limit: most, After: from.Updated, AfterID: from.ID,
	}))
}

func (s *Server) list(ctx context.Context, p editor.Principal, q editor.ListQuery) (listAnswer, error) {
	rows, more, err := s.pages.List(ctx, p, q)
	out := s.listAnswer(rows)
	if more {
		last := rows[len(rows)-1]
		out.Cursor = listCursor{Updated: last.Updated, ID: last.ID}.text()
	}
	return out, err
}

func (s *Server) search(ctx context.Context, p editor.Principal, q editor.SearchQuery) (listAnswer, error) {
	found, err := s.pages.Search(ctx, p, q)
	out := s.listAnswer(found.Rows)
	out.Incomplete = found.Incomplete
	if found.Next != nil {
		out.Cursor = listCursor(*found.Next).text()
	}
	return out, err
}

func (s *Server) listAnswer(rows []editor.Row) listAnswer {
	out := listAnswer{Pages: make([]editor.RowJSON, 0, len(rows))}
	for _, r := range rows {
		out.Pages = append(out.Pages, s.pages.RowJSON(r))
	}
	return out
}

// A listCursor is where a list or a search goes on. Its text is "TIME ID", for
// a search that has come to the texts "TIME ID texts"; without an id "0 -".
type listCursor editor.SearchPosition

func (l listCursor) text() *string {
	raw := fmt.Appendf(nil, "%d %s", l.Updated.UnixMilli(), l.ID)
	if l.ID == "" {
		raw = []byte("0 -")
	}
	if l.Texts {
		raw = append(raw, " texts"...)
	}
	text := base64.RawURLEncoding.EncodeToString(raw)
	return &text
}

// parseListCursor reads what text wrote; "" is the beginning.
func parseListCursor(cursor string) (l listCursor, err error) {
	if cursor == "" {
		return l, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	fields := strings.Fields(string(raw))
	if err != nil || len(fields) < 2 || len(fields) > 3 {
		return l, errListCursor
	}
	milli, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return l, errListCursor
	}
	l.Texts = len(fields) == 3
	if fields[1] != "-" {
		l.Updated, l.ID = time.UnixMilli(milli).UTC(), editor.PageID(fields[1])
	}
	return l, nil
}

var errListCursor = badRequest("The cursor is not one that a listing gave.")
