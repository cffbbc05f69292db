package httpapi

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// TestListAndSearchGoOn follows the cursors of a list and of a search to their
// ends, a row at a time.
func TestListAndSearchGoOn(t *testing.T) {
	b := signIn(t, newServer(t, Config{}))
	for i := range 4 {
		title := "Plan"
		if i%2 == 0 {
			title = "Minutes"
		}
		body := fmt.Sprintf(`{"title":%q,"delta":[{"insert":"the minutes of day %d\n"}]}`, title, i)
		if w := b.do("POST", "/api/pages", body); w.Code != 201 {
			t.Fatalf("creating a page: %d %s", w.Code, w.Body)
		}
	}
	for query, want := range map[string]int{"": 4, "q=MINUTES": 4, "q=plan": 2, "q=absent": 0, "q=+": 4} {
		seen, cursor := map[string]bool{}, ""
		for range 10 {
			w := b.do("GET", "/api/pages?limit=1&"+query+"&cursor="+url.QueryEscape(cursor), "")
			var answer struct {
				Pages      []struct{ ID string }
				Cursor     *string
				Incomplete bool
			}
			if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != 200 || answer.Incomplete {
				t.Fatalf("%s: %s, %v", query, w.Body, err)
			}
			for _, p := range answer.Pages {
				if seen[p.ID] {
					t.Errorf("%s: a page comes twice", query)
				}
				seen[p.ID] = true
			}
			if answer.Cursor == nil {
				cursor = ""
				break
			}
			cursor = *answer.Cursor
		}
		if len(seen) != want || cursor != "" {
			t.Errorf("%q: %d pages, want %d; cursor %q, want none in the end", query, len(seen), want, cursor)
		}
	}
}

func TestBadListQueries(t *testing.T) {
	b := signIn(t, newServer(t, Config{}))
	for _, raw := range []string{"x", "1", "x y", "1 a texts more", ""} {
		cursor := base64.RawURLEncoding.EncodeToString([]byte(raw))
		if raw == "" {
			cursor = "%"
		}
		b.want(b.do("GET", "/api/pages?cursor="+url.QueryEscape(cursor), ""), 400, "bad-request")
	}
	b.want(b.do("GET", "/api/pages?q="+strings.Repeat("a+", 40), ""), 400, "bad-request")
	b.want(b.do("GET", "/api/pages?q="+strings.Repeat("a", 600), ""), 400, "bad-request")
}

// TestPlacesOfALine: more than 500 pages times clients are refused in a
// sentence.
func TestPlacesOfALine(t *testing.T) {
	b := signIn(t, newServer(t, Config{}))
	q := url.Values{}
	for i := range 100 {
		q.Add("page", fmt.Sprintf("page-%d", i))
	}
	for i := range 6 {
		q.Add("client", fmt.Sprintf("client-%d", i))
	}
	w := b.do("GET", "/api/events?"+q.Encode(), "")
	b.want(w, 400, "bad-request")
	if !strings.Contains(w.Body.String(), "600 places") {
		t.Errorf("the refusal does not say how many: %s", w.Body)
	}
}
