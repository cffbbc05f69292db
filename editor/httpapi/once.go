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
	Print    string          `json:"print"` // of the request
	Status   int             `json:"status"`
	Location string          `json:"location,omitempty"`
	Body     json.RawMessage `json:"body"`
}

// onceEach runs calls under a key once. What a call makes is safe to repeat
// by itself (ids and clients derive from the key), so that a crash between
// doing and noting the answer makes nothing twice either.
type onceEach struct {
	records storage.Records
	now     func() time.Time

	mu   sync.Mutex // guards busy
	busy map[string]chan struct{}
}

func newOnceEach(records storage.Records, now func() time.Time) *onceEach {
	return &onceEach{records: records, now: now, busy: map[string]chan struct{}{}}
}

// enter waits until nobody else works under the key.
func (o *onceEach) enter(ctx context.Context, key string) (leave func(), err error) {
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

// onceOnly answers a call that makes something. With an Idempotency-Key the
// first answer is given again to the same principal for the same request; the
// key with another request is refused.
func (s *Server) onceOnly(c *gin.Context, request []byte, make func(ctx context.Context, key string) (reply, error)) {
	ctx, key := c.Request.Context(), c.GetHeader("Idempotency-Key")
	if key == "" {
		s.reply(c)(make(ctx, ""))
		return
	}
	if err := editor.CheckClient(key); err != nil {
		s.fail(c, badRequest("The Idempotency-Key must be 8 to 64 characters from A-Za-z0-9_-."))
		return
	}
	who := principal(c)
	name := "once/" + who.ID + "/" + key
	leave, err := s.once.enter(ctx, name)
	if err != nil {
		s.fail(c, err)
		return
	}
	defer leave()
	print := fingerprint(c, request)
	old, err := s.once.recall(ctx, name)
	switch {
	case err != nil:
		s.fail(c, err)
	case old == nil:
		out, err := make(ctx, key)
		if err == nil {
			out.Print = print
			err = s.once.note(ctx, name, out)
		}
		s.reply(c)(out, err)
	case old.Print != print:
		s.fail(c, &problem{
			status: 409, name: "key-reused", title: "The Idempotency-Key was used for something else",
			detail: "This Idempotency-Key came with another request before; make up a new one.",
		})
	default:
		s.reply(c)(*old, nil)
	}
}

func fingerprint(c *gin.Context, request []byte) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s %s\n", c.Request.Method, c.Request.URL.RequestURI())
	h.Write(request)
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

func (o *onceEach) recall(ctx context.Context, name string) (*reply, error) {
	r, err := o.records.Get(ctx, name)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out reply
	if err := json.Unmarshal(r.Value, &out); err != nil {
		return nil, fmt.Errorf("answer under %s: %w", name, err)
	}
	return &out, nil
}

// maxNoted is the largest answer that is kept. A larger one (a created page's
// whole content) is made again from what the key names.
const maxNoted = 512 << 10

func (o *onceEach) note(ctx context.Context, name string, out reply) error {
	value, err := json.Marshal(out)
	if err != nil || len(value) > maxNoted {
		return err
	}
	_, err = o.records.Put(ctx, storage.Record{Key: name, Value: value, Expires: o.now().Add(keepAnswers)})
	return err
}

func (s *Server) reply(c *gin.Context) func(reply, error) {
	return func(out reply, err error) {
		if err != nil {
			s.fail(c, err)
			return
		}
		if out.Location != "" {
			c.Header("Location", out.Location)
		}
		c.Header("Cache-Control", "no-store")
		s.send(c, out.Status, "application/json", out.Body)
	}
}
