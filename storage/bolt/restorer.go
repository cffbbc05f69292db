package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"halley/storage"
	"halley/storage/backup"
	"halley/storage/encoding"
)

// restoreStep is how many bytes one transaction of a restore writes, or a little
// more.
const restoreStep = 8 << 20

// A restorer writes what a backup holds into a new file that nobody else has
// open. It syncs once, at the end.
type restorer struct {
	cfg   Config
	file  *backup.File
	o     Restoring
	fold  folding
	blobs *blobFiles

	db      *bbolt.DB
	tx      *bbolt.Tx
	t       *tables
	written int

	kept   map[storage.Hash]bool // blobs that are restored
	named  map[storage.Hash]bool // blobs that pages name; for Only
	broken []brokenLog
}

// A brokenLog is a page that was restored up to a change before its newest.
type brokenLog struct {
	page storage.PageID
	part backup.Part
	kept uint64
}

// restore makes the store's file at path.
func (r *restorer) restore(path string) (err error) {
	if err := makeFile(path, r.cfg.withDefaults()); err != nil {
		return err
	}
	if r.db, err = openFile(path, defaultLockWait); err != nil {
		return err
	}
	r.db.NoSync, r.db.NoGrowSync = true, true
	if err = r.begin(); err == nil {
		r.t = tablesOf(r.tx)
		err = r.fill()
	}
	if err == nil {
		err = r.db.Sync()
	}
	return errors.Join(err, r.db.Close())
}

// fill writes everything and commits it.
func (r *restorer) fill() error {
	err := r.parts()
	if err == nil {
		err = r.settleBlobs()
	}
	if err != nil {
		return errors.Join(err, r.tx.Rollback())
	}
	return r.commit()
}

func (r *restorer) begin() error {
	tx, err := r.db.Begin(true)
	if err == nil {
		r.tx, r.written = tx, 0
	}
	return err
}

func (r *restorer) commit() error {
	if r.t.err != nil {
		return errors.Join(r.t.err, r.tx.Rollback())
	}
	return r.tx.Commit()
}

// put keeps copies of key and value.
func (r *restorer) put(b *bbolt.Bucket, key, value []byte) {
	r.t.put(b, bytes.Clone(key), bytes.Clone(value))
	r.written += len(key) + len(value)
}

// step begins another transaction where this one is large. Buckets that callers
// hold are not valid afterwards.
func (r *restorer) step() error {
	if r.written < restoreStep {
		return nil
	}
	if err := r.commit(); err != nil {
		return err
	}
	if err := r.begin(); err != nil {
		return err
	}
	r.t = tablesOf(r.tx)
	return nil
}

// parts restores all parts that are wanted.
func (r *restorer) parts() error {
	if r.o.Only == "" {
		for _, list := range [][]string{r.file.Damage, r.file.Made} {
			for _, sentence := range list {
				r.o.Lost(sentence)
			}
		}
	}
	for _, p := range r.file.Parts {
		if err := r.part(p); err != nil {
			return err
		}
	}
	return nil
}

func (r *restorer) part(p backup.Part) error {
	switch p.Kind {
	case backup.KindRecords:
		return r.records(p)
	case backup.KindPage:
		id := storage.PageID(p.Name)
		if id.Validate() != nil || r.o.Only != "" && id != r.o.Only {
			return nil
		}
		return r.page(p, id)
	case backup.KindUses:
		if r.o.Only != "" {
			return nil
		}
		return r.uses(p)
	case backup.KindBlob:
		return r.blob(p)
	}
	return nil
}

// gap reports what is missing of a part; with Only, of others than the page too.
func (r *restorer) gap(p backup.Part) func(string) {
	return func(why string) {
		if r.o.Only == "" || p.Kind == backup.KindPage {
			r.o.Lost(p.String() + ": " + why)
		}
	}
}

func (r *restorer) records(p backup.Part) error {
	return r.file.Read(p, func(f backup.Frame) error {
		d := encoding.Reader{Rest: f.Payload}
		for len(d.Rest) > 0 && d.Err == nil {
			r.record(&d)
		}
		return r.step()
	}, r.gap(p))
}

// record takes a record off d, and keeps it where there is none under its key.
func (r *restorer) record(d *encoding.Reader) {
	key := d.Bytes()
	row := recordRow{version: d.Uvarint(), expires: d.Varint(), value: d.Bytes()}
	if d.Err != nil || len(key) == 0 || r.t.records.Get(key) != nil {
		return
	}
	r.put(r.t.records, key, row.encode(key))
	if row.expires != 0 {
		r.put(r.t.expiry, expiryKey(row.expires, string(key)), nil)
	}
}

