package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

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
