package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"halley/storage"
	"halley/storage/backup"
	"halley/storage/encoding"
)

// A dumper writes a backup of what one transaction shows. What is damaged it
// leaves out, and says so in the backup (backup.Writer.Damage); its errors are
// of the writer alone.
type dumper struct {
	ctx   context.Context
	tree  *treeReader
	files *blobFiles
	w     *backup.Writer

	uncertain bool // rows of blobs are lost: a file may be a blob's that has no row
}

// How much a frame holds at most, unless one row has more. Records are few to a
// frame, so that damage to one costs few.
const (
	dumpRecordBytes = 16 << 10
	dumpFrameBytes  = 256 << 10
)

// rows writes everything but the bytes of blobs, and returns those.
func (d *dumper) rows() ([]storage.Blob, error) {
	blobs, err := d.blobs()
	if err == nil {
		err = d.records()
	}
	if err == nil {
		err = d.pages()
	}
	if err == nil {
		err = d.uses(blobs)
	}
	return blobs, err
}

func (d *dumper) lost(l lostRange) { d.w.Damage(l.String()) }

func (d *dumper) damaged(page storage.PageID, seq uint64, reason string) {
	d.w.Damage((&storage.CorruptError{Page: page, Seq: seq, Reason: reason}).Error())
}

// records writes all records.
func (d *dumper) records() error {
	d.w.Begin(backup.KindRecords, "")
	var e backup.Encoder
	err := d.tree.rows(bucketRecords, nil, nil, func(k, v []byte) error {
		r, err := decodeRecord(k, v)
		if err != nil {
			d.w.Damage(corruptRow(string(k), err).Error())
			return d.ctx.Err()
		}
		encodeRecord(&e, string(k), r)
		d.w.Counts.Records++
		if len(e.B) < dumpRecordBytes {
			return nil
		}
		return d.flush(backup.TypeRecords, &e)
	}, d.lost)
	if err == nil {
		err = d.flush(backup.TypeRecords, &e)
	}
	return errors.Join(err, d.w.End())
}

func encodeRecord(e *backup.Encoder, key string, r recordRow) {
	e.String(key)
	e.Uvarint(r.version)
	e.Varint(r.expires)
	e.Bytes(r.value)
}

// flush writes what was gathered, if anything was.
func (d *dumper) flush(t backup.Type, e *backup.Encoder) error {
	if err := d.ctx.Err(); err != nil || len(e.B) == 0 {
		return err
	}
	err := d.w.Frame(t, e.B)
	e.B = e.B[:0]
	return err
}

// pages writes all pages that have rows of any kind, in order of id.
func (d *dumper) pages() error {
	for from := []byte{}; ; {
		page, ok := storage.PageID(""), false
		for _, bucket := range [][]byte{bucketPages, bucketBlocks, bucketCheckpoints} {
			if next := d.nextPage(bucket, from); next != "" && (!ok || next < page) {
				page, ok = next, true
			}
		}
		if !ok {
			return nil
		}
		if err := d.page(page); err != nil {
			return err
		}
		from = pageKey(page, kindEnd)
	}
}

// nextPage is the first page that has a row in a bucket at or after a key.
func (d *dumper) nextPage(bucket, from []byte) (page storage.PageID) {
	_ = d.tree.rows(bucket, from, nil, func(k, _ []byte) error {
		if id := pageOf(k); id.Validate() == nil {
			page = id
			return errFound
		}
		d.w.Damage(corruptRow(string(k), errors.New("it is no page's row")).Error())
		return nil
	}, d.lost)
	return page
}

func (d *dumper) page(id storage.PageID) error {
	d.w.Begin(backup.KindPage, string(id))
	l := logDump{dumper: d, page: id, next: 1, at: firstLink(id), known: true}
	err := l.settings()
	for _, step := range []func() error{l.heading, l.clients, l.log, l.checkpoints} {
		if err == nil {
			err = step()
		}
	}
	d.w.Counts.Pages++
	return errors.Join(err, d.w.End())
}

