package httpapi

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/securecookie"

	"halley/editor/account"
)

// A jar keeps cookies by name, as a browser does for one host and all its ports.
type jar map[string]*http.Cookie

func (j jar) do(s *Server, method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host, r.RemoteAddr = "localhost:8080", "127.0.0.1:54321"
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, c := range j {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(j, c.Name)
		} else {
			j[c.Name] = c
		}
	}
	return w
}

// signIn returns the guest's id.
func (j jar) signIn(t *testing.T, s *Server, name string) string {
	t.Helper()
	w := j.do(s, "POST", "/api/session", `{"name":"`+name+`"}`)
	if w.Code != 200 {
		t.Fatalf("sign in as %s: %d %s", name, w.Code, w.Body)
	}
	return idIn(t, w)
}

func idIn(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	_, rest, _ := strings.Cut(w.Body.String(), `"id":"`)
	id, _, ok := strings.Cut(rest, `"`)
	if !ok {
		t.Fatalf("no id in %s", w.Body)
	}
	return id
}

// want checks whose session the jar holds; "" for nobody's.
func (j jar) want(t *testing.T, s *Server, id string) {
	t.Helper()
	w := j.do(s, "GET", "/api/session", "")
	switch {
	case id == "" && w.Code != 401:
		t.Errorf("signed in as %s, want nobody", w.Body)
	case id != "" && (w.Code != 200 || idIn(t, w) != id):
		t.Errorf("answer %d %s, want that of %s", w.Code, w.Body, id)
	}
}

func TestWorkspacesOfOneHostKeepTheirSessions(t *testing.T) {
	one, two, j := newServer(t, Config{}), newServer(t, Config{}), jar{}
	ann := j.signIn(t, one, "Ann")
	ben := j.signIn(t, two, "Ben")
	j.want(t, one, ann)
	j.want(t, two, ben)
	j.do(two, "DELETE", "/api/session", "")
	j.want(t, one, ann)
	j.want(t, two, "")
}

// TestPlantedCookie: an attacker who has put their own session into a victim's
// browser has nothing of it once the victim has signed in.
func TestPlantedCookie(t *testing.T) {
	s, mallory := newServer(t, Config{}), jar{}
	planted := mallory.signIn(t, s, "Mallory")
	victim := jar{}
	for name, c := range mallory {
		victim[name] = c
	}
	if id := victim.signIn(t, s, "Victim"); id != planted {
		t.Errorf("a guest who gives another name becomes %s, want %s as before", id, planted)
	}
	mallory.want(t, s, "")
	victim.want(t, s, planted)
}

// TestPlantedCookieOfAPath: one that a browser sends before the right one, as its
// path is longer, hides nobody's session and ends when somebody signs in.
func TestPlantedCookieOfAPath(t *testing.T) {
	s := newServer(t, Config{})
	mallory := signIn(t, s)
	send := func(method, body string, second *http.Cookie) *httptest.ResponseRecorder {
		b := browser{t: t, s: s, cookie: second}
		return b.do(method, "/api/session", body, "Cookie", mallory.cookie.Name+"="+mallory.cookie.Value)
	}
	w := send("POST", `{"name":"Victim"}`, nil)
	if w.Code != 200 {
		t.Fatalf("sign in: %d %s", w.Code, w.Body)
	}
	own := w.Result().Cookies()[0]
	if got := send("GET", "", own); got.Code != 200 || idIn(t, got) != idIn(t, w) {
		t.Errorf("with a planted cookie before their own: %d %s, want %s", got.Code, got.Body, idIn(t, w))
	}
	mallory.want(mallory.do("GET", "/api/session", ""), 401, "signed-out")
}

// TestOldCookieName: a cookie of the time when every store's had the same name
// goes on, gets the new name once, and ends with its session.
func TestOldCookieName(t *testing.T) {
	s, j := newServer(t, Config{}), jar{}
	ann := j.signIn(t, s, "Ann")
	kept := s.cookies.Load()
	old := func() *http.Cookie {
		for key := range kept.keys(requestWith(j)) {
			text, err := securecookie.EncodeMulti(oldCookieName, map[any]any{"key": key}, kept.codecs...)
			if err != nil {
				t.Fatal(err)
			}
			return &http.Cookie{Name: oldCookieName, Value: text}
		}
		t.Fatal("no key in the jar")
		return nil
	}()
	upgraded := jar{oldCookieName: old}
	if w := upgraded.do(s, "GET", "/api/pages", ""); w.Code != 200 || upgraded[oldCookieName] == nil {
		t.Errorf("a call with the old cookie: %d, and the jar holds %v; want 200 and no change", w.Code, upgraded)
	}
	upgraded.want(t, s, ann)
	if upgraded[oldCookieName] != nil || upgraded[kept.name] == nil {
		t.Errorf("after the first look at the session the jar holds %v, want the new name alone", upgraded)
	}
	upgraded.want(t, s, ann)

	other := newServer(t, Config{})
	foreign := jar{oldCookieName: old}
	foreign.want(t, other, "")
	foreign.signIn(t, other, "Ben")
	if foreign[oldCookieName] == nil {
		t.Error("another store's cookie was removed")
	}

	again := jar{oldCookieName: old}
	again.signIn(t, s, "Ann")
	again.want(t, s, ann)
	jar{oldCookieName: old}.want(t, s, "")
}

func requestWith(j jar) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	for _, c := range j {
		r.AddCookie(c)
	}
	return r
}

// TestEndSessions: everybody is signed out, nothing that was encrypted with the
// old keys is read, and people can sign in again.
func TestEndSessions(t *testing.T) {
	s, j := newServer(t, Config{}), jar{}
	ann := j.signIn(t, s, "Ann")
	if err := s.EndSessions(t.Context()); err != nil {
		t.Fatal(err)
	}
	j.want(t, s, "")
	for key := range s.cookies.Load().keys(requestWith(j)) {
		t.Errorf("the key %q is still read", key)
	}
	if id := j.signIn(t, s, "Ann"); id == ann {
		t.Error("a session that has ended made a new one for the same guest")
	}
	fresh, err := New(t.Context(), Config{}, s.pages, account.New(s.store, time.Now), s.store)
	if err != nil {
		t.Fatal(err)
	}
	if w := j.do(fresh, "GET", "/api/session", ""); w.Code != 200 {
		t.Errorf("after a restart: %d %s, want 200", w.Code, w.Body)
	}
}
