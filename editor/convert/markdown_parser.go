package convert

import (
	"bytes"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// Bounds that keep the work linear in the size of a file. What is beyond them
// is read as text.
const (
	maxNesting     = 64        // open quotes and lists
	maxInline      = 32 * 1024 // bytes of a paragraph, heading or table row
	maxLinkWork    = 16 << 20  // bytes of a paragraph times links in it: each may be looked for to its end
	maxDefinitions = 10_000    // lines of a paragraph of link definitions
)

// isCostly reports whether text is too much to be searched for formats.
func isCostly(text []byte) bool {
	return len(text) > maxInline || len(text)*bytes.Count(text, []byte("](")) > maxLinkWork
}

// markdownParser reads CommonMark with GitHub's extensions. It is safe for
// concurrent use.
var markdownParser = newMarkdownParser()

func newMarkdownParser() parser.Parser {
	p := parser.NewParser(
		parser.WithBlockParsers(
			util.Prioritized(boundedHeading{parser.NewSetextHeadingParser()}, 100),
			util.Prioritized(parser.NewThematicBreakParser(), 200),
			util.Prioritized(boundedNesting{parser.NewListParser()}, 300),
			// An item opens only inside a list, which has been counted.
			util.Prioritized(parser.NewListItemParser(), 400),
			util.Prioritized(parser.NewCodeBlockParser(), 500),
			util.Prioritized(boundedHeading{parser.NewATXHeadingParser()}, 600),
			util.Prioritized(parser.NewFencedCodeBlockParser(), 700),
			util.Prioritized(boundedNesting{parser.NewBlockquoteParser()}, 800),
			util.Prioritized(parser.NewHTMLBlockParser(), 900),
			util.Prioritized(parser.NewParagraphParser(), 1000),
		),
		parser.WithInlineParsers(parser.DefaultInlineParsers()...),
		parser.WithInlineParsers(
			util.Prioritized(extension.NewTaskCheckBoxParser(), 0),
			util.Prioritized(extension.NewStrikethroughParser(), 500),
			util.Prioritized(extension.NewLinkifyParser(), 999),
		),
		parser.WithParagraphTransformers(
			util.Prioritized(boundedDefinitions{parser.LinkReferenceParagraphTransformer}, 100),
			util.Prioritized(boundedTable{extension.NewTableParagraphTransformer()}, 200),
			util.Prioritized(longParagraph{}, 300),
		),
		parser.WithASTTransformers(util.Prioritized(extension.NewTableASTTransformer(), 0)),
	)
	return p
}

type boundedNesting struct{ parser.BlockParser }

func (p boundedNesting) Open(parent ast.Node, reader text.Reader, pc parser.Context) (ast.Node, parser.State) {
	if len(pc.OpenedBlocks()) >= maxNesting {
		return nil, parser.NoChildren
	}
	return p.BlockParser.Open(parent, reader, pc)
}

type boundedHeading struct{ parser.BlockParser }

func (p boundedHeading) Open(parent ast.Node, reader text.Reader, pc parser.Context) (ast.Node, parser.State) {
	line, _ := reader.PeekLine()
	if isCostly(line) {
		return nil, parser.NoChildren
	}
	if last, ok := pc.LastOpenedBlock().Node.(*ast.Paragraph); ok && isCostly(sourceOf(last, reader)) {
		return nil, parser.NoChildren
	}
	return p.BlockParser.Open(parent, reader, pc)
}

type boundedDefinitions struct{ parser.ParagraphTransformer }

func (t boundedDefinitions) Transform(node *ast.Paragraph, reader text.Reader, pc parser.Context) {
	if node.Lines().Len() <= maxDefinitions {
		t.ParagraphTransformer.Transform(node, reader, pc)
	}
}

type boundedTable struct{ parser.ParagraphTransformer }

func (t boundedTable) Transform(node *ast.Paragraph, reader text.Reader, pc parser.Context) {
	for _, segment := range node.Lines().Sliced(0, node.Lines().Len()) {
		if isCostly(segment.Value(reader.Source())) {
			return
		}
	}
	t.ParagraphTransformer.Transform(node, reader, pc)
}

// longParagraph keeps paragraphs that are too long from being searched for
// formats.
type longParagraph struct{}

func (longParagraph) Transform(node *ast.Paragraph, reader text.Reader, _ parser.Context) {
	if !isCostly(sourceOf(node, reader)) {
		return
	}
	raw := &rawParagraph{}
	raw.SetLines(node.Lines())
	raw.SetBlankPreviousLines(node.HasBlankPreviousLines())
	node.Parent().ReplaceChild(node.Parent(), node, raw)
}

// A rawParagraph is a paragraph without formats.
type rawParagraph struct{ ast.BaseBlock }

var kindRawParagraph = ast.NewNodeKind("RawParagraph")

func (n *rawParagraph) Kind() ast.NodeKind            { return kindRawParagraph }
func (n *rawParagraph) IsRaw() bool                   { return true }
func (n *rawParagraph) Pos() int                      { return n.Lines().At(0).Start }
func (n *rawParagraph) Dump(source []byte, level int) { ast.DumpHelper(n, source, level, nil, nil) }

// sourceOf returns the source of n from its first line to its last.
func sourceOf(n ast.Node, reader text.Reader) []byte {
	lines := n.Lines()
	if lines.Len() == 0 {
		return nil
	}
	return reader.Source()[lines.At(0).Start:lines.At(lines.Len()-1).Stop]
}
