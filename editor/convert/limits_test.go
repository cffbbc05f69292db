package convert

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"halley/ot"
)

// endsAfter is a context that ends when it has been looked at n times.
type endsAfter struct {
	context.Context
	left *int
}

func (e endsAfter) Err() error {
	if *e.left--; *e.left < 0 {
		return context.Canceled
	}
	return nil
}

func (e endsAfter) Done() <-chan struct{} { panic("a conversion waits for nothing") }

// Each conversion looks at its context again and again, and ends at the first
// look that finds it ended.
func TestConversionsEndWithTheirContext(t *testing.T) {
	text := strings.Repeat("# a\n\n- *b* [c](/p/d) <br>\n\n> e\n\n```\nf\n```\n\n", 400)
	for _, f := range Formats() {
		data := []byte(text)
		content := mustRead(t, mustFormat(t, "md"), data).Content
		if f.Name == "json" {
			data, _ = mustWrite(t, f, content, nil)
		}
		conversions := map[string]func(ctx context.Context) error{
			"read":  func(ctx context.Context) error { _, err := f.Read(ctx, data, pageSchema{}, Limits{}); return err },
			"write": func(ctx context.Context) error { return write(ctx, f, content, nil) },
			"write over its source": func(ctx context.Context) error {
				return write(ctx, f, content, &Source{f.Name, data})
			},
			"merge": func(ctx context.Context) error {
				_, _, err := f.Merge(ctx, content, append(data, data...), nil, pageSchema{}, Limits{})
				return err
			},
		}
		if f.Name == "json" {
			delete(conversions, "merge") // two such files are none
		}
		for name, convert := range conversions {
			t.Run(name+" "+f.Name, func(t *testing.T) {
				looks := 1 << 40
				if err := convert(endsAfter{t.Context(), &looks}); err != nil {
					t.Fatal(err)
				}
				if looks = 1<<40 - looks; looks < 400 {
					t.Fatalf("it looks at its context %d times, want once for each line at least", looks)
				}
				for _, n := range []int{0, looks / 3, looks - 1} {
					left := n
					if err := convert(endsAfter{t.Context(), &left}); !errors.Is(err, context.Canceled) || left < -2 { // once for the error itself
						t.Errorf("ended at look %d of %d: err = %v, and %d more looks", n, looks, err, -1-left)
					}
				}
			})
		}
	}
}

func write(ctx context.Context, f Format, content ot.Delta, src *Source) error {
	_, err := f.Write(ctx, io.Discard, "", 1, content, src, pageSchema{}, Limits{})
	return err
}

// A page of nothing but newlines is written in a few times its own bytes of
// memory, whatever lines they end.
func TestWritingStreams(t *testing.T) {
	const newlines = 500_000
	for name, attrs := range map[string]ot.Attributes{
		"paragraphs": nil,
		"code":       ot.MakeAttributes(ot.Attr{Name: "code-block", Value: ot.True}),
		"quote":      ot.MakeAttributes(ot.Attr{Name: "blockquote", Value: ot.True}),
		"list":       ot.MakeAttributes(ot.Attr{Name: "list", Value: ot.StringValue("bullet")}, ot.Attr{Name: "indent", Value: ot.IntValue(3)}),
	} {
		content := ot.Delta{{Insert: strings.Repeat("\n", newlines), Attributes: attrs}}
		for _, f := range Formats() {
			t.Run(name+" as "+f.Name, func(t *testing.T) {
				peak := heapPeak{start: heap()}
				ns, err := f.Write(t.Context(), &peak, "", 1, content, nil, pageSchema{}, Limits{})
				if err != nil {
					t.Fatal(err)
				}
				if peak.written < newlines || peak.bytes > 10*newlines/4 {
					t.Errorf("writing %d bytes holds %d bytes beside the page, want at most %d", peak.written, peak.bytes, 10*newlines/4)
				}
				runtime.KeepAlive(ns)
			})
		}
	}
}

// heapPeak measures what is live every so many bytes.
type heapPeak struct {
	start          int64
	bytes          int64
	written, looks int
}

