package main

import (
	"flag"
	"fmt"
	"strings"

	"halley/storage/bolt"
)

// A keepConfig is what the commands are told that keep a workspace safe.
type keepConfig struct {
	data  string
	file  string
	force bool   // of backup
	page  string // of restore
}

// parseKeep reads --data, the flags that more adds, and a command's one
// argument, if its usage begins with one; in brackets it may be left out.
func parseKeep(env environ, name, usage string, args []string, more func(*flag.FlagSet, *keepConfig)) (cfg keepConfig, err error) {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.StringVar(&cfg.data, "data", defaultData, "the `folder` that holds the workspace")
	if more != nil {
		more(flags, &cfg)
	}
	if err := parseFlags(env, flags, usage, args); err != nil {
		return cfg, err
	}
	if strings.HasPrefix(usage, "\n") {
		return cfg, noArguments(env, name, flags.Args())
	}
	if strings.HasPrefix(usage, "[") && flags.NArg() == 0 {
		return cfg, nil
	}
	if flags.NArg() != 1 {
		fmt.Fprintf(env.stderr, "halley %s: it takes one argument, the file; `halley help %s` says more\n", name, name)
		return cfg, errUsage
	}
	cfg.file = flags.Arg(0)
	return cfg, nil
}

// wantStore returns an error unless there is a workspace in a folder: that there
// is none, or in what way it is damaged.
func wantStore(data string) error {
	there, err := bolt.Inspect(data)
	if err == nil && !there {
		err = fmt.Errorf("there is no workspace in the folder %s", data)
	}
	return err
}
