package ot

// Content is the live document.
type Content struct{ doc Delta }

// NewContent takes inserts only; *InvalidError otherwise. It need not end in a newline (editor checks that).
func NewContent(d Delta) (*Content, error) { panic("stub") }

// Apply changes c in place. On error (*InvalidError: past the end, splits a surrogate pair) c is as it was.
func (c *Content) Apply(d Delta) error { panic("stub") }

// Snapshot returns a copy that later Apply calls on either do not touch; cheap (no copy of the page).
func (c *Content) Snapshot() *Content { panic("stub") }
func (c *Content) Delta() Delta       { panic("stub") }

// Slice returns the content between two UTF-16 positions as inserts.
func (c *Content) Slice(from, to int) Delta { panic("stub") }

// Text is the plain text, embeds as U+FFFC.
func (c *Content) Text() string { panic("stub") }

// Len in UTF-16 units.
func (c *Content) Len() int { panic("stub") }

// Size in bytes: what the page's limit counts (UTF-8 of text, plus each run's attributes and embeds as JSON).
func (c *Content) Size() int { panic("stub") }
