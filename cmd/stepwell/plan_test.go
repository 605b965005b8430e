package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stepwell/stepwell/flow"
)

// everything is an outline with each verb and each part of a step in it.
func everything() flow.Outline {
	call := func(n int, path, request string) flow.OutlineStep {
		id := path[strings.LastIndexByte(path, '.')+1:]
		return flow.OutlineStep{Number: n, ID: id, Path: path, Kind: "call", Action: "http", Request: request, Title: request, Line: n, Calls: flow.Range{Least: 1, Most: 1}}
	}
	create := call(2, "lookup.catch[0].create", "POST {base_url}/patients")
	lookup := call(1, "lookup", "GET {base_url}/patients/{id}")
	lookup.Catch = []flow.OutlineClause{{When: "error.status == 404", Steps: []flow.OutlineStep{create}}, {}}
	job := call(5, "all.jobs.job", "GET {base_url}/jobs")
	job.Poll = &flow.OutlinePoll{Until: `response.body.state == "done"`, Every: 5 * time.Second, Timeout: 10 * time.Minute}
	list := call(6, "all.pages.list", "GET {base_url}/orders")
	list.Pages = &flow.OutlinePages{Next: "response.links.next", Max: 1000}
	wait := flow.OutlineStep{Number: 8, ID: "pause", Path: "each[i]#n.pause", Kind: "wait", Wait: &flow.OutlineWait{For: "3d", Long: true}}
	answer := flow.OutlineStep{Number: 9, ID: "answer", Path: "each[i]#n.answer", Kind: "callback", Callback: "lab_result", Timeout: 72 * time.Hour,
		Saves: []flow.OutlineSave{{Name: "haemoglobin", From: "results.hb", Class: "pii"}},
		Catch: []flow.OutlineClause{{When: `error.kind == "timeout"`, Steps: []flow.OutlineStep{{Number: 10, ID: "late", Path: "each[i]#n.answer.catch[0].late", Kind: "fail", Fields: []flow.OutlineField{{Name: "fail", Text: "no answer"}}}}}}}
	return flow.Outline{Name: "everything", Calls: flow.Range{Least: 4, Most: 123456}, Steps: []flow.OutlineStep{
		lookup,
		{Number: 3, ID: "all", Path: "all", Kind: "parallel", AtOnce: 2, Branches: []flow.OutlineBranch{
			{Name: "sets", Steps: []flow.OutlineStep{{Number: 4, ID: "one", Path: "all.sets.one", Kind: "set", Title: "set a", If: "inputs.a", Fields: []flow.OutlineField{{Name: "a", Text: "1"}}}}},
			{Name: "jobs", Steps: []flow.OutlineStep{job}}, {Name: "pages", Steps: []flow.OutlineStep{list}}}},
		{Number: 7, ID: "each", Path: "each", Kind: "block", Loop: &flow.OutlineLoop{In: "data.orders", As: "order", AtOnce: 4, Max: 1000},
			Retry: &flow.OutlineRetry{Attempts: 3, On: []string{"412"}}, Steps: []flow.OutlineStep{wait, answer},
			Finally: []flow.OutlineStep{call(11, "each[i].finally.unlock", "DELETE {base_url}/locks/{order.id}")}},
		{Number: 12, ID: "fetch", Path: "fetch", Kind: "flow", File: "lib/fetch.yaml", If: `data.x != "end"`,
			Fields: []flow.OutlineField{{Name: "patient", Text: "{data.id}", Reads: []flow.OutlineRead{{Name: "id", From: []string{"lookup"}, Steps: []int{1, 2}}}}, {Name: "mode", Text: "fast"}},
			Steps:  []flow.OutlineStep{call(13, "fetch.read", "GET {base_url}/x")},
			Else:   []flow.OutlineStep{{Number: 14, ID: "skip", Path: "fetch.else.skip", Kind: "fail", Fields: []flow.OutlineField{{Name: "fail", Text: `nothing to "fetch" <here>`}}}}},
	}, Finally: []flow.OutlineStep{call(15, "finally.bye", "DELETE {base_url}/session")}}
}

func planText(k look, o flow.Outline) string {
	w := &planWriter{look: k, c: &Command{}}
	w.outline(o, nil)
	return w.b.String()
}

func TestAPlanShowsEveryPartOfAStepWhereItBelongs(t *testing.T) {
	t.Parallel()
	compare(t, planText(plainLook(100), everything()), `
everything · 15 steps, 4 to 123,456 calls

  1 lookup    GET  {base_url}/patients/{id}
    catch if error.status == 404
  2   create  POST {base_url}/patients
    catch → goes on
  3 all       parallel: 3 branches (2 at once)
    sets
  4   one     if inputs.a
              set a
    jobs
  5   job     poll every 5s, for 10m, until response.body.state == "done"
              GET  {base_url}/jobs
    pages
  6   list    pages up to 1,000, next response.links.next
              GET  {base_url}/orders
  7 each      for each order in data.orders (4 at once)  tried up to 3 times on 412
  8   pause   wait 3d  the run may pause
  9   answer  within 3d
              callback lab_result  the run may pause
              → haemoglobin       results.hb                      pii
      catch if error.kind == "timeout"
 10     late  fail: no answer
    finally
 11   unlock  DELETE {base_url}/locks/{order.id}
 12 fetch     if data.x != "end"
              flow lib/fetch.yaml
              ← patient           {data.id}                       from 1 or 2
              ← mode              fast
 13   read    GET  {base_url}/x
    else
 14   skip    fail: nothing to "fetch" <here>
  finally
 15 bye       DELETE {base_url}/session
`)
}

func TestAPlanFitsHoweverDeepItIsAndHoweverNarrowTheTerminal(t *testing.T) {
	t.Parallel()
	deep := everything().Steps
	for i := range 20 {
		id := "a_block_with_a_long_name_" + strings.Repeat("x", i)
		deep = []flow.OutlineStep{{ID: id, Path: id, Kind: "block", If: strings.Repeat("data.x && ", 20) + "true", Steps: deep}}
	}
	for _, width := range []int{80, 120} {
		for line := range strings.Lines(planText(plainLook(width), flow.Outline{Name: "deep", Steps: deep})) {
			if columns(line) > width {
				t.Errorf("%d columns on a terminal of %d: %s", columns(line), width, line)
			}
		}
	}
}
