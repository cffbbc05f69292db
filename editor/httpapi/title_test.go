package httpapi

import (
	"encoding/json"
	"testing"
)

// TestTitleMerge: what two people have made of the same title is merged, and a
// title edit that is sent again is not applied again.
func TestTitleMerge(t *testing.T) {
	s := newServer(t, Config{})
	ann, ben := signIn(t, s), signIn(t, s)
	var page struct {
		ID, Title string
		Version   int
	}
	read := func(body []byte) {
		t.Helper()
		if err := json.Unmarshal(body, &page); err != nil {
			t.Fatal(err)
		}
	}
	read(ann.do("POST", "/api/pages", `{"title":"Same"}`).Body.Bytes())
	patch := func(who *browser, key, body, want string, version int) {
		t.Helper()
		w := who.do("PATCH", "/api/pages/"+page.ID, body, "Idempotency-Key", key)
		if w.Code != 200 {
			t.Fatalf("%s: %d %s", body, w.Code, w.Body)
		}
		if read(w.Body.Bytes()); page.Title != want || page.Version != version {
			t.Errorf("%s: the title is %q at version %d, want %q at %d", body, page.Title, page.Version, want, version)
		}
	}
	alpha, beta := `{"title":"SameAlpha","base_title":"Same"}`, `{"title":"SameBeta","base_title":"Same"}`
	patch(ann, "key-alpha", alpha, "SameAlpha", 1)
	patch(ben, "key-beta", beta, "SameBetaAlpha", 2)
	patch(ann, "key-alpha", alpha, "SameBetaAlpha", 2)
	patch(ben, "key-beta", beta, "SameBetaAlpha", 2)
	patch(ben, "key-alpha", `{"title":"ASame","base_title":"Same"}`, "ASameBetaAlpha", 3) // another person's key
	patch(ann, "", `{"title":"Same","base_title":"SameBetaAlpha"}`, "ASame", 4)
	patch(ann, "key-set-1", `{"title":"Other"}`, "Other", 5)
	patch(ben, "", `{"title":"Third"}`, "Third", 6)
	patch(ann, "key-set-1", `{"title":"Other"}`, "Third", 6)

	ann.want(ann.do("PATCH", "/api/pages/"+page.ID, `{"base_title":"Third"}`), 400, "bad-request")
	ann.want(ann.do("PATCH", "/api/pages/"+page.ID, `{"title":"x","base_title":"a\nb"}`), 400, "bad-request")
	ann.want(ann.do("PATCH", "/api/pages/"+page.ID, `{"title":"x"}`, "Idempotency-Key", "short"), 400, "bad-request")
	if w := ann.do("DELETE", "/api/pages/"+page.ID, ""); w.Code != 204 {
		t.Fatalf("trash: %d", w.Code)
	}
	patch(ann, "key-set-1", `{"title":"Other"}`, "Third", 7) // applied before, so not refused
	ann.want(ann.do("PATCH", "/api/pages/"+page.ID, alpha), 410, "trashed")
}
