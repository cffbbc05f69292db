package httpapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"

	"halley/editor/account"
	"halley/editor/bounded"
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

// cookies reads and writes the cookies that hold sessions' keys. Safe for
// concurrent use.
type cookies struct {
	name    string
	codecs  []securecookie.Codec
	version uint64 // of the secrets that the codecs use, or an earlier one

	mu   sync.Mutex // guards read
	read *bounded.Map[cookieText, cookieContent]
}

// maxRead is how many cookies that were decoded are remembered. Only cookies that
// this server has given out are, so nobody can push them out by making some up.
const maxRead = 10_000

// A cookieText is a cookie as it was sent.
type cookieText struct{ name, value string }

// A cookieContent is what a cookie holds. It says nothing of the session: that may
// have ended.
type cookieContent struct {
	key     string
	expires time.Time // of the cookie
}

// newCookies returns the cookies of the store with this epoch. Browsers keep one
// cookie of a name for all ports of a host, so the name carries the store: two
// workspaces on one host do not sign each other out. A restored backup has
// another epoch, and so another name than the workspace it was made of.
func newCookies(ctx context.Context, accounts *account.Accounts, epoch string) (*cookies, error) {
	version := accounts.SecretsVersion() // before the keys are read: a renewal in between shows
	sign, encrypt, err := accounts.CookieKeys(ctx)
	if err != nil {
		return nil, err
	}
	codec := securecookie.New(sign, encrypt)
	codec.MaxAge(int(cookieMaxAge / time.Second))
	codec.SetSerializer(cookieForm{})
	sum := sha256.Sum256([]byte(epoch))
	return &cookies{
		name: oldCookieName + "-" + hex.EncodeToString(sum[:4]), codecs: []securecookie.Codec{codec}, version: version,
		read: bounded.New[cookieText, cookieContent](maxRead, 0),
	}, nil
}

// keys yields the keys that a request's cookies hold, and the name of the cookie
// of each; those of the old name last.
func (k *cookies) keys(r *http.Request) iter.Seq2[string, string] {
	return func(yield func(key, name string) bool) {
		for _, name := range [...]string{k.name, oldCookieName} {
			looked := 0
			for value := range cookieValues(r.Header, name) {
				if looked++; looked > maxCookies {
					break
				}
				if key := k.keyIn(name, value); key != "" && !yield(key, name) {
					return
				}
			}
		}
	}
}

// cookieValues yields the values of a request's cookies of a name, without the
// allocations of http.Request.CookiesNamed.
func cookieValues(h http.Header, name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, line := range h["Cookie"] {
			for part := range strings.SplitSeq(line, ";") {
				found, value, ok := strings.Cut(strings.TrimSpace(part), "=")
				if !ok || strings.TrimSpace(found) != name {
					continue
				}
				if n := len(value); n > 1 && value[0] == '"' && value[n-1] == '"' {
					value = value[1 : n-1]
				}
				if !yield(value) {
					return
				}
			}
		}
	}
}

// keyIn returns the key in a cookie; "" if the cookie is not one of ours. A cookie
// is decoded once: that costs more than all the rest of looking up its session.
func (k *cookies) keyIn(name, value string) string {
	now := time.Now()
	text := cookieText{name, value}
	k.mu.Lock()
	known := k.read.Get(text, now)
	if known != nil && now.Before(known.expires) {
		key := known.key
		k.mu.Unlock()
		return key
	}
	k.mu.Unlock()
	values := map[any]any{}
	if securecookie.DecodeMulti(name, value, &values, k.codecs...) != nil {
		return ""
	}
	key, _ := values["key"].(string)
	if expires := cookieExpiry(value); key != "" && now.Before(expires) {
		text = cookieText{strings.Clone(name), strings.Clone(value)} // without the rest of the header
		k.mu.Lock()
		defer k.mu.Unlock()
		k.read.Put(text, cookieContent{key, expires}, now)
	}
	return key
}

// cookieExpiry is when securecookie stops accepting a cookie that it has decoded,
// by the time in it: a cookie is the base64 of TIME|CONTENT|MAC. The zero time if
// the form is another one.
func cookieExpiry(value string) time.Time {
	raw, err := base64.URLEncoding.DecodeString(value)
	if err != nil {
		return time.Time{}
	}
	made, _, _ := bytes.Cut(raw, []byte("|"))
	seconds, err := strconv.ParseInt(string(made), 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(seconds, 0).Add(cookieMaxAge)
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
	for value := range cookieValues(r.Header, oldCookieName) {
		if k.keyIn(oldCookieName, value) != "" {
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
// Gob, the library's default, costs several times as much. What gob wrote is still
// read.
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
