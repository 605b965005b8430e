package flow

import (
	"context"
	"io/fs"
	"sync"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/record"
)

// An Executor runs plans. Its zero value keeps runs in memory and works for
// flows without secrets. One Executor may run any number of plans and runs at
// the same time; its fields must not change once it is used.
type Executor struct {
	// Store keeps runs and their data points. nil: memory, for each Executor its own.
	Store datapoints.Store
	// Secrets reads a secret from its source. nil: a flow that declares
	// secrets cannot run.
	Secrets func(ctx context.Context, s SecretSource) (string, error)
	// Observer is told what runs do. nil: nobody is.
	Observer Observer
	// Redactor masks secrets in every text that leaves; the executor adds each
	// secret it reads or saves. nil: one of the Executor's own.
	Redactor *datapoints.Redactor
	// Files is where steps read files at run time: the project root. nil: none.
	Files fs.FS
	// Output makes the files of `save_to`. nil: steps cannot write files.
	Output func(name string) (Sink, error)
	// Owner names this process in leases and Dead says whether another's is
	// gone. The zero Process waits for leases to end.
	Owner Process
	// Grace is how long calls in flight may go on when a run is interrupted;
	// zero is 10 s. Then they are cut, and what may not be repeated is unknown.
	Grace time.Duration

	once sync.Once
	own  parts
}

// parts are what an Executor makes for itself where it was given nothing.
type parts struct {
	store    datapoints.Store
	redactor *datapoints.Redactor
	name     string
}

func (x *Executor) defaults() *parts {
	x.once.Do(func() {
		x.own = parts{store: x.Store, redactor: x.Redactor, name: x.Owner.Name}
		if x.own.store == nil {
			x.own.store = &datapoints.Memory{}
		}
		if x.own.redactor == nil {
			x.own.redactor = &datapoints.Redactor{}
		}
		if x.own.name == "" {
			x.own.name = record.Seed()
		}
	})
	return &x.own
}

func (x *Executor) store() datapoints.Store { return x.defaults().store }

func (x *Executor) redactor() *datapoints.Redactor { return x.defaults().redactor }

func (x *Executor) owner() string { return x.defaults().name }

// A Process says who owns runs.
type Process struct {
	Name string                  // unique for the process; "" makes one
	Dead func(owner string) bool // nil: nobody is known to be dead
	TTL  time.Duration           // of a lease, renewed while the run goes on; zero is 30 s
}

// A SecretSource says where a secret comes from: one of Env, File, Command, Keyring.
type SecretSource struct {
	Name     string // the flow's name for it
	Env      string
	File     string
	Command  []string
	Keyring  [2]string // service, user
	Optional bool
}

// Inputs are what a run is started with, by name. A string is text from
// outside and is converted to the input's type; anything else is taken as its JSON.
type Inputs map[string]any

// An Assumption is what an operator decides of a call of which it is not known
// whether it was processed.
type Assumption struct {
	Sent   bool           // it was: the step counts as done
	Values map[string]any // of Sent: the values that it saves
}

// Assume decides for steps, by path.
type Assume map[string]Assumption
