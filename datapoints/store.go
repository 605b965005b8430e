package datapoints

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// A State is where a run stands.
type State string

// Running is recorded while a process works on the run; whoever reads it when
// that process is gone takes it for Interrupted.
const (
	Running     State = "running"
	Succeeded   State = "succeeded"
	Failed      State = "failed"
	Unknown     State = "unknown" // not known whether a call was processed
	Paused      State = "paused"
	Cancelled   State = "cancelled"
	Interrupted State = "interrupted"
)

// A Run is one execution of a flow with its inputs. Value fields are sealed by
// Sealed; everything else is control information. Times come back as the same
// instants (years 1678 to 2261), the zero time as the zero time.
type Run struct {
	ID       string // UUIDv7: ids sort by time
	Flow     string // the flow's name
	Batch    string // the id of the batch that the run belongs to, or ""
	Row      int    // its place in the batch, from 0
	State    State
	Kind     string // of the failure, "" if there is none
	At       string // path of the step that failed, or ""
	Language int    // version of the flow language
	Digest   string // of Files
	Files    []File // every file read, the flow first; not filled by List
	Steps    int    // steps of the flow; Done of them ended well or were skipped
	Done     int
	Created  time.Time
	Started  time.Time // zero before the first step
	Ended    time.Time // zero while the run is not over
	Wake     time.Time // of a paused run: when it can go on; zero: with a message
	Inputs   Value     // a JSON object
	Outputs  Value     // a JSON object, or the zero Value
	Failure  Value     // what the run's error says, as JSON, or the zero Value
	Key      []byte    // the run's own key, wrapped by the master key; written and read by Sealed alone
	Lease    Lease     // who works on it
}

// A File is a file that a run was started with, as it was then.
type File struct {
	Name string // relative to the project root, with slashes
	Data []byte
}

// A Lease says who may write to a run. Every write is conditional on Epoch.
// One whose time is over still holds until somebody else claims the run.
type Lease struct {
	Run   string
	Owner string // names the process; "": nobody works on the run
	Epoch int64  // grows with each claim by another owner
	Until time.Time
}

// An OutcomeStatus is what a task of the executor answered.
type OutcomeStatus uint8

// The zero value means that nothing is recorded.
const (
	Open    OutcomeStatus = iota + 1 // enter: walk the body
	Left                             // enter: the body was left before, Kind says how
	Done                             // try, leave, catch
	Skipped                          // enter, try: `if` is false
	Broke                            // enter, try, catch, leave: failed with Kind
	Again                            // try, leave: ask again with N = Next, not before Until
	Awaits                           // try: wait for a message, at most until Until
)

// An Outcome is control information only: numbers, times, and the kind of a
// failure. Nothing that a user gave or a server answered is in it.
type Outcome struct {
	Status   OutcomeStatus
	Next     int // the clause (-1 none); the next try, page or round; the first iteration that is not finished
	Count    int // items, branches
	Until    time.Time
	Deadline time.Time
	Kind     string // of a failure; of Left: how it ended, "" well
}

// A Row is what is recorded of one instance of a step: control information,
// and Hidden, which is sealed. The zero Row says that nothing happened yet.
type Row struct {
	Enter, Last, Caught Outcome // Last: of try or leave
	N, Intent           int     // the last finished attempt, page or round; the one that may have been sent
	IntentSafe          bool    // doing the intended call twice is harmless
	Base                int     // attempts before the series that counts now
	Tries, Polls, Pages int     // within the series
	Waited              bool
	Deadline            time.Time // of a leaf with a timeout
	Origin              string    // the path whose failure this one passes on
	Status              int       // of the last answer (HTTP), or 0
	Started, Ended      time.Time
	Assumed             string // "sent" or "not-sent": what the operator decided of an unknown call
	Hidden              Value  // loop items, frozen time and seed, the failure's text and body; JSON
}

// An Attempt is one try of a call, kept for people to read. Committed again
// with the same N at the same path it replaces the one before.
type Attempt struct {
	N       int
	Started time.Time
	Took    time.Duration
	Sent    bool
	Status  int
	Kind    string // "" if it went well
	Message Value
}

// A Slot is where a data point lives: Scope is the path of the iteration it
// belongs to ("" for the run), Name its name.
type Slot struct{ Scope, Name string }

