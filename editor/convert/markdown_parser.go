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
	maxDelimiters  = 500       // runs of emphasis signs in a paragraph that need no closer look
	maxPairing     = 1 << 20   // steps to find the pairs among more of them
	maxDefinitions = 10_000    // lines of a paragraph of link definitions

	// A table has a cell in each row for each column of its head, also where
	// the row ends before. Tables with more cells than these together are
	// refused.
	cellsPerByte = 2
	freeCells    = 20_000
)

// Estimates of what the parser allocates, in bytes.
const (
	bytesPerNode = 256 // block or inline node, with the slices that it starts
	bytesPerLine = 64  // of a block, twice: slices double
	bytesPerStat = 48  // of what the parser notes for each line and open block
)

// isCostly reports whether text is too much to be searched for formats.
func isCostly(text []byte) bool {
	return len(text) > maxInline || len(text)*bytes.Count(text, []byte("](")) > maxLinkWork || pairingIsCostly(text)
}

// pairingIsCostly reports whether the parser would need too many steps to pair
// the emphasis signs of text: for each that may close it goes back through all
// that are open.
func pairingIsCostly(text []byte) bool {
	if bytes.Count(text, []byte("*"))+bytes.Count(text, []byte("_"))+bytes.Count(text, []byte("~")) <= maxDelimiters {
		return false
	}
	var open []byte // signs of the runs that are open
	steps := 0
	for i := 0; i < len(text); {
		if !isPairing.IsDelimiter(text[i]) {
			i++
			continue
		}
		run := parser.ScanDelimiter(text[i:], lastRune(string(text[max(0, i-4):i])), 1, isPairing)
		from := len(open)
		if run.CanClose {
			for from--; from >= 0 && open[from] != run.Char; from-- {
			}
			steps += len(open) - max(from, 0)
		}
		switch {
		case run.CanClose && from >= 0:
			open = open[:from]
		case run.CanOpen:
			open = append(open, run.Char)
		}
		if steps > maxPairing {
			return true
		}
		i += run.OriginalLength
	}
	return false
}

// isPairing tells the signs that are paired.
var isPairing = pairing{}

type pairing struct{}

func (pairing) IsDelimiter(b byte) bool                   { return b == '*' || b == '_' || b == '~' }
func (pairing) CanOpenCloser(_, _ *parser.Delimiter) bool { return false }
func (pairing) OnMatch(int) ast.Node                      { return nil }

// markdownParser reads CommonMark with GitHub's extensions. It is safe for
// concurrent use.
var markdownParser = newMarkdownParser()

func newMarkdownParser() parser.Parser {
	blocks := []util.PrioritizedValue{
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
	}
	for i, p := range blocks {
		blocks[i].Value = countedBlock{p.Value.(parser.BlockParser)}
	}
	inlines := append(parser.DefaultInlineParsers(),
		util.Prioritized(extension.NewTaskCheckBoxParser(), 0),
		util.Prioritized(extension.NewStrikethroughParser(), 500),
		util.Prioritized(extension.NewLinkifyParser(), 999),
	)
	for i, p := range inlines {
		inlines[i].Value = countInline(p.Value.(parser.InlineParser))
	}
	return parser.NewParser(
		parser.WithBlockParsers(blocks...),
		parser.WithInlineParsers(inlines...),
		parser.WithParagraphTransformers(
			util.Prioritized(boundedDefinitions{parser.LinkReferenceParagraphTransformer}, 100),
			util.Prioritized(boundedTable{extension.NewTableParagraphTransformer()}, 200),
			util.Prioritized(longParagraph{}, 300),
		),
		parser.WithASTTransformers(util.Prioritized(extension.NewTableASTTransformer(), 0)),
	)
}

// workKey is where a parse keeps its *work.
var workKey = parser.NewContextKey()

func workOf(pc parser.Context) *work { return pc.Get(workKey).(*work) }

// parseSource parses source within the limits of w. The parser knows no errors
// and no context: everything that it calls of ours looks at w, which ends the
// parse by a panic that guard recovers.
func parseSource(source []byte, w *work) ast.Node {
	pc := parser.NewContext()
	pc.Set(workKey, w)
	return markdownParser.Parse(countedReader{text.NewReader(source), w}, parser.WithContext(pc))
}

// A countedReader looks at its work for each line.
type countedReader struct {
	text.Reader
	work *work
}

func (r countedReader) AdvanceLine() {
	r.work.tick()
	r.Reader.AdvanceLine()
}

// A countedBlock counts the blocks and lines of a parser.
type countedBlock struct{ parser.BlockParser }

func (p countedBlock) Open(parent ast.Node, reader text.Reader, pc parser.Context) (ast.Node, parser.State) {
	node, state := p.BlockParser.Open(parent, reader, pc)
	if node != nil {
		workOf(pc).spend(bytesPerNode + bytesPerLine)
	}
	return node, state
}

func (p countedBlock) Continue(node ast.Node, reader text.Reader, pc parser.Context) parser.State {
	w := workOf(pc)
	w.tick()
	w.spend(bytesPerStat)
	before := node.Lines().Len()
	state := p.BlockParser.Continue(node, reader, pc)
	if node.Lines().Len() > before {
		w.spend(bytesPerLine)
		if ast.IsParagraph(node) {
			w.spend(bytesPerNode) // a line of a paragraph is a text node too
		}
	}
	return state
}

func (p countedBlock) Close(node ast.Node, reader text.Reader, pc parser.Context) {
	workOf(pc).tick()
	p.BlockParser.Close(node, reader, pc)
}

// countInline returns p, counted.
func countInline(p parser.InlineParser) parser.InlineParser {
	if c, ok := p.(parser.CloseBlocker); ok {
		return struct {
			countedInline
			parser.CloseBlocker
		}{countedInline{p}, c}
	}
	return countedInline{p}
}

// A countedInline counts the nodes of a parser.
type countedInline struct{ parser.InlineParser }

func (p countedInline) Parse(parent ast.Node, block text.Reader, pc parser.Context) ast.Node {
	w := workOf(pc)
	w.tick()
	node := p.InlineParser.Parse(parent, block, pc)
	if node != nil {
		w.spend(2 * bytesPerNode) // it, and the text before it
	}
	return node
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
	source := reader.Source()
	for _, segment := range node.Lines().Sliced(0, node.Lines().Len()) {
		if isCostly(segment.Value(source)) {
			return
		}
	}
	w := workOf(pc)
	cells := cellsOf(node, source)
	if most := cellsPerByte*len(sourceOf(node, reader)) + freeCells; w != nil && cells > most {
		line := 1 + bytes.Count(source[:max(node.Pos(), 0)], []byte("\n"))
		w.stop(&LimitError{What: TableCells, Limit: int64(most), Line: line})
	}
	w.spend(cells * (bytesPerNode + bytesPerLine))
	t.ParagraphTransformer.Transform(node, reader, pc)
}

// cellsOf returns the most cells that a table in node may have.
func cellsOf(node *ast.Paragraph, source []byte) int {
	lines, cells := node.Lines(), 0
	for i := 1; i < lines.Len(); i++ {
		segment := lines.At(i)
		if l := segment.Value(source); isTableRule(l) {
			cells = max(cells, (bytes.Count(l, []byte("|"))+1)*(lines.Len()-i))
		}
	}
	return cells
}

// isTableRule reports whether l may be the line below a table's head.
func isTableRule(l []byte) bool {
	return len(bytes.Trim(l, " \t\r\n\v\f|:-")) == 0 && bytes.IndexByte(l, '-') >= 0
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
