package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"halley/editor/client"
)

// A ran is a command that has ended.
type ran struct {
	tb             testing.TB
	what           string
	status         int
	stdout, stderr string
}

// halley runs a command to its end.
func halley(tb testing.TB, args ...string) *ran { return halleyIn(tb, nil, args...) }

func halleyIn(tb testing.TB, env []string, args ...string) *ran {
	tb.Helper()
	return halleyWithin(tb, patience, env, args...)
}

// halleyWithin fails the test where the command takes longer.
func halleyWithin(tb testing.TB, limit time.Duration, env []string, args ...string) *ran {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append(os.Environ(), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		tb.Fatalf("halley %s: %v", strings.Join(args, " "), errors.Join(err, ctx.Err()))
	}
	return &ran{tb, "halley " + strings.Join(args, " "), cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// ok fails unless the command did what it was asked to.
func (r *ran) ok() *ran {
	r.tb.Helper()
	if r.status != 0 || r.stderr != "" {
		r.tb.Fatalf("%s ended with %d, want 0 and no complaint: %s%s", r.what, r.status, r.stdout, r.stderr)
	}
	return r
}

// failed fails unless the command ended with status, and said why on standard
// error, in one line for people.
func (r *ran) failed(status int, why ...string) *ran {
	r.tb.Helper()
	if r.status != status || strings.Contains(r.stderr, "goroutine ") || strings.Contains(r.stderr, "panic") {
		r.tb.Fatalf("%s ended with %d, want %d: %s%s", r.what, r.status, status, r.stdout, r.stderr)
	}
	for _, part := range why {
		if !strings.Contains(r.stderr, part) {
			r.tb.Fatalf("%s says %q, want something about %q", r.what, r.stderr, part)
		}
	}
	return r
}

// inOneLine fails unless the complaint is one line.
func (r *ran) inOneLine() {
	r.tb.Helper()
	if strings.Count(r.stderr, "\n") != 1 || !strings.HasPrefix(r.stderr, "halley") {
		r.tb.Errorf("%s says %q, want one line that begins with its name", r.what, r.stderr)
	}
}

func write(tb testing.TB, path, content string) {
	tb.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(content), 0o644)
	}
	if err != nil {
		tb.Fatal(err)
	}
}

func read(tb testing.TB, path string) string {
	tb.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return string(data)
}

