// Command halley serves a workspace, and brings documents in and out of it.
//
// Here is wiring only: flags and environment become the packages' Configs,
// the parts are put together, signals drain them. `halley help` lists what it
// can do.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
)

// version is set at build time by `make build`.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], environ{
		lookup: os.LookupEnv, variables: os.Environ, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
	}))
}

// An environ is what the program knows of the world around it.
type environ struct {
	lookup    func(string) (string, bool)
	variables func() []string // "NAME=value"; nil: none
	stdin     io.Reader
	stdout    io.Writer
	stderr    io.Writer
	format    *logFormat // of the log; withFormat sets it, and parseFlags checks it

	collect func(*flag.FlagSet) // gets a command's flags in place of parsing them; nil: none
}

// A command is one thing that halley can do.
type command struct {
	name  string
	usage string // its arguments
	what  string // one line
	run   func(ctx context.Context, env environ, args []string) error
}

func commands() []command {
	return []command{
		{"serve", "", "serve the workspace in a folder", serve},
		{"import", "FILE|FOLDER…", "make pages of files, or of all files in folders", importFiles},
		{"export", "[PAGE…]", "write pages as files into a folder", exportPages},
		{"backup", "FILE", "copy the workspace to a file, also while it is served", backUp},
		{"restore", "FILE", "make a workspace of a backup, or bring back one page of it", restore},
		{"verify", "[FILE]", "check a workspace, or a backup, for damage", verify},
		{"sign-out-all", "", "end everybody's sessions, and renew the secrets behind them", signOutAll},
		{"compact", "", "make a workspace's file as small as it can be", compact},
		{"load", "URL", "find out how many people a running server carries", loadServer},
		{"licences", "", "print the licences of all that this program contains", printLicences},
		{"version", "", "say which version this is", printVersion},
	}
}

// errUsage: a flag or argument is wrong; what and how has been said.
var errUsage = errors.New("usage")

// run does what args say and returns the exit status: 0 done, 1 failed, 2 not understood.
func run(ctx context.Context, args []string, env environ) int {
	return runCommand(ctx, args, env.plain().withFormat(args))
}

func runCommand(ctx context.Context, args []string, env environ) int {
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		return help(ctx, args, env)
	}
	if args[0] == "--version" || args[0] == "-version" {
		args = append([]string{"version"}, args[1:]...)
	}
	for _, c := range commands() {
		if c.name != args[0] {
			continue
		}
		err := c.run(ctx, env, args[1:])
		switch {
		case err == nil || errors.Is(err, flag.ErrHelp):
			return 0
		case errors.Is(err, errUsage):
			return 2
		}
		env.report("halley: " + err.Error())
		return 1
	}
	env.report(fmt.Sprintf("halley: there is no command %q; `halley help` lists them", args[0]))
	return 2
}

func help(ctx context.Context, args []string, env environ) int {
	if len(args) > 1 {
		env.variables = nil // help is not about the environment
		return runCommand(ctx, []string{args[1], "-h"}, env)
	}
	fmt.Fprint(env.stdout, "Halley: pages that a team writes together, live.\n\n")
	for _, c := range commands() {
		fmt.Fprintf(env.stdout, "  halley %-28s %s\n", strings.TrimSpace(c.name+" "+c.usage), c.what)
	}
	fmt.Fprintf(env.stdout, "  halley %-28s %s\n", "help [COMMAND]", "say more about one of them")
	fmt.Fprint(env.stdout, "\nEach flag can also be set in the environment: --listen as HALLEY_LISTEN, and so on.\n")
	return 0
}

func printVersion(_ context.Context, env environ, args []string) error {
	fs := flag.NewFlagSet("version", flag.ContinueOnError)
	if err := parseFlags(env, fs, "", args); err != nil {
		return err
	}
	if err := noArguments(env, "version", fs.Args()); err != nil {
		return err
	}
	revision := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		revision = " (" + info.GoVersion + ")"
	}
	fmt.Fprintln(env.stdout, "halley "+version+revision)
	return nil
}

func noArguments(env environ, name string, args []string) error {
	if len(args) == 0 {
		return nil
	}
	env.report(fmt.Sprintf("halley %s: it takes no argument %q", name, args[0]))
	return errUsage
}
