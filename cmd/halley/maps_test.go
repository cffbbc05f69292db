package main

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"halley/editor"
	"halley/editor/account"
	"halley/editor/budget"
	"halley/editor/httpapi"
)

// A mapWalk finds the maps of a running program and how large each is, under
// the path of fields that leads to it.
type mapWalk struct {
	sizes map[string]int
	seen  map[seenValue]bool
}

type seenValue struct {
	at   uintptr
	kind reflect.Type
}

// walk looks at v and what it leads to, as far as it is ours.
func (w *mapWalk) walk(path string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return
		}
		if v.Kind() == reflect.Pointer {
			key := seenValue{v.Pointer(), v.Type()}
			if w.seen[key] {
				return
			}
			w.seen[key] = true
		}
		w.walk(path, v.Elem())
	case reflect.Struct:
		pkg := v.Type().PkgPath()
		if pkg != "" && !strings.HasPrefix(pkg, "halley/") && pkg != "main" {
			return
		}
		for i := range v.NumField() {
			w.walk(path+"."+v.Type().Field(i).Name, v.Field(i))
		}
	case reflect.Map:
		w.sizes[path] += v.Len()
		for each := v.MapRange(); each.Next(); {
			w.walk(path+"[]", each.Value())
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			w.walk(path+"[]", v.Index(i))
		}
	}
}

func mapsOf(w *workspace) map[string]int {
	walk := mapWalk{sizes: map[string]int{}, seen: map[seenValue]bool{}}
	walk.walk("workspace", reflect.ValueOf(w))
	return walk.sizes
}

// caller is a browser without a network.
type caller struct {
	w      *workspace
	addr   string
	cookie *http.Cookie
}

func (c *caller) do(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host, r.RemoteAddr = "localhost", c.addr+":1000"
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	if c.cookie != nil {
		r.AddCookie(c.cookie)
	}
	out := httptest.NewRecorder()
	c.w.server.ServeHTTP(out, r)
	return out
}

func (c *caller) signIn(agent string) {
	out := c.do("POST", "/api/session", `{"name":"Ann"}`, "User-Agent", agent)
	if cookies := out.Result().Cookies(); len(cookies) > 0 {
		c.cookie = cookies[0]
	}
}

// lasting are maps that hold what the store keeps, or a fixed set of things,
// and no request's own words.
var lasting = []string{
	".content.authors",   // everybody who changed a page
	".catalog.",          // pages that there are
	".server.app.",       // the browser app
	".metrics.known",     // methods, routes and statuses that there are
	".lines",             // open streams
	".files.made",        // folders of the store
	".accounts.authors",  // a cache of a fixed size
	".accounts.sessions", // likewise
}

// TestMapsForgetCallers floods every part with keys that callers make up. A day
// later nothing of the server's memory may still hold them.
func TestMapsForgetCallers(t *testing.T) {
	const flood = 200
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		cfg := httpapi.Config{Logger: slog.New(slog.DiscardHandler), RateLimits: true, AnyHost: true}
		w, err := openWorkspace(t.Context(), dir, budget.New(256<<20), account.Config{}, editor.Config{QuotaPerson: 1 << 20, QuotaAll: 1 << 30}, cfg)
		if err != nil {
			t.Fatal(err)
		}
		steady := &caller{w: w, addr: "198.51.100.7"}
		steady.signIn("browser")
		_, after, _ := strings.Cut(steady.do("POST", "/api/pages", "{}").Body.String(), `"id":"`)
		page, _, _ := strings.Cut(after, `"`)
		use := func() {
			for range 4 * flood {
				steady.do("GET", "/api/pages/"+page, "")
			}
			for range 5 { // each removes some of what has expired
				(&caller{w: w, addr: steady.addr}).signIn("browser")
				steady.do("POST", "/api/pages", "{}")
				steady.do("POST", "/api/pages/"+page+"/files", form("x"), "Content-Type", "multipart/form-data; boundary=b")
			}
		}
		use()
		before := mapsOf(w)

		for i := range flood {
			c := &caller{w: w, addr: fmt.Sprintf("192.0.2.%d", i)}
			c.signIn(fmt.Sprintf("agent %d", i))
			client := fmt.Sprintf("client-%d", i)
			c.do("POST", "/api/pages/"+page+"/changes", `{"client":"`+client+`","n":1,"base":0,"delta":[{"insert":"x"}]}`)
			c.do("POST", "/api/pages/"+page+"/changes", `{"client":"`+strings.Repeat(client, 1000)+`","n":1,"base":0,"delta":[]}`)
			c.do("POST", "/api/pages/"+page+"/presence", `{"client":"`+client+`","base":0,"state":"typing"}`)
			c.do("GET", "/api/events?client="+client+"&page="+page+"@0&wait=0", "", "Accept", "application/json")
			c.do("GET", "/api/events?page=unknown-"+client+"&wait=0", "", "Accept", "application/json")
			c.do("GET", "/api/events?list=1&wait=0&cursor="+client, "", "Accept", "application/json")
			c.do("PUT", "/api/pages/"+page+"/content?base=0&format=txt", "text", "Idempotency-Key", client)
			c.do("POST", "/api/pages/"+page+"/files", form(client), "Content-Type", "multipart/form-data; boundary=b")
			c.do("GET", "/api/pages?q="+client, "")
			c.do("GET", "/"+client, "")
			c.do(strings.ToUpper(client), "/api/pages", "")
			c.do("GET", "/files/"+fmt.Sprintf("%064d", i), "")
		}
		flooded := mapsOf(w)
		grown := 0
		for path, n := range flooded {
			if n >= before[path]+flood {
				grown++
			}
		}
		if grown < 3 {
			t.Errorf("only %d maps have grown by the flood, so that this test tests nothing: %v", grown, flooded)
		}

		time.Sleep(25 * time.Hour)
		use()
		synctest.Wait()
		now := mapsOf(w)
		for _, path := range slices.Sorted(maps.Keys(now)) {
			kept := slices.ContainsFunc(lasting, func(part string) bool { return strings.Contains(path, part) })
			if n := now[path]; n > before[path]+10 && !kept {
				t.Errorf("%s holds %d entries a day after the flood, and %d before it", path, n, before[path])
			}
		}
		if err := errors.Join(w.close()); err != nil {
			t.Error(err)
		}
	})
}

// form is an upload.
func form(text string) string {
	return "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n" + text + "\r\n--b--\r\n"
}
