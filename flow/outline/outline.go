// Package outline describes a plan to people and tools: what a run would send,
// and which answer feeds which field.
package outline

import (
	"time"

	"github.com/stepwell/stepwell/datapoints"
)

// An Outline describes a plan to people and tools: what it would send and
// which answer feeds which field. Nothing is sent to make it and no value of a
// secret is in it. Its JSON form is stable: members are only ever added.
type Outline struct {
	Name        string       `json:"name"`
	Description string       `json:"description,omitempty"`
	File        string       `json:"file"`
	Calls       Range        `json:"calls"`
	Inputs      []Input      `json:"inputs"`
	Secrets     []Secret     `json:"secrets"`
	Credentials []Credential `json:"credentials,omitempty"` // of this file
	Steps       []Step       `json:"steps"`
	Finally     []Step       `json:"finally,omitempty"`
	Outputs     []Output     `json:"outputs"`
}

// A Range is how many calls a run makes that succeeds: with loops of none up to
// the most items that they may have, pages up to their most, and blocks and
// flows with retry in up to as many rounds as they have attempts. It leaves out
// the retries of single calls; a poll counts as often as its own times allow,
// and a server's Retry-After may ask for more or fewer.
type Range struct {
	Least int `json:"least"`
	Most  int `json:"most"`
}

// An Input is a declared input.
type Input struct {
	Name     string           `json:"name"`
	Type     string           `json:"type"`
	Env      string           `json:"env,omitempty"`
	Required bool             `json:"required"`
	Default  datapoints.Value `json:"default,omitzero"`
	Class    string           `json:"class"` // plain, pii or sensitive
}

// A Secret is a declared secret and its source.
type Secret struct {
	Name     string `json:"name"`
	Source   string `json:"source"` // "env NAME", "file PATH", "command PROG", "keyring SERVICE"
	Optional bool   `json:"optional"`
}

// A Credential says who asks. Its Fields have what its type takes.
type Credential struct {
	Name   string  `json:"name"`
	Type   string  `json:"type"`
	Fields []Field `json:"fields,omitempty"`
	Line   int     `json:"line"`
}

// A Step is one step of the file. What it does stands in the members
// that its Kind has; the others are empty.
type Step struct {
	Number   int           `json:"number"` // from 1, in the order of the file; a sub-flow's steps where it is called
	ID       string        `json:"id"`
	Path     string        `json:"path"` // "notify[i].send": [i] is an iteration, #n a round
	Kind     string        `json:"kind"` // call, set, fail, wait, callback, block, parallel, flow
	Action   string        `json:"action,omitempty"`
	Request  string        `json:"request,omitempty"` // "GET {base_url}/patients/{patient_id}"
	Title    string        `json:"title"`             // what progress shows
	If       string        `json:"if,omitempty"`
	Loop     *Loop         `json:"for_each,omitempty"`
	Timeout  time.Duration `json:"timeout,omitempty"` // in nanoseconds
	Retry    *Retry        `json:"retry,omitempty"`   // of what is not a call
	Poll     *Poll         `json:"poll,omitempty"`
	Pages    *Pages        `json:"pages,omitempty"`
	Wait     *Wait         `json:"wait,omitempty"`
	Callback string        `json:"callback,omitempty"`    // the declared name
	File     string        `json:"file,omitempty"`        // of a sub-flow
	AtOnce   int           `json:"concurrency,omitempty"` // of parallel: how many branches at a time
	Fields   []Field       `json:"fields,omitempty"`      // of `with` or `set`, defaults merged in
	Saves    []Save        `json:"saves,omitempty"`
	Steps    []Step        `json:"steps,omitempty"` // of a block or a sub-flow
	Branches []Branch      `json:"branches,omitempty"`
	Else     []Step        `json:"else,omitempty"`
	Catch    []Clause      `json:"catch,omitempty"`
	Finally  []Step        `json:"finally,omitempty"`
	Calls    Range         `json:"calls"`
	Line     int           `json:"line"`
}

// A Branch is one part of a parallel step.
type Branch struct {
	Name  string `json:"name"`
	Steps []Step `json:"steps"`
}

// A Clause is one part of a step's catch; `on_error: continue` is one
// without a condition and without steps.
type Clause struct {
	When  string `json:"when,omitempty"` // "": every failure but unknown
	Steps []Step `json:"steps"`
}

// A Retry says how often a block or a sub-flow is tried.
type Retry struct {
	Attempts int      `json:"attempts"`
	On       []string `json:"on,omitempty"`
	When     string   `json:"when,omitempty"`
}

// A Poll says until when a step is repeated.
type Poll struct {
	Until   string        `json:"until"`
	Every   time.Duration `json:"every"`   // in nanoseconds
	Timeout time.Duration `json:"timeout"` // in nanoseconds
}

// A Pages says how a call's next page is found.
type Pages struct {
	Next  string `json:"next,omitempty"`
	While string `json:"while,omitempty"`
	Max   int    `json:"max"`
}

// A Wait is how long a step waits: one of both.
type Wait struct {
	For   string `json:"for,omitempty"`   // "30m", or the expression that gives it
	Until string `json:"until,omitempty"` // a time, or the expression that gives it
	Long  bool   `json:"long,omitempty"`  // the run may pause
}

// A Loop is a step's for_each.
type Loop struct {
	In       string `json:"in"`
	As       string `json:"as"`
	AtOnce   int    `json:"concurrency"`
	Max      int    `json:"max"`
	Continue bool   `json:"continue"` // on_error: continue
	Reads    []Read `json:"reads,omitempty"`
}

// A Field is a value that a step sends or sets.
type Field struct {
	Name  string `json:"name"` // "headers.Authorization"
	Text  string `json:"text"` // with {name} for what is not known yet
	Reads []Read `json:"reads,omitempty"`
}

// A Read is a data point that a value is made from.
type Read struct {
	Name  string   `json:"name"`
	From  []string `json:"from"` // the paths of the steps that may have saved it; none: its default
	Steps []int    `json:"steps"`
	Class string   `json:"class"`
}

// A Save is a data point that a step saves.
type Save struct {
	Name     string `json:"name"`
	From     string `json:"from"` // "name.0.text", "header ETag"
	Type     string `json:"type"`
	Class    string `json:"class"`
	Optional bool   `json:"optional,omitempty"`
	List     bool   `json:"list,omitempty"` // of a loop: one element for each item
}

// An Output is one of the values that a run returns.
type Output struct {
	Name  string `json:"name"`
	Text  string `json:"text"`
	Class string `json:"class"`
	Reads []Read `json:"reads,omitempty"`
}
