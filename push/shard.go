package push

import "sync"

// A shard drives nonblocking streams, one after the other, in a goroutine of its
// own. Nothing that it does for a stream may block.
type shard struct {
	wake chan struct{} // holds one token while streams are woken and not taken

	mu    sync.Mutex // guards woken
	woken []*nonblocking
}

func newShard() *shard { return &shard{wake: make(chan struct{}, 1)} }

// add has the stream driven soon.
func (sh *shard) add(n *nonblocking) {
	sh.mu.Lock()
	sh.woken = append(sh.woken, n)
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
	var streams []*nonblocking
	for {
		select {
		case <-stop:
			return
		case <-sh.wake:
		}
		streams = sh.swap(streams[:0])
		for _, n := range streams {
			n.drive()
		}
		clear(streams) // the shard must not keep a stream that has ended
	}
}

func (sh *shard) swap(empty []*nonblocking) (woken []*nonblocking) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	woken, sh.woken = sh.woken, empty
	return woken
}
