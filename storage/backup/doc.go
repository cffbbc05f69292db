// Package backup is the format of a backup's file: version 2. Version 1 was a
// copy of the bbolt file, and package bolt still restores it.
//
// A file is a sequence of frames. Each frame carries its own checksums and
// belongs to a part: a page, the records, what blobs are used for, or the bytes
// of one blob. Damage therefore costs the frame that it hits and nothing else:
// a reader that meets a damaged header looks for the next frame by its magic.
//
//	header   40 bytes: magic (8), salt (8), type (1), zero (3), part (4), number
//	         of the frame in its part (4), length of the payload (4), CRC-32C
//	         of the payload (4), CRC-32C of the 36 bytes before (4)
//	payload
//
// The salt is random and the same in all frames of a file. Somebody may upload
// a backup as an attachment: without the salt, a reader that looks for the next
// frame inside a damaged attachment would take the frames of that one for its own.
//
// Integers are big endian, or varints where [Encoder] writes them. A part is a
// Begin frame with its kind and name, frames with its data, and an End frame
// with the kind and name again, the SHA-256 of the data, and what was damaged
// in the workspace when the backup was made. The SHA-256 of a blob's part is
// therefore the blob's hash.
//
//	part 0         the epoch of the store and when the backup was made
//	records        all records
//	a page         its settings, head, clients, changes, checkpoints
//	uses           what blobs are kept for
//	a blob         its bytes
//	the index      twice: where each part is, and all damage that was found
//	the footer     one frame: where the indexes are, and counts
//
// A file without its footer was cut off. Its parts are then found by reading
// all headers, so that everything before the cut can still be restored.
//
// The data of a part does not depend on the driver: a change has the canonical
// encoding that its page's chain of checksums is over. Folded changes are copied
// as package bolt packs them into blocks.
//
// A [Writer] is used by one goroutine. A [File] may be read by several.
package backup
