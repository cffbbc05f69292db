// Package bolt keeps a store in a folder: one bbolt file, halley.db, and the
// files of blobs beside it.
//
// One goroutine, the committer, owns every write. It drains its queue, runs
// one transaction, syncs, and answers everybody: a lone edit never waits for
// company, and a crowd shares one sync. Reads are short transactions beside
// it; none waits for a write to begin or end, but for the moment in which a
// transaction is visible in the file and not yet synced (see gate).
//
// After any failed write or sync the file is opened again before anybody is
// answered, and reading goes on (see recovery.go).
//
// Open makes a store only in a folder that holds nothing of one. What is damaged
// stays as it is (see folder.go).
//
// It promises what package storage says, on a file system that keeps what
// fdatasync has returned for. The tests kill processes under load (TestKill),
// record what one writes and syncs, to open the store as power cuts could leave
// it (TestPowerCut), and to see each acknowledgement follow its sync
// (TestAcksFollowSyncs); and they let syncs fail meanwhile. A damaged page of
// bbolt's is found by the first read that touches it, and by Store.Check.
//
// # Layout
//
// Integers in keys are 8 bytes, big endian. Every value but meta's and a part's starts with
// the version of its encoding and, but for a change's, ends with a CRC-32C of
// key and value.
//
//	meta     name                      text: magic, format, epoch, created, copied, clock
//	pages    page 0x01 seq             a change, then its link of the chain
//	         page 0x02                 head, newest time, newest link
//	         page 0x03 client          author, newest n, its seq and digest, newest mark
//	         page 0x04 client 0x00 n   seq: where to look for an older n
//	records  key                       version, expiry, value
//	expiry   milliseconds key          nothing: what to sweep, in order
//
//	checkpoints  page 0x01 seq part    64 KB of a checkpoint, and nothing else
//	             page 0x02 seq         its parts, size and checksum: without
//	                                   this row the parts are none
//
//	blobs        0x01 hash             its size; without this row there is no blob
//	             0x02 hash page        how many changes there name it, and until
//	                                   when it is kept for its upload
//	             0x03 milliseconds     nothing: uploads in order of their end
//	                  hash page
//
//	blocks       page 0x01 last part   some 2,000 bytes of a block, and nothing else
//	             page 0x02 last        how many changes it has up to its last; its
//	                                   parts, size and checksum; the links before
//	                                   its first and of its last
//
// The bytes of a blob are a file of their own, blobs/ab/abcd…, named after its
// hash; blobs/incoming holds what is still being written (see blobs.go), and
// blobs/intents says which files have no row because a process was killed (see
// strays.go).
//
// A page's rows lie together in this order so that its newest changes, its head
// and its clients share a leaf, most often, and an edit dirties one leaf of the
// file instead of four. What is cold (blocks, checkpoints) belongs elsewhere.
//
// A change is a row, or in a block, or for a moment both: see fold.go, and
// block.go for what a block is made of. Its blocks have a page's changes from 1
// on, without a gap.
//
// The chain: link 0 is a hash of the page's id, and link s is the first 16
// bytes of SHA-256(link s-1, seq, canonical encoding of change s). Damage by
// chance and forks both break it. The digest is not part of a change's
// encoding, so that changes can be folded small and the chain still holds:
// whoever reads a block computes all its links anew.
package bolt
