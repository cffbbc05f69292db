package push

import (
	"fmt"
	"sync/atomic"
	"testing"
)

func TestRingIsBounded(t *testing.T) {
	r := ring{maxEvents: 4, maxBytes: 2000}
	for seq := uint64(1); seq <= 10; seq++ {
		r.push(newFrame(Event{Seq: seq}))
	}
	if got := seqs(r.frames); got != "[7 8 9 10]" {
		t.Errorf("kept %s, want the newest 4", got)
	}
	big := newFrame(Event{Seq: 11, Data: make([]byte, 1000)})
	if gone := r.push(big); gone.Seq != 8 {
		t.Errorf("the newest dropped is %d, want 8", gone.Seq)
	}
	huge := newFrame(Event{Seq: 12, Data: make([]byte, 100_000)})
	r.push(huge)
	if got := seqs(r.frames); got != "[12]" {
		t.Errorf("kept %s, want the newest whatever its size", got)
	}
	r.push(newFrame(Event{Seq: 13}))
	if got := seqs(r.frames); got != "[13]" || r.bytes != r.frames[0].size() {
		t.Errorf("kept %s and %d bytes, want only 13", got, r.bytes)
	}
}

func TestRingReachesBack(t *testing.T) {
	r := ring{maxEvents: 3, maxBytes: 1 << 20}
	if frames, ok := r.afterSeq(5); !ok || len(frames) != 0 {
		t.Errorf("an empty ring has %s behind 5, %v", seqs(frames), ok)
	}
	for seq := uint64(8); seq <= 12; seq++ {
		r.push(newFrame(Event{Seq: seq}))
	}
	for _, c := range []struct {
		after uint64
		want  string
		ok    bool
	}{
		{8, "[]", false}, {9, "[10 11 12]", true}, {10, "[11 12]", true}, {12, "[]", true}, {99, "[]", true},
	} {
		if frames, ok := r.afterSeq(c.after); seqs(frames) != c.want || ok != c.ok {
			t.Errorf("afterSeq(%d) = %s, %v, want %s, %v", c.after, seqs(frames), ok, c.want, c.ok)
		}
	}
}

func seqs(frames []*frame) string {
	all := make([]uint64, 0, len(frames))
	for _, f := range frames {
		all = append(all, f.Seq)
	}
	return fmt.Sprint(all)
}

// What gather hands out at once is bounded, and goes on where it stopped.
func TestGatherIsBounded(t *testing.T) {
	topic := newTopic("a", Config{}.withDefaults(), new(atomic.Uint64))
	for seq := uint64(1); seq <= 10; seq++ {
		topic.publish(newFrame(Event{Seq: seq, Data: make([]byte, 100)}))
		topic.publish(newFrame(Event{Data: make([]byte, 100)}))
	}
	s := &subscription{topic: topic, sequenced: true, number: topic.dropped}
	var frames []*frame
	for more := true; more; {
		h := topic.gather(s, nil, 250)
		if len(h.frames) > 3 {
			t.Fatalf("gathered %d frames of 100 bytes, want 3 at most", len(h.frames))
		}
		for _, f := range h.frames {
			s.seq, s.number = max(s.seq, f.Seq), max(s.number, f.number)
		}
		frames, more = append(frames, h.frames...), h.more
	}
	if len(frames) != 20 {
		t.Fatalf("gathered %d frames, want 20", len(frames))
	}
	for i, f := range frames {
		if sequenced := i%2 == 0; (f.Seq > 0) != sequenced {
			t.Fatalf("frame %d has seq %d; want the order of publishing", i, f.Seq)
		}
	}
}
