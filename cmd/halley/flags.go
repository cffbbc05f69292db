package main

import (
	"encoding"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/agnivade/levenshtein"
)

// parseFlags parses a command's flags. Each flag is also read from the
// environment, --data as HALLEY_DATA; the command line wins. Flags may follow
// arguments. usage has the arguments and, after an empty line, what the command
// does. A mistake is reported in one line, and the error is then errUsage.
func parseFlags(env environ, fs *flag.FlagSet, usage string, args []string) error {
	if env.format == nil {
		env.format = new(logFormat)
	}
	fs.Var(env.format, "log-format", "the `format` of the log and of errors: text, or json with one object a line")
	if env.collect != nil {
		env.collect(fs)
		return flag.ErrHelp
	}
	fs.SetOutput(new(strings.Builder)) // what the flag package says itself is too much
	fs.Usage = func() {}
	if err := fromEnvironment(env, fs); err != nil {
		return env.misused(fs.Name(), err)
	}
	arguments, err := parseAll(fs, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		printUsage(env, fs, usage)
		return err
	case err != nil:
		return env.misused(fs.Name(), explain(fs, err))
	}
	env.checkVariables()
	return fs.Parse(append([]string{"--"}, arguments...))
}

// misused reports a mistake in a command line, and returns errUsage.
func (env environ) misused(command string, err error) error {
	env.report(fmt.Sprintf("halley %s: %v; `halley help %s` lists the flags", command, err, command))
	return errUsage
}

// parseAll parses the flags among args, up to "--", and returns the arguments.
func parseAll(fs *flag.FlagSet, args []string) (arguments []string, err error) {
	for {
		if err := fs.Parse(args); err != nil {
			return nil, err
		}
		rest := fs.Args()
		if len(rest) == 0 || len(rest) < len(args) && args[len(args)-len(rest)-1] == "--" {
			return append(arguments, rest...), nil
		}
		arguments, args = append(arguments, rest[0]), rest[1:]
	}
}

func printUsage(env environ, fs *flag.FlagSet, usage string) {
	arguments, text, _ := strings.Cut(usage, "\n\n")
	fmt.Fprintln(env.stdout, strings.TrimSpace("Usage: halley "+fs.Name()+" [flags] "+arguments))
	if text != "" {
		fmt.Fprint(env.stdout, "\n", text)
	}
	fmt.Fprintln(env.stdout)
	fs.VisitAll(func(f *flag.Flag) { printFlag(env, f) })
}

func printFlag(env environ, f *flag.Flag) {
	name, usage := flag.UnquoteUsage(f)
	if name != "" {
		name = " " + strings.ToUpper(name)
	}
	def := f.DefValue
	if d, err := time.ParseDuration(def); err == nil {
		def = shortDuration(d)
	}
	switch def {
	case "", "false", "0", "0s":
	default:
		usage += " (default " + strings.TrimPrefix(def, "+") + ")"
	}
	indent := "\n" + strings.Repeat(" ", 8)
	fmt.Fprintf(env.stdout, "  --%s%s%s\n", f.Name+name, indent, strings.Join(wrap(usage, 72), indent))
}

// shortDuration writes 168h0m0s as 168h.
func shortDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// wrap breaks text into lines of at most width bytes, at spaces.
func wrap(text string, width int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// variableOf is the environment variable of a flag.
func variableOf(flag string) string {
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

const variablePrefix = "HALLEY_"

func fromEnvironment(env environ, fs *flag.FlagSet) error {
	var wrong error
	fs.VisitAll(func(f *flag.Flag) {
		name := variableOf(f.Name)
		value, there := env.lookup(name)
		if !there || wrong != nil {
			return
		}
		if err := fs.Set(f.Name, value); err != nil {
			wrong = fmt.Errorf("%s=%q: %s", name, value, reason(f, err.Error()))
		}
	})
	return wrong
}

// The errors of the flag package.
var (
	wrongValue   = regexp.MustCompile(`(?s)^invalid (?:boolean )?value ("(?:[^"\\]|\\.)*") for (?:flag )?-([^:]+): (.*)$`)
	missingValue = regexp.MustCompile(`^flag needs an argument: -(.+)$`)
	unknownFlag  = regexp.MustCompile(`^flag provided but not defined: -(.+)$`)
)

// explain puts an error of the flag package as a sentence for people.
func explain(fs *flag.FlagSet, err error) error {
	text := err.Error()
	if m := unknownFlag.FindStringSubmatch(text); m != nil {
		var names []string
		fs.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
		if near := nearest(m[1], names, "-"); near != "" {
			return fmt.Errorf("there is no flag --%s; did you mean --%s?", m[1], near)
		}
		return fmt.Errorf("there is no flag --%s", m[1])
	}
	if m := missingValue.FindStringSubmatch(text); m != nil {
		return fmt.Errorf("--%s needs a value", m[1])
	}
	if m := wrongValue.FindStringSubmatch(text); m != nil {
		return fmt.Errorf("--%s %s: %s", m[2], m[1], reason(fs.Lookup(m[2]), m[3]))
	}
	return err
}

// reason says what a flag's value must be, for the types whose own errors do not:
// "parse error".
func reason(f *flag.Flag, said string) string {
	if f == nil {
		return said
	}
	if g, ok := f.Value.(flag.Getter); ok {
		switch g.Get().(type) {
		case time.Duration:
			return "it must be a number with a unit, such as 500ms, 12s, 5m or 24h"
		case int, int64, uint, uint64:
			return "it must be a whole number"
		case float64:
			return "it must be a number"
		case bool:
			return "it must be true or false"
		case encoding.TextUnmarshaler:
			return "it must be debug, info, warn or error"
		}
	}
	return said
}

// nearest returns the name that was most likely meant: one at most two letters
// off, or one that begins or ends another at a separator. "" if there is none.
func nearest(name string, names []string, separator string) (near string) {
	best := 3
	for _, n := range names {
		d := levenshtein.ComputeDistance(name, n)
		if d >= 3 && (strings.HasPrefix(name, n+separator) || strings.HasPrefix(n, name+separator)) {
			d = 2
		}
		if d < best && d*2 <= len(n) {
			best, near = d, n
		}
	}
	return near
}

// checkVariables warns of variables that look like a misspelt setting. Others
// with our prefix may belong to somebody else: Kubernetes sets HALLEY_PORT for a
// service of that name.
func (env environ) checkVariables() {
	if env.variables == nil {
		return
	}
	var known []string
	for _, v := range env.variables() {
		name, _, _ := strings.Cut(v, "=")
		if !strings.HasPrefix(name, variablePrefix) {
			continue
		}
		if known == nil {
			known = knownVariables()
		}
		if slices.Contains(known, name) {
			continue
		}
		if near := nearest(name[len(variablePrefix):], trimmed(known), "_"); near != "" {
			env.logger(slog.LevelWarn).Warn("an environment variable is not known and has no effect",
				"variable", name, "meant", variablePrefix+near)
		}
	}
}

func trimmed(names []string) []string {
	short := make([]string, len(names))
	for i, n := range names {
		short[i] = n[len(variablePrefix):]
	}
	return short
}

// knownVariables lists the variables of all flags of all commands: a file of
// settings may serve several.
func knownVariables() (names []string) {
	collect := func(fs *flag.FlagSet) {
		fs.VisitAll(func(f *flag.Flag) { names = append(names, variableOf(f.Name)) })
	}
	for _, c := range commands() {
		_ = c.run(nil, environ{collect: collect, stdout: io.Discard, stderr: io.Discard}, nil) // it ends where it parses its flags
	}
	return names
}
