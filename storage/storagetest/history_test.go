package storagetest

import "testing"

// TestLinearizable: the checker itself finds what is wrong.
func TestLinearizable(t *testing.T) {
	for _, c := range []struct {
		name  string
		steps []step
		ok    bool
	}{
		{"one after another", []step{{1, 2, true, 1, ""}, {3, 4, true, 2, ""}, {5, 6, false, 2, ""}}, true},
		{"side by side", []step{{1, 6, true, 2, ""}, {2, 5, true, 1, ""}, {3, 4, false, 1, ""}}, true},
		{"the same seq twice", []step{{1, 2, true, 1, ""}, {3, 4, true, 1, ""}}, false},
		{"a gap", []step{{1, 2, true, 2, ""}}, false},
		{"out of order", []step{{1, 2, true, 2, ""}, {3, 4, true, 1, ""}}, false},
		{"a stale read", []step{{1, 2, true, 1, ""}, {3, 4, false, 0, ""}}, false},
		{"a read of the future", []step{{1, 2, false, 1, ""}, {3, 4, true, 1, ""}}, false},
		{"a read that goes back", []step{{1, 9, true, 1, ""}, {2, 3, false, 1, ""}, {4, 5, false, 0, ""}}, false},
		{"beyond the head", []step{{1, 2, true, 1, ""}, {3, 4, false, 2, ""}}, false},
	} {
		if err := linearizable(c.steps); (err == nil) != c.ok {
			t.Errorf("%s: linearizable() = %v", c.name, err)
		}
	}
}
