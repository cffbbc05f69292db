// Package exchange carries pages to files and back: it imports, exports and merges
// documents over editor's pages and convert's formats. HTTP, the command line and
// agents share its rules. It knows no HTTP, and does not check rate limits.
//
// A page names its pictures and attachments by their path in the workspace,
// "/files/HASH". A document elsewhere names them as files beside it,
// "Plan.files/a cat.png". Exchange turns one into the other: in the content, before
// a converter writes it or after one has read it.
//
// An Exchange is safe for concurrent use. It bounds how many conversions run at a
// time, and the memory that they take.
package exchange
