package main

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// parseFlags reads a command's flags, each also from the environment: --data
// as HALLEY_DATA. The command line wins. Flags may stand behind arguments too.
// usage is the arguments and, behind an empty line, what the command does.
func parseFlags(env environ, fs *flag.FlagSet, usage string, args []string) error {
	fs.SetOutput(env.stderr)
	fs.Usage = func() {
		arguments, text, _ := strings.Cut(usage, "\n\n")
		fmt.Fprintln(fs.Output(), strings.TrimSpace("Usage: halley "+fs.Name()+" [flags] "+arguments))
		if text != "" {
			fmt.Fprint(fs.Output(), "\n", text)
		}
		fmt.Fprintln(fs.Output())
		fs.VisitAll(func(f *flag.Flag) { printFlag(fs, f) })
	}
	if err := fromEnvironment(env, fs); err != nil {
		fmt.Fprintf(env.stderr, "halley %s: %v\n", fs.Name(), err)
		return errUsage
	}
	arguments, err := parseAll(fs, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return errUsage // the flag package has said what is wrong
	}
	return fs.Parse(append([]string{"--"}, arguments...))
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

func printFlag(fs *flag.FlagSet, f *flag.Flag) {
	name, usage := flag.UnquoteUsage(f)
	if name != "" {
		name = " " + strings.ToUpper(name)
	}
	def := ""
	if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" {
		def = " (default " + f.DefValue + ")"
	}
	fmt.Fprintf(fs.Output(), "  --%-26s %s%s\n", f.Name+name, usage, def)
}

func fromEnvironment(env environ, fs *flag.FlagSet) error {
	var wrong error
	fs.VisitAll(func(f *flag.Flag) {
		name := "HALLEY_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, there := env.lookup(name)
		if !there || wrong != nil {
			return
		}
		if err := fs.Set(f.Name, value); err != nil {
			wrong = fmt.Errorf("%s=%q: %w", name, value, err)
		}
	})
	return wrong
}

// A listFlag is a list with commas between.
type listFlag []string

func (l *listFlag) String() string { return strings.Join(*l, ",") }

func (l *listFlag) Set(text string) error {
	*l = nil
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			*l = append(*l, part)
		}
	}
	return nil
}

// A prefixesFlag is a list of networks; an address alone is one of its own.
type prefixesFlag []netip.Prefix

func (p *prefixesFlag) String() string {
	var list listFlag
	for _, prefix := range *p {
		list = append(list, prefix.String())
	}
	return list.String()
}

func (p *prefixesFlag) Set(text string) error {
	var list listFlag
	if err := list.Set(text); err != nil {
		return err
	}
	*p = nil
	for _, part := range list {
		prefix, err := netip.ParsePrefix(part)
		if err != nil {
			addr, err := netip.ParseAddr(part)
			if err != nil {
				return fmt.Errorf("%q is neither an address nor a network like 10.0.0.0/8", part)
			}
			prefix = netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen())
		}
		*p = append(*p, prefix.Masked())
	}
	return nil
}

// A switchFlag is on or off.
type switchFlag bool

func (s *switchFlag) String() string {
	if s != nil && bool(*s) {
		return "on"
	}
	return "off"
}

func (s *switchFlag) Set(text string) error {
	switch text {
	case "on", "true":
		*s = true
	case "off", "false":
		*s = false
	default:
		return errors.New("it is either on or off")
	}
	return nil
}

// mebibytes are a size, as people say it.
type mebibytes int64

func (m *mebibytes) String() string { return strconv.FormatInt(int64(*m), 10) }

func (m *mebibytes) Set(text string) error {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 1 {
		return errors.New("it is a whole number of MiB, at least 1")
	}
	*m = mebibytes(n)
	return nil
}
