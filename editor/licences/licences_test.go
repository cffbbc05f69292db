package licences

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// listed returns the lines under a heading, without the numbers of the texts.
func listed(t *testing.T, heading string) (names []string) {
	t.Helper()
	_, rest, found := strings.Cut(Text(), "\n"+heading+"\n\n")
	lines, _, ended := strings.Cut(rest, "\n\n")
	if !found || !ended {
		t.Fatalf("notices.txt has no list under %q", heading)
	}
	for line := range strings.SplitSeq(lines, "\n") {
		name, numbers, _ := strings.Cut(strings.TrimSpace(line), " [")
		if numbers == "" {
			t.Errorf("%q has no licence", line)
		}
		names = append(names, name)
	}
	return names
}

const again = "; run `make generate`"

// TestGoModules: all modules that are linked here are listed, and every version
// that is listed is that of go.mod.
func TestGoModules(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}{{end}}{{end}}", "halley/cmd/halley").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	list := listed(t, "Go modules")
	for name := range strings.SplitSeq(strings.TrimSpace(string(out)), "\n") {
		if name != "" && !slices.Contains(list, name) {
			t.Errorf("%s is not listed"+again, name)
		}
	}
	required, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range list {
		if !regexp.MustCompile(`(?m)^\t` + regexp.QuoteMeta(name) + `( //.*)?$`).Match(required) {
			t.Errorf("%s is listed, and is not in go.mod"+again, name)
		}
	}
}

// TestNPMPackages: the packages of the browser app are listed as they are locked.
func TestNPMPackages(t *testing.T) {
	data, err := os.ReadFile("../../frontend/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	var lock struct {
		Packages map[string]struct {
			Version string
			Dev     bool
		}
	}
	if err := json.Unmarshal(data, &lock); err != nil {
		t.Fatal(err)
	}
	var want []string
	for at, p := range lock.Packages {
		name, ok := strings.CutPrefix(at, "node_modules/")
		if ok && (!p.Dev || name == "vite" || name == "rolldown") {
			want = append(want, name+" "+p.Version)
		}
	}
	slices.Sort(want)
	got := listed(t, "npm packages in the browser app")
	slices.Sort(got)
	if !slices.Equal(got, want) || len(got) < 5 {
		t.Errorf("the npm packages listed are\n%v, want\n%v"+again, got, want)
	}
}

// TestTexts: each number has a text, and the most usual ones are there.
func TestTexts(t *testing.T) {
	for _, want := range []string{"Apache License", "MIT License", "The Go Authors", "Marijn Haverbeke", "Manuel Martínez-Almeida", "\n[1]\n", "\n[30]\n"} {
		if !strings.Contains(Text(), want) {
			t.Errorf("notices.txt has no %q", want)
		}
	}
	if n := strings.Count(Text(), "Halley itself"); n != 1 {
		t.Errorf("Halley itself is listed %d times", n)
	}
}
