// Command collect writes the licences of everything that the halley program
// contains to standard output, for editor/licences/notices.txt. Run it at the root of
// the repository, with the npm packages of frontend/ installed.
package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// systems are those for which a program may be built: each links its own packages.
var systems = []string{"linux", "darwin", "windows", "freebsd"}

// A part is one module or package, and the texts of its licence.
type part struct {
	name, version string
	texts         []string
}

func main() {
	if err := collect(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "collect:", err)
		os.Exit(1)
	}
}

func collect(w io.Writer) error {
	own, err := licencesIn(".")
	if err != nil {
		return err
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("go env: %w", err)
	}
	standard, err := licencesIn(strings.TrimSpace(string(root)))
	if err != nil {
		return err
	}
	modules, err := goModules()
	if err != nil {
		return err
	}
	packages, err := npmPackages("frontend")
	if err != nil {
		return err
	}
	for _, p := range slices.Concat(modules, packages) {
		if len(p.texts) == 0 {
			return fmt.Errorf("%s %s has no file that looks like a licence", p.name, p.version)
		}
	}
	var out bytes.Buffer
	fmt.Fprintln(&out, "This program is Halley.")
	fmt.Fprintln(&out, "It contains the work of others, listed with the numbers of their licences below.")
	var texts []string
	list := func(heading string, parts []part) {
		fmt.Fprintf(&out, "\n%s\n\n", heading)
		for _, p := range parts {
			fmt.Fprintf(&out, "  %s %s\n", strings.TrimSpace(p.name+" "+p.version), strings.Join(p.numbers(&texts), " "))
		}
	}
	list("Halley itself", []part{{"Halley", "", own}})
	list("Go standard library", []part{{"Go", "", standard}})
	list("Go modules", modules)
	list("npm packages in the browser app", packages)
	for i, text := range texts {
		fmt.Fprintf(&out, "\n%s\n[%d]\n\n%s\n", strings.Repeat("-", 80), i+1, text)
	}
	_, err = w.Write(out.Bytes())
	return err
}

// numbers are those of p's texts among all, where they are added at need.
func (p part) numbers(all *[]string) (numbers []string) {
	for _, text := range p.texts {
		i := slices.Index(*all, text)
		if i < 0 {
			i = len(*all)
			*all = append(*all, text)
		}
		numbers = append(numbers, fmt.Sprintf("[%d]", i+1))
	}
	return numbers
}

// goModules lists the modules of which the program links packages.
func goModules() ([]part, error) {
	all := map[string]*part{}
	for _, system := range systems {
		cmd := exec.Command("go", "list", "-deps", "-json=Dir,Module", "./cmd/halley")
		cmd.Env = append(os.Environ(), "GOOS="+system, "GOARCH=amd64", "CGO_ENABLED=0", "GOFLAGS=-mod=readonly")
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("go list for %s: %w", system, err)
		}
		if err := addModules(all, json.NewDecoder(bytes.NewReader(out))); err != nil {
			return nil, err
		}
	}
	return sorted(all), nil
}

// addModules adds the modules of packages, with the licences of all folders from
// each package up to its module's root: a part may have one of its own.
func addModules(all map[string]*part, packages *json.Decoder) error {
	for {
		var p struct {
			Dir    string
			Module *struct {
				Path, Version, Dir string
				Main               bool
			}
		}
		if err := packages.Decode(&p); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if p.Module == nil || p.Module.Main {
			continue
		}
		m := all[p.Module.Path]
		if m == nil {
			m = &part{name: p.Module.Path, version: p.Module.Version}
			all[p.Module.Path] = m
		}
		for dir := p.Dir; strings.HasPrefix(dir, p.Module.Dir); dir = filepath.Dir(dir) {
			if err := m.add(dir); err != nil {
				return err
			}
		}
	}
}

// bundlers leave small helpers of their own in what they build.
var bundlers = []string{"vite", "rolldown"}

// bundledHeading begins, in a bundler's licence, those of packages that are in
// the bundler, and not in what it builds.
const bundledHeading = "# Licenses of bundled dependencies"

// npmPackages lists what the browser app is built of. Tools that only build and
// test it are left out, but the bundlers.
func npmPackages(dir string) ([]part, error) {
	data, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return nil, err
	}
	var lock struct {
		Packages map[string]struct {
			Version string
			Dev     bool
		}
	}
	if err := json.Unmarshal(data, &lock); err != nil {
		return nil, err
	}
	all := map[string]*part{}
	for at, p := range lock.Packages {
		name, ok := strings.CutPrefix(at, "node_modules/")
		if !ok || p.Dev && !slices.Contains(bundlers, name) {
			continue
		}
		all[name] = &part{name: name, version: p.Version}
		if err := all[name].add(filepath.Join(dir, at)); err != nil {
			return nil, err
		}
	}
	return sorted(all), nil
}

func sorted(all map[string]*part) (parts []part) {
	for _, p := range all {
		parts = append(parts, *p)
	}
	slices.SortFunc(parts, func(a, b part) int { return cmp.Compare(a.name, b.name) })
	return parts
}

func (p *part) add(dir string) error {
	texts, err := licencesIn(dir)
	for _, text := range texts {
		if !slices.Contains(p.texts, text) {
			p.texts = append(p.texts, text)
		}
	}
	return err
}

var licenceName = regexp.MustCompile(`(?i)^(un)?(licen[cs]e|copying|notice|copyright)([.-].*)?$`)

// licencesIn reads the files of a folder that hold licences and notices.
func licencesIn(dir string) (texts []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.IsDir() || !licenceName.MatchString(e.Name()) || filepath.Ext(e.Name()) == ".go" {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		text := strings.ReplaceAll(strings.ToValidUTF8(string(data), "?"), "\r\n", "\n")
		text, _, _ = strings.Cut(text, bundledHeading)
		texts = append(texts, strings.TrimSpace(text))
	}
	return texts, nil
}