// A Point is one version of a data point. Points are only ever added: the
// newest that is not undone counts. A null Value unsets the name. One whose
// Name begins with # is a note of the executor's own, not for people.
type Point struct {
	Slot
	Type    string // of the flow language: string, integer, …
	Step    string // path of the step that saved it
	Attempt int    // of that step; a step's attempt saves a name once
	Source  string // "path name.0.text", "header ETag", "expression …", "default", "list of …"
	At      time.Time
	Value   Value
	Undone  bool // read only: a round that failed took it back
}

// A Message is what somebody who does not own a run leaves for it: the message
// of a callback, or the wish to cancel the run. One whose name begins with "!"
// is a note for people, which the run does not look at.
type Message struct {
	Name string // of the callback; "": the wish to cancel
	At   time.Time
	Body Value // JSON; of the wish to cancel the zero Value
}

// IsNote says whether the message is for people alone.
func (m Message) IsNote() bool { return strings.HasPrefix(m.Name, "!") }

// A Record is committed whole or not at all. One with a Message is nothing
// else: it is left for the run, whoever owns it.
type Record struct {
	Path     string
	Row      Row // replaces what is recorded at Path
	Attempts []Attempt
	Points   []Point // added after Undo; Undone says nothing here
	Undo     string  // with Slots: points that steps at or below this path saved there no longer count ("" is above all)
	Slots    []Slot
	At       time.Time
	End      *Run // if not nil: State, Kind, At, Done, Started, Ended, Wake, Outputs and Failure of the run become these; the lease ends unless State is Running
	Bare     bool // only End counts; nothing else is recorded
	Message  *Message
}

// An Entry is a row as it is read back.
type Entry struct {
	Path string
	At   time.Time
	Row  Row
}

// A Query says what Read wants.
type Query struct {
	Rows     bool   // every row, in the order of their first commit
	Attempts bool   // every attempt by path
	History  bool   // every version of every point, in commit order; Slots does not count then
	Slots    []Slot // the version that counts of these, in this order; of a slot without one there is nothing
	Mail     bool   // every Message, in the order in which they came, without Body
	Open     string // of Mail: the Message of this name comes with its Body
}

// Contents is what Read gives.
type Contents struct {
	Rows     []Entry
	Attempts map[string][]Attempt // in the order of N; not nil if asked for
	Points   []Point
	Mail     []Message
}

// A Filter says which runs List gives. The zero Filter means all.
type Filter struct {
	Flow, Batch string
	State       State
	Prefix      string // of the id
	Before      string // runs with a smaller id: for paging, with the last id of the page before
	Limit       int    // 0: no limit
}

// Traits say what a store promises.
type Traits struct {
	Lasts  bool // outlives the process
	Sealed bool // values are encrypted
}

// A Store keeps runs. All methods may be called concurrently. What a method
// without an error has written is durable, for a store that Lasts, and seen by
// every call that begins later, also by another process. A store shares no
// memory with its callers. With a context that is done nothing is written or
// read, and the error is the context's. An error other than those below is the
// store's own (errors.Is tells nothing of it): nothing was written, as far as
// the store can tell. The contract is tested by storetest.
type Store interface {
	// Create adds runs, all or none. An id that is there, or that comes twice,
	// is ErrExists; an empty one is an error. A run whose Lease has an Owner is
	// claimed by it: its epoch is the Lease's, at least 1.
	Create(ctx context.Context, runs ...Run) error
	// Claim makes c.Owner the run's owner until c.Until. The owner itself may
	// claim again, which keeps the epoch: so a lease is renewed. Somebody
	// else's lease that has not ended at now is a *ClaimedError, unless its
	// owner is dead (a nil dead says no). The new lease's epoch is greater than
	// any before. A run that is not there is ErrNotFound. Claim changes no State.
	Claim(ctx context.Context, c Lease, now time.Time, dead func(owner string) bool) (Lease, error)
	// Commit adds records in order, all or none. If the lease is not the
	// run's (another epoch, or it has ended) nothing is written and the error is
	// ErrLeaseLost. A run that is not there is ErrNotFound. Commit without
	// records only asks whether the lease still holds.
	//
	// A Record with a Message is left by whoever wants to, also while another
	// owns the run: it is committed alone, and of the lease only Run counts. The
	// first Message of a name stays, a later one is ErrDelivered. To a run that
	// has Succeeded or was Cancelled only notes are left: ErrOver.
	Commit(ctx context.Context, l Lease, records ...Record) error
	// Load gives a run with its files, in their order. ErrNotFound.
	Load(ctx context.Context, run string) (Run, error)
	// Read gives a part of what is recorded. A run that is not there has nothing.
	Read(ctx context.Context, run string, q Query) (Contents, error)
	// List gives runs without files, newest first: the greatest id first.
	List(ctx context.Context, f Filter) ([]Run, error)
	// Delete removes a run and everything recorded of it. Deleting one that is
	// not there is no error.
	Delete(ctx context.Context, run string) error
	// Traits never changes.
	Traits() Traits
}