// A logDump writes one page.
type logDump struct {
	*dumper
	page storage.PageID

	head     headRow
	haveHead bool

	next  uint64 // the change to be written next
	at    link   // of the change before
	known bool   // at is
	run   changeRun
}

// A changeRun is changes that follow one another, on their way into one frame.
type changeRun struct {
	first, count uint64
	before, end  link
	changes      backup.Encoder
}

func (r *changeRun) encode() []byte {
	var e backup.Encoder
	e.Uvarint(r.first)
	e.Uvarint(r.count)
	e.Fixed(r.before[:])
	e.Fixed(r.end[:])
	return append(e.B, r.changes.B...)
}

// settings copies the page's record, which is among the records too: what a
// page is called does not hang on one frame.
func (l *logDump) settings() error {
	key := settingsKey(l.page)
	v, ok := l.tree.get(bucketRecords, key, func(lostRange) {})
	if !ok {
		return nil
	}
	r, err := decodeRecord(key, v)
	if err != nil {
		return nil // reported among the records
	}
	var e backup.Encoder
	encodeRecord(&e, string(key), r)
	return l.w.Frame(backup.TypeSettings, e.B)
}

// settingsKey is where callers keep what a page is called (see storage.Records).
func settingsKey(page storage.PageID) []byte { return []byte("page/" + page) }

func (l *logDump) heading() error {
	key := pageKey(l.page, kindHead)
	v, ok := l.tree.get(bucketPages, key, l.lost)
	if !ok {
		l.w.Damage(corruptRow("head of "+string(l.page), errors.New("it is missing")).Error())
		return nil
	}
	h, err := decodeHead(key, v)
	if err != nil {
		l.w.Damage(corruptRow("head of "+string(l.page), err).Error())
		return nil
	}
	l.head, l.haveHead = h, true
	var e backup.Encoder
	e.Uvarint(h.seq)
	e.Varint(h.time.UnixMilli())
	e.Fixed(h.link[:])
	return l.w.Frame(backup.TypeHead, e.B)
}

// clients writes the digests of clients' newest edits; all else that is known
// of clients follows from the changes.
func (l *logDump) clients() error {
	var e backup.Encoder
	prefix := pageKey(l.page, kindClient)
	err := l.tree.rows(bucketPages, prefix, pageKey(l.page, kindMark), func(k, v []byte) error {
		c, err := decodeClient(k, v)
		if err != nil {
			l.w.Damage(corruptRow(fmt.Sprintf("client %q of %s", k[len(prefix):], l.page), err).Error())
			return nil
		}
		e.Bytes(k[len(prefix):])
		e.Uvarint(c.Seq)
		e.Fixed(c.Digest[:])
		if len(e.B) < dumpFrameBytes {
			return nil
		}
		return l.flush(backup.TypeClients, &e)
	}, l.lost)
	if err != nil {
		return err
	}
	return l.flush(backup.TypeClients, &e)
}

// log writes the page's changes: first those in blocks, then rows.
func (l *logDump) log() error {
	err := l.tree.rows(bucketBlocks, pageKey(l.page, kindSeal), pageKey(l.page, kindSeal+1), func(k, v []byte) error {
		b, err := decodeSealedBlock(k, v)
		if err != nil {
			l.damaged(l.page, tailNumber(k), "its block's seal: "+err.Error())
			return nil
		}
		return l.block(b)
	}, l.lost)
	if err != nil {
		return err
	}
	if err := l.rowsUpTo(^uint64(0)); err != nil {
		return err
	}
	last := l.next - 1
	switch {
	case l.haveHead && last < l.head.seq:
		l.missing(l.head.seq)
	case l.haveHead && last > l.head.seq:
		l.damaged(l.page, last, "it lies beyond the log's head")
	case l.haveHead && l.known && l.at != l.head.link:
		l.damaged(l.page, last, "it is not the change that the log's head names")
	}
	return nil
}