func (p *heapPeak) Write(data []byte) (int, error) {
	if p.written += len(data); p.written > p.looks*500_000 {
		p.looks++
		p.bytes = max(p.bytes, heap()-p.start)
	}
	return len(data), nil
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestLimitsAreSaid(t *testing.T) {
	const source = 300
	cases := []struct {
		name, format, data string
		limits             Limits
		what               string // "": it is read
		line               int
	}{
		{"a sparse table", "md", "x\n\n" + strings.Repeat("|a", 1000) + "\n" + strings.Repeat("|-", 1000) + "\n" + strings.Repeat("|\n", 1000), Limits{}, TableCells, 3},
		{"a wide table", "md", strings.Repeat(strings.Repeat("|abc", 500)+"\n"+strings.Repeat("|-", 500)+"\n", 1) + strings.Repeat(strings.Repeat("|abc", 500)+"\n", 100), Limits{}, "", 0},
		{"lines", "txt", strings.Repeat("\n", 101), Limits{Lines: 100}, Lines, 0},
		{"lines enough", "html", strings.Repeat("<p>a", 100), Limits{Lines: 100}, "", 0},
		{"lines of HTML", "html", strings.Repeat("<p>a", 101), Limits{Lines: 100}, Lines, 0},
		{"lines of Markdown", "md", strings.Repeat("a\n\n", 101), Limits{Lines: 100}, Lines, 0},
		{"a link used often", "md", "[a]: https://" + strings.Repeat("b", 1000) + "\n\n" + strings.Repeat("[a] b ", 200), Limits{Size: 100_000}, Size, 0},
		{"memory", "md", strings.Repeat("- a\n", source), Limits{Bytes: 100 * source}, Memory, 0},
		{"attributes", "html", "<p>\n<p" + strings.Repeat(" a", 2000) + ">x", Limits{Bytes: 100_000}, Memory, 0},
		{"attributes in a comment", "html", "<!-- <p" + strings.Repeat(" a", 2000) + "-->x", Limits{Bytes: 100_000}, "", 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := mustFormat(t, c.format).Read(t.Context(), []byte(c.data), pageSchema{}, c.limits)
			var limit *LimitError
			switch {
			case c.what == "" && err != nil:
				t.Errorf("err = %v, want none", err)
			case c.what != "" && (!errors.As(err, &limit) || limit.What != c.what || limit.Line != c.line):
				t.Errorf("err = %#v, want a *LimitError of %s at line %d", err, c.what, c.line)
			}
		})
	}
}

func TestWhatCannotBeReservedEndsTheConversion(t *testing.T) {
	full := errors.New("full")
	var asked int64
	limits := Limits{Reserve: func(n int64) error {
		if asked = n; n > 5<<20 {
			return full
		}
		return nil
	}}
	_, err := mustFormat(t, "md").Read(t.Context(), []byte(strings.Repeat("- a\n", 50_000)), pageSchema{}, limits)
	if !errors.Is(err, full) || asked > 8<<20 {
		t.Errorf("err = %v after asking for %d bytes, want %v", err, asked, full)
	}
}

// A file that is too much to be compared with keeps no page from being written.
func TestWritingDoesWithoutASourceThatIsTooMuch(t *testing.T) {
	sparse := strings.Repeat("|a", 1000) + "\n" + strings.Repeat("|-", 1000) + "\n" + strings.Repeat("|\n", 1000)
	for name, c := range map[string]struct {
		source string
		limits Limits
	}{
		"a table": {sparse, Limits{}},
		"memory":  {strings.Repeat("a\n\n", 10_000), Limits{Bytes: 1 << 20}},
		"lines":   {strings.Repeat("a\n\n", 200_000), Limits{}},
	} {
		t.Run(name, func(t *testing.T) {
			content := ot.Delta{{Insert: "one"}, {Insert: "\n", Attributes: ot.MakeAttributes(ot.Attr{Name: "comment:a", Value: ot.True})}}
			var file strings.Builder
			ns, err := mustFormat(t, "md").Write(t.Context(), &file, "", 1, content, &Source{"md", []byte(c.source)}, pageSchema{}, c.limits)
			if err != nil || file.String() != "one\n" {
				t.Fatalf("written %q, err %v", file.String(), err)
			}
			if len(ns) != 2 || ns[0].Count != 1 || ns[1].Count != 1 {
				t.Errorf("notes %v, want one of the comment and one of the source", ns)
			}
		})
	}
}

// A panic of our own making is no limit.
func TestOtherPanicsPass(t *testing.T) {
	defer func() {
		if r := recover(); r != "a bug" {
			t.Errorf("recovered %v", r)
		}
	}()
	_ = guard(func() error { panic("a bug") })
}
