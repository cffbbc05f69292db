package main

import (
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// knows says which packages each package may import, besides the standard
// library: ours by path, others by the beginning of theirs. It is the table of
// who knows whom; a change of it is a change of the architecture.
var knows = map[string][]string{
	"halley/ot":        {},
	"halley/ot/ottest": {"halley/ot"},
	"halley/ot/diff":   {"halley/ot", "github.com/sergi/go-diff", "github.com/rivo/uniseg"},

	"halley/push":       {"golang.org/x/sync", "golang.org/x/sys"},
	"halley/push/bench": {},

	"halley/storage":             {},
	"halley/storage/durable":     {},
	"halley/storage/encoding":    {"github.com/klauspost/compress"},
	"halley/storage/backup":      {"halley/storage/encoding"},
	"halley/storage/storagetest": {"halley/storage", "github.com/anishathalye/porcupine"},
	"halley/storage/bolt": {
		"halley/storage", "halley/storage/backup", "halley/storage/durable", "halley/storage/encoding",
		"go.etcd.io/bbolt", "github.com/klauspost/compress", "golang.org/x/sys",
	},

	"halley/editor": {
		"halley/editor/bounded", "halley/editor/budget", "halley/ot", "halley/ot/diff", "halley/push",
		"halley/storage", "halley/storage/encoding", "github.com/agnivade/levenshtein", "github.com/tidwall/btree", "golang.org/x/time",
	},
	"halley/editor/account": {"halley/editor", "halley/editor/bounded", "halley/storage"},
	"halley/editor/bounded": {},
	"halley/editor/budget":  {},
	"halley/editor/client":  {"halley/ot"},
	"halley/editor/control": {"halley/editor", "halley/editor/account", "halley/storage"},
	"halley/editor/load":    {"halley/editor/client", "halley/ot"},
	"halley/editor/convert": {
		"halley/ot", "halley/ot/diff", "github.com/yuin/goldmark", "golang.org/x/net/html", "golang.org/x/text",
	},
	"halley/editor/listen": {"golang.org/x/crypto"},
	"halley/editor/scrub":  {"halley/editor", "halley/storage"},
	"halley/editor/metrics": {
		"halley/editor", "halley/editor/budget", "halley/editor/scrub", "halley/push",
		"github.com/prometheus/client_golang",
	},
	"halley/editor/exchange": {
		"halley/editor", "halley/editor/budget", "halley/editor/convert", "halley/editor/filename", "halley/ot", "halley/storage",
	},
	"halley/editor/httpapi": {
		"halley/editor", "halley/editor/account", "halley/editor/bounded", "halley/editor/budget",
		"halley/editor/convert", "halley/editor/exchange", "halley/editor/filename", "halley/editor/metrics",
		"halley/ot", "halley/push", "halley/storage", "github.com/gin-gonic/gin", "github.com/gorilla/securecookie",
		"github.com/gorilla/sessions",
	},

	"halley/editor/filename": {},

	"halley/frontend":                {},
	"halley/editor/licences":         {},
	"halley/editor/licences/collect": {},
	"halley/e2e":                     {},

	"halley/cmd/halley": {
		"halley/editor", "halley/editor/account", "halley/editor/budget", "halley/editor/client",
		"halley/editor/control", "halley/editor/exchange", "halley/editor/filename", "halley/editor/httpapi",
		"halley/editor/listen", "halley/editor/licences", "halley/editor/load", "halley/editor/metrics",
		"halley/editor/scrub", "halley/frontend",
		"halley/push", "halley/storage", "halley/storage/backup", "halley/storage/bolt", "halley/storage/durable",
		"github.com/KimMachineGun/automemlimit", "github.com/agnivade/levenshtein", "golang.org/x/crypto", "golang.org/x/term",
	},
}

func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "halley/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	type listed struct {
		ImportPath string
		Imports    []string
	}
	found := 0
	for d := json.NewDecoder(strings.NewReader(string(out))); ; found++ {
		var p listed
		if err := d.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		may, ok := knows[p.ImportPath]
		if !ok {
			t.Errorf("%s stands in no row of the table", p.ImportPath)
			continue
		}
		for _, imp := range p.Imports {
			if !isStandard(imp) && !slices.ContainsFunc(may, func(m string) bool { return covers(m, imp) }) {
				t.Errorf("%s imports %s, which it may not know", p.ImportPath, imp)
			}
		}
	}
	if found != len(knows) {
		t.Errorf("%d packages, %d rows", found, len(knows))
	}
}

func isStandard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".") && first != "halley"
}

// covers reports whether a row's entry allows an import: ours exactly, a
// module of others with all its packages.
func covers(entry, path string) bool {
	if strings.HasPrefix(entry, "halley/") {
		return entry == path
	}
	return entry == path || strings.HasPrefix(path, entry+"/")
}
