//go:build !race

package syntax

const raced = false // the race detector does not look on, which makes everything ten times slower
