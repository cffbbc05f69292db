package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/cookiejar"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A campaign is what attackers share.
type campaign struct {
	url     string
	holds   time.Duration // how long a connection is held at most
	running sync.WaitGroup

	mu     sync.Mutex // guards what follows
	counts map[string]int
	pages  []string
	files  []string
}

func (c *campaign) count(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[what]++
}

// note remembers a page or file, and forgets old ones.
func (c *campaign) note(list *[]string, name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if *list = append(*list, name); len(*list) > 500 {
		*list = (*list)[100:]
	}
}

func (c *campaign) pick(list *[]string, r *rand.Rand) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(*list) == 0 {
		return ""
	}
	return (*list)[r.IntN(len(*list))]
}

// An attacker is one guest, at an address of their own.
type attacker struct {
	*campaign
	random  *rand.Rand
	address string
	client  string
	http    *http.Client
	cookies *cookiejar.Jar
	n       int
}

func newAttacker(c *campaign, i int, random *rand.Rand) *attacker {
	return &attacker{campaign: c, random: random, address: fmt.Sprintf("198.51.%d.%d", 100+i/250, 1+i%250), client: fmt.Sprintf("attacker-%d", i)}
}

// run makes one move after the other until ctx ends.
func (a *attacker) run(ctx context.Context) {
	a.signIn(ctx)
	moves := []func(context.Context){
		a.create, a.create, a.edit, a.edit, a.edit, a.edit, a.importFile, a.importFile, a.put, a.export, a.export, a.read, a.read,
		a.list, a.changes, a.upload, a.download, a.stall, a.stall, a.poll, a.presence, a.halfBody, a.oddities, a.signIn,
	}
	for ctx.Err() == nil {
		moves[a.random.IntN(len(moves))](ctx)
		time.Sleep(time.Duration(a.random.IntN(20)) * time.Millisecond)
	}
}

func (a *attacker) signIn(ctx context.Context) {
	if a.http != nil {
		a.http.CloseIdleConnections()
	}
	a.cookies, _ = cookiejar.New(nil) // it never fails without options
	a.http = &http.Client{Jar: a.cookies, Transport: &http.Transport{MaxConnsPerHost: 8}}
	a.call(ctx, "POST", "/api/session", "application/json", strings.NewReader(`{"name":"Guest"}`))
}

// size is up to most, and often near it or small.
func (a *attacker) size(most int) int {
	switch a.random.IntN(4) {
	case 0:
		return most - a.random.IntN(most/100+1)
	case 1:
		return a.random.IntN(most)
	}
	return a.random.IntN(most/100 + 1)
}

// repeated yields a text so often, between two others.
func repeated(before, unit string, times int, behind string) io.Reader {
	return io.MultiReader(strings.NewReader(before), &repeater{unit: unit, left: len(unit) * times}, strings.NewReader(behind))
}

type repeater struct {
	unit string
	at   int
	left int
}

func (r *repeater) Read(p []byte) (n int, err error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	for n < len(p) && r.left > 0 {
		m := copy(p[n:min(len(p), n+r.left)], r.unit[r.at:])
		n, r.left, r.at = n+m, r.left-m, (r.at+m)%len(r.unit)
	}
	return n, nil
}

// call sends a request, reads the answer in the way that chance has it, and
// returns the beginning of it.
func (a *attacker) call(ctx context.Context, method, path, kind string, body io.Reader) (head []byte) {
	limit := time.Duration(1+a.random.IntN(20)) * time.Second
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if body != nil && a.random.IntN(10) == 0 {
		body = io.MultiReader(io.LimitReader(body, int64(a.random.IntN(1<<20))), failing{}) // it hangs up in the middle
	}
	req, err := http.NewRequestWithContext(ctx, method, a.url+path, body)
	if err != nil {
		a.count("bad request of ours")
		return nil
	}
	req.Header.Set("X-Forwarded-For", a.address)
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	resp, err := a.http.Do(req)
	if err != nil {
		a.count("no answer")
		return nil
	}
	defer resp.Body.Close()
	a.count(strconv.Itoa(resp.StatusCode))
	head, _ = io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	switch a.random.IntN(4) {
	case 0: // reads slowly until its time is over
		for piece := make([]byte, 4<<10); ; time.Sleep(100 * time.Millisecond) {
			if _, err := resp.Body.Read(piece); err != nil {
				break
			}
		}
	case 1: // hangs up
	default:
		_, _ = io.Copy(io.Discard, resp.Body)
	}
	return head
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errMeant }

// delta is one insert, or many ops, as JSON.
func (a *attacker) delta(most int) io.Reader {
	switch a.random.IntN(6) {
	case 0:
		return repeated(`[{"insert":"`, `\n`, a.size(most)/2, `\n"}]`)
	case 1:
		return repeated(`[`, `{"insert":"a","attributes":{"bold":true}},{"insert":"b"},`, min(a.size(most)/52, 49_000), `{"insert":"\n"}]`)
	case 2:
		return repeated(`[`, `{"insert":{"mention":{"id":"x","label":"y"}}},`, min(a.size(most)/47, 99_000), `{"insert":"\n"}]`)
	case 3:
		return repeated(`[{"insert":"`, `\ud83d\ude00`, a.size(most)/12, `\n"}]`)
	case 4: // nothing that can be read
		return repeated(``, `[{"insert":`, a.size(most)/11, ``)
	}
	return repeated(`[{"insert":"`, `word `, a.size(most)/5, `\n"}]`)
}