// missing notes that changes up to one are not there.
func (l *logDump) missing(upTo uint64) {
	if l.next == upTo {
		l.damaged(l.page, upTo, "it is missing")
	} else {
		l.damaged(l.page, l.next, fmt.Sprintf("it is missing, and so is each up to change %d", upTo))
	}
	l.next, l.known = upTo+1, false
}

func (l *logDump) block(b sealedBlock) error {
	if b.last < l.next {
		return nil
	}
	packed, sound, err := l.packed(b)
	if err != nil {
		return err
	}
	if !sound || b.first > l.next {
		if err := l.rowsUpTo(b.last); err != nil { // until a block is swept its rows may be there too
			return err
		}
	}
	switch {
	case b.last < l.next:
		return nil
	case !sound:
		l.damaged(l.page, b.first, fmt.Sprintf("the checksum of its block, up to change %d, does not hold", b.last))
		l.next, l.at, l.known = b.last+1, b.end, true
		return nil
	case b.first > l.next:
		l.missing(b.first - 1)
	case b.first < l.next && l.known:
		// Some of it was written as rows; the reader passes over these.
	case l.known && b.before != l.at:
		l.damaged(l.page, b.first, "its block does not follow from the change before")
	}
	l.w.Counts.Changes += b.last - l.next + 1
	l.next, l.at, l.known = b.last+1, b.end, true
	var e backup.Encoder
	e.Uvarint(b.first)
	e.Uvarint(uint64(b.count()))
	e.Fixed(b.before[:])
	e.Fixed(b.end[:])
	e.Uvarint(map[bool]uint64{true: 1}[b.open])
	e.Fixed(packed)
	return l.w.Frame(backup.TypeBlock, e.B)
}

// packed returns a block as it was packed, and whether it is sound.
func (l *logDump) packed(b sealedBlock) (packed []byte, sound bool, err error) {
	packed = make([]byte, 0, b.size)
	part := 0
	err = l.tree.rows(bucketBlocks, partsOf(l.page, b.last), partsOf(l.page, b.last+1), func(k, v []byte) error {
		if part < b.parts && partNumber(k) == part && len(packed)+len(v) <= b.size {
			packed = append(packed, v...)
			part++
		}
		return l.ctx.Err()
	}, l.lost)
	return packed, part == b.parts && len(packed) == b.size && sumOf(packed) == b.sum, err
}

// rowsUpTo writes the rows from next up to a seq, as far as they are sound, and
// notes what is missing between them.
func (l *logDump) rowsUpTo(upTo uint64) error {
	to := changeKey(l.page, upTo)
	if upTo < ^uint64(0) {
		to = changeKey(l.page, upTo+1)
	}
	err := l.tree.rows(bucketPages, changeKey(l.page, l.next), to, func(k, v []byte) error { return l.row(tailNumber(k), v) }, l.lost)
	if err != nil {
		return err
	}
	return l.endRun()
}

func (l *logDump) row(seq uint64, v []byte) error {
	if seq > l.next {
		if err := l.endRun(); err != nil {
			return err
		}
		l.missing(seq - 1)
	}
	encoded, at, ok := splitLink(v)
	sound := ok && l.known && newChain(l.at).next(seq, encoded) == at
	if sound {
		_, err := decodeChange(encoded)
		sound = err == nil
	}
	if !sound {
		if err := l.endRun(); err != nil {
			return err
		}
		l.damaged(l.page, seq, "its checksum does not hold, or does not follow from the change before")
		l.next, l.at, l.known = seq+1, at, ok // what follows may follow from the link that is stored
		return l.doubtful(seq, encoded)
	}
	if l.run.count == 0 {
		l.run = changeRun{first: seq, before: l.at, changes: backup.Encoder{B: l.run.changes.B[:0]}}
	}
	l.run.count++
	l.run.end = at
	l.run.changes.Bytes(encoded)
	l.next, l.at, l.known = seq+1, at, true
	if len(l.run.changes.B) < dumpFrameBytes {
		return nil
	}
	return l.endRun()
}

