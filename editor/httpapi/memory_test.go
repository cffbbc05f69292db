package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"halley/editor/budget"
)

const mib = 1 << 20

// used is what a share of the budget holds.
func used(b *budget.Budget, share string) int64 {
	for _, u := range b.Usage() {
		if u.Name == share {
			return u.Used
		}
	}
	return -1
}

// heldInAll is what requests hold.
func heldInAll(b *budget.Budget) int64 {
	return used(b, "bodies") + used(b, "small") + used(b, "answers")
}

// A slowBody has come up to a point; the rest comes when it is closed.
type slowBody struct {
	came    io.Reader
	arrived chan struct{} // closed when all that came is read
	over    chan struct{}
	once    sync.Once
}

func newSlowBody(came string) *slowBody {
	return &slowBody{came: strings.NewReader(came), arrived: make(chan struct{}), over: make(chan struct{})}
}

func (b *slowBody) Read(p []byte) (int, error) {
	if n, err := b.came.Read(p); err != io.EOF {
		return n, err
	}
	b.once.Do(func() { close(b.arrived) })
	<-b.over
	return 0, io.ErrUnexpectedEOF
}

func (b *slowBody) Close() error { return nil }

// sendSlowly posts a body of which only a part comes.
func sendSlowly(b *browser, path string, length int64, body *slowBody) (answer chan *httptest.ResponseRecorder) {
	r := httptest.NewRequest("POST", path, nil)
	r.Host, r.RemoteAddr, r.Body, r.ContentLength = "localhost:8080", b.addr, body, length
	r.Header.Set("Content-Type", "application/json")
	r.AddCookie(b.cookie)
	answer = make(chan *httptest.ResponseRecorder, 1)
	go func() {
		w := httptest.NewRecorder()
		b.s.ServeHTTP(w, r)
		answer <- w
	}()
	return answer
}

// TestSlowBodyHoldsWhatHasCome: what a sender says will come takes no memory.
func TestSlowBodyHoldsWhatHasCome(t *testing.T) {
	memory := budget.New(256 * mib)
	s := newServer(t, Config{AnyHost: true, Budget: memory})
	b := from(t, s, "192.0.2.1", "")
	b.enter("Ann")
	changes := "/api/pages/" + newPageOf(t, b) + "/changes"
	for _, c := range []struct {
		came        int
		share       string
		least, most int64
	}{
		{1 << 10, "small", 0, 0},
		{30 << 10, "small", 30 << 10, 100 << 10},
		{5 * mib, "bodies", 5 * mib, 15 * mib},
	} {
		body := newSlowBody(strings.Repeat(" ", c.came))
		answer := sendSlowly(b, changes, maxEditBytes, body)
		<-body.arrived
		if got := used(memory, c.share); got < c.least || got > c.most {
			t.Errorf("%d bytes that came hold %d of %q, want %d to %d", c.came, got, c.share, c.least, c.most)
		}
		close(body.over)
		<-answer
		if got := heldInAll(memory); got != 0 {
			t.Errorf("%d bytes are held when the request is over, want none", got)
		}
	}
}

// TestLargeBodiesLeaveRoomForEdits: however many large bodies come, they stay
// within the budget, and ordinary edits are not refused for it.
func TestLargeBodiesLeaveRoomForEdits(t *testing.T) {
	memory := budget.New(32 * mib)
	s := newServer(t, Config{AnyHost: true, Budget: memory})
	typist := from(t, s, "198.51.100.7", "")
	typist.enter("Ann")
	changes := "/api/pages/" + newPageOf(t, typist) + "/changes"

	var bodies []*slowBody
	var answers []chan *httptest.ResponseRecorder
	for i := range 40 {
		b := from(t, s, fmt.Sprintf("192.0.2.%d", i), "")
		b.enter("Eve")
		body := newSlowBody(strings.Repeat(" ", 2*mib))
		bodies, answers = append(bodies, body), append(answers, sendSlowly(b, changes, maxEditBytes, body))
	}
	busy := 0
	for i, body := range bodies {
		select {
		case <-body.arrived:
		case w := <-answers[i]:
			busy++
			typist.want(w, 503, "busy")
			if w.Header().Get("Retry-After") == "" {
				t.Error("a refused body has no Retry-After")
			}
			answers[i] <- w
		}
	}
	if got := used(memory, "bodies"); got > 32*mib || busy == 0 || busy == len(bodies) {
		t.Errorf("%d bytes are held and %d of 40 bodies refused, want at most the budget, and some", got, busy)
	}
	for i, text := range []string{"x", strings.Repeat("a paste of some length ", 2000)} {
		edit := fmt.Sprintf(`{"client":"client-1","n":%d,"base":%d,"delta":[{"insert":%q}]}`, i+1, i, text)
		if w := typist.do("POST", changes, edit); w.Code != 200 {
			t.Errorf("an edit of %d bytes: %d %s", len(edit), w.Code, w.Body)
		}
	}
	for i, body := range bodies {
		close(body.over)
		<-answers[i]
	}
	if got := heldInAll(memory); got != 0 {
		t.Errorf("%d bytes are held in the end, want none", got)
	}
}