const editBytes, fileBytes = 16 << 20, 64 << 20

func (a *attacker) create(ctx context.Context) {
	body := io.MultiReader(strings.NewReader(`{"title":"Attack","delta":`), a.delta(editBytes), strings.NewReader(`}`))
	a.made(a.call(ctx, "POST", "/api/pages", "application/json", body))
}

func (a *attacker) made(head []byte) {
	var page struct {
		ID string `json:"id"`
	}
	if json.NewDecoder(bytes.NewReader(head)).Decode(&page) == nil && page.ID != "" {
		a.note(&a.pages, page.ID)
	}
}

func (a *attacker) page() string { return a.pick(&a.pages, a.random) }

func (a *attacker) edit(ctx context.Context) {
	a.n++
	client := fmt.Sprintf("%s-%d", a.client, a.n) // a new one each time: n is 1
	if a.random.IntN(20) == 0 {
		client = strings.Repeat("c", a.size(1<<20)) // of no client's form
	}
	var delta io.Reader
	switch a.random.IntN(4) {
	case 0:
		delta = repeated(`[`, `{"insert":"c"},{"retain":1},`, min(a.size(editBytes)/28, 49_000), `{"insert":"c"}]`)
	case 1:
		delta = repeated(`[{"insert":"`, `t`, 1+a.random.IntN(100), `"}]`)
	default:
		delta = a.delta(editBytes)
	}
	before := fmt.Sprintf(`{"client":%q,"n":1,"base":%d,"delta":`, client, a.random.IntN(3))
	a.call(ctx, "POST", "/api/pages/"+a.page()+"/changes", "application/json", io.MultiReader(strings.NewReader(before), delta, strings.NewReader(`}`)))
}

// document is a file that takes much to convert, and the end of its name.
func (a *attacker) document() (io.Reader, string) {
	n := a.size(1 << 20)
	switch a.random.IntN(14) {
	case 0:
		return io.MultiReader(repeated("", "|a", n/50+1, "\n"), repeated("", "|-", n/50+1, "\n"), repeated("", "|\n", n/50, "")), ".md"
	case 1:
		return repeated("", "> ", n, "deep"), ".md"
	case 2:
		return repeated("[a]: /x"+strings.Repeat("y", 1000)+"\n\n", "[a] ", n/4, ""), ".md"
	case 3:
		return repeated("", "*a_ ", n/4, ""), ".md"
	case 4:
		return repeated("", "[", n, "]"), ".md"
	case 5:
		return repeated("", "<div>", n/5, "deep"), ".html"
	case 6:
		return repeated("<table>", `<tr><td colspan=1000 rowspan=1000>a`, n/36, "</table>"), ".html"
	case 7:
		return repeated("", "<b><i><u>a", n/10, ""), ".html"
	case 8:
		return repeated("", "\n", a.size(9<<20), ""), ".txt"
	case 9:
		return repeated("", "a line of text\n", a.size(fileBytes)/15, ""), ".txt"
	case 10:
		return repeated("", "- a\n  ", n/6, ""), ".md"
	case 11:
		return repeated("x[^1]\n\n[^1]: a\n\n", "[^1]", n/4, ""), ".md"
	case 12:
		return a.delta(editBytes), ".json"
	}
	return repeated("", "# Heading\n\nSome *text* with `code` and [a link](https://example.org).\n\n", n/70, ""), ".md"
}

func (a *attacker) form(name string, file io.Reader) (kind string, body io.Reader) {
	before := "--xx\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" + name + "\"\r\n\r\n"
	return "multipart/form-data; boundary=xx", io.MultiReader(strings.NewReader(before), file, strings.NewReader("\r\n--xx--\r\n"))
}

func (a *attacker) importFile(ctx context.Context) {
	file, ext := a.document()
	kind, body := a.form("a"+ext, file)
	a.made(a.call(ctx, "POST", "/api/import", kind, body))
}

func (a *attacker) put(ctx context.Context) {
	file, ext := a.document()
	a.call(ctx, "PUT", "/api/pages/"+a.page()+"/content?base=1&format="+ext[1:], "", file)
}

func (a *attacker) export(ctx context.Context) {
	format := []string{"md", "html", "txt", "json"}[a.random.IntN(4)]
	a.call(ctx, "GET", "/api/pages/"+a.page()+"/content?format="+format, "", nil)
}

func (a *attacker) read(ctx context.Context) {
	query := []string{"", "?seq=1", "?seq=2", "/authors"}[a.random.IntN(4)]
	a.call(ctx, "GET", "/api/pages/"+a.page()+query, "", nil)
}

