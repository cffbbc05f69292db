package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"halley/editor/client"
)

// TestMistakesInOneLine: a mistake in a flag or variable is one line that names it
// and says what the value must be; the flags themselves are not listed.
func TestMistakesInOneLine(t *testing.T) {
	for _, c := range []struct {
		args      []string
		variables []string
		want      []string
	}{
		{[]string{"serve", "--heartbeat", "5"}, nil, []string{`--heartbeat "5"`, "a number with a unit"}},
		{[]string{"serve", "--heartbeet=5s"}, nil, []string{"no flag --heartbeet", "--heartbeat?"}},
		{[]string{"serve", "--frobnicate"}, nil, []string{"no flag --frobnicate"}},
		{[]string{"serve", "--data"}, nil, []string{"--data needs a value"}},
		{[]string{"serve", "--open=perhaps"}, nil, []string{`--open "perhaps"`, "true or false"}},
		{[]string{"serve", "--max-streams", "many"}, nil, []string{`--max-streams "many"`, "whole number"}},
		{[]string{"serve", "--log-level", "loud"}, nil, []string{`--log-level "loud"`, "debug, info, warn or error"}},
		{[]string{"serve", "--log-format", "xml"}, nil, []string{`--log-format "xml"`, "text or json"}},
		{[]string{"serve", "--max-upload", "0"}, nil, []string{"--max-upload", "at least 1"}},
		{[]string{"load", "--rate", "fast"}, nil, []string{`--rate "fast"`, "a number"}},
		{[]string{"serve"}, []string{"HALLEY_HEARTBEAT=5"}, []string{`HALLEY_HEARTBEAT="5"`, "a number with a unit"}},
	} {
		h := halley(t.Context(), io.Discard, c.variables, c.args...)
		for _, want := range c.want {
			h.wantOneLine(t, 2, want)
		}
		if !strings.Contains(h.stderr, "halley help "+c.args[0]) {
			t.Errorf("%v says %q, want where the flags are explained", c.args, h.stderr)
		}
	}
}

// TestVersionFlag: --version says what the command says.
func TestVersionFlag(t *testing.T) {
	want := halley(t.Context(), io.Discard, nil, "version")
	if got := halley(t.Context(), io.Discard, nil, "--version"); got != want || got.status != 0 || !strings.HasPrefix(got.stdout, "halley ") {
		t.Errorf("--version = %+v, want %+v", got, want)
	}
}

// TestMisspeltVariables: a variable that looks like a setting of ours, of this
// command or of another, is reported with the name that was meant. Those of
// others, and settings of other commands, are not.
func TestMisspeltVariables(t *testing.T) {
	known := knownVariables()
	for _, name := range []string{"HALLEY_LISTEN", "HALLEY_RATE", "HALLEY_SERVER", "HALLEY_LOG_FORMAT"} {
		if !strings.Contains(strings.Join(known, " ")+" ", name+" ") {
			t.Errorf("%s is no known variable; known are %v", name, known)
		}
	}
	for variable, meant := range map[string]string{
		"HALLEY_LISTN":          "HALLEY_LISTEN",
		"HALLEY_LISTEN_ADDRESS": "HALLEY_LISTEN",
		"HALLEY_PUBLICURL":      "HALLEY_PUBLIC_URL",
		"HALLEY_TRUSTED_PROXIE": "HALLEY_TRUSTED_PROXIES",
		"HALLEY_OPNE":           "HALLEY_OPEN",
		"HALLEY_LISTEN":         "",
		"HALLEY_WRITERS":        "",
		"HALLEY_PORT":           "",
		"HALLEY_SERVICE_HOST":   "",
		"HALLEY_BIN":            "",
		"HALLEY_SOAK":           "",
		"HALLEY_SEED":           "",
		"HALLEY_SHOT":           "",
		"HALLEY_ATTACK":         "",
		"HALLEY_ATTACK_FOR":     "",
		"HALLEY_URL":            "",
		"OTHER_LISTN":           "",
	} {
		var errs bytes.Buffer
		env := environ{
			lookup: func(string) (string, bool) { return "", false }, variables: func() []string { return []string{variable + "=x"} },
			stdout: io.Discard, stderr: &errs,
		}
		if status := run(t.Context(), []string{"version"}, env); status != 0 {
			t.Errorf("%s: version ended with %d", variable, status)
		}
		said := errs.String()
		switch {
		case meant == "" && said != "":
			t.Errorf("%s: %q, want nothing", variable, said)
		case meant != "" && (!strings.Contains(said, "variable="+variable+" ") || !strings.Contains(said, "meant="+meant+"\n")):
			t.Errorf("%s: %q, want that %s was meant", variable, said, meant)
		}
	}
}

// TestEachCommandParsesItsFlagsFirst: knownVariables depends on it, and so does
// `halley help`.
func TestEachCommandParsesItsFlagsFirst(t *testing.T) {
	for _, c := range commands() {
		flags := 0
		env := environ{collect: func(*flag.FlagSet) { flags++ }, stdout: io.Discard, stderr: io.Discard}
		if err := c.run(t.Context(), env, nil); err != flag.ErrHelp || flags != 1 {
			t.Errorf("%s parsed %d sets of flags before it ended with %v, want 1 and no more", c.name, flags, err)
		}
	}
}

