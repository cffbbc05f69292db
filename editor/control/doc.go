// Package control is how a command works on a workspace that a server has open:
// over a Unix socket in the data folder, with a few HTTP calls besides those of
// the public API. It holds both ends, the Handler of the server and the Client of
// the commands.
//
// The mode of the folder decides who may connect; the calls ask for nothing more.
// The protocol is internal: both ends are the same program, and may differ by a
// version for the moment of an upgrade.
//
// A Handler and a Client are safe for concurrent use.
package control

const (
	backupPath      = "/control/backup"
	verifyPath      = "/control/verify"
	signOutAllPath  = "/control/sign-out-all"
	restorePagePath = "/control/page"
)

// backupSizeHeader has the approximate size of a backup, in bytes.
const backupSizeHeader = "Halley-Backup-Size"

// A verifyLine is one line, in JSON, of the answer to a verification. The last
// line has Failed or Verified.
type verifyLine struct {
	Done, Total uint64    `json:",omitempty"`
	Bad         string    `json:",omitempty"`
	Failed      string    `json:",omitempty"`
	Verified    *Verified `json:",omitempty"`
}