// uses merges what blobs are kept for with what their pages have shown.
func (r *restorer) uses(p backup.Part) error {
	return r.file.Read(p, func(f backup.Frame) error {
		for d := (encoding.Reader{Rest: f.Payload}); len(d.Rest) > 0; {
			var h storage.Hash
			d.Fixed(h[:])
			page := storage.PageID(d.Bytes())
			u := useRow{changes: d.Uvarint(), until: d.Varint()}
			if d.Err != nil || page.Validate() != nil {
				break
			}
			old, err := r.t.use(h, page)
			if err != nil {
				return err
			}
			u.changes = max(u.changes, old.changes)
			r.putUse(h, page, u)
		}
		return r.step()
	}, r.gap(p))
}

func (r *restorer) putUse(h storage.Hash, page storage.PageID, u useRow) {
	if u.none() {
		return
	}
	key := useKey(h, page)
	r.put(r.t.blobs, key, u.encode(key))
	if u.until != 0 {
		r.put(r.t.blobs, untilKey(u.until, h, page), nil)
	}
}

func (r *restorer) blob(p backup.Part) error {
	h, err := storage.ParseHash(p.Name)
	if err != nil || r.o.Only != "" && !r.named[h] {
		return nil
	}
	size, ok, err := r.restoreBlob(p, h)
	if err != nil || !ok {
		return err
	}
	r.kept[h] = true
	key := blobKey(h)
	r.put(r.t.blobs, key, encodeBlob(key, size))
	return r.step()
}

// settleBlobs removes what is known of blobs that are not restored, and the
// blobs that nothing is known of.
func (r *restorer) settleBlobs() error {
	var gone [][]byte
	used := map[storage.Hash]bool{}
	c := r.t.blobs.Cursor()
	for k, _ := c.Seek([]byte{kindUse}); len(k) > 0; k, _ = c.Next() {
		at := 1
		if k[0] == kindUntil {
			at += 8
		}
		var h storage.Hash
		copy(h[:], k[at:])
		used[h] = true
		if !r.kept[h] {
			gone = append(gone, bytes.Clone(k))
		}
	}
	for h := range r.kept {
		if !used[h] && r.o.Only == "" {
			gone = append(gone, blobKey(h))
			if err := r.blobs.remove(h); err != nil {
				return err
			}
		}
	}
	for _, k := range gone {
		r.t.remove(r.t.blobs, k)
	}
	return nil
}

// page restores a page: the sound beginning of its log, and the checkpoints of it.
func (r *restorer) page(p backup.Part, id storage.PageID) error {
	g := &pageRestorer{restorer: r, id: id, next: 1, at: firstLink(id), digests: map[string]digest{}, tally: map[storage.Hash]uint64{}}
	if r.o.Replay != nil {
		g.replay = r.o.Replay(id)
	}
	err := r.file.Read(p, g.frame, func(why string) {
		g.gaps++
		r.gap(p)(why)
	})
	if err != nil {
		return err
	}
	g.end()
	if kept := g.next - 1; g.lost || kept < g.head {
		r.broken = append(r.broken, brokenLog{id, p, kept})
		why := "what is newer is damaged or missing"
		if g.why != "" {
			why = g.why
		}
		r.o.Lost(fmt.Sprintf("page %s is restored up to change %d of %d: %s", id, kept, max(g.head, g.seen), why))
	}
	return r.step()
}

// A pageRestorer is a page on its way into the new file.
type pageRestorer struct {
	*restorer
	id     storage.PageID
	replay func(storage.Change) ([]storage.Hash, error)

	next uint64 // the change that comes next
	at   link   // of the change before
	time time.Time
	lost bool   // a change does not follow: the log ends before
	why  string // it does not
	gaps int
	head uint64 // the newest change that there was
	seen uint64 // the newest one in the backup

	clients senders
	digests map[string]digest
	tally   map[storage.Hash]uint64 // how many changes name a blob
	partial checkpointParts
}

type digest struct {
	seq uint64
	sum [16]byte
}

func (g *pageRestorer) frame(f backup.Frame) error {
	d := encoding.Reader{Rest: f.Payload}
	switch f.Type {
	case backup.TypeSettings:
		g.record(&d)
	case backup.TypeHead:
		g.head = d.Uvarint()
	case backup.TypeClients:
		for len(d.Rest) > 0 {
			client, in := d.String(), digest{seq: d.Uvarint()}
			if d.Fixed(in.sum[:]); d.Err == nil {
				g.digests[client] = in
			}
		}
	case backup.TypeChanges, backup.TypeBlock:
		return g.changes(f)
	case backup.TypeCheckpointPart:
		g.checkpointPart(&d)
	case backup.TypeCheckpoint:
		g.checkpoint(&d)
	}
	return g.step()
}

