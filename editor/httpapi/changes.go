package httpapi

import (
	"errors"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"halley/editor"
)

func (s *Server) changeRoutes(api *gin.RouterGroup) {
	g := api.Group("/pages", s.handle(s.signedIn))
	g.GET("/:id/changes", s.handle(s.listChanges))
	g.POST("/:id/changes", s.handle(s.submitEdit))
	g.POST("/:id/presence", s.handle(s.presence))
}

const (
	defaultChanges  = 100
	maxChanges      = 1000
	maxChangesBytes = 1 << 20 // about: the change that passes it is still given
)

// errEnough ends a listing that is full.
var errEnough = errors.New("enough")

func (s *Server) listChanges(c *gin.Context) error {
	ctx, p, id := c.Request.Context(), principal(c), pageID(c)
	after, err := queryWhole(c, "after", 0, editor.MaxWhole)
	if err != nil {
		return err
	}
	limit, err := queryWhole(c, "limit", defaultChanges, maxChanges)
	if err != nil {
		return err
	}
	page, err := s.pages.Page(ctx, p, id)
	if err != nil {
		return err
	}
	out := []byte(`{"changes":[`)
	n := uint64(0)
	err = s.pages.Changes(ctx, p, id, after, page.Seq, func(ch editor.Change) error {
		if n == limit || len(out) > maxChangesBytes {
			return errEnough
		}
		if err := holdAnswer(c, int64(cap(out))); err != nil {
			return err
		}
		if n > 0 {
			out = append(out, ',')
		}
		n++
		out = ch.AppendJSON(out, id)
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	out = append(out, `],"head":`...)
	out = appendUint(out, page.Seq)
	c.Header("Cache-Control", "no-store")
	return s.send(c, http.StatusOK, "application/json", append(out, '}'))
}

type seqAnswer struct {
	Seq uint64 `json:"seq"`
}

func (s *Server) submitEdit(c *gin.Context) error {
	began := time.Now()
	ctx, p, id := c.Request.Context(), principal(c), pageID(c)
	if _, err := s.pages.Role(ctx, p, id); err != nil {
		return err // before a large body is read for somebody who may not even see the page
	}
	body, err := readJSON(c, maxEditBytes)
	if err != nil {
		return err
	}
	if len(body) > bytesPerCall {
		if err := s.called(c, float64(len(body)/bytesPerCall)); err != nil {
			return err
		}
	}
	if err := holdDecoded(c, body); err != nil {
		return err
	}
	e, err := decodeEdit(body)
	if err != nil {
		return err
	}
	seq, err := s.pages.Submit(ctx, p, id, e)
	if err == nil {
		s.metrics.Acknowledged(time.Since(began))
	}
	return s.answer(c, http.StatusOK)(seqAnswer{seq}, err)
}

type presenceBody struct {
	Client *string        `json:"client"`
	Base   *uint64        `json:"base"`
	Cursor *editor.Cursor `json:"cursor"`
	State  *string        `json:"state"`
}

func (s *Server) presence(c *gin.Context) error {
	var in presenceBody
	if err := decodeJSON(c, maxOtherBytes, &in); err != nil {
		return err
	}
	here, err := in.here()
	if err == nil {
		err = s.pages.Presence(c.Request.Context(), principal(c), pageID(c), here)
	}
	if err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

func (in presenceBody) here() (editor.Here, error) {
	switch {
	case in.Client == nil:
		return editor.Here{}, badRequest("The member \"client\" is missing.")
	case in.State == nil:
		return editor.Here{}, badRequest("The member \"state\" is missing.")
	case in.Base == nil && *in.State != editor.StateLeft:
		return editor.Here{}, badRequest("The member \"base\" is missing.")
	}
	h := editor.Here{Client: *in.Client, Cursor: in.Cursor, State: *in.State}
	if in.Base != nil {
		h.Base = *in.Base
	}
	return h, nil
}
