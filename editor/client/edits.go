package client

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"time"

	"halley/ot"
)

// NewID returns a random id for a client, or a random Idempotency-Key.
func NewID() string { return rand.Text() }

// An Edit is what one open editor submits. What is sent again is this, byte
// for byte.
type Edit struct {
	Client string   `json:"client"` // see NewID
	N      uint64   `json:"n"`      // its count of the edits it has sent to the page, from 1
	Base   uint64   `json:"base"`   // the seq that Delta was made against
	Delta  ot.Delta `json:"delta"`
	Epoch  string   `json:"epoch,omitempty"` // as the client knows it; "" says nothing
}

// A Change is one committed edit of a page.
type Change struct {
	Page   string    `json:"page"`
	Seq    uint64    `json:"seq"`
	Delta  ot.Delta  `json:"delta"`
	Author string    `json:"author"`
	Client string    `json:"client"`
	N      uint64    `json:"n"`
	Time   time.Time `json:"time"`
}

// Submit sends an edit until it is acknowledged or refused, and returns the
// seq under which it is committed. If it gives up (its context or its
// Patience ended), the edit may be committed all the same: send it again.
func (c *Client) Submit(ctx context.Context, page string, e Edit) (uint64, error) {
	if e.Delta == nil {
		e.Delta = ot.Delta{}
	}
	what, err := sending(http.MethodPost, at(page, "/changes"), e)
	if err != nil {
		return 0, err
	}
	var ack struct {
		Seq uint64 `json:"seq"`
	}
	_, err = c.do(ctx, what, &ack)
	return ack.Seq, err
}

// Changes lists committed changes after a seq, oldest first, at most limit of
// them, and the page's head. The server may give fewer.
func (c *Client) Changes(ctx context.Context, page string, after uint64, limit int) (changes []Change, head uint64, err error) {
	var out struct {
		Changes []Change `json:"changes"`
		Head    uint64   `json:"head"`
	}
	_, err = c.do(ctx, get(at(page, fmt.Sprintf("/changes?after=%d&limit=%d", after, limit))), &out)
	return out.Changes, out.Head, err
}
