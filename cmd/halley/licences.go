package main

import (
	"context"
	"flag"
	"io"

	"halley/editor/licences"
)

// printLicences prints the licences of all parts of the program.
func printLicences(_ context.Context, env environ, args []string) error {
	fs := flag.NewFlagSet("licences", flag.ContinueOnError)
	if err := parseFlags(env, fs, "", args); err != nil {
		return err
	}
	if err := noArguments(env, "licences", fs.Args()); err != nil {
		return err
	}
	_, err := io.WriteString(env.stdout, licences.Text())
	return err
}