func (a *attacker) list(ctx context.Context) {
	query := []string{"?limit=1000", "?q=zzzqqq", "?q=word", "?q=" + strings.Repeat("a+", 1+a.random.IntN(4000)), "?trash=1"}[a.random.IntN(5)]
	a.call(ctx, "GET", "/api/pages"+query, "", nil)
}

func (a *attacker) changes(ctx context.Context) {
	a.call(ctx, "GET", "/api/pages/"+a.page()+"/changes?after=0&limit=1000", "", nil)
}

func (a *attacker) upload(ctx context.Context) {
	kind, body := a.form("a.bin", repeated(strconv.Itoa(a.random.Int()), "x", a.size(fileBytes/4), ""))
	var file struct {
		Path string `json:"path"`
	}
	head := a.call(ctx, "POST", "/api/pages/"+a.page()+"/files", kind, body)
	if json.NewDecoder(bytes.NewReader(head)).Decode(&file) == nil && file.Path != "" {
		a.note(&a.files, file.Path)
	}
}

func (a *attacker) download(ctx context.Context) {
	if path := a.pick(&a.files, a.random); path != "" {
		a.call(ctx, "GET", path, "", nil)
	}
}

// cookie is the session's, for a request that is written by hand.
func (a *attacker) cookie() string {
	req, err := http.NewRequest("GET", a.url, nil)
	if err != nil {
		return ""
	}
	var all []string
	for _, c := range a.cookies.Cookies(req.URL) {
		all = append(all, c.String())
	}
	return strings.Join(all, "; ")
}

// byHand opens a connection, writes to it, and holds it until ctx ends or for
// some seconds.
func (a *attacker) byHand(ctx context.Context, text string) {
	a.running.Go(func() {
		conn, err := net.DialTimeout("tcp", strings.TrimPrefix(a.url, "http://"), 10*time.Second)
		if err != nil {
			a.count("no connection")
			return
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(a.holds))
		if _, err := io.WriteString(conn, text); err != nil {
			a.count("hung up on")
			return
		}
		in := bufio.NewReaderSize(conn, 512)
		for ctx.Err() == nil { // it reads next to nothing
			if _, err := in.ReadByte(); err != nil {
				if !errors.Is(err, io.EOF) {
					a.count("a held connection ended")
				}
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
}

// stall opens a stream of many pages from their beginnings, and does not read.
func (a *attacker) stall(ctx context.Context) {
	var query strings.Builder
	seen := map[string]bool{}
	for range 1 + a.random.IntN(100) {
		if page := a.page(); page != "" && !seen[page] {
			seen[page] = true
			fmt.Fprintf(&query, "page=%s@0&", page)
		}
	}
	for i := range a.random.IntN(6) {
		fmt.Fprintf(&query, "client=%s-%d-%d&", a.client, a.random.IntN(1000), i)
	}
	accept := []string{"text/event-stream", "application/x-ndjson", "application/json"}[a.random.IntN(3)]
	a.byHand(ctx, fmt.Sprintf("GET /api/events?%slist=1 HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: %s\r\nCookie: %s\r\nAccept: %s\r\n\r\n",
		query.String(), a.address, a.cookie(), accept))
}

func (a *attacker) poll(ctx context.Context) {
	a.call(ctx, "GET", "/api/events?page="+a.page()+"@0&wait=2", "", nil)
}

func (a *attacker) presence(ctx context.Context) {
	body := fmt.Sprintf(`{"client":"%s-%d","base":0,"cursor":{"index":%d,"length":0},"state":"typing"}`, a.client, a.random.IntN(10_000), a.random.IntN(1000))
	a.call(ctx, "POST", "/api/pages/"+a.page()+"/presence", "application/json", strings.NewReader(body))
}

// halfBody announces a body and sends a part of it.
func (a *attacker) halfBody(ctx context.Context) {
	path := []string{"/api/pages/" + a.page() + "/changes", "/api/pages", "/api/session"}[a.random.IntN(3)]
	sent := strings.Repeat("x", a.random.IntN(64<<10))
	a.byHand(ctx, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: %s\r\nCookie: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		path, a.address, a.cookie(), len(sent)+a.size(editBytes), sent))
}

// oddities are requests that are out of the ordinary in other ways.
func (a *attacker) oddities(ctx context.Context) {
	long := strings.Repeat("%C3%A9", 1+a.random.IntN(5000))
	switch a.random.IntN(5) {
	case 0:
		a.call(ctx, "PATCH", "/api/pages/"+a.page(), "application/json", repeated(`{"title":"`, "x", a.size(64<<10), `"}`))
	case 1:
		a.call(ctx, "GET", "/api/pages/"+long, "", nil)
	case 2:
		a.call(ctx, "GET", "/problems/"+long, "", nil)
	case 3:
		a.call(ctx, "DELETE", "/api/pages/"+a.page(), "", nil)
	case 4:
		a.call(ctx, strings.Repeat("M", 1+a.random.IntN(1000)), "/api/session", "", nil)
	}
}
