//go:build race

package expression_test

const raced = true