// doubtful writes a change that is damaged, as far as it can be read: most of its
// text is likely to be right.
func (l *logDump) doubtful(seq uint64, encoded []byte) error {
	if _, err := decodeChange(encoded); err != nil {
		return l.ctx.Err()
	}
	var e backup.Encoder
	e.Uvarint(seq)
	e.Bytes(encoded)
	return l.w.Frame(backup.TypeDoubtful, e.B)
}

// endRun writes the changes that were gathered.
func (l *logDump) endRun() error {
	if err := l.ctx.Err(); err != nil || l.run.count == 0 {
		return err
	}
	l.w.Counts.Changes += l.run.count
	err := l.w.Frame(backup.TypeChanges, l.run.encode())
	l.run.count = 0
	return err
}

// checkpoints writes the parts of each and then, where they are sound, what
// makes them valid.
func (l *logDump) checkpoints() error {
	return l.tree.rows(bucketCheckpoints, pageKey(l.page, kindSeal), pageKey(l.page, kindSeal+1), func(k, v []byte) error {
		seq := tailNumber(k)
		row, err := decodeSeal(k, v)
		if err != nil {
			l.damaged(l.page, seq, "its checkpoint's seal: "+err.Error())
			return nil
		}
		return l.checkpoint(seq, row)
	}, l.lost)
}

func (l *logDump) checkpoint(seq uint64, row sealRow) error {
	sum, size, part := uint32(0), 0, 0
	err := l.tree.rows(bucketCheckpoints, partKey(l.page, seq, 0), partKey(l.page, seq, row.parts), func(k, v []byte) error {
		if partNumber(k) != part {
			return nil
		}
		part, size = part+1, size+len(v)
		sum = updateSum(sum, v)
		e := backup.Encoder{}
		e.Uvarint(seq)
		e.Fixed(v)
		return errors.Join(l.ctx.Err(), l.w.Frame(backup.TypeCheckpointPart, e.B))
	}, l.lost)
	if err != nil {
		return err
	}
	if part != row.parts || size != row.size || sum != row.sum {
		l.damaged(l.page, seq, "its checkpoint's checksum does not hold")
		return nil
	}
	l.w.Counts.Checkpoints++
	var e backup.Encoder
	for _, n := range []uint64{seq, uint64(size), uint64(sum)} {
		e.Uvarint(n)
	}
	return l.w.Frame(backup.TypeCheckpoint, e.B)
}

// blobs lists the blobs, by their own rows and by those that say what they are
// used for. A size of -1 is not known.
func (d *dumper) blobs() ([]storage.Blob, error) {
	sizes := map[storage.Hash]int64{}
	lost := func(l lostRange) {
		d.uncertain = true
		d.lost(l)
	}
	err := d.tree.rows(bucketBlobs, []byte{kindBlob}, []byte{kindUntil}, func(k, v []byte) error {
		var h storage.Hash
		if len(k) < 1+len(h) {
			d.w.Damage(corruptRow("blobs", encoding.ErrInvalid).Error())
			return nil
		}
		copy(h[:], k[1:])
		if k[0] == kindUse {
			if _, known := sizes[h]; !known {
				d.w.Damage(corruptRow(blobName(h), errors.New("it is not kept, though a page has a use for it")).Error())
				sizes[h] = -1
			}
			return nil
		}
		size, err := decodeBlob(k, v)
		if err != nil {
			d.w.Damage(corruptRow(blobName(h), err).Error())
			size = -1
		}
		sizes[h] = size
		return nil
	}, lost)
	if d.uncertain {
		d.addFiles(sizes)
	}
	var all []storage.Blob
	for _, h := range slices.SortedFunc(maps.Keys(sizes), func(a, b storage.Hash) int { return bytes.Compare(a[:], b[:]) }) {
		all = append(all, storage.Blob{Hash: h, Size: sizes[h]})
	}
	return all, err
}

