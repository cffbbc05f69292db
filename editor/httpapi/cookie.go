package httpapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"

	"halley/storage"
)

const (
	cookieName   = "halley"
	cookieMaxAge = 400 * 24 * time.Hour // the longest a browser keeps one; the session itself ends sooner
)

func newCookies(ctx context.Context, store storage.Store) (*sessions.CookieStore, error) {
	sign, err := storage.Secret(ctx, store, "secret/cookie-sign")
	if err != nil {
		return nil, fmt.Errorf("read the cookies' key: %w", err)
	}
	hide, err := storage.Secret(ctx, store, "secret/cookie-hide")
	if err != nil {
		return nil, fmt.Errorf("read the cookies' key: %w", err)
	}
	cookies := sessions.NewCookieStore(sign, hide)
	for _, codec := range cookies.Codecs {
		if c, ok := codec.(*securecookie.SecureCookie); ok {
			c.SetSerializer(cookieForm{})
		}
	}
	cookies.Options = &sessions.Options{Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}
	cookies.MaxAge(int(cookieMaxAge / time.Second))
	return cookies, nil
}

// cookieForm is what stands in a cookie once it is opened: the session's key,
// as it is. It is read at every request, where gob, which the library takes
// otherwise, was a seventh of an edit's cost. What gob wrote is still read.
type cookieForm struct{}

// plainKey begins a key; no gob does.
var plainKey = []byte("key:")

func (cookieForm) Serialize(src any) ([]byte, error) {
	values, ok := src.(map[any]any)
	key, is := values["key"].(string)
	if !ok || len(values) > 1 || len(values) == 1 && !is {
		return nil, errors.New("a session's cookie holds its key and nothing else")
	}
	return append(bytes.Clone(plainKey), key...), nil
}

func (cookieForm) Deserialize(src []byte, dst any) error {
	key, plain := bytes.CutPrefix(src, plainKey)
	values, ok := dst.(*map[any]any)
	if !plain || !ok {
		return securecookie.GobEncoder{}.Deserialize(src, dst)
	}
	if len(key) > 0 {
		(*values)["key"] = string(key)
	}
	return nil
}
