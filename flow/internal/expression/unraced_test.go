//go:build !race

package expression_test

const raced = false // the race detector does not look on, which makes everything ten times slower
