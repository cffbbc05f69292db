package push

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"testing"
)

// Publishing where nobody listens.
func BenchmarkPublishToNobody(b *testing.B) {
	hub := NewHub(Config{}, newMemory())
	defer hub.Close()
	for b.Loop() {
		hub.Publish("a", Event{Type: "change", Seq: 1})
	}
}

// What one stream of five topics gathers, without the network.
func BenchmarkGather(b *testing.B) {
	for _, topics := range []int{1, 5} {
		b.Run(fmt.Sprintf("topics=%d", topics), func(b *testing.B) {
			source := newMemory()
			hub := NewHub(Config{}, source)
			defer hub.Close()
			asked := Line{}
			for i := range topics {
				asked.Start = append(asked.Start, Position{Topic: fmt.Sprint("topic-number-", i)})
			}
			s := newBlocking(hub, httptest.NewRecorder(), asked)
			defer s.unsubscribe()
			if _, err := s.subscribe(b.Context()); err != nil {
				b.Fatal(err)
			}
			e := Event{Type: "change", Data: bytes.Repeat([]byte{'1'}, 200)}
			events := 0
			for b.Loop() {
				e.Seq++
				for _, p := range asked.Start {
					hub.Publish(p.Topic, e)
				}
				events += topics
				s.openBatch()
				for s.collect(b.Context(), true) != nothing {
				}
				s.discard()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(events), "ns/event")
		})
	}
}