// TestOneAddressDoesNotTakeAllBodies: what is left of the share is for others.
func TestOneAddressDoesNotTakeAllBodies(t *testing.T) {
	m := newMemory(budget.New(100 * mib))
	one, other := held{memory: m, from: "192.0.2.1"}, held{memory: m, from: "192.0.2.2"}
	if err := one.grow(&one.body, m.bodies, 41*mib); err == nil {
		t.Error("one address takes more than half of the share")
	}
	for _, h := range []*held{&one, &other} {
		if err := h.grow(&h.body, m.bodies, 40*mib); err != nil {
			t.Errorf("half of the share = %v, want no error", err)
		}
	}
	one.release()
	other.release()
	if m.bodies.share.Used() != 0 || len(m.bodies.held) != 0 {
		t.Errorf("held in the end: %d by %d addresses, want nothing", m.bodies.share.Used(), len(m.bodies.held))
	}
}

// TestDecodedEditCounts: an edit of many operations takes more than its body.
func TestDecodedEditCounts(t *testing.T) {
	memory := budget.New(20 * mib)
	s := newServer(t, Config{Budget: memory})
	b := signIn(t, s)
	changes := "/api/pages/" + newPageOf(t, b) + "/changes"
	ops := strings.TrimSuffix(strings.Repeat(`{"insert":"x"},`, 99_000), ",")
	w := b.do("POST", changes, `{"client":"client-1","n":1,"base":0,"delta":[`+ops+`]}`)
	b.want(w, 413, "too-large")
	if w := b.do("POST", changes, `{"client":"client-1","n":1,"base":0,"delta":[{"insert":"`+strings.Repeat("x", len(ops))+`"}]}`); w.Code != 200 {
		t.Errorf("as much text in one operation: %d %s", w.Code, w.Body)
	}
	if got := heldInAll(memory); got != 0 {
		t.Errorf("%d bytes are held in the end, want none", got)
	}
}

// A slowReader takes an answer when it is told to.
type slowReader struct {
	answerOnly
	began   chan struct{} // closed at the first write
	once    sync.Once
	more    chan struct{}
	largest int
	body    bytes.Buffer
}

func newSlowReader() *slowReader {
	return &slowReader{answerOnly: answerOnly{header: http.Header{}}, began: make(chan struct{}), more: make(chan struct{})}
}

func (w *slowReader) Write(p []byte) (int, error) {
	w.once.Do(func() { close(w.began) })
	<-w.more
	w.largest = max(w.largest, len(p))
	return w.body.Write(p)
}

// TestSlowReadersShareAPage: twenty readers who take nothing of a page of
// 2 MB hold it once, and get all of it in small pieces.
func TestSlowReadersShareAPage(t *testing.T) {
	memory := budget.New(64 * mib)
	s := newServer(t, Config{Budget: memory})
	b := signIn(t, s)
	text := strings.Repeat("0123456789abcde\n", 2*mib/16)
	body, _ := json.Marshal(map[string]any{"delta": []any{map[string]any{"insert": text}}})
	var page struct{ ID string }
	if w := b.do("POST", "/api/pages", string(body)); json.Unmarshal(w.Body.Bytes(), &page) != nil || page.ID == "" {
		t.Fatalf("a new page: %d", w.Code)
	}
	var readers []*slowReader
	var running sync.WaitGroup
	for range 20 {
		r := httptest.NewRequest("GET", "/api/pages/"+page.ID, nil)
		r.Host = "localhost:8080"
		r.AddCookie(b.cookie)
		w := newSlowReader()
		readers = append(readers, w)
		running.Go(func() { s.ServeHTTP(w, r) })
	}
	for _, w := range readers {
		<-w.began
	}
	if got := used(memory, "answers"); got < 2*mib || got > 4*mib {
		t.Errorf("20 readers of a page of 2 MiB hold %d bytes of answers, want it once and a piece for each", got)
	}
	for _, w := range readers {
		close(w.more)
	}
	running.Wait()
	if got := used(memory, "answers"); got != 0 || len(s.memory.pins) != 0 {
		t.Errorf("%d bytes and %d pages are held in the end, want none", got, len(s.memory.pins))
	}
	for _, w := range readers {
		var got struct{ Delta []struct{ Insert string } }
		if w != readers[0] {
			if !bytes.Equal(w.body.Bytes(), readers[0].body.Bytes()) {
				t.Error("two readers get different pages")
			}
			continue
		}
		err := json.Unmarshal(w.body.Bytes(), &got)
		if err != nil || len(got.Delta) != 1 || got.Delta[0].Insert != text || w.largest > answerPiece {
			t.Fatalf("the answer has %d ops in pieces of up to %d, %v; want the page in pieces of %d", len(got.Delta), w.largest, err, answerPiece)
		}
	}
}

