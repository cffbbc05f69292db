package httpapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"

	"halley/editor/account"
)

const (
	// oldCookieName is what earlier versions called every store's cookie. People
	// who have one stay signed in.
	oldCookieName = "halley"
	cookieMaxAge  = 400 * 24 * time.Hour // the longest a browser keeps one; the session itself ends sooner
	// maxCookies is how many cookies of one name are looked at: a browser sends
	// several where another site of the same host has set one for some path.
	maxCookies = 4
)

// cookies reads and writes the cookies that hold sessions' keys. Never changed
// once made; safe for concurrent use.
type cookies struct {
	name   string
	codecs []securecookie.Codec
}

// newCookies returns the cookies of the store with this epoch. Browsers keep one
// cookie of a name for all ports of a host, so the name carries the store: two
// workspaces on one host do not sign each other out. A restored backup has
// another epoch, and so another name than the workspace it was made of.
func newCookies(ctx context.Context, accounts *account.Accounts, epoch string) (*cookies, error) {
	sign, encrypt, err := accounts.CookieKeys(ctx)
	if err != nil {
		return nil, err
	}
	codec := securecookie.New(sign, encrypt)
	codec.MaxAge(int(cookieMaxAge / time.Second))
	codec.SetSerializer(cookieForm{})
	sum := sha256.Sum256([]byte(epoch))
	return &cookies{oldCookieName + "-" + hex.EncodeToString(sum[:4]), []securecookie.Codec{codec}}, nil
}

// keys yields the keys that a request's cookies hold, and the name of the cookie
// of each; those of the old name last.
func (k *cookies) keys(r *http.Request) iter.Seq2[string, string] {
	return func(yield func(key, name string) bool) {
		for _, name := range [...]string{k.name, oldCookieName} {
			sent := r.CookiesNamed(name)
			for _, c := range sent[:min(len(sent), maxCookies)] {
				if key := k.read(c); key != "" && !yield(key, name) {
					return
				}
			}
		}
	}
}

// read returns the key in a cookie; "" where it is not one of ours.
func (k *cookies) read(c *http.Cookie) string {
	values := map[any]any{}
	if securecookie.DecodeMulti(c.Name, c.Value, &values, k.codecs...) != nil {
		return ""
	}
	key, _ := values["key"].(string)
	return key
}

// write sets the cookie to a session's key; "" removes it. One of the old name
// is removed too: it is ours where it could be read, and holds a key that is no
// longer needed.
func (k *cookies) write(w http.ResponseWriter, r *http.Request, key string, secure bool) error {
	options := sessions.Options{
		Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: secure, MaxAge: int(cookieMaxAge / time.Second),
	}
	gone := options
	gone.MaxAge = -1
	for _, c := range r.CookiesNamed(oldCookieName) {
		if k.read(c) != "" {
			http.SetCookie(w, sessions.NewCookie(oldCookieName, "", &gone))
			break
		}
	}
	if key == "" {
		http.SetCookie(w, sessions.NewCookie(k.name, "", &gone))
		return nil
	}
	text, err := securecookie.EncodeMulti(k.name, map[any]any{"key": key}, k.codecs...)
	if err != nil {
		return fmt.Errorf("write the session's cookie: %w", err)
	}
	http.SetCookie(w, sessions.NewCookie(k.name, text, &options))
	return nil
}

// cookieForm is the serializer of a cookie's content: the session's key as it is.
// It runs at every request, where gob, the library's default, was a seventh of an
// edit's cost. What gob wrote is still read.
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
