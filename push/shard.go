package push

import "sync"

// A shard drives light lines, one after the other, in a goroutine of its own.
// Nothing that it does for a line may block.
type shard struct {
	wake chan struct{} // holds one token while lines are woken and not taken

	mu    sync.Mutex // guards woken
	woken []*line
}

func newShard() *shard { return &shard{wake: make(chan struct{}, 1)} }

// add has the line driven soon.
func (sh *shard) add(l *line) {
	sh.mu.Lock()
	sh.woken = append(sh.woken, l)
	first := len(sh.woken) == 1
	sh.mu.Unlock()
	if first {
		select {
		case sh.wake <- struct{}{}:
		default:
		}
	}
}

// run drives what is woken until stop is closed.
func (sh *shard) run(stop <-chan struct{}) {
	var lines []*line
	for {
		select {
		case <-stop:
			return
		case <-sh.wake:
		}
		lines = sh.swap(lines[:0])
		for _, l := range lines {
			l.drive()
		}
		clear(lines) // so that an ended line is not kept
	}
}

func (sh *shard) swap(empty []*line) (woken []*line) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	woken, sh.woken = sh.woken, empty
	return woken
}