// A logRun is a frame of changes, checked against its own links.
type logRun struct {
	first, count uint64
	before, end  link
	packed       []byte // of a block
	open         bool
	changes      []storage.Change
	rows         [][]byte // their encodings, each with its link
}

func (r *logRun) last() uint64 { return r.first + r.count - 1 }

// decodeRunFrame decodes a frame of changes and checks the chain through it. Its
// memory is the frame's.
func (f folding) decodeRunFrame(frame backup.Frame) (r logRun, err error) {
	d := encoding.Reader{Rest: frame.Payload}
	r.first, r.count, r.before, r.end = decodeRun(&d)
	if d.Err != nil {
		return r, d.Err
	}
	if frame.Type == backup.TypeBlock {
		r.open, r.packed = d.Uvarint() != 0, d.Rest
		if r.count > maxBlockChanges {
			return r, encoding.ErrInvalid
		}
		r.changes, err = f.unpack(r.packed, r.first, int(r.count))
	} else {
		r.changes, err = decodeChanges(&d, r.first, r.count)
	}
	if err != nil {
		return r, err
	}
	links := newChain(r.before)
	for i := range r.changes {
		row := encodeChange(&r.changes[i])
		at := links.next(r.changes[i].Seq, row)
		r.rows = append(r.rows, append(row, at[:]...))
	}
	if links.at != r.end {
		return r, errSum
	}
	return r, nil
}

func decodeChanges(d *encoding.Reader, first, count uint64) (changes []storage.Change, err error) {
	for i := range count {
		encoded := d.Bytes()
		if d.Err != nil {
			return nil, d.Err
		}
		c, err := decodeChange(encoded)
		if err != nil {
			return nil, err
		}
		changes = append(changes, storage.Change{
			Seq: first + i, Client: string(c.client), N: c.n, Author: string(c.author),
			Time: time.UnixMilli(c.time).UTC(), Payload: c.payload,
		})
	}
	return changes, nil
}

// changes restores a frame of changes, as far as they follow what came before.
func (g *pageRestorer) changes(f backup.Frame) error {
	r, err := g.fold.decodeRunFrame(f)
	if r.count > 0 {
		g.seen = max(g.seen, r.last())
	}
	switch {
	case g.lost || err == nil && r.last() < g.next:
		return nil
	case err != nil:
		g.cutOff(fmt.Sprintf("change %d: %v", g.next, err))
		return nil
	case r.first > g.next || r.first == g.next && r.before != g.at:
		g.cutOff(fmt.Sprintf("change %d is damaged or missing", g.next))
		return nil
	}
	whole := r.packed != nil && r.first == g.next
	from := g.next
	fitting := r.rows[:0]
	for i := range r.changes {
		c := &r.changes[i]
		if c.Seq < from {
			continue
		}
		if err := g.take(c); err != nil {
			g.cutOff(fmt.Sprintf("change %d does not fit: %v", c.Seq, err))
			whole = false
			break
		}
		fitting = append(fitting, r.rows[i])
		_, g.at, _ = splitLink(r.rows[i])
		g.next = c.Seq + 1
	}
	if whole {
		return g.putBlock(&r)
	}
	for i, row := range fitting {
		g.put(g.t.pages, changeKey(g.id, from+uint64(i)), row)
	}
	return g.step()
}

// cutOff ends the log before the change that is next.
func (g *pageRestorer) cutOff(why string) { g.lost, g.why = true, why }

// take counts a change among its page's clients and blobs, if it fits.
func (g *pageRestorer) take(c *storage.Change) error {
	if g.replay != nil {
		blobs, err := g.replay(*c)
		if err != nil {
			return err
		}
		for _, h := range blobs {
			g.tally[h]++
			g.named[h] = true
		}
	}
	g.time = c.Time
	if c.Client == "" {
		return nil
	}
	row, err := g.clients.row(g.t, g.id, c.Client)
	if err != nil {
		return err
	}
	g.clients.advance(row, c, c.Seq)
	return nil
}

func (g *pageRestorer) putBlock(r *logRun) error {
	b := sealedBlock{first: r.first, last: r.last(), open: r.open, size: len(r.packed), sum: sumOf(r.packed), before: r.before, end: r.end}
	for rest := r.packed; len(rest) > 0; b.parts++ {
		n := min(len(rest), blockPart(g.id))
		g.put(g.t.blocks, partKey(g.id, b.last, b.parts), rest[:n])
		rest = rest[n:]
	}
	key := sealKey(g.id, b.last)
	g.put(g.t.blocks, key, b.encode(key))
	return g.step()
}

