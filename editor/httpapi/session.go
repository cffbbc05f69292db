package httpapi

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"

	"halley/editor"
	"halley/editor/account"
)

const (
	principalKey = "halley.principal"
	sessionKey   = "halley.session"
)

// identify finds out who is asking. Whether they may is not its business.
func (s *Server) identify(c *gin.Context) {
	ctx := c.Request.Context()
	if isLocal(ctx) {
		p, err := s.accounts.Program(ctx, "command-line", "Command line")
		if err != nil {
			s.fail(c, err)
			return
		}
		c.Set(principalKey, p)
		return
	}
	if c.GetHeader("Authorization") != "" {
		s.fail(c, &problem{
			status: 401, name: "signed-out", title: "Nobody is signed in",
			detail: "This server knows no such token.",
		})
		return
	}
	key := s.sessionOf(c.Request)
	if key == "" {
		return
	}
	p, err := s.accounts.Session(ctx, key)
	if errors.Is(err, account.ErrNoSession) {
		return
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Set(principalKey, p)
	c.Set(sessionKey, key)
}

// sessionOf reads the session's key from its cookie; "" where there is none
// or it is not one of ours.
func (s *Server) sessionOf(r *http.Request) string {
	session, err := s.cookies.Get(r, cookieName)
	if err != nil {
		return ""
	}
	key, _ := session.Values["key"].(string)
	return key
}

// principal is whoever is asking; the zero Principal is nobody.
func principal(c *gin.Context) editor.Principal {
	p, _ := c.Get(principalKey)
	who, _ := p.(editor.Principal)
	return who
}

// signedIn refuses nobody.
func (s *Server) signedIn(c *gin.Context) {
	if principal(c).Nobody() {
		s.fail(c, editor.ErrSignedOut)
		return
	}
	s.called(c, 1)
}

func (s *Server) sessionRoutes(api *gin.RouterGroup) {
	api.GET("/session", s.getSession)
	api.POST("/session", s.signIn)
	api.DELETE("/session", s.signOut)
}

func (s *Server) getSession(c *gin.Context) {
	if p := principal(c); p.Nobody() {
		s.fail(c, editor.ErrSignedOut)
	} else {
		s.writeJSON(c, http.StatusOK, p)
	}
}

type signInBody struct {
	Name *string `json:"name"`
}

// signIn makes a guest of a name. Who is signed in already only changes it.
func (s *Server) signIn(c *gin.Context) {
	var in signInBody
	if err := decodeJSON(c, maxOtherBytes, &in); err != nil {
		s.fail(c, err)
		return
	}
	if in.Name == nil {
		s.fail(c, badRequest("The member \"name\" is missing: say what others should call you."))
		return
	}
	if p := principal(c); p.Kind == editor.KindGuest {
		if !s.called(c, 1) {
			return
		}
		s.answer(c, http.StatusOK)(s.accounts.Rename(c.Request.Context(), p, *in.Name))
		return
	}
	if !s.signsIn(c) {
		return
	}
	p, key, err := s.accounts.SignInGuest(c.Request.Context(), *in.Name)
	if err == nil {
		err = s.setCookie(c, key)
	}
	s.answer(c, http.StatusOK)(p, err)
}

func (s *Server) signOut(c *gin.Context) {
	if key := c.GetString(sessionKey); key != "" {
		if err := s.accounts.SignOut(c.Request.Context(), key); err != nil {
			s.fail(c, err)
			return
		}
	}
	if err := s.setCookie(c, ""); err != nil {
		s.fail(c, err)
		return
	}
	c.Status(http.StatusNoContent)
}

// setCookie gives the browser its session's key; "" takes it away.
func (s *Server) setCookie(c *gin.Context, key string) error {
	// An unreadable cookie (another store's) gives an error and a fresh session.
	session, _ := s.cookies.Get(c.Request, cookieName)
	options := *s.cookies.Options
	session.Options = &options
	options.Secure = s.isHTTPS(c.Request)
	if key == "" {
		session.Options.MaxAge = -1
		delete(session.Values, "key")
	} else {
		session.Values["key"] = key
	}
	if err := session.Save(c.Request, c.Writer); err != nil {
		return fmt.Errorf("write the session's cookie: %w", err)
	}
	return nil
}
