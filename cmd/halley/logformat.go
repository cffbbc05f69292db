package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// A logFormat is how a command writes its log.
type logFormat string

const (
	formatText logFormat = "text"
	formatJSON logFormat = "json"
)

func (f *logFormat) String() string {
	if f == nil || *f == "" {
		return string(formatText)
	}
	return string(*f)
}

func (f *logFormat) Set(text string) error {
	switch logFormat(text) {
	case formatText, formatJSON:
		*f = logFormat(text)
		return nil
	}
	return errors.New("it must be text or json")
}

// askedFormat finds the format in the environment and in args before any flag is
// parsed, so that a mistake in another flag is reported in it too. A wrong value
// is left for parseFlags to report.
func (env environ) askedFormat(args []string) (format logFormat) {
	const name = "log-format"
	if value, ok := env.lookup(variableOf(name)); ok {
		_ = format.Set(value)
	}
	for i, arg := range args {
		if arg == "--" {
			break
		}
		flag, value, inline := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-"), "=")
		if flag == arg || flag != name {
			continue
		}
		if !inline && i+1 < len(args) {
			value = args[i+1]
		}
		_ = format.Set(value)
	}
	return format
}

// withFormat returns an env whose standard error is in the format that was asked
// for: with JSON each line that a command writes there becomes a record of the
// log, and nothing is drawn on a terminal.
func (env environ) withFormat(args []string) environ {
	format := env.askedFormat(args)
	env.format = &format
	if format == formatJSON {
		env.stderr = &recordWriter{to: env.stderr}
	}
	return env
}

// A recordWriter writes each line as an error in a JSON log. Each Write must be
// of whole lines.
type recordWriter struct{ to io.Writer }

func (w *recordWriter) Write(p []byte) (int, error) {
	log := slog.New(slog.NewJSONHandler(w.to, nil))
	for line := range bytes.Lines(p) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			log.Error(string(line))
		}
	}
	return len(p), nil
}

// logger returns the log of a command, on standard error.
func (env environ) logger(level slog.Leveler) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if records, ok := env.stderr.(*recordWriter); ok {
		return slog.New(slog.NewJSONHandler(records.to, options))
	}
	return slog.New(slog.NewTextHandler(env.stderr, options))
}

// report writes an error that ends a command.
func (env environ) report(sentence string) { fmt.Fprintln(env.stderr, sentence) }
