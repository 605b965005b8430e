package main

import (
	"errors"
	"slices"

	"github.com/stepwell/stepwell/flow"
)

// The exit codes. They never change their meaning.
const (
	exitOK          = 0
	exitUsage       = 1 // command line, configuration
	exitFlow        = 2 // the file is not valid; nothing was sent
	exitStep        = 3 // a step failed
	exitExpect      = 4 // an expectation does not hold
	exitInput       = 5 // an input or a secret is missing or wrong; nothing was sent
	exitAuth        = 6 // the token endpoint refused, or 401
	exitStore       = 7 // the store cannot be read, written or decrypted
	exitInternal    = 8 // a bug
	exitPaused      = 9 // waits for a time or a callback
	exitUnknown     = 10
	exitCancelled   = 11
	exitInterrupted = 130 // SIGINT
	exitTerminated  = 143 // SIGTERM
)

// gravity puts the codes of several runs into order, the gravest first.
var gravity = [...]int{exitInterrupted, exitTerminated, exitInternal, exitStore, exitFlow, exitInput, exitAuth,
	exitUnknown, exitStep, exitExpect, exitCancelled, exitPaused, exitUsage, exitOK}

// gravest is the code of several runs.
func gravest(a, b int) int {
	if slices.Index(gravity[:], b) < slices.Index(gravity[:], a) {
		return b
	}
	return a
}

// exitOf is the code of a run that ended with a kind of failure.
func exitOf(kind flow.Kind) int {
	switch kind {
	case "":
		return exitOK
	case flow.KindFlow:
		return exitFlow
	case flow.KindExpect:
		return exitExpect
	case flow.KindInput, flow.KindSecret:
		return exitInput
	case flow.KindAuth:
		return exitAuth
	case flow.KindStore:
		return exitStore
	case flow.KindInternal:
		return exitInternal
	case flow.KindPaused:
		return exitPaused
	case flow.KindUnknown:
		return exitUnknown
	case flow.KindCancelled:
		return exitCancelled
	case flow.KindInterrupted:
		return exitInterrupted
	}
	return exitStep
}

// A stop ends a verb: what to say on stderr, if anything is left to say, and the exit code.
type stop struct {
	code int
	text string   // in one line, no final stop; "" if all is said
	help []string // what to do
}

func (s *stop) Error() string { return s.text }

// said ends a verb that has said everything.
func said(code int) error {
	if code == exitOK {
		return nil
	}
	return &stop{code: code}
}

// wrong ends a verb because of the command line or the configuration.
func wrong(text string, help ...string) error {
	return &stop{code: exitUsage, text: text, help: help}
}

// codeOf is the exit code of what a verb returned.
func codeOf(err error) int {
	var s *stop
	var f *flow.Error
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &s):
		return s.code
	case errors.As(err, &f):
		return exitOf(f.Kind)
	}
	return exitUsage
}
