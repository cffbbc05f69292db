//go:build race

package convert

// raceFactor: the race detector empties pools at random, so more is allocated.
const raceFactor = 3
