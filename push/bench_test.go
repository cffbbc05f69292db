package push

import (
	"bytes"
	"fmt"
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

// What one line of five topics gathers, without the network.
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
			l, err := newLine(hub, asked)
			if err != nil {
				b.Fatal(err)
			}
			l.wake = make(chan struct{}, 1)
			defer l.unsubscribe()
			if _, err := l.subscribe(b.Context()); err != nil {
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
				l.gather()
				for l.collect(b.Context(), true) != nothing {
				}
				l.discard()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(events), "ns/event")
		})
	}
}