// end writes what belongs to the log as a whole.
func (g *pageRestorer) end() {
	g.dropParts()
	for h, n := range g.tally {
		g.putUse(h, g.id, useRow{changes: n})
	}
	if g.next == 1 {
		return
	}
	key := pageKey(g.id, kindHead)
	g.put(g.t.pages, key, headRow{seq: g.next - 1, time: g.time, link: g.at}.encode(key))
	for i := range g.clients.rows {
		row := &g.clients.rows[i]
		if d := g.digests[row.client]; d.seq == row.Seq {
			row.Digest = d.sum
		}
	}
	g.clients.write(g.t, g.id)
}

// checkpointParts are parts of a checkpoint that is not known to be whole yet.
type checkpointParts struct {
	seq         uint64
	parts, size int
	sum         uint32
}

func (g *pageRestorer) checkpointPart(d *encoding.Reader) {
	seq := d.Uvarint()
	if d.Err != nil || seq >= g.next {
		return
	}
	if seq != g.partial.seq {
		g.dropParts()
		g.partial.seq = seq
	}
	g.put(g.t.checkpoints, partKey(g.id, seq, g.partial.parts), d.Rest)
	g.partial.parts, g.partial.size, g.partial.sum = g.partial.parts+1, g.partial.size+len(d.Rest), updateSum(g.partial.sum, d.Rest)
}

// dropParts removes parts that nothing has made valid.
func (g *pageRestorer) dropParts() {
	for part := range g.partial.parts {
		g.t.remove(g.t.checkpoints, partKey(g.id, g.partial.seq, part))
	}
	g.partial = checkpointParts{}
}

func (g *pageRestorer) checkpoint(d *encoding.Reader) {
	seq, size, sum := d.Uvarint(), d.Uvarint(), d.Uvarint()
	p := g.partial
	if d.Err != nil || seq != p.seq || size != uint64(p.size) || sum != uint64(p.sum) {
		g.dropParts()
		return
	}
	key := sealKey(g.id, seq)
	g.put(g.t.checkpoints, key, sealRow{parts: p.parts, size: p.size, sum: p.sum}.encode(key))
	g.partial = checkpointParts{}
}

// later finds what a backup has of a page behind its restored log: the newest
// sound checkpoint, and what follows.
func (r *restorer) later(b brokenLog) (later Later, err error) {
	var c storage.Checkpoint
	err = r.file.Read(b.part, func(f backup.Frame) error {
		d := encoding.Reader{Rest: f.Payload}
		switch f.Type {
		case backup.TypeCheckpointPart:
			if seq := d.Uvarint(); seq != c.Seq {
				c = storage.Checkpoint{Seq: seq}
			}
			if c.Seq > max(b.kept, later.Checkpoint.Seq) {
				c.Data = append(c.Data, d.Rest...)
			}
		case backup.TypeCheckpoint:
			seq, size, sum := d.Uvarint(), d.Uvarint(), d.Uvarint()
			if d.Err == nil && c.Seq == seq && seq > b.kept && size == uint64(len(c.Data)) && sum == uint64(sumOf(c.Data)) {
				later.Checkpoint = c
			}
			c = storage.Checkpoint{}
		}
		return nil
	}, func(string) {})
	later.Page, later.Kept = b.page, b.kept
	later.Changes = func(yield func(storage.Change, error) bool) {
		l := laterReader{fold: r.fold, next: max(b.kept, later.Checkpoint.Seq) + 1, yield: yield}
		if err := r.file.Read(b.part, l.frame, func(string) {}); err != nil && !errors.Is(err, errFound) {
			yield(storage.Change{}, err)
		}
	}
	return later, err
}

// A laterReader yields the changes of a page that follow a seq without a gap.
type laterReader struct {
	fold  folding
	next  uint64
	yield func(storage.Change, error) bool
}

// frame yields the changes of a frame, and returns errFound at the first gap.
func (l *laterReader) frame(f backup.Frame) error {
	var changes []storage.Change
	switch f.Type {
	case backup.TypeChanges, backup.TypeBlock:
		in, err := l.fold.decodeRunFrame(f)
		if err != nil {
			return nil // what comes next tells whether there is a gap
		}
		changes = in.changes
	case backup.TypeDoubtful:
		d := encoding.Reader{Rest: f.Payload}
		changes, _ = decodeChanges(&d, d.Uvarint(), 1) // what cannot be read is a gap
	}
	for _, c := range changes {
		switch {
		case c.Seq < l.next:
			continue
		case c.Seq > l.next, !l.yield(c, nil):
			return errFound
		}
		l.next++
	}
	return nil
}
