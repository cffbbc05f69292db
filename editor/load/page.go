package load

import (
	"fmt"
	"hash/maphash"
	"sync/atomic"

	"halley/ot"
)

// A page is one that the run has made.
type page struct {
	id      string
	epoch   string
	start   uint64             // the seq that everybody starts from
	typists map[string]*typist // by client; complete before the first edit

	told [toldChanges]atomic.Pointer[change]
	seed maphash.Seed
}

// toldChanges is how many changes of a page are kept decoded, for readers who
// come to them later. Who is further behind decodes them again.
const toldChanges = 1024

// A change is one as its readers are told it.
type change struct {
	seq   uint64
	hash  uint64 // of the bytes told
	delta ot.Delta
	by    *typist
	n     uint64
	typed int64 // when, as the clock of the run has it
}

// change decodes the data of a change event, unless another reader was told
// the same bytes already.
func (p *page) change(seq uint64, data []byte) (*change, error) {
	hash, slot := maphash.Bytes(p.seed, data), &p.told[seq%toldChanges]
	if c := slot.Load(); c != nil && c.seq == seq && c.hash == hash {
		return c, nil
	}
	c, err := p.decode(data)
	if err != nil {
		return nil, fmt.Errorf("change %d cannot be read: %w", seq, err)
	}
	if c.seq != seq {
		return nil, fmt.Errorf("the event %d brings change %d", seq, c.seq)
	}
	c.hash = hash
	slot.Store(c)
	return c, nil
}

func (p *page) decode(data []byte) (*change, error) {
	c := &change{}
	var client string
	r := ot.NewReader(data, "the event")
	err := r.Object(func(name []byte) (err error) {
		switch string(name) {
		case "seq":
			c.seq, err = r.Whole()
		case "n":
			c.n, err = r.Whole()
		case "delta":
			c.delta, err = r.Ops()
		case "client":
			client, err = r.Text()
		default: // page, author, time
			_, err = r.Text()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if c.by = p.typists[client]; c.by == nil {
		return nil, fmt.Errorf("it is by %q, who does not write on this page", client)
	}
	if c.typed = c.by.typedAt(c.n); c.typed == 0 {
		return nil, fmt.Errorf("it is edit %d of %s, who has not sent it", c.n, client)
	}
	return c, nil
}

// chain goes over all changes in their order: two readers with one sum were
// told the same.
func chain(sum, hash uint64) uint64 { return (sum ^ hash) * 0x9e3779b97f4a7c15 }
