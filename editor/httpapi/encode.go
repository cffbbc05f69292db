package httpapi

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// mustJSON encodes our own plain types, which always can be.
func mustJSON(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}

func appendUint(dst []byte, n uint64) []byte { return strconv.AppendUint(dst, n, 10) }

// newClient returns a random id for a client that sends one edit.
func newClient() string { return rand.Text() }

// byPreference lists the media types of an Accept header, the most wanted first.
func byPreference(accept string) []string {
	type wanted struct {
		kind string
		q    float64
	}
	var list []wanted
	for part := range strings.SplitSeq(accept, ",") {
		kind, params, _ := strings.Cut(part, ";")
		w := wanted{strings.ToLower(strings.TrimSpace(kind)), 1}
		for param := range strings.SplitSeq(params, ";") {
			if q, ok := strings.CutPrefix(strings.TrimSpace(param), "q="); ok {
				w.q, _ = strconv.ParseFloat(q, 64)
			}
		}
		if w.kind != "" && w.q > 0 {
			list = append(list, w)
		}
	}
	slices.SortStableFunc(list, func(a, b wanted) int { return cmp.Compare(b.q, a.q) })
	kinds := make([]string, len(list))
	for i, w := range list {
		kinds[i] = w.kind
	}
	return kinds
}

// wants reports whether an Accept header names a media type itself.
func wants(accept, media string) bool { return slices.Contains(byPreference(accept), media) }