// TestJSONLog: every line of the log is an object where that is asked for, with
// the error that ends a command, and mistakes in flags that come later.
func TestJSONLog(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		args      []string
		variables []string
		want      string
	}{
		{[]string{"serve", "--log-format=json", "--data", dir, "--listen", "nowhere"}, nil, "nowhere"},
		{[]string{"serve", "--log-format=json", "--heartbeat", "5"}, nil, "--heartbeat"},
		{[]string{"export", "--data", dir + "/none"}, []string{"HALLEY_LOG_FORMAT=json"}, "none"},
		{[]string{"serve", "--heartbeat", "5", "-log-format", "json"}, nil, "--heartbeat"},
		{[]string{"serve"}, []string{"HALLEY_LOG_FORMAT=json", "HALLEY_HEARTBEAT=5"}, "HALLEY_HEARTBEAT"},
		{[]string{"servve", "--log-format=json"}, nil, "servve"},
		{[]string{"serve", "--log-format=json", "extra"}, nil, "extra"},
		{[]string{"import", "--log-format=json"}, nil, "files"},
		{[]string{"backup", "--log-format=json"}, nil, "argument"},
		{[]string{"load", "--log-format=json"}, nil, "server"},
	} {
		h := halley(t.Context(), io.Discard, c.variables, c.args...)
		if h.status == 0 || h.stderr == "" {
			t.Fatalf("%v ended with %+v, want an error", c.args, h)
		}
		for line := range strings.Lines(h.stderr) {
			var record struct{ Time, Level, Msg string }
			if err := json.Unmarshal([]byte(line), &record); err != nil || record.Level != "ERROR" || !strings.Contains(record.Msg, c.want) {
				t.Errorf("%v wrote %q (%v), want an object with level ERROR about %q", c.args, line, err, c.want)
			}
		}
	}
	var errs bytes.Buffer
	env := environ{lookup: func(string) (string, bool) { return "json", true }, stderr: &errs}.withFormat(nil)
	env.logger(slog.LevelInfo).Info("serving", "address", "here")
	if !json.Valid(errs.Bytes()) {
		t.Errorf("the log is %q, want JSON", errs.String())
	}
}

// TestLossesAreSummedUp: the losses of a few files are printed for each. Those of
// many are summed up, and those of each file can be found.
func TestLossesAreSummedUp(t *testing.T) {
	report := func(files int) string {
		var out bytes.Buffer
		r := lossReport{doing: "import", files: files}
		for i := range files {
			r.add(string(rune('a'+i%26))+".md", []client.Note{
				{What: "html", Count: 2, Where: 3, Note: "A page holds no HTML."},
				{What: "table", Count: 1, Where: 9, Note: "A page holds no tables.\x1b[2J"},
			})
		}
		r.print(environ{stdout: &out, stderr: io.Discard})
		return out.String()
	}
	if got, want := report(1), "a.md:\n  line 3: html, 2 times: A page holds no HTML.\n  line 9: table: "; !strings.HasPrefix(got, want) {
		t.Errorf("one file: %q, want %q", got, want)
	}
	got := report(300)
	if n := strings.Count(got, "\n"); n != 4 || !strings.Contains(got, "  html, 600 times in 300 files: A page holds no HTML.\n") {
		t.Errorf("300 files: %q, want 4 lines with sums", got)
	}
	name := strings.TrimSpace(got[strings.LastIndex(got, " in ")+4:])
	defer os.Remove(name)
	each, err := os.ReadFile(name)
	if err != nil || strings.Count(string(each), ".md:\n") != 300 || strings.Contains(string(each), "\x1b") {
		t.Errorf("the list of each file's losses: %v, %d bytes, want 300 files and no escape sequence", err, len(each))
	}
}

// TestReadmeFlags: each flag that the README names exists.
func TestReadmeFlags(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	known := append(knownVariables(), variableOf("version"))
	named := regexp.MustCompile("--([a-z][a-z-]*[a-z])(-…)?").FindAllSubmatch(readme, -1)
	if len(named) < 10 {
		t.Fatalf("the README names %d flags, want many", len(named))
	}
	for _, m := range named {
		variable, family := variableOf(string(m[1])), len(m[2]) > 0
		if !slices.ContainsFunc(known, func(k string) bool { return k == variable || family && strings.HasPrefix(k, variable+"_") }) {
			t.Errorf("the README names --%s, which is no flag", m[1])
		}
	}
}

// TestUsage: help is easy to read in a terminal, and is what a pipe gets.
func TestUsage(t *testing.T) {
	for d, want := range map[time.Duration]string{
		168 * time.Hour: "168h", 90 * time.Minute: "1h30m", 12 * time.Second: "12s", 10*time.Minute + time.Second: "10m1s", time.Hour: "1h",
		20 * time.Minute: "20m", 100 * time.Millisecond: "100ms",
	} {
		if got := shortDuration(d); got != want {
			t.Errorf("shortDuration(%v) = %q, want %q", d, got, want)
		}
	}
	for _, c := range commands() {
		h := halley(t.Context(), io.Discard, nil, "help", c.name)
		if h.status != 0 || h.stderr != "" || !strings.Contains(h.stdout, "Usage: halley "+c.name) {
			t.Errorf("help %s ended with %+v", c.name, h)
		}
		for line := range strings.Lines(h.stdout) {
			if n := utf8.RuneCountInString(line); n > 90 {
				t.Errorf("help %s has a line of %d characters: %q", c.name, n, line)
			}
		}
	}
}
