package load

import (
	"cmp"
	"maps"
	"slices"
	"sync"
)

// A Result is what a run measured, and what came of it.
type Result struct {
	Pages     int       `json:"pages"`
	Viewers   int       `json:"viewers"`
	Writers   int       `json:"writers"`
	Rate      float64   `json:"rate"` // edits a second of each writer that were asked for; 0: as many as go
	Transport Transport `json:"transport"`

	Seconds           float64 `json:"seconds"` // that people typed
	Edits             uint64  `json:"edits"`   // acknowledged in that time, and those of its end after it
	EditsPerSecond    float64 `json:"edits_per_second"`
	Ack               Latency `json:"ack"`      // from the keystroke to the acknowledgement
	Delivery          Latency `json:"delivery"` // from the keystroke to each other reader
	Deliveries        uint64  `json:"deliveries"`
	DeliveriesASecond float64 `json:"deliveries_per_second"`
	BytesIn           uint64  `json:"bytes_in"`
	BytesOut          uint64  `json:"bytes_out"`
	OwnCPU            float64 `json:"own_cpu_seconds"` // of this process, which is no load of the server

	Reconnects uint64    `json:"reconnects"`
	Resends    uint64    `json:"resends"`
	Limited    uint64    `json:"limited"` // requests that the server's rate limits refused
	Troubles   []Trouble `json:"troubles"`

	Texts  int `json:"texts"`  // that were kept all along, and compared with the server's
	Differ int `json:"differ"` // of them: not equal
	Behind int `json:"behind"` // readers who had not been told everything when time was over
	Unlike int `json:"unlike"` // readers who were told otherwise than the others of their page
	Lost   int `json:"lost"`   // edits sent whose fate is not known, or that are not where it was acknowledged

	Timeline []Progress `json:"timeline"` // second by second
}

// Equal reports whether every reader ended with the server's text, and no edit
// was lost.
func (r Result) Equal() bool { return r.Differ+r.Behind+r.Unlike+r.Lost == 0 }

// Progress is how the last second went.
type Progress struct {
	Second            float64 `json:"second"` // since people began to type
	Lines             int64   `json:"lines"`  // that are open
	EditsPerSecond    float64 `json:"edits_per_second"`
	DeliveriesASecond float64 `json:"deliveries_per_second"`
	Ack               Latency `json:"ack"`
	Delivery          Latency `json:"delivery"`
}

// A Trouble is something that went wrong so often.
type Trouble struct {
	What  string `json:"what"`
	Count int    `json:"count"`
}

// troubles counts sentences.
type troubles struct {
	mu   sync.Mutex // guards seen
	seen map[string]int
}

// differentTroubles bounds how many sentences are told apart.
const differentTroubles = 50

func (t *troubles) add(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.seen == nil {
		t.seen = map[string]int{}
	}
	if _, ok := t.seen[what]; !ok && len(t.seen) >= differentTroubles {
		what = "something else"
	}
	t.seen[what]++
}

// list has the most frequent first.
func (t *troubles) list() []Trouble {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := []Trouble{}
	for what, count := range maps.All(t.seen) {
		list = append(list, Trouble{what, count})
	}
	slices.SortFunc(list, func(a, b Trouble) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.What, b.What))
	})
	return list
}

func (r *run) newResult() Result {
	return Result{
		Pages: r.cfg.Pages, Viewers: r.cfg.Viewers, Writers: r.cfg.Writers, Rate: r.cfg.Rate, Transport: r.cfg.Transport,
		Timeline: []Progress{},
	}
}

// compare looks at what every reader ended with. The lines have ended.
func (r *run) compare(heads map[*page]head, res *Result) {
	sums := map[*page]uint64{}
	for _, l := range r.readers {
		h, known := heads[l.page]
		switch sum, other := sums[l.page]; {
		case !known || l.seq.Load() < h.seq:
			res.Behind++
			continue
		case !other:
			sums[l.page] = l.sum
		case sum != l.sum:
			res.Unlike++
		}
		if l.text != nil {
			res.Texts++
			if l.text.doc.Content().Hash() != h.content {
				res.Differ++
			}
		}
	}
	for _, t := range r.typists {
		res.Lost += int(t.n - t.acked)
	}
	res.Lost += int(r.wrongs.Load())
	res.Reconnects, res.Resends, res.Limited = r.reconnects.Load(), r.resends.Load(), r.limited.Load()
	res.Troubles = r.troubles.list()
}