// addFiles adds the blobs whose files are there without a row.
func (d *dumper) addFiles(sizes map[storage.Hash]int64) {
	folders, err := d.files.folders()
	for _, folder := range folders {
		hashes, inErr := d.files.in(folder)
		err = errors.Join(err, inErr)
		for _, h := range hashes {
			if _, known := sizes[h]; !known {
				sizes[h] = -1
			}
		}
	}
	if err != nil {
		d.w.Damage(fmt.Sprintf("the folder of files cannot be read: %v", err))
	}
}

// uses writes what blobs are kept for: the hash, how many pages, and for each
// how many changes name it and when its upload ends.
func (d *dumper) uses(blobs []storage.Blob) error {
	d.w.Begin(backup.KindUses, "")
	var e backup.Encoder
	for _, b := range blobs {
		prefix := usePrefix(b.Hash)
		err := d.tree.rows(bucketBlobs, prefix, append([]byte{kindUse}, nextHash(b.Hash)...), func(k, v []byte) error {
			u, err := decodeUse(k, v)
			if !bytes.HasPrefix(k, prefix) {
				return nil
			}
			if err != nil {
				d.w.Damage(corruptRow(fmt.Sprintf("%s on page %q", blobName(b.Hash), k[len(prefix):]), err).Error())
				return nil
			}
			e.Fixed(b.Hash[:])
			e.Bytes(k[len(prefix):])
			e.Uvarint(u.changes)
			e.Varint(u.until)
			if len(e.B) < dumpRecordBytes {
				return nil
			}
			return d.flush(backup.TypeUses, &e)
		}, d.lost)
		if err != nil {
			return err
		}
	}
	return errors.Join(d.flush(backup.TypeUses, &e), d.w.End())
}

// nextHash is the end of the keys that begin with h.
func nextHash(h storage.Hash) []byte { return append(append([]byte{}, h[:]...), 0xFF) }

// blob writes the bytes of a blob, and checks them as it does.
func (d *dumper) blob(b storage.Blob) error {
	d.w.Begin(backup.KindBlob, b.Hash.String())
	size, err := d.blobBytes(b)
	var write *writeError
	switch sum := d.w.Sum(); {
	case errors.As(err, &write):
		return write.error
	case err != nil:
		d.w.Damage(corruptRow(blobName(b.Hash), err).Error())
	case storage.Hash(sum) != b.Hash:
		d.w.Damage(corruptRow(blobName(b.Hash), errors.New("its bytes are not those that it is named after")).Error())
	default:
		d.w.Counts.Blobs++
		d.w.Counts.BlobBytes += uint64(size)
	}
	return d.w.End()
}

// A writeError is of who takes the backup, not of what is read.
type writeError struct{ error }

func (d *dumper) blobBytes(b storage.Blob) (size int64, err error) {
	file, err := d.files.openAny(b.Hash)
	if err != nil {
		return 0, plainMissing(err)
	}
	defer file.Close()
	for piece := make([]byte, dumpFrameBytes); ; {
		n, err := io.ReadFull(file, piece)
		size += int64(n)
		if n > 0 {
			if err := errors.Join(d.ctx.Err(), d.w.Frame(backup.TypeBytes, piece[:n])); err != nil {
				return size, &writeError{err}
			}
		}
		switch {
		case err == io.EOF || err == io.ErrUnexpectedEOF:
			if b.Size >= 0 && size != b.Size {
				return size, fmt.Errorf("its file has %d bytes, not %d", size, b.Size)
			}
			return size, nil
		case err != nil:
			return size, err
		}
	}
}

// decodeRun takes what stands before the changes of a frame off d.
func decodeRun(d *encoding.Reader) (first, count uint64, before, end link) {
	first, count = d.Uvarint(), d.Uvarint()
	d.Fixed(before[:])
	d.Fixed(end[:])
	if count == 0 || first == 0 || first+count < first {
		d.Err = encoding.ErrInvalid
	}
	return first, count, before, end
}
