//go:build !race

package convert

const raceFactor = 1