// What a Store's methods fail with; test with errors.Is.
var (
	ErrNotFound  = errors.New("there is no such run")
	ErrExists    = errors.New("a run with this id is there already")
	ErrLeaseLost = errors.New("another process has taken over the run")
	ErrDelivered = errors.New("a message of this name has come before")
	ErrOver      = errors.New("the run is over")
	ErrKey       = errors.New("the key does not fit: the data was sealed with another one")
	ErrNewer     = errors.New("the store was written by a newer version")
	ErrCorrupt   = errors.New("the stored data is damaged")
	ErrDestroyed = errors.New("the key was destroyed: the data cannot be read any more")
)

// A ClaimedError says who works on a run.
type ClaimedError struct{ Lease }

func (e *ClaimedError) Error() string {
	return fmt.Sprintf("run %s is being worked on by %s until %s", e.Run, e.Owner, e.Until.Format(time.RFC3339))
}

// What follows are rules of the contract that every Store needs.

// CheckNew says what is wrong with a run that is to be created.
func CheckNew(r Run) error {
	if r.ID == "" {
		return errors.New("a run needs an id")
	}
	return nil
}

// NewLease gives the run with the lease that Create records: with an owner its
// epoch is at least 1 and its Run the id; without one it is empty.
func NewLease(r Run) Run {
	if r.Lease.Owner == "" {
		r.Lease = Lease{}
		return r
	}
	r.Lease.Run = r.ID
	r.Lease.Epoch = max(r.Lease.Epoch, 1)
	return r
}

// Claimed gives the lease that a claim makes of l, the one that is recorded.
func (l Lease) Claimed(c Lease, now time.Time, dead func(owner string) bool) (Lease, error) {
	if c.Owner == "" {
		return Lease{}, errors.New("a claim needs an owner")
	}
	if l.Owner == c.Owner {
		c.Epoch = l.Epoch
		return c, nil
	}
	if l.Owner != "" && l.Until.After(now) && (dead == nil || !dead(l.Owner)) {
		return Lease{}, &ClaimedError{l}
	}
	c.Epoch = l.Epoch + 1
	return c, nil
}

// Holds says whether l, the lease that is recorded, is the one of a writer.
// A lease whose time is over holds until somebody else claims the run.
func (l Lease) Holds(writer Lease) bool {
	return l.Owner != "" && l.Epoch == writer.Epoch
}

// Matches says whether List gives the run, but for Limit.
func (f Filter) Matches(r *Run) bool {
	return (f.Flow == "" || r.Flow == f.Flow) &&
		(f.Batch == "" || r.Batch == f.Batch) &&
		(f.State == "" || r.State == f.State) &&
		strings.HasPrefix(r.ID, f.Prefix) &&
		(f.Before == "" || r.ID < f.Before)
}

// applyEnd makes what a record's End says part of the run.
func (e *Run) applyEnd(r *Run) {
	r.State, r.Kind, r.At, r.Done = e.State, e.Kind, e.At, e.Done
	r.Started, r.Ended, r.Wake = e.Started, e.Ended, e.Wake
	r.Outputs, r.Failure = e.Outputs, e.Failure
	if e.State != Running {
		r.Lease = Lease{Run: r.ID, Epoch: r.Lease.Epoch}
	}
}

// MessageOf is the Message that a commit leaves, nil if it leaves none. One that
// comes with other records is an error. It is for those who write a Store.
func MessageOf(records []Record) (*Message, error) {
	for i := range records {
		if records[i].Message == nil {
			continue
		}
		if len(records) > 1 {
			return nil, errors.New("a message is committed alone")
		}
		return records[0].Message, nil
	}
	return nil, nil
}

// IsOver says of a state that nothing more becomes of the run: it has
// succeeded, or was cancelled. Every other run may go on.
func IsOver(s State) bool { return s == Succeeded || s == Cancelled }

// Below says whether a step's path is, or lies in, another: "fetch.list[2].get"
// is below "fetch", "fetch.list", "fetch.list[2]" and "", not below "fet".
func Below(step, path string) bool {
	if path == "" {
		return true
	}
	rest, ok := strings.CutPrefix(step, path)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[' || rest[0] == '#')
}
