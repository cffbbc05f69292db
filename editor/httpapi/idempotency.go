package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"halley/editor"
	"halley/storage"
)

// keepAnswers is how long the same Idempotency-Key gives the first answer.
const keepAnswers = 7 * 24 * time.Hour

// A reply is an answer that can be given again.
type reply struct {
	Status   int             `json:"status"`
	Location string          `json:"location,omitempty"`
	Body     json.RawMessage `json:"body,omitempty"`
}

// A use is what is stored under an Idempotency-Key, for keepAnswers from its
// first use on.
type use struct {
	Print string `json:"print"` // of the request
	// Attempt is what ids and clients derive from in place of the key. It is
	// stored before anything is made, so that a crash between making and noting
	// the answer makes nothing twice; and it is random, so that the same key
	// makes something new once its first use is forgotten. "": stored by a
	// version that derived them from the key itself, with its answer.
	Attempt string `json:"attempt,omitempty"`
	reply          // the zero reply: not answered yet
	version uint64
	expires time.Time
}

// answered reports whether the call is done.
func (u *use) answered() bool { return u.Status != 0 }

// idempotency runs calls under a key once.
type idempotency struct {
	records storage.Records
	now     func() time.Time

	mu   sync.Mutex // guards busy
	busy map[string]chan struct{}
}

func newIdempotency(records storage.Records, now func() time.Time) *idempotency {
	return &idempotency{records: records, now: now, busy: map[string]chan struct{}{}}
}

// enter waits until nobody else works under the key.
func (o *idempotency) enter(ctx context.Context, key string) (leave func(), err error) {
	for {
		o.mu.Lock()
		other, taken := o.busy[key]
		if !taken {
			mine := make(chan struct{})
			o.busy[key] = mine
			o.mu.Unlock()
			return func() {
				o.mu.Lock()
				delete(o.busy, key)
				o.mu.Unlock()
				close(mine)
			}, nil
		}
		o.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// idempotent answers a call that makes something. With an Idempotency-Key the
// first answer is given again to the same principal for the same request; the
// key with another request is refused.
func (s *Server) idempotent(c *gin.Context, request []byte, make func(ctx context.Context, key string) (reply, error)) error {
	ctx := c.Request.Context()
	key, err := idempotencyKey(c)
	if err != nil {
		return err
	}
	if key == "" {
		return s.reply(c)(make(ctx, ""))
	}
	who := principal(c)
	name := "once/" + who.ID + "/" + key
	leave, err := s.idempotency.enter(ctx, name)
	if err != nil {
		return err
	}
	defer leave()
	print := fingerprint(c, request)
	u, err := s.idempotency.recall(ctx, name)
	switch {
	case err != nil:
		return err
	case u.answered() && u.Print != print:
		return &problem{
			status: 409, name: "key-reused", title: "The Idempotency-Key was used for something else",
			detail: "This Idempotency-Key came with another request before; make up a new one.",
		}
	case u.answered() && len(u.Body) > 0:
		return s.reply(c)(u.reply, nil)
	case u.Print != print:
		// The first use, or what came before failed or was cut off by a crash: then
		// another request may not take over what that one has made.
		u.Print, u.Attempt = print, newClient()
		if err := s.idempotency.put(ctx, name, u); err != nil {
			return err
		}
	}
	out, err := make(ctx, u.Attempt)
	if err == nil {
		err = s.idempotency.note(ctx, name, u, out)
	}
	return s.reply(c)(out, err)
}

// idempotencyKey is the request's Idempotency-Key; "" if it has none.
func idempotencyKey(c *gin.Context) (string, error) {
	key := c.GetHeader("Idempotency-Key")
	if key != "" && editor.CheckClient(key) != nil {
		return "", badRequest("The Idempotency-Key must be 8 to 64 characters from A-Za-z0-9_-.")
	}
	return key, nil
}

func fingerprint(c *gin.Context, request []byte) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s %s\n", c.Request.Method, c.Request.URL.RequestURI())
	h.Write(request)
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// recall returns the use of a key; a new one where none is known.
func (o *idempotency) recall(ctx context.Context, name string) (*use, error) {
	r, err := o.records.Get(ctx, name)
	if errors.Is(err, storage.ErrNotFound) {
		return &use{expires: o.now().Add(keepAnswers)}, nil
	}
	if err != nil {
		return nil, err
	}
	u := &use{version: r.Version, expires: r.Expires}
	if err := json.Unmarshal(r.Value, u); err != nil {
		return nil, fmt.Errorf("answer under %s: %w", name, err)
	}
	return u, nil
}

// maxNoted is the largest answer that is kept. Of a larger one (a created page's
// whole content) it is noted that it was given; it is made again from what the
// attempt names.
const maxNoted = 512 << 10

func (o *idempotency) note(ctx context.Context, name string, u *use, out reply) error {
	u.reply = out
	if len(out.Body) > maxNoted {
		u.Body = nil
	}
	return o.put(ctx, name, u)
}

func (o *idempotency) put(ctx context.Context, name string, u *use) error {
	value, err := json.Marshal(u)
	if err != nil {
		return err
	}
	u.version, err = o.records.Put(ctx, storage.Record{Key: name, Value: value, Version: u.version, Expires: u.expires})
	return err
}

// reply returns a function that writes an answer, or returns its error.
func (s *Server) reply(c *gin.Context) func(reply, error) error {
	return func(out reply, err error) error {
		if err != nil {
			return err
		}
		if out.Location != "" {
			c.Header("Location", out.Location)
		}
		c.Header("Cache-Control", "no-store")
		return s.send(c, out.Status, "application/json", out.Body)
	}
}
