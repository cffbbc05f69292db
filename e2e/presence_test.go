package e2e

import (
	"fmt"
	"strings"
	"testing"
)

func here(client string, base, index int, state string) string {
	return fmt.Sprintf(`{"client":%q,"base":%d,"cursor":{"index":%d,"length":1},"state":%q}`, client, base, index, state)
}

// TestPresence: who is on a page and where is told to all who are, themselves
// too, and that they left.
func TestPresence(t *testing.T) {
	s := serve(t)
	me, other := s.guest("First"), s.guest("Second")
	over(t, func(t *testing.T, accept string) {
		me, other := me.in(t), other.in(t)
		page := me.newPage(`[{"insert":"ab\n"}]`)
		at := "/api/pages/" + page + "/presence"
		l := me.follow(accept, "page="+page+"&client="+clientA, "")
		if e := l.next("presence"); e.get("all") != "true" || e.get("clients") != "[]" {
			t.Errorf("before anybody posts, presence is %v; a line alone shows nobody", e)
		}
		me.post(at, here(clientA, 1, 1, "typing")).ok(204)
		e := l.next("presence")
		want := fmt.Sprintf(`[{"client":%q,"user":%q,"name":"First","color":%s,"base":1,"cursor":{"index":1,"length":1},"state":"typing"}]`,
			clientA, me.id, canonical(me.get("/api/session").value()["color"]))
		if !sameJSON(e.get("clients"), want) || e.get("count") != "1" || e.get("left") != "[]" || e.ID != "" {
			t.Errorf("one's own presence is %v, want %s", e, want)
		}

		other.post(at, here(clientB, 1, 0, "active")).ok(204)
		e = l.next("presence")
		if !strings.Contains(string(e.Data), clientB) || strings.Contains(string(e.Data), clientA) || e.get("count") != "2" || e.get("all") != "" {
			t.Errorf("presence is %v, want only what is new: %s, of 2", e, clientB)
		}
		late := other.follow(accept, "page="+page, "")
		if e := late.next("presence"); e.get("all") != "true" || !strings.Contains(string(e.Data), clientA) || !strings.Contains(string(e.Data), clientB) || e.get("count") != "2" {
			t.Errorf("who comes late hears %v, want all", e)
		}

		other.post(at, `{"client":"`+clientB+`","state":"left"}`).ok(204)
		if e := l.next("presence"); e.get("left") != `["`+clientB+`"]` || e.get("count") != "1" {
			t.Errorf("presence is %v, want that %s left", e, clientB)
		}
		me.post(at, `{"client":"`+clientA+`","base":1,"cursor":null,"state":"away"}`).ok(204)
		if e := l.next("presence"); !strings.Contains(e.get("clients"), `"cursor":null`) {
			t.Errorf("presence is %v, want no cursor", e)
		}
	})
}

// TestLostLine: a client whose line breaks is said to be reconnecting, and
// after that to have left.
func TestLostLine(t *testing.T) {
	s := serve(t)
	me, other := s.guest("First"), s.guest("Second")
	page := me.newPage("")
	watching := me.follow(transports[0], "page="+page, "")
	theirs := other.follow(transports[0], "page="+page+"&client="+clientB, "")
	theirs.next("hello")
	other.post("/api/pages/"+page+"/presence", here(clientB, 0, 0, "active")).ok(204)
	wantState := func(state string) {
		t.Helper()
		for {
			e := watching.next("presence")
			if strings.Contains(e.get("clients"), quote(state)) || state == "left" && e.get("left") != "[]" {
				return
			}
		}
	}
	wantState("active")
	theirs.close()
	wantState("reconnecting")
	theirs.reopen()
	wantState("active")
	theirs.close()
	wantState("left")
}

func TestRefusedPresence(t *testing.T) {
	s := serve(t)
	me, other := s.guest("First"), s.guest("Second")
	page := me.newPage("")
	at := "/api/pages/" + page + "/presence"
	for name, body := range map[string]string{
		"no client":         `{"base":0,"cursor":null,"state":"idle"}`,
		"no base":           `{"client":"client-A1","cursor":null,"state":"idle"}`,
		"no state":          `{"client":"client-A1","base":0,"cursor":null}`,
		"another state":     here(clientA, 0, 0, "sleeping"),
		"the server's word": here(clientA, 0, 0, "reconnecting"),
		"a cursor before 0": here(clientA, 0, -1, "idle"),
		"client's form":     here("short", 0, 0, "idle"),
	} {
		t.Run(name, func(t *testing.T) { me.in(t).post(at, body).refused(400, "bad-request") })
	}
	me.post(at, here(clientA, 1, 0, "idle")).refused(409, "base-ahead").has("head", 0)
	s.stranger().post(at, here(clientA, 0, 0, "idle")).refused(401, "signed-out")

	// A client is its first user's, in presence, on a line and in edits.
	me.post(at, here(clientA, 0, 0, "idle")).ok(204)
	other.post(at, here(clientA, 0, 0, "idle")).refused(409, "client-taken")
	other.get("/api/events?page="+page+"&client="+clientA).refused(409, "client-taken")
	other.post("/api/pages/"+page+"/changes", edit{client: clientA, n: 1, delta: `[{"insert":"x"}]`}.String()).refused(409, "client-taken")
	me.submit(page, edit{client: clientB, n: 1, delta: `[{"insert":"x"}]`}, 1)
	other.post(at, here(clientB, 0, 0, "idle")).refused(409, "client-taken")
	other.get("/api/events?page="+page+"&client="+clientB).refused(409, "client-taken")

	me.send(to("DELETE", "/api/pages/"+page)).ok(204)
	me.post(at, here(clientA, 0, 0, "idle")).refused(410, "trashed")
}
