package httpapi

import (
	"maps"
	"testing"

	"github.com/gorilla/securecookie"
)

// TestCookieForm: a key comes out as it went in, also from a cookie that an
// older Halley gave out.
func TestCookieForm(t *testing.T) {
	for name, values := range map[string]map[any]any{
		"a session": {"key": "J8q_-x"},
		"none":      {},
	} {
		for form, serializer := range map[string]securecookie.Serializer{"ours": cookieForm{}, "gob": securecookie.GobEncoder{}} {
			text, err := serializer.Serialize(values)
			if err != nil {
				t.Fatal(err)
			}
			got := map[any]any{}
			if err := (cookieForm{}).Deserialize(text, &got); err != nil || !maps.Equal(got, values) {
				t.Errorf("%s in the form of %s is read as %v, %v; want %v", name, form, got, err, values)
			}
		}
	}
	for _, values := range []map[any]any{{"key": 1}, {"other": "x"}, {"key": "x", "other": "x"}} {
		if text, err := (cookieForm{}).Serialize(values); err == nil {
			t.Errorf("%v is written as %q, and would not come out", values, text)
		}
	}
	got := map[any]any{}
	if err := (cookieForm{}).Deserialize([]byte("garbage"), &got); err == nil {
		t.Errorf("garbage is read as %v", got)
	}
}