func names(tb testing.TB, dir string) []string {
	tb.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		tb.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// documents is a folder of files to import: three that can be, one that
// cannot, and two that are none.
func documents(tb testing.TB) string {
	dir := tb.TempDir()
	write(tb, filepath.Join(dir, "plan.md"), "# Der Plan\n\n*  eins\n*  zwei\n\n<script>alert(1)</script>\n")
	write(tb, filepath.Join(dir, "deep", "er", "con.txt"), "nothing but text\n")
	write(tb, filepath.Join(dir, "deep", "Plan.HTML"), "<title>Der Plan</title><p>another <b>plan</b></p>")
	write(tb, filepath.Join(dir, "deep", "settings.json"), `{"no":"delta"}`)
	write(tb, filepath.Join(dir, "picture.png"), "\x89PNG")
	write(tb, filepath.Join(dir, ".hidden", "note.md"), "hidden")
	return dir
}

// TestTransfer brings a folder in and out again, whoever has the workspace
// open: nobody, a server on this machine, or a server elsewhere.
func TestTransfer(t *testing.T) {
	docs := documents(t)
	for name, workspace := range map[string]func(t *testing.T) []string{
		"a free folder": func(t *testing.T) []string { return []string{"--data", filepath.Join(t.TempDir(), "new", "workspace")} },
		"a served folder": func(t *testing.T) []string {
			return []string{"--data", serve(t, "--rate-limits=on").dir}
		},
		"a served folder with a long path": func(t *testing.T) []string {
			return []string{"--data", serveFolder(t, filepath.Join(t.TempDir(), strings.Repeat("a-long-name", 12))).dir}
		},
		"a server": func(t *testing.T) []string {
			return []string{"--server", serve(t).url, "--name", "Somebody else"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			at := workspace(t)
			run := func(command string, args ...string) *ran {
				t.Helper()
				return halley(t, slices.Concat([]string{command}, at, args)...)
			}
			in := run("import", docs).failed(1, "settings.json: ", "1 of 4 could not be imported")
			if !strings.HasSuffix(in.stdout, "imported 3 of 4\n") || !strings.Contains(in.stdout, "plan.md:\n  line 6: script") {
				t.Errorf("import says %q", in.stdout)
			}
			if strings.Contains(in.stdout+in.stderr, "hidden") || strings.Contains(in.stdout+in.stderr, "png") {
				t.Errorf("import touched what is no document: %q", in.stdout+in.stderr)
			}

			out := filepath.Join(t.TempDir(), "some", "folder")
			run("export", "--to", out).ok()
			if got := fmt.Sprint(names(t, out)); got != "[Der Plan (2).md Der Plan.md _con.md]" {
				t.Errorf("exported are %s", got)
			}
			first, second := read(t, filepath.Join(out, "Der Plan.md")), read(t, filepath.Join(out, "Der Plan (2).md"))
			if !strings.Contains(first+second, "*  eins\n*  zwei\n") || !strings.Contains(first+second, "**plan**") {
				t.Errorf("the exported plans are %q and %q", first, second)
			}

			write(t, filepath.Join(out, "_con.md"), "mine")
			run("export", "--to", out).failed(1, "_con.md: this file is there already; --force", "3 of 3 could not be exported")
			if read(t, filepath.Join(out, "_con.md")) != "mine" {
				t.Error("export overwrote a file")
			}
			run("export", "--to", out, "--force").ok()
			if read(t, filepath.Join(out, "_con.md")) == "mine" || len(names(t, out)) != 3 {
				t.Errorf("export --force left %v", names(t, out))
			}

			made := run("import", filepath.Join(docs, "deep", "er", "con.txt")).ok()
			id := strings.TrimSpace(made.stdout[strings.LastIndex(made.stdout, " "):])
			one := filepath.Join(t.TempDir(), "one")
			run("export", "--to", one, "--format", "txt", id).ok()
			if read(t, filepath.Join(one, "_con.txt")) != "nothing but text\n" || len(names(t, one)) != 1 {
				t.Errorf("one page exported gives %v", names(t, one))
			}
			run("export", "--to", one, "--format", "html", "http://localhost/p/"+id).ok()
			run("export", "--to", one, "--format", "docx").failed(1, "docx", "md, html, txt, json").inOneLine()
			run("export", "--to", one, "AAAAAAAAAAAAAAAAAAAAAA").failed(1, "AAAAAAAAAAAAAAAAAAAAAA", "No such page").inOneLine()
			run("import", filepath.Join(docs, "none.md")).failed(1, "none.md").inOneLine()
			run("import", t.TempDir()).failed(1, "holds no file").inOneLine()
		})
	}
}

// TestTransferBesideReaders: what a command brings in is seen at once by who
// has the page open, and by whom it was.
func TestTransferBesideReaders(t *testing.T) {
	s := serve(t)
	me := s.guest("First")
	list := me.follow(transports[0], "list=1", "")
	list.next("hello")
	file := filepath.Join(t.TempDir(), "a.md")
	write(t, file, "# From a file\n")
	halley(t, "import", "--data", s.dir, file).ok()
	e := list.next("list")
	if !strings.Contains(string(e.Data), "From a file") {
		t.Errorf("the list says %v", e)
	}
	page := me.get("/api/pages").ok(200).value()["pages"].([]any)[0].(map[string]any)["id"].(string)
	if authors := string(me.get("/api/pages/" + page + "/authors").ok(200).body); !strings.Contains(authors, "Command line") {
		t.Errorf("the page's authors are %s", authors)
	}
}

// TestSafeNames: whatever a page is called, it becomes a file of its own that
// every system takes, in the folder that was named.
func TestSafeNames(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := serveFolder(t, dir)
	c := s.program("Author")
	titles := []string{
		"", "  ", "..", "../../up", `a/b\c:d*e?f"g<h>i|j`, "NUL", "com1.txt", ".hidden", "trailing. ", "Ünïcödé 文書 😀",
		"Same", "same", "SAME", "Same (2)", strings.Repeat("long ", 60),
	}
	for _, title := range titles {
		if _, err := c.Create(t.Context(), title, nil, client.NewID()); err != nil {
			t.Fatal(err)
		}
	}
	s.stop()
	root := t.TempDir()
	out := filepath.Join(root, "a", "b", "c")
	halley(t, "export", "--data", dir, "--to", out).ok()
	got := names(t, out)
	if len(got) != len(titles) {
		t.Errorf("%d pages became the %d files %q", len(titles), len(got), got)
	}
	lower := map[string]bool{}
	for _, name := range got {
		if lower[strings.ToLower(name)] {
			t.Errorf("%q is there twice where case does not count", name)
		}
		lower[strings.ToLower(name)] = true
		stem := strings.TrimSuffix(name, ".md")
		if strings.ContainsAny(name, `/\:*?"<>|`) || strings.HasPrefix(name, ".") || stem != strings.TrimRight(stem, " .") || len(name) > 255 {
			t.Errorf("%q is no name that every system takes", name)
		}
	}
	for _, want := range []string{"Untitled.md", "_NUL.md", "_com1.txt.md", "Ünïcödé 文書 😀.md", "hidden.md", "-..-up.md"} {
		if !slices.Contains(got, want) {
			t.Errorf("%q is missing among %q", want, got)
		}
	}
	if above := names(t, root); len(above) != 1 {
		t.Errorf("export wrote outside of its folder: %q", above)
	}
}

// TestInterruptedImport: SIGINT ends a command between two files, with what is
// done so far said and kept.
func TestInterruptedImport(t *testing.T) {
	s := serve(t)
	me := s.guest("First")
	list := me.follow(transports[0], "list=1", "")
	list.next("hello")
	docs := t.TempDir()
	for i := range 2000 {
		write(t, filepath.Join(docs, fmt.Sprintf("%04d.txt", i)), "text\n")
	}
	cmd := exec.Command(binary, "import", "--data", s.dir, docs)
	var stderr log
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	list.next("list") // it is at work
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	if status := cmd.ProcessState.ExitCode(); status != 1 || !strings.Contains(stderr.String(), "stopped: ") {
		t.Errorf("interrupted, import ended with %d (%v): %s", status, err, stderr.String())
	}
}

func TestServeRefuses(t *testing.T) {
	t.Run("a port that is taken", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		halley(t, "serve", "--data", t.TempDir(), "--listen", l.Addr().String()).failed(1, l.Addr().String(), "taken").inOneLine()
	})
	t.Run("an address that is none", func(t *testing.T) {
		halley(t, "serve", "--data", t.TempDir(), "--listen", "nowhere").failed(1, "nowhere").inOneLine()
	})
	t.Run("a folder that is served", func(t *testing.T) {
		s := serve(t)
		halley(t, "serve", "--data", s.dir, "--listen", "127.0.0.1:0").failed(1, s.dir, "another halley").inOneLine()
	})
	t.Run("a file in the place of the folder", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		write(t, file, "x")
		halley(t, "serve", "--data", file, "--listen", "127.0.0.1:0").failed(1, file).inOneLine()
		below := filepath.Join(file, "below")
		halley(t, "serve", "--data", below, "--listen", "127.0.0.1:0").failed(1, file).inOneLine()
	})
	t.Run("a folder that cannot be written", func(t *testing.T) {
		if os.Geteuid() == 0 {
			t.Skip("the system lets root write everywhere")
		}
		dir := t.TempDir()
		if err := os.Chmod(dir, 0o500); err != nil {
			t.Fatal(err)
		}
		halley(t, "serve", "--data", dir, "--listen", "127.0.0.1:0").failed(1, dir).inOneLine()
	})
	t.Run("no store", func(t *testing.T) {
		dir := t.TempDir()
		for name, content := range map[string]string{"text": "no store\n", "zeros": strings.Repeat("\x00", 64<<10), "nonsense": strings.Repeat("nonsense", 8<<10)} {
			write(t, filepath.Join(dir, "halley.db"), content)
			halley(t, "serve", "--data", dir, "--listen", "127.0.0.1:0").failed(1, "halley.db").inOneLine()
			if read(t, filepath.Join(dir, "halley.db")) != content {
				t.Errorf("a file that is no store (%s) was changed", name)
			}
		}
	})
	t.Run("other machines", func(t *testing.T) {
		halley(t, "serve", "--data", t.TempDir(), "--listen", "0.0.0.0:0").failed(1, "--open").inOneLine()
		halley(t, "serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--public-url", "https://halley.example").failed(1, "--open").inOneLine()
	})
	t.Run("a public address that is none", func(t *testing.T) {
		halley(t, "serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--open", "--public-url", "halley").failed(1, "halley").inOneLine()
	})
}

