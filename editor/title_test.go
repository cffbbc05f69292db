package editor

import "testing"

func TestMergeTitle(t *testing.T) {
	base := func(s string) *string { return &s }
	for _, c := range []struct{ base, title, current, want string }{
		{"Same", "SameAlpha", "SameBeta", "SameAlphaBeta"},
		{"Same", "Same Alpha", "Same Beta", "Same Alpha Beta"},
		{"Plan", "A Plan", "Plan B", "A Plan B"},
		{"", "Alpha", "Beta", "AlphaBeta"},
		{"Minutes of March", "Minutes of April", "The Minutes of March", "The Minutes of April"},
		{"Minutes of March", "Minutes", "Minutes of March, final", "Minutes, final"},
		{"Minutes", "Minutes", "Hours", "Hours"},
		{"Minute", "Minutes", "Minut", "Minuts"},
		{"abc", "abxc", "aybc", "aybxc"},
		{"abcdefghij", "abcdXefghij", "abcdefghiYj", "abcdXefghiYj"},
		{"Tpyo", "Typo", "Tpyo here", "Typo here"},
		{"Same", "ASame", "SameBeta", "ASameBeta"},
		{"aaa", "aaaa", "aa", "aaa"},
		{"🙂", "🙂🙃", "😀🙂", "😀🙂🙃"},
		{"Café", "Cafés", "Cafè", "Cafès"},
		{"One Two Three", "One 2 Three", "One Two 3", "One 2 3"},
		{"ab", "xaybz", "a1b", "xay1bz"}, // several inserts in one edit delete nothing
		{"xaybz", "ab", "xaybz!", "ab!"},
		{"Same", "SameBeta", "SameBeta", "SameBetaBeta"}, // two people who type the same
	} {
		if got, err := mergeTitle(base(c.base), c.title, c.current); err != nil || got != c.want {
			t.Errorf("%q to %q over %q = %q, %v; want %q", c.base, c.title, c.current, got, err, c.want)
		}
	}
}
