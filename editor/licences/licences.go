// Package licences holds the licences of everything that is in the program: of
// Halley itself, the Go standard library, the Go modules that are linked in, and
// the npm packages in the browser app.
//
// notices.txt is made by editor/licences/collect and kept in the repository, so that a
// build needs neither the network nor the browser app's packages for it. A test
// fails where go.mod or package-lock.json have moved on; `make generate` writes
// it again. The package imports nothing and is safe for concurrent use.
package licences

import _ "embed"

//go:embed notices.txt
var notices string

// Text returns all licences, as plain text for people to read.
func Text() string { return notices }
