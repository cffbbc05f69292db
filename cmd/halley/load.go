package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"halley/editor/load"
)

// sizing is what `halley help load` says besides the flags.
const sizing = `
It opens lines and types on pages of its own, which go to the trash afterwards,
and says how fast edits are acknowledged (synced to disk) and reach the others.
At the end it compares every reader's text with the server's; it exits with 1
where they differ or an edit was lost.

To find out what a machine carries, run the server there without its limits on
how much one address may do,

  halley serve --rate-limits=off

and this from another machine, or beside it (then it takes its share of the
processors: "its own processor time" says how much). Begin with people as you
expect them, at 2 edits a second each, which is fast typing:

  halley load --pages 20 --writers 60 --viewers 300 http://HOST:8080

Double writers and viewers until the delivery's p99 is more than you would put
up with; a quarter of a second still feels live. Half of that load is a sound
size. --rate 0 shows the most edits that it can do, --writers 1 --rate 0 the
disk's share. Ten thousand viewers need as many open files here and there:
ulimit -n 20000.
`

type loadConfig struct {
	load.Config
	json bool
}

func parseLoad(env environ, args []string) (loadConfig, error) {
	cfg := loadConfig{Config: load.DefaultConfig()}
	fs := flag.NewFlagSet("load", flag.ContinueOnError)
	fs.IntVar(&cfg.Pages, "pages", cfg.Pages, "the number `N` of pages that readers and writers are spread over")
	fs.IntVar(&cfg.Viewers, "viewers", cfg.Viewers, "the number `N` of people who only read")
	fs.IntVar(&cfg.Writers, "writers", cfg.Writers, "the number `N` of people who type")
	fs.DurationVar(&cfg.For, "for", cfg.For, "the `time` that they type")
	fs.Float64Var(&cfg.Rate, "rate", cfg.Rate, "`edits` a second of each writer; 0 sends each as soon as the last is acknowledged")
	transport := fs.String("transport", string(cfg.Transport), "how pages are followed: `sse|ndjson|poll`")
	fs.StringVar(&cfg.Token, "token", "", "the API `token` to sign in with, instead of as guests")
	fs.Uint64Var(&cfg.Seed, "seed", cfg.Seed, "the `number` that decides what is typed; the same number types the same")
	fs.BoolVar(&cfg.Keep, "keep", false, "keep the pages that it creates, instead of moving them to the trash")
	fs.BoolVar(&cfg.json, "json", false, "print the result as JSON")
	err := parseFlags(env, fs, "URL", args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(env.stdout, sizing)
	}
	if err != nil {
		return cfg, err
	}
	if fs.NArg() != 1 {
		fmt.Fprintln(env.stderr, "halley load: name one server, after the flags: halley load --for 1m http://127.0.0.1:8080")
		return cfg, errUsage
	}
	cfg.Server, cfg.Transport = fs.Arg(0), load.Transport(*transport)
	return cfg, nil
}

// loadServer puts a running server under load and says how it did.
func loadServer(ctx context.Context, env environ, args []string) error {
	cfg, err := parseLoad(env, args)
	if err != nil {
		return err
	}
	show := newLiveLine(env.stderr)
	cfg.Progress = show.second
	show.say("opening %d lines on %d pages", cfg.Viewers+cfg.Writers, cfg.Pages)
	res, err := load.Run(ctx, cfg.Config)
	show.say("")
	if err != nil {
		return err
	}
	if cfg.json {
		err = json.NewEncoder(env.stdout).Encode(res)
	} else {
		err = printLoad(env.stdout, res)
	}
	if err != nil {
		return err
	}
	if !res.Equal() {
		return errors.New("what the readers ended with is not what the server has; that should never happen")
	}
	return nil
}

func (l *liveLine) second(p load.Progress) {
	l.say("%3.0f s  %s lines  %s edits/s acknowledged in %s (p99 %s)  %s deliveries/s in %s (p99 %s)", p.Second,
		whole(float64(p.Lines)), whole(p.EditsPerSecond), ms(p.Ack.P50), ms(p.Ack.P99),
		whole(p.DeliveriesASecond), ms(p.Delivery.P50), ms(p.Delivery.P99))
}

// printLoad prints the result for people.
func printLoad(w io.Writer, r load.Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(what, format string, args ...any) { fmt.Fprintf(t, what+"\t"+format+"\n", args...) }
	row("people", "%s writers, %s viewers, on %s pages, by %s",
		whole(float64(r.Writers)), whole(float64(r.Viewers)), whole(float64(r.Pages)), r.Transport)
	row("typed for", "%.1f s", r.Seconds)
	asked := ""
	if r.Rate > 0 {
		asked = fmt.Sprintf(" of %s asked for", whole(r.Rate*float64(r.Writers)))
	}
	row("edits acknowledged", "%s, %s a second%s", whole(float64(r.Edits)), whole(r.EditsPerSecond), asked)
	row("to the acknowledgement", "p50 %s, p99 %s, at most %s", ms(r.Ack.P50), ms(r.Ack.P99), ms(r.Ack.Max))
	row("to the others' screens", "p50 %s, p99 %s, at most %s", ms(r.Delivery.P50), ms(r.Delivery.P99), ms(r.Delivery.Max))
	row("deliveries", "%s, %s a second", whole(float64(r.Deliveries)), whole(r.DeliveriesASecond))
	row("bytes", "%.1f MB received, %.1f MB sent", float64(r.BytesIn)/1e6, float64(r.BytesOut)/1e6)
	row("its own processor time", "%.1f s", r.OwnCPU)
	row("lines opened again", "%d; edits sent again: %d", r.Reconnects, r.Resends)
	row("the same text everywhere", "%s", sameText(r))
	for _, trouble := range r.Troubles {
		row("trouble", "%s (%d ×)", trouble.What, trouble.Count)
	}
	if r.Limited > 0 {
		row("held back", "%d requests were answered 429: the server limits what one address may do. To measure the "+
			"machine and not the limits, run it with --rate-limits=off", r.Limited)
	}
	return t.Flush()
}

func sameText(r load.Result) string {
	readers := r.Writers + r.Viewers
	if r.Equal() {
		return fmt.Sprintf("yes: %s readers were told the same, and the %s of them who kept the text ended with the server's",
			whole(float64(readers)), whole(float64(r.Texts)))
	}
	return fmt.Sprintf("NO: %d of %d texts differ, %d readers were told otherwise than others, %d had not got to the end, %d edits are lost",
		r.Differ, r.Texts, r.Unlike, r.Behind, r.Lost)
}

// ms is a time for people.
func ms(t float64) string {
	if t < 10 {
		return fmt.Sprintf("%.1f ms", t)
	}
	return whole(t) + " ms"
}

// whole is a number with its thousands apart.
func whole(x float64) string {
	digits := fmt.Sprintf("%.0f", x)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}
