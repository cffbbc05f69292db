package main

import "testing"

func TestMemoryLimit(t *testing.T) {
	if got := memoryLimit(256); got != 256<<20 {
		t.Errorf("--memory 256 is %d bytes, want %d", got, 256<<20)
	}
	if got := memoryLimit(0); got < leastMemory {
		t.Errorf("the default is %d bytes, want at least %d", got, leastMemory)
	}
	if checkMemory(63) == nil {
		t.Error("--memory 63 is accepted, want a refusal")
	}
	for _, ok := range []mebibytes{0, 64, 4096} {
		if err := checkMemory(ok); err != nil {
			t.Errorf("--memory %d is refused: %v", ok, err)
		}
	}
}
