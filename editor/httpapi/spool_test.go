package httpapi

import (
	"bytes"
	"strings"
	"testing"
)

func TestSpool(t *testing.T) {
	for _, size := range []int{0, 1, spoolBytes, spoolBytes + 1, 3*spoolBytes + 7} {
		var s spool
		want := strings.Repeat("abcdefg", size/7+1)[:size]
		for rest := want; rest != ""; {
			n := min(len(rest), 100_000)
			if _, err := s.Write([]byte(rest[:n])); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		var got bytes.Buffer
		if n, err := s.WriteTo(&got); err != nil || got.String() != want || n != int64(size) || s.size != n {
			t.Errorf("a spool of %d bytes gives %d (%d), err %v", size, n, got.Len(), err)
		}
		if (s.disk != nil) != (size > spoolBytes) || cap(s.memory) > 2*spoolBytes {
			t.Errorf("of %d bytes it holds %d in memory", size, cap(s.memory))
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
