package main

import (
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A backup is written under a name of its own beside its target, locked by the
// process that writes it. A process that is killed leaves the file behind, and
// the next backup to the same target removes it.

// partialPrefix begins the names of unfinished backups of a target.
func partialPrefix(target string) string { return "." + filepath.Base(target) + ".halley-partial-" }

// partialAge is from which age on an unfinished backup is removed although it
// cannot be told whether somebody still writes it.
const partialAge = 24 * time.Hour

// createPartial makes the file that a backup is written to before it takes the
// name target, readable for its owner alone, and removes those that killed
// processes have left.
func createPartial(target string) (*os.File, error) {
	dir := filepath.Dir(target)
	removePartials(dir, partialPrefix(target))
	for {
		file, err := os.CreateTemp(dir, partialPrefix(target)+"*")
		if err != nil {
			return nil, err
		}
		if free, known := lockPartial(file); free || !known { // where it is not known the age decides
			if isNamed(file) {
				return file, nil
			}
		}
		file.Close() // another backup took it for abandoned before it was locked
	}
}

// isNamed reports whether an open file still has its name.
func isNamed(file *os.File) bool {
	mine, err := file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(file.Name())
	return err == nil && os.SameFile(mine, there)
}

// removePartials removes unfinished backups that nobody writes. What cannot be
// removed stays: it does no harm but for its size.
func removePartials(dir, prefix string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), prefix):
			removeAbandoned(path)
		case strings.HasPrefix(e.Name(), ".halley-") && strings.Trim(e.Name()[len(".halley-"):], "0123456789") == "":
			if isOld(path) { // an earlier version took no lock
				_ = os.Remove(path)
			}
		}
	}
}

func isOld(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) > partialAge
}

// removeAbandoned removes the file at path unless somebody writes it. It holds
// the lock as it does, so that nobody takes the file for their own.
func removeAbandoned(path string) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer file.Close()
	if free, known := lockPartial(file); free || !known && isOld(path) {
		_ = os.Remove(path)
	}
}
