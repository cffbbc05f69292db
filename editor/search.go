package editor

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"halley/editor/budget"
)

const (
	// searchTime is how long a search goes on before it answers with what it
	// has found so far.
	searchTime = 700 * time.Millisecond
	// searchTurn is how long a search reads before others have their turn.
	searchTurn = time.Millisecond
	// searchRest is how much longer than a turn all of them rest after it, so
	// that searches together take a third of a processor.
	searchRest = 2
	// searchPart is how many pages a search takes from the catalog at a time.
	searchPart = 32
	// searchBytes is what a search that waits or runs holds, without the page
	// that it reads.
	searchBytes = 256 << 10
	// What a search may ask for.
	maxSearchWords = 32
	maxSearchChars = 500
)

// A SearchQuery says which pages to find.
type SearchQuery struct {
	Text    string // pages whose title or text has all its words, in any case
	Trashed bool   // in the trash instead
	Limit   int    // most rows
	From    SearchPosition
}

// A SearchPosition is how far a search has come. The zero value is its beginning.
type SearchPosition struct {
	// Texts says that all titles are done: texts are searched after them, since
	// they have to be read.
	Texts   bool
	Updated time.Time // of the last page searched
	ID      PageID    // its id; "" for none yet
}

func (p SearchPosition) place() position {
	if p.ID == "" {
		return position{}
	}
	return position{p.Updated.UnixMilli(), p.ID}
}

// Found is what a search has found.
type Found struct {
	Rows []Row // newest change first
	// Next is where to go on; nil where all pages were searched.
	Next *SearchPosition
	// Incomplete says that the search ran out of time rather than of room for
	// rows: there may be fewer rows than asked for, or none.
	Incomplete bool
}

// searches has all searches take turns at reading pages past the cache: one
// page is read at a time, and then all rest for a while.
type searches struct {
	turns chan struct{} // one place, given in order of arrival
	share *budget.Share
	limit time.Duration // of one search
}

func newSearches(b *budget.Budget) *searches {
	return &searches{turns: make(chan struct{}, 1), share: b.Share("search", 0.1), limit: searchTime}
}

// A searchTurnHeld is a turn that began.
type searchTurnHeld struct {
	searches *searches
	began    time.Time
}

func (s *searches) turn(ctx context.Context) (searchTurnHeld, error) {
	select {
	case s.turns <- struct{}{}:
		return searchTurnHeld{s, time.Now()}, nil
	case <-ctx.Done():
		return searchTurnHeld{}, ctx.Err()
	}
}

// end lets the next one have its turn, after a rest.
func (t searchTurnHeld) end() {
	time.Sleep(searchRest * max(searchTurn, time.Since(t.began)))
	<-t.searches.turns
}

// A searching is one search while it runs.
type searching struct {
	ps    *Pages
	who   Principal
	query SearchQuery
	words []string // in lower case
	until time.Time
	at    SearchPosition
	found Found
}

// Search returns pages that p may see, those with a matching title first. It
// stops after a while, or when ctx ends, and then says where to go on. Errors:
// ErrSignedOut, *BadValueError, *budget.BusyError where too many search already.
func (ps *Pages) Search(ctx context.Context, p Principal, q SearchQuery) (Found, error) {
	if p.Nobody() {
		return Found{}, ErrSignedOut
	}
	words := strings.Fields(strings.ToLower(q.Text))
	if len(words) > maxSearchWords || utf8.RuneCountInString(q.Text) > maxSearchChars {
		return Found{}, &BadValueError{"q", "is too long to search for; at most 32 words and 500 characters are allowed"}
	}
	memory := ps.searches.share.Hold()
	if err := memory.Grow(searchBytes); err != nil {
		return Found{}, err
	}
	defer memory.Release()
	s := &searching{ps: ps, who: p, query: q, words: words, until: time.Now().Add(ps.searches.limit), at: q.From}
	if err := s.run(ctx); err != nil {
		return Found{}, err
	}
	slices.SortStableFunc(s.found.Rows, func(a, b Row) int { return b.Updated.Compare(a.Updated) })
	return s.found, nil
}

func (s *searching) run(ctx context.Context) error {
	for more := true; more; {
		turn, err := s.ps.searches.turn(ctx)
		if err != nil {
			return err
		}
		more, err = s.some(ctx, turn.began)
		turn.end()
		if err != nil {
			return err
		}
	}
	return nil
}

// some searches as many pages as a turn has time for. more: there are others,
// and time for them.
func (s *searching) some(ctx context.Context, began time.Time) (more bool, err error) {
	for {
		part := s.ps.catalog.part(s.query.Trashed, s.at.place(), searchPart)
		for _, l := range part {
			if err := s.page(ctx, l); err != nil || s.found.Next != nil {
				return false, err
			}
			s.at.Updated, s.at.ID = l.updated, l.set.ID
			now := time.Now()
			if now.After(s.until) {
				s.stop(true)
				return false, nil
			}
			if now.Sub(began) >= searchTurn {
				return true, nil
			}
		}
		if len(part) == 0 && s.at.Texts {
			return false, nil
		}
		if len(part) == 0 {
			s.at = SearchPosition{Texts: true}
		}
	}
}

// page searches a page's title, or the text of one whose title does not match.
func (s *searching) page(ctx context.Context, l listed) error {
	missing := s.missingIn(l.set.Title)
	if found := len(missing) == 0; s.at.Texts == found || s.at.Texts && l.head == 0 {
		return nil
	}
	role, err := s.ps.auth.Role(ctx, s.who, l.set)
	if err != nil || role < RoleView {
		return err
	}
	if s.at.Texts {
		if found, err := s.textHas(ctx, l, missing); !found || err != nil {
			return err
		}
	}
	if len(s.found.Rows) == s.query.Limit {
		s.stop(false)
		return nil
	}
	s.found.Rows = append(s.found.Rows, s.ps.row(ctx, l, role))
	return nil
}

// stop ends the search where it is, to be gone on with.
func (s *searching) stop(incomplete bool) {
	next := s.at
	s.found.Next, s.found.Incomplete = &next, incomplete
}

// textHas reports whether a page's text has all words.
func (s *searching) textHas(ctx context.Context, l listed, words []string) (bool, error) {
	v := s.ps.peek(l.set.ID)
	if v == nil {
		var err error
		if v, err = s.ps.readText(ctx, l.set.ID); ctx.Err() != nil {
			return false, ctx.Err()
		} else if err != nil {
			// One damaged page must not end everybody's searches.
			s.ps.cfg.Logger.Error("cannot search a page", "page", l.set.ID, "error", err)
			return false, nil
		}
	}
	return len(missingWords(v.content, words)) == 0, nil
}

// missingIn returns the words that a title does not have.
func (s *searching) missingIn(title string) (missing []string) {
	title = strings.ToLower(title)
	for _, w := range s.words {
		if !strings.Contains(title, w) {
			missing = append(missing, w)
		}
	}
	return missing
}
