package httpapi

import (
	"sync"

	"github.com/gin-gonic/gin"

	"halley/editor"
	"halley/editor/budget"
)

// Sizes of bodies and answers. What is free is little more than a connection's
// buffers hold anyway; what is small, as an ordinary edit or list is, draws on a
// share of its own, so that large ones never stand in its way.
const (
	freeBytes  = 4 << 10
	freeAnswer = 16 << 10
	smallBytes = 64 << 10
)

// Shares of the budget, of which one address gets half.
const (
	bodiesShare  = 0.8
	smallShare   = 0.1
	answersShare = 0.3
)

// memory is what bodies and answers may hold of the server's memory.
type memory struct {
	bodies, small, answers *pool

	mu   sync.Mutex // guards pins
	pins map[editor.PageID]*pin
}

func newMemory(b *budget.Budget) *memory {
	return &memory{
		bodies:  newPool(b.Share("bodies", bodiesShare), (*budget.Share).Take),
		small:   newPool(b.Share("small", smallShare), (*budget.Share).TakeOwn),
		answers: newPool(b.Share("answers", answersShare), (*budget.Share).Take),
		pins:    map[editor.PageID]*pin{},
	}
}

// A pool is a share of the budget of which no address gets more than half.
type pool struct {
	share *budget.Share
	take  func(s *budget.Share, bytes int64) error

	mu   sync.Mutex // guards held
	held map[string]int64
}

func newPool(share *budget.Share, take func(*budget.Share, int64) error) *pool {
	return &pool{share: share, take: take, held: map[string]int64{}}
}

// grow takes bytes for an address; "" is everybody's. It may wait for caches to
// shrink, and holds no lock while it does.
func (p *pool) grow(from string, bytes int64) error {
	if most := p.share.Limit() / 2; !p.reserve(from, bytes, most) {
		return p.share.Refuse(bytes, most)
	}
	err := p.take(p.share, bytes)
	if err != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.count(from, -bytes)
	}
	return err
}

// reserve counts bytes for an address, unless it would hold more than most. A
// most of 0 is no bound.
func (p *pool) reserve(from string, bytes, most int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if most > 0 && from != "" && p.held[from]+bytes > most {
		return false
	}
	p.count(from, bytes)
	return true
}

// atMost is bytes, or all that one address may have: what is there already can
// be read, however little memory the server was given.
func (p *pool) atMost(bytes int64) int64 {
	if most := p.share.Limit() / 2; most > 0 {
		return min(bytes, most)
	}
	return bytes
}

func (p *pool) give(from string, bytes int64) {
	p.share.Give(bytes)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count(from, -bytes)
}

// count forgets an address that holds nothing. The caller holds mu.
func (p *pool) count(from string, bytes int64) {
	if from == "" {
		return
	}
	if p.held[from] += bytes; p.held[from] == 0 {
		delete(p.held, from)
	}
}

// A held is what one request holds. It is not safe for concurrent use.
type held struct {
	memory *memory
	from   string
	body   portion
	answer portion
}

// A portion is what is taken of one pool; the zero portion is nothing.
type portion struct {
	of    *pool
	bytes int64
}

// grow makes a portion of pool at least bytes large.
func (h *held) grow(in *portion, pool *pool, bytes int64) error {
	if in.of == pool && bytes <= in.bytes {
		return nil
	}
	if in.of != pool { // a body that turns out to be large
		h.giveBack(in)
		in.of = pool
	}
	if err := pool.grow(h.from, bytes-in.bytes); err != nil {
		return err
	}
	in.bytes = bytes
	return nil
}

func (h *held) giveBack(in *portion) {
	if in.bytes > 0 {
		in.of.give(h.from, in.bytes)
	}
	*in = portion{}
}

func (h *held) release() {
	h.giveBack(&h.body)
	h.giveBack(&h.answer)
}

// heldOf is what c's request holds.
func heldOf(c *gin.Context) *held {
	h := &timedWriterOf(c.Writer).held
	if h.from == "" && !isLocal(c.Request.Context()) {
		h.from = addressOf(c)
	}
	return h
}

// holdBody has c's request hold bytes for a body of a size and what is made of
// it, until it ends.
func holdBody(c *gin.Context, size, bytes int64) error {
	if bytes <= freeBytes {
		return nil
	}
	h := heldOf(c)
	pool := h.memory.small
	if size > smallBytes {
		pool = h.memory.bodies
	}
	return h.grow(&h.body, pool, bytes)
}

// holdAnswer has c's request hold bytes for its answer, which then has to be
// taken faster.
func holdAnswer(c *gin.Context, bytes int64) error {
	if bytes <= freeAnswer {
		return nil
	}
	h := heldOf(c)
	pool := h.memory.small
	if bytes > smallBytes {
		pool = h.memory.answers
	}
	if err := h.grow(&h.answer, pool, pool.atMost(bytes)); err != nil {
		return err
	}
	timedWriterOf(c.Writer).deadline.most = heldRate
	return nil
}

// A pin is a page whose content is being sent.
type pin struct {
	readers int
	bytes   int64            // that are taken, or about to be
	taken   map[string]int64 // by the address of the reader that they were taken for
}

// pin counts the content of a page that is sent while it is, once however many
// readers it has: snapshots of a page share most of their memory. Each address
// is counted for what it adds, so that no reader is refused for another's sake.
func (m *memory) pin(id editor.PageID, from string, bytes int64) (unpin func(), err error) {
	m.mu.Lock()
	p := m.pins[id]
	if p == nil {
		p = &pin{taken: map[string]int64{}}
		m.pins[id] = p
	}
	more := max(0, m.answers.atMost(bytes)-p.bytes)
	p.bytes += more
	p.readers++
	m.mu.Unlock()
	if more > 0 {
		err = m.answers.grow(from, more) // which may wait
		m.mu.Lock()
		if err == nil {
			p.taken[from] += more
		} else {
			p.bytes -= more
		}
		m.mu.Unlock()
	}
	if err != nil {
		m.unpin(id, p)
		return nil, err
	}
	return func() { m.unpin(id, p) }, nil
}

func (m *memory) unpin(id editor.PageID, p *pin) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p.readers--; p.readers > 0 {
		return
	}
	delete(m.pins, id)
	for from, bytes := range p.taken {
		m.answers.give(from, bytes)
	}
}
