package bolt

import (
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// What a disk writes whole or not at all, and what the system keeps a file in.
const (
	sectorBytes = 512
	blockBytes  = 4096
)

// A platter is a folder on a disk, with all in it, as a power cut could leave it.
// It is told a process's calls in their order, and knows what they promise: what
// was written to a file before a sync of it began is on the disk when that ends;
// names are when their folder is synced; of everything later, any part may be,
// each block of each write for itself. A sync that fails promises nothing, and
// takes what it should have written out of what the next one writes.
type platter struct {
	dir   string
	seen  map[string]*file // by path, as the process sees them
	names map[string]*file // those whose names are on the disk for sure
	later []*renaming      // what may or may not be yet
}

// A renaming gives paths to files, or takes them away. It is sure when the
// folder is synced.
type renaming struct {
	folder string
	to     map[string]*file
	done   bool
}

// A file is what is on the disk for sure, and what may be besides.
type file struct {
	size   int64
	blocks map[int64][]byte // by number; none: zeros
	later  []*piece
	end    int64 // as the process sees it
	folder bool
}

// A piece is a block's worth of a write or, where data is nil, a new length.
type piece struct {
	at   int64
	data []byte
	done bool // its call has ended
	lost bool // a sync of it has failed: no other will write it
}

func newPlatter(dir string) *platter {
	return &platter{dir: dir, seen: map[string]*file{dir: {folder: true}}, names: map[string]*file{}}
}

// begin tells p of a call that begins; end is to be called where the call does.
func (p *platter) begin(c *call) (end func()) {
	f := p.seen[c.path]
	nothing := func() {}
	switch c.name {
	case "pwrite64", "write", "ftruncate":
		if f == nil || c.failed { // not ours, or without a name any more
			return nothing
		}
		return f.change(c)
	case "fsync", "fdatasync":
		switch {
		case f == nil:
			return nothing
		case f.folder:
			return p.syncFolder(c)
		}
		return f.sync(c)
	}
	switch inside := strings.HasPrefix(c.path, p.dir+"/"); {
	case c.failed || !inside || c.name == "openat" && (f != nil || !c.creates):
		return nothing
	case c.name == "openat", c.name == "mkdirat":
		return p.rename(c.path, map[string]*file{c.path: {blocks: map[int64][]byte{}, folder: c.name == "mkdirat"}})
	case c.name == "unlinkat":
		return p.rename(c.path, map[string]*file{c.path: nil})
	case c.name == "linkat":
		return p.rename(c.to, map[string]*file{c.to: f})
	}
	return p.rename(c.to, map[string]*file{c.path: nil, c.to: f})
}

func (p *platter) rename(path string, to map[string]*file) (end func()) {
	n := &renaming{folder: filepath.Dir(path), to: to}
	p.later = append(p.later, n)
	n.apply(p.seen)
	return func() { n.done = true }
}

// syncFolder makes names sure.
func (p *platter) syncFolder(c *call) (end func()) {
	covered := map[*renaming]bool{}
	for _, n := range p.later {
		if n.done && n.folder == c.path {
			covered[n] = true
		}
	}
	return func() {
		if c.failed {
			return
		}
		var rest []*renaming
		for _, n := range p.later {
			if covered[n] {
				n.apply(p.names)
			} else {
				rest = append(rest, n)
			}
		}
		p.later = rest
	}
}

func (n *renaming) apply(names map[string]*file) {
	for name, f := range n.to {
		if names[name] = f; f == nil {
			delete(names, name)
		}
	}
}

func (f *file) change(c *call) (end func()) {
	var pieces []*piece
	switch {
	case c.name == "ftruncate":
		pieces = []*piece{{at: c.offset}}
		f.end = c.offset
	case c.name == "write":
		pieces = piecesOf(f.end, c.data)
		f.end += int64(len(c.data))
	default:
		pieces = piecesOf(c.offset, c.data)
		f.end = max(f.end, c.offset+int64(len(c.data)))
	}
	f.later = append(f.later, pieces...)
	return func() {
		for _, piece := range pieces {
			piece.done = true
		}
	}
}

// piecesOf cuts data at the ends of blocks.
func piecesOf(at int64, data []byte) (pieces []*piece) {
	for len(data) > 0 {
		size := min(int64(len(data)), blockBytes-at%blockBytes)
		pieces = append(pieces, &piece{at: at, data: data[:size]})
		at, data = at+size, data[size:]
	}
	return pieces
}

func (f *file) sync(c *call) (end func()) {
	var covered []*piece
	for _, piece := range f.later {
		if piece.done && !piece.lost {
			covered = append(covered, piece)
		}
	}
	return func() {
		if c.failed {
			for _, piece := range covered {
				piece.lost = true
			}
			return
		}
		f.settle(covered)
	}
}

// settle puts pieces on the disk for sure. What was written there before them
// is gone, also where it may have been lost.
func (f *file) settle(pieces []*piece) {
	sure := map[*piece]bool{}
	for _, s := range pieces {
		sure[s] = true
		f.size = s.apply(f.blocks, f.size)
	}
	var kept []*piece
	over := map[int64]bool{} // blocks that a sure piece covers wholly, of those gone through
	for _, l := range slices.Backward(f.later) {
		block := l.at / blockBytes
		if !sure[l] && !over[block] {
			kept = append(kept, l)
		}
		over[block] = over[block] || sure[l] && len(l.data) == blockBytes
	}
	slices.Reverse(kept)
	f.later = kept
}

// apply writes s and returns the file's length. Blocks are never changed in
// place, so that copies of the map may share them.
func (s *piece) apply(blocks map[int64][]byte, size int64) int64 {
	if s.data == nil {
		maps.DeleteFunc(blocks, func(n int64, _ []byte) bool { return n*blockBytes >= s.at })
		return s.at
	}
	n := s.at / blockBytes
	if len(s.data) == blockBytes {
		blocks[n] = s.data
	} else {
		whole := make([]byte, blockBytes)
		copy(whole, blocks[n])
		copy(whole[s.at%blockBytes:], s.data)
		blocks[n] = whole
	}
	return max(size, s.at+int64(len(s.data)))
}

// A cut is one of the ways in which a power cut leaves what is not sure.
type cut struct {
	name  string
	there func(*rand.Rand) bool // whether a piece is on the disk
	torn  func(*rand.Rand) bool // whether only some of its sectors are
}

func half(r *rand.Rand) bool { return r.IntN(2) == 0 }
func yes(*rand.Rand) bool    { return true }
func no(*rand.Rand) bool     { return false }

var cuts = []cut{
	{"everything that was written", yes, no},
	{"nothing that was not synced", no, no},
	{"any half of it", half, no},
	{"most of it", func(r *rand.Rand) bool { return r.IntN(10) > 0 }, no},
	{"all, some blocks torn", yes, func(r *rand.Rand) bool { return r.IntN(10) == 0 }},
	{"half of it, half of that torn", half, half},
}

// write makes in dir what the disk holds after a cut.
func (p *platter) write(dir string, c cut, r *rand.Rand) error {
	names := maps.Clone(p.names)
	for _, n := range p.later {
		if c.there(r) {
			n.apply(names)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(names)) { // folders before what is in them
		parent := filepath.Dir(path)
		if parent != p.dir && names[parent] == nil {
			continue // its folder is lost
		}
		if err := names[path].write(dir+strings.TrimPrefix(path, p.dir), c, r); err != nil {
			return err
		}
	}
	return nil
}

func (f *file) write(path string, c cut, r *rand.Rand) error {
	if f.folder {
		return os.Mkdir(path, 0o700)
	}
	size, blocks := f.size, maps.Clone(f.blocks)
	for _, l := range f.later {
		switch {
		case !c.there(r):
		case l.data != nil && c.torn(r):
			size = l.tear(r, blocks, size)
		default:
			size = l.apply(blocks, size)
		}
	}
	to, err := os.Create(path)
	if err != nil {
		return err
	}
	defer to.Close()
	for n, data := range blocks {
		if _, err := to.WriteAt(data, n*blockBytes); err != nil {
			return err
		}
	}
	return to.Truncate(size)
}

// tear writes some sectors of l.
func (l *piece) tear(r *rand.Rand, blocks map[int64][]byte, size int64) int64 {
	for at := 0; at < len(l.data); at += sectorBytes {
		if r.IntN(2) == 0 {
			sector := piece{at: l.at + int64(at), data: l.data[at:min(at+sectorBytes, len(l.data))]}
			size = sector.apply(blocks, size)
		}
	}
	return size
}
