package httpapi

import (
	"context"
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"halley/editor"
	"halley/editor/account"
)

// identify finds out who is asking. Whether they may is checked elsewhere.
func (s *Server) identify(c *gin.Context) error {
	ctx := c.Request.Context()
	if isLocal(ctx) {
		p, err := s.accounts.Program(ctx, "command-line", "Command line")
		if err != nil {
			return err
		}
		callerOf(c).principal = p
		return nil
	}
	if c.GetHeader("Authorization") != "" {
		return &problem{
			status: 401, name: "signed-out", title: "Nobody is signed in",
			detail: "This server knows no such token.",
		}
	}
	cookies, err := s.currentCookies(ctx)
	if err != nil {
		return err
	}
	for key, cookie := range cookies.keys(c.Request) {
		p, err := s.accounts.Session(ctx, key)
		if errors.Is(err, account.ErrNoSession) {
			continue // a cookie that somebody planted may come before the right one
		}
		if err != nil {
			return err
		}
		who := callerOf(c)
		who.principal, who.session, who.oldCookie = p, key, cookie == oldCookieName
		return nil
	}
	return nil
}

// signedIn refuses nobody.
func (s *Server) signedIn(c *gin.Context) error {
	if principal(c).Nobody() {
		return editor.ErrSignedOut
	}
	return s.called(c, 1)
}

func (s *Server) sessionRoutes(api *gin.RouterGroup) {
	api.GET("/session", s.handle(s.getSession))
	api.POST("/session", s.handle(s.signIn))
	api.DELETE("/session", s.handle(s.signOut))
}

// getSession says who asks. A cookie of the old name gets the new one here: every
// screen of the app begins with this call, and nothing keeps its answer.
func (s *Server) getSession(c *gin.Context) error {
	p := principal(c)
	if p.Nobody() {
		return editor.ErrSignedOut
	}
	if who := callerOf(c); who.oldCookie {
		if err := s.setCookie(c, who.session); err != nil {
			return err
		}
	}
	return s.writeJSON(c, http.StatusOK, p)
}

type signInBody struct {
	Name *string `json:"name"`
}

// signIn makes a guest of a name, or renames the one who is signed in. Either way
// the session gets a new key, and whatever key the browser sent is worthless:
// another site of this host may have planted it.
func (s *Server) signIn(c *gin.Context) error {
	var in signInBody
	if err := decodeJSON(c, maxOtherBytes, &in); err != nil {
		return err
	}
	if in.Name == nil {
		return badRequest("The member \"name\" is missing: say what others should call you.")
	}
	within := s.signsIn
	if principal(c).Kind == editor.KindGuest {
		within = func(c *gin.Context) error { return s.called(c, 1) }
	}
	if err := within(c); err != nil {
		return err
	}
	// First the others: an error must not cost the person the session they have.
	err := s.endSessions(c, callerOf(c).session)
	var p editor.Principal
	var key string
	if err == nil {
		p, key, err = s.enter(c, *in.Name)
	}
	if err == nil {
		callerOf(c).principal = p
	}
	if err == nil {
		err = s.setCookie(c, key)
	}
	return s.answer(c, http.StatusOK)(p, err)
}

func (s *Server) enter(c *gin.Context, name string) (p editor.Principal, key string, err error) {
	ctx := c.Request.Context()
	if principal(c).Kind == editor.KindGuest {
		p, key, err = s.accounts.SignInAgain(ctx, callerOf(c).session, name)
		if !errors.Is(err, account.ErrNoSession) {
			return p, key, err
		}
	}
	return s.accounts.SignInGuest(ctx, name)
}

// endSessions ends every session whose key the request sent, but that of keep.
func (s *Server) endSessions(c *gin.Context, keep string) error {
	cookies, err := s.currentCookies(c.Request.Context())
	if err != nil {
		return err
	}
	for key := range cookies.keys(c.Request) {
		if key == keep {
			continue
		}
		if err := s.accounts.SignOut(c.Request.Context(), key); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) signOut(c *gin.Context) error {
	err := s.endSessions(c, "")
	if err == nil {
		err = s.setCookie(c, "")
	}
	if err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

// setCookie gives the browser its session's key; "" takes it away.
func (s *Server) setCookie(c *gin.Context, key string) error {
	cookies, err := s.currentCookies(c.Request.Context())
	if err != nil {
		return err
	}
	return cookies.write(c.Writer, c.Request, key, s.isHTTPS(c.Request))
}

// currentCookies returns the cookies under their current keys, which another
// process may have renewed.
func (s *Server) currentCookies(ctx context.Context) (*cookies, error) {
	if known := s.cookies.Load(); known.version == s.accounts.SecretsVersion() {
		return known, nil
	}
	fresh, err := newCookies(ctx, s.accounts, s.store.Epoch())
	if err != nil {
		return nil, err
	}
	s.cookies.Store(fresh)
	return fresh, nil
}

// EndSessions ends all sessions with their streams, and renews the keys of
// cookies. After an error, call it again.
func (s *Server) EndSessions(ctx context.Context) error {
	if err := s.accounts.EndAll(ctx); err != nil {
		return err
	}
	fresh, err := newCookies(ctx, s.accounts, s.store.Epoch())
	if err == nil {
		s.cookies.Store(fresh)
	}
	return err
}
