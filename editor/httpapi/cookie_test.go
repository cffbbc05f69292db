package httpapi

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/gorilla/securecookie"

	"halley/editor/account"
)

// TestCookieForm: a key comes out as it went in, also from a cookie that an
// older Halley gave out.
func TestCookieForm(t *testing.T) {
	for name, values := range map[string]map[any]any{
		"a session": {"key": "J8q_-x"},
		"none":      {},
	} {
		for form, serializer := range map[string]securecookie.Serializer{"ours": cookieForm{}, "gob": securecookie.GobEncoder{}} {
			text, err := serializer.Serialize(values)
			if err != nil {
				t.Fatal(err)
			}
			got := map[any]any{}
			if err := (cookieForm{}).Deserialize(text, &got); err != nil || !maps.Equal(got, values) {
				t.Errorf("%s in the form of %s is read as %v, %v; want %v", name, form, got, err, values)
			}
		}
	}
	for _, values := range []map[any]any{{"key": 1}, {"other": "x"}, {"key": "x", "other": "x"}} {
		if text, err := (cookieForm{}).Serialize(values); err == nil {
			t.Errorf("%v is written as %q, and would not come out", values, text)
		}
	}
	got := map[any]any{}
	if err := (cookieForm{}).Deserialize([]byte("garbage"), &got); err == nil {
		t.Errorf("garbage is read as %v", got)
	}
}

// TestCookieValues compares what is read of a request's cookies with net/http.
func TestCookieValues(t *testing.T) {
	for _, lines := range [][]string{
		nil,
		{"a=1"},
		{"b=1; a=2; a=3", "a=4"},
		{` a="quoted" ;a=; ab=5`, "x; a=6=7"},
	} {
		h := http.Header{"Cookie": lines}
		var want []string
		for _, c := range (&http.Request{Header: h}).CookiesNamed("a") {
			want = append(want, c.Value)
		}
		if got := slices.Collect(cookieValues(h, "a")); !slices.Equal(got, want) {
			t.Errorf("of %q the values %q are read, want %q", lines, got, want)
		}
	}
}

// keysOf are the keys in a request with one cookie.
func keysOf(k *cookies, name, value string) (keys []string) {
	for key := range k.keys(&http.Request{Header: http.Header{"Cookie": {name + "=" + value}}}) {
		keys = append(keys, key)
	}
	return keys
}

func (k *cookies) give(t testing.TB, key string) *http.Cookie {
	t.Helper()
	w := httptest.NewRecorder()
	if err := k.write(w, httptest.NewRequest("GET", "/", nil), key, false); err != nil {
		t.Fatal(err)
	}
	return w.Result().Cookies()[0]
}

// TestCookiesAreDecodedOnce: looking up a known cookie allocates next to nothing;
// what is remembered is bounded, holds nothing that somebody made up, and expires.
func TestCookiesAreDecodedOnce(t *testing.T) {
	s := newServer(t, Config{})
	k := s.cookies.Load()
	c := k.give(t, "a key")
	r := &http.Request{Header: http.Header{"Cookie": {c.Name + "=" + c.Value}}}
	allocations := testing.AllocsPerRun(100, func() {
		for range k.keys(r) {
		}
	})
	if allocations > 5 {
		t.Errorf("a cookie that was decoded before costs %v allocations", allocations)
	}
	for i := range 50 {
		if got := keysOf(k, c.Name, fmt.Sprintf("%s%d", c.Value, i)); got != nil {
			t.Errorf("a made-up cookie holds %q", got)
		}
		if got := keysOf(k, oldCookieName, c.Value); got != nil {
			t.Errorf("a cookie under a name that it was not made for holds %q", got)
		}
	}
	if n := k.read.Len(); n != 1 {
		t.Errorf("%d cookies are remembered, want 1", n)
	}
	want := time.Now().Add(cookieMaxAge)
	if got := cookieExpiry(c.Value); want.Sub(got).Abs() > time.Minute {
		t.Errorf("the cookie expires at %v, want %v", got, want)
	}
	for known, content := range map[cookieText]cookieContent{{c.Name, c.Value}: {"an expired key", time.Now()}} {
		k.read.Put(known, content, time.Time{})
	}
	if got := keysOf(k, c.Name, c.Value); !slices.Equal(got, []string{"a key"}) {
		t.Errorf("what was remembered of a cookie has expired, and it holds %q", got)
	}
}

// TestSecretsOfAnotherProcess: when another process renews the keys of cookies,
// cookies under the old ones are worthless here, and new ones are read by both.
func TestSecretsOfAnotherProcess(t *testing.T) {
	s, j := newServer(t, Config{}), jar{}
	ann := j.signIn(t, s, "Ann")
	j.want(t, s, ann)
	other := account.New(s.store, time.Now)
	defer other.Close()
	before := s.accounts.SecretsVersion()
	if err := other.EndAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); s.accounts.SecretsVersion() < before+2; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the renewal is not seen")
		}
	}
	j.want(t, s, "")
	ben := jar{}
	id := ben.signIn(t, s, "Ben")
	fresh, err := New(t.Context(), Config{}, s.pages, other, s.store)
	if err != nil {
		t.Fatal(err)
	}
	ben.want(t, fresh, id)
	ben.want(t, s, id)
}