// TestFlags: what is not understood is said, with status 2.
func TestFlags(t *testing.T) {
	halley(t, "sing").failed(2, "sing", "halley help").inOneLine()
	halley(t, "serve", "--no-such").failed(2, "no-such")
	halley(t, "serve", "--rate-limits=sometimes").failed(2, "sometimes", "on or off")
	halley(t, "serve", "--max-upload=0").failed(2, "max-upload", "at least 1")
	halley(t, "serve", "folder").failed(2, "folder").inOneLine()
	halley(t, "version", "7").failed(2, "7").inOneLine()
	halley(t, "import").failed(2, "files").inOneLine()
	halleyIn(t, []string{"HALLEY_RATE_LIMITS=sometimes"}, "serve").failed(2, "HALLEY_RATE_LIMITS", "sometimes").inOneLine()
	halleyIn(t, []string{"HALLEY_DATA=" + t.TempDir(), "HALLEY_LISTEN=nowhere"}, "serve").failed(1, "nowhere").inOneLine()
	halley(t, "export", "--data", filepath.Join(t.TempDir(), "none")).failed(1, "no workspace").inOneLine()
	halley(t, "import", "--server", "nowhere", os.Args[0]).failed(1, "nowhere").inOneLine()

	help := halley(t, "help").ok().stdout
	for _, command := range []string{"serve", "import", "export", "backup", "restore", "verify", "compact", "version"} {
		if !strings.Contains(help, "halley "+command) {
			t.Errorf("help does not name %s: %s", command, help)
		}
		if more := halley(t, "help", command).ok().stdout; !strings.Contains(more, "Usage: halley "+command) {
			t.Errorf("help %s is %q", command, more)
		}
	}
	if version := halley(t, "version").ok().stdout; !strings.HasPrefix(version, "halley ") || strings.Count(version, "\n") != 1 {
		t.Errorf("version says %q", version)
	}
}

// TestServeLine: standard output has the one line that scripts wait for;
// environment and command line say the same, and the command line wins.
func TestServeLine(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("HALLEY_LISTEN", "not-an-address")
	t.Setenv("HALLEY_LOG_LEVEL", "ERROR")
	s := serveFolder(t, dir)
	if !strings.HasPrefix(s.url, "http://127.0.0.1:") || strings.HasSuffix(s.url, ":0") {
		t.Errorf("the server listens on %s", s.url)
	}
	if status := s.stop(); status != 0 || s.log.String() != "" {
		t.Errorf("the server ended with %d and said %q", status, s.log.String())
	}
	if left := names(t, dir); fmt.Sprint(left) != "[halley.db]" {
		t.Errorf("the server left %v in its folder", left)
	}
}