// TestPinsCountForTheirReaders: an address that holds all that it may does not
// keep others from a page that has grown since it began to read it.
func TestPinsCountForTheirReaders(t *testing.T) {
	memory := budget.New(40 * mib)
	m := newMemory(memory) // answers: 12 MiB, 6 of them for one address
	slow, err := m.pin("page", "a", 2*mib)
	if err != nil {
		t.Fatal(err)
	}
	other, err := m.pin("other", "a", 4*mib)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.pin("third", "a", mib); err == nil {
		t.Error("one address holds more than half of the answers' memory")
	}
	unpin, err := m.pin("page", "b", 3*mib)
	if err != nil {
		t.Fatalf("another reader of a page that has grown: %v", err)
	}
	if got := used(memory, "answers"); got != 7*mib {
		t.Errorf("%d bytes are held, want the page once at its largest, and the other one", got)
	}
	for _, end := range []func(){slow, other, unpin} {
		end()
	}
	if got := used(memory, "answers"); got != 0 || len(m.pins) != 0 || len(m.answers.held) != 0 {
		t.Errorf("%d bytes, %d pages and %d addresses are held in the end, want none", got, len(m.pins), len(m.answers.held))
	}
}

// TestPoolsDoNotWaitForEachOther: a request that waits for a cache to shrink
// holds up nobody who gives memory back.
func TestPoolsDoNotWaitForEachOther(t *testing.T) {
	memory := budget.New(40 * mib)
	m := newMemory(memory)
	unpin, err := m.pin("page", "a", mib)
	if err != nil {
		t.Fatal(err)
	}
	cache := memory.Share("cache", 1)
	cache.Add(39 * mib)
	shrinks, goOn := make(chan struct{}), make(chan struct{})
	cache.Shrinks(func(bytes int64) {
		close(shrinks)
		<-goOn
		cache.Give(bytes)
	})
	done := make(chan error)
	go func() {
		_, err := m.pin("other", "b", 2*mib)
		done <- err
	}()
	<-shrinks
	unpin() // would never return if the other one held a lock
	close(goOn)
	if err := <-done; err != nil {
		t.Errorf("pin() after the cache has shrunk: %v", err)
	}
}

// TestAnswersAreRefusedWhereThereIsNoRoom: a large answer that cannot be held
// is refused, a small one never.
func TestAnswersAreRefusedWhereThereIsNoRoom(t *testing.T) {
	memory := budget.New(8 * mib)
	s := newServer(t, Config{Budget: memory})
	b := signIn(t, s)
	page := newPageOf(t, b)
	for n := range 4 {
		edit := fmt.Sprintf(`{"client":"client-1","n":%d,"base":%d,"delta":[{"insert":%q}]}`, n+1, n, strings.Repeat("x", 200<<10))
		if w := b.do("POST", "/api/pages/"+page+"/changes", edit); w.Code != 200 {
			t.Fatalf("edit %d: %d %s", n, w.Code, w.Body)
		}
	}
	full := memory.Share("something else", 1)
	full.Add(8 * mib)
	w := b.do("GET", "/api/pages/"+page+"/changes", "")
	b.want(w, 503, "busy")
	if w.Header().Get("Retry-After") == "" {
		t.Error("a refused answer has no Retry-After")
	}
	if w := b.do("GET", "/api/pages/"+page+"/changes?after=4", ""); w.Code != 200 {
		t.Errorf("a small answer: %d %s", w.Code, w.Body)
	}
	full.Give(8 * mib)
	if w := b.do("GET", "/api/pages/"+page+"/changes", ""); w.Code != 200 {
		t.Errorf("with room again: %d %s", w.Code, w.Body)
	}
}

// TestPatience: how fast a peer must be grows with what has passed.
func TestPatience(t *testing.T) {
	body := deadline{left: bodyGrace, grace: bodyGrace, least: bodyRate, most: heldRate}
	answer := deadline{left: answerGrace, grace: answerGrace, least: answerRate, most: streamedRate}
	for _, c := range []struct {
		name  string
		p     deadline
		pace  int // bytes a second
		bytes int
		done  bool
	}{
		{"a typist on a bad line", body, 600, 60_000, true},
		{"a dripping body", body, 100, 60_000, false},
		{"a large body at 128 KiB/s", body, heldRate, 64 * mib, true},
		{"a large body at 20 KB/s", body, 20_000, 16 * mib, false},
		{"a page on a bad line", answer, 3000, 64 << 10, true},
		{"a large page at 16 KiB/s", answer, streamedRate, 10 * mib, true},
		{"a large page at 3 KB/s", answer, 3000, 10 * mib, false},
	} {
		passed := 0
		for ; c.p.left > 0 && passed < c.bytes; passed += c.pace {
			c.p.waited(time.Second, c.pace)
		}
		if done := passed >= c.bytes; done != c.done {
			t.Errorf("%s: %d of %d bytes pass, want done = %v", c.name, passed, c.bytes, c.done)
		}
	}
	// However fast it was before, a peer that stops is given up after the grace.
	fast := answer
	fast.waited(time.Second, 10*mib)
	if fast.left != answerGrace {
		t.Errorf("a peer that was fast is waited for %v, want %v", fast.left, answerGrace)
	}
}
