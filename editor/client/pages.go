package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"halley/ot"
)

// A Principal is who the server takes the caller for.
type Principal struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Color string `json:"color"`
	Kind  string `json:"kind"` // "guest", "person" or "program"
}

// SignIn makes the caller a guest of that name. It is not sent again by
// itself: it would make two guests.
func (c *Client) SignIn(ctx context.Context, name string) (Principal, error) {
	what, err := sending(http.MethodPost, "/api/session", map[string]string{"name": name})
	if err != nil {
		return Principal{}, err
	}
	what.once = true
	var p Principal
	_, err = c.do(ctx, what, &p)
	return p, err
}

// Session says who the caller is.
func (c *Client) Session(ctx context.Context) (Principal, error) {
	var p Principal
	_, err := c.do(ctx, get("/api/session"), &p)
	return p, err
}

// SignOut ends the session, and every line that runs on it.
func (c *Client) SignOut(ctx context.Context) error {
	_, err := c.do(ctx, call{method: http.MethodDelete, path: "/api/session"}, nil)
	return err
}

// A Page is the page object. Where it comes without content, Delta is nil.
type Page struct {
	ID      string    `json:"id"`
	Title   string    `json:"title"`
	Seq     uint64    `json:"seq"`
	Version uint64    `json:"version"`
	Epoch   string    `json:"epoch"`
	Delta   ot.Delta  `json:"delta"`
	Role    string    `json:"role"`
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
	Trashed time.Time `json:"trashed,omitzero"` // zero: not in the trash
}

func at(id, what string) string { return "/api/pages/" + url.PathEscape(id) + what }

// Create makes a page. Content that is not nil becomes its change 1. Under a
// key (of a client's form) it is made once, however often it is sent; without
// one ("") it is sent only once.
func (c *Client) Create(ctx context.Context, title string, content ot.Delta, key string) (Page, error) {
	body := struct {
		Title string   `json:"title"`
		Delta ot.Delta `json:"delta,omitempty"`
	}{title, content}
	what, err := sending(http.MethodPost, "/api/pages", body)
	if err != nil {
		return Page{}, err
	}
	what.under(key)
	var p Page
	_, err = c.do(ctx, what, &p)
	return p, err
}

// under makes a call that makes something safe to send again.
func (what *call) under(key string) {
	if key == "" {
		what.once = true
		return
	}
	what.header.Set("Idempotency-Key", key)
}

// listRows is how many rows one request asks for.
const listRows = 500

// Pages yields every page that the caller may see, newest change first,
// without content. It ends with the first error.
func (c *Client) Pages(ctx context.Context) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		query := url.Values{"limit": {strconv.Itoa(listRows)}}
		for {
			var rows struct {
				Pages  []Page `json:"pages"`
				Cursor string `json:"cursor"`
			}
			if _, err := c.do(ctx, get("/api/pages?"+query.Encode()), &rows); err != nil {
				yield(Page{}, err)
				return
			}
			for _, p := range rows.Pages {
				if !yield(p, nil) {
					return
				}
			}
			if rows.Cursor == "" {
				return
			}
			query.Set("cursor", rows.Cursor)
		}
	}
}

// Page reads a page with its content.
func (c *Client) Page(ctx context.Context, id string) (Page, error) {
	var p Page
	_, err := c.do(ctx, get(at(id, "")), &p)
	return p, err
}

// Trash moves a page to the trash.
func (c *Client) Trash(ctx context.Context, id string) error {
	_, err := c.do(ctx, call{method: http.MethodDelete, path: at(id, "")}, nil)
	return err
}
