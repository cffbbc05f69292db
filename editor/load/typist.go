package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"halley/editor/client"
	"halley/ot"
)

// A typist writes on a page.
type typist struct {
	run    *run
	line   *reader
	client string
	hand   *hand
	heard  chan echo // the own edit, come back on the line

	mu    sync.Mutex // guards typed
	typed []int64    // when edit n was typed, at n-1

	conn  *conn // nil: to be opened
	n     uint64
	acked uint64 // the n of the last edit that is acknowledged and came back
}

// An echo is an own edit as the line told it.
type echo struct{ n, seq uint64 }

// typedAt is when edit n was typed; 0: it was not.
func (t *typist) typedAt(n uint64) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n == 0 || n > uint64(len(t.typed)) {
		return 0
	}
	return t.typed[n-1]
}

// write types until the time of typing is over. An edit that is on its way then
// still gets its answer, before ctx ends.
func (t *typist) write(typing, ctx context.Context) {
	defer func() {
		if t.conn != nil {
			t.conn.close()
		}
	}()
	p := newPace(t.run.cfg.Rate, t.hand, t.run.clock())
	for {
		typed, strokes, ok := p.next(typing, t.run)
		if !ok {
			return
		}
		edit, base, err := t.line.text.typed(t.hand, strokes)
		if err != nil {
			t.run.troubles.add("a writer's own edit does not fit: " + err.Error())
			return
		}
		if edit == nil {
			continue
		}
		if err := t.send(ctx, edit, base, typed); err != nil {
			t.run.troubles.add("a writer ended: " + err.Error())
			return
		}
	}
}

// send sends an edit until it is acknowledged, and waits for it on the line.
func (t *typist) send(ctx context.Context, edit ot.Delta, base uint64, typed int64) error {
	t.n++
	t.mu.Lock()
	t.typed = append(t.typed, typed)
	t.mu.Unlock()
	seq, err := t.submit(ctx, t.body(edit, base))
	if err != nil {
		return err
	}
	t.run.acked(t.line.number).add(time.Duration(t.run.clock() - typed))
	select {
	case e := <-t.heard:
		if e.n != t.n || e.seq != seq {
			t.run.wrongs.Add(1)
			return fmt.Errorf("edit %d is acknowledged as change %d, and edit %d came back as change %d", t.n, seq, e.n, e.seq)
		}
	case <-ctx.Done():
		return errors.New("an edit was acknowledged and did not come back on its writer's line")
	}
	t.acked = t.n
	return nil
}

func (t *typist) body(edit ot.Delta, base uint64) []byte {
	b := append([]byte(`{"client":"`), t.client...)
	b = strconv.AppendUint(append(b, `","n":`...), t.n, 10)
	b = strconv.AppendUint(append(b, `,"base":`...), base, 10)
	b = edit.AppendJSON(append(b, `,"delta":`...))
	b = append(append(b, `,"epoch":"`...), t.line.page.epoch...)
	return append(b, `"}`...)
}

// submit sends a body, the same bytes each time, until it is answered.
func (t *typist) submit(ctx context.Context, body []byte) (seq uint64, err error) {
	for tries := 0; ; tries++ {
		seq, err = t.submitOnce(ctx, body)
		if err == nil || !client.MayPass(err) {
			return seq, err
		}
		t.run.noteRefusal(err)
		if t.conn != nil {
			t.conn.close()
			t.conn = nil
		}
		if !pause(ctx, backOff(tries, err)) {
			return 0, fmt.Errorf("an edit was not answered in time: %w", err)
		}
		t.run.resends.Add(1)
	}
}

func (t *typist) submitOnce(ctx context.Context, body []byte) (uint64, error) {
	if t.conn == nil {
		c, err := t.run.target.open(ctx, t.line.number)
		if err != nil {
			return 0, err
		}
		t.conn = c
	}
	resp, err := t.conn.ask(t.run.target.host, request{
		method: "POST", path: "/api/pages/" + t.line.page.id + "/changes", header: t.line.who.header, body: body,
	})
	if err != nil {
		return 0, err
	}
	if resp.StatusCode != http.StatusOK {
		return 0, client.ReadProblem(resp)
	}
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, fmt.Errorf("an acknowledgement broke off: %w", bare(err))
	}
	var ack struct {
		Seq uint64 `json:"seq"`
	}
	if err := json.Unmarshal(answer, &ack); err != nil || ack.Seq == 0 {
		return 0, fmt.Errorf("an acknowledgement that cannot be read: %q", answer)
	}
	return ack.Seq, nil
}

// A pace says when the next strokes are due.
type pace struct {
	every time.Duration // 0: at once
	due   int64         // as the clock of the run has it
}

// newPace begins somewhere in its first interval, so that not all type at the
// same time.
func newPace(rate float64, h *hand, now int64) *pace {
	if rate == 0 {
		return &pace{}
	}
	every := time.Duration(float64(time.Second) / rate)
	return &pace{every, now + int64(h.random.Float64()*float64(every))}
}

// maxStrokes is how many strokes wait for an answer that does not come.
const maxStrokes = 1000

// next waits for the next stroke. While the last edit was on its way more may
// have been due: they are typed at once, and count from when the first was due.
func (p *pace) next(typing context.Context, r *run) (typed int64, strokes int, ok bool) {
	now := r.clock()
	if p.every == 0 {
		return now, 1, typing.Err() == nil
	}
	if p.due > now {
		if !pause(typing, time.Duration(p.due-now)) {
			return 0, 0, false
		}
		p.due += int64(p.every)
		return r.clock(), 1, true
	}
	typed = p.due
	for ; p.due <= now; p.due += int64(p.every) {
		strokes = min(strokes+1, maxStrokes)
	}
	return typed, strokes, typing.Err() == nil
}
