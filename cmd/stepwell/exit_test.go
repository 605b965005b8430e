package main

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stepwell/stepwell/flow"
)

func TestEachKindHasTheExitCodeOfTheLanguage(t *testing.T) {
	t.Parallel()
	want := map[flow.Kind]int{
		"": 0, flow.KindFlow: 2, flow.KindHTTP: 3, flow.KindNetwork: 3, flow.KindTimeout: 3, flow.KindExtract: 3,
		flow.KindGraphQL: 3, flow.KindData: 3, flow.KindExpression: 3, flow.KindLimit: 3, flow.KindFailed: 3, flow.KindAction: 3,
		flow.KindExpect: 4, flow.KindInput: 5, flow.KindSecret: 5, flow.KindAuth: 6, flow.KindStore: 7, flow.KindInternal: 8,
		flow.KindPaused: 9, flow.KindUnknown: 10, flow.KindCancelled: 11, flow.KindInterrupted: 130,
	}
	for kind, code := range want {
		if got := exitOf(kind); got != code {
			t.Errorf("%q gives %d, not %d", kind, got, code)
		}
	}
}

func TestTheGravestOfSeveralRunsDecides(t *testing.T) {
	t.Parallel()
	order := []int{130, 143, 8, 7, 2, 5, 6, 10, 3, 4, 11, 9, 0}
	for i, a := range order {
		for _, b := range order[i:] {
			if gravest(a, b) != a || gravest(b, a) != a {
				t.Errorf("of %d and %d, %d is graver", a, b, a)
			}
		}
	}
}

func TestAnErrorsExitCodeIsFoundThroughWrapping(t *testing.T) {
	t.Parallel()
	for want, err := range map[int]error{
		0: nil,
		1: errors.New("something about the command line"),
		7: fmt.Errorf("while opening: %w", &stop{code: exitStore, text: "x"}),
		6: fmt.Errorf("run: %w", &flow.Error{Kind: flow.KindAuth}),
	} {
		if got := codeOf(err); got != want {
			t.Errorf("%v gives %d, not %d", err, got, want)
		}
	}
}
