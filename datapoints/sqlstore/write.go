package sqlstore

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
	"unicode/utf8"

	"github.com/stepwell/stepwell/datapoints"
)

// A creation holds the rows of runs that are to be created.
type creation struct {
	runs     []datapoints.Run
	files    [][]any
	contents map[string][]byte // by digest
}

func newCreation(runs []datapoints.Run) *creation {
	c := &creation{contents: map[string][]byte{}}
	for _, r := range runs {
		c.runs = append(c.runs, datapoints.NewLease(r))
		for n, f := range r.Files {
			sum := sha256.Sum256(f.Data)
			digest := hex.EncodeToString(sum[:])
			c.files = append(c.files, []any{r.ID, n, f.Name, digest})
			c.contents[digest] = append([]byte{}, f.Data...)
		}
	}
	return c
}

func (c *creation) do(t *session) error {
	for _, r := range c.runs {
		var one int
		there, err := t.row("SELECT 1 FROM stepwell_runs WHERE id = ?", []any{r.ID}, &one)
		if err != nil {
			return err
		}
		if there {
			return refusal{datapoints.ErrExists}
		}
	}
	for digest, data := range c.contents {
		if err := t.exec("INSERT INTO stepwell_contents (digest, data) VALUES (?, ?) ON CONFLICT (digest) DO NOTHING", digest, data); err != nil {
			return err
		}
	}
	for i := range c.runs {
		if err := t.exec(insertRun, runArgs(&c.runs[i])...); err != nil {
			return err
		}
	}
	for _, f := range c.files {
		if err := t.exec("INSERT INTO stepwell_files (run, n, name, digest) VALUES (?, ?, ?, ?)", f...); err != nil {
			return err
		}
	}
	for _, r := range c.runs {
		t.leases[r.ID] = held{r.Lease.Owner, r.Lease.Epoch}
		t.seqs[r.ID] = counter{epoch: r.Lease.Epoch}
	}
	return nil
}

const (
	runColumns = `id, flow, batch, batch_row, state, kind, at_path, language, digest, steps, done,
		created, started, ended, wake, inputs, outputs, failure, wrapped_key, owner, epoch, lease_until`
	insertRun = "INSERT INTO stepwell_runs (" + runColumns + ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)

func runArgs(r *datapoints.Run) []any {
	key := r.Key
	if key == nil {
		key = []byte{}
	}
	return []any{r.ID, r.Flow, r.Batch, r.Row, string(r.State), r.Kind, r.At, r.Language, r.Digest, r.Steps, r.Done,
		nanos(r.Created), nanos(r.Started), nanos(r.Ended), nanos(r.Wake),
		encodeValue(r.Inputs), encodeValue(r.Outputs), encodeValue(r.Failure), key,
		r.Lease.Owner, r.Lease.Epoch, nanos(r.Lease.Until)}
}

// lease reads who works on a run, once in a transaction.
func (t *session) lease(run string) (held, error) {
	if h, ok := t.leases[run]; ok {
		return h, nil
	}
	var h held
	there, err := t.row("SELECT owner, epoch FROM stepwell_runs WHERE id = ?"+t.d.lock, []any{run}, &h.owner, &h.epoch)
	if err != nil {
		return held{}, err
	}
	if !there {
		return held{}, refusal{datapoints.ErrNotFound}
	}
	t.leases[run] = h
	return h, nil
}

// claim replaces the lease that was seen by another; claimed is false if it is
// no longer the one that was seen.
func (t *session) claim(seen, lease datapoints.Lease) (claimed bool, err error) {
	var until int64
	var h held
	there, err := t.row("SELECT owner, epoch, lease_until FROM stepwell_runs WHERE id = ?"+t.d.lock, []any{lease.Run}, &h.owner, &h.epoch, &until)
	if err != nil {
		return false, err
	}
	if !there {
		return false, refusal{datapoints.ErrNotFound}
	}
	if h != (held{seen.Owner, seen.Epoch}) || until != nanos(seen.Until) {
		return false, nil
	}
	t.leases[lease.Run] = held{lease.Owner, lease.Epoch}
	return true, t.exec("UPDATE stepwell_runs SET owner = ?, epoch = ?, lease_until = ? WHERE id = ?", lease.Owner, lease.Epoch, nanos(lease.Until), lease.Run)
}

// counter gives the last seq of a run.
func (t *session) counter(run string, epoch int64) (counter, error) {
	if c, ok := t.seqs[run]; ok && c.epoch == epoch {
		return c, nil
	}
	c := counter{epoch: epoch}
	for _, text := range []string{
		"SELECT COALESCE(MAX(seq), 0) FROM stepwell_steps WHERE run = ?",
		"SELECT COALESCE(MAX(seq), 0) FROM stepwell_points WHERE run = ?",
	} {
		var last int64
		if _, err := t.row(text, []any{run}, &last); err != nil {
			return c, err
		}
		c.last = max(c.last, last)
	}
	return c, nil
}

// A commit holds the rows of records, made outside of the writer.
type commit struct {
	lease   datapoints.Lease
	records []entry
}

type entry struct {
	end      []any
	ends     bool // the lease too
	step     []any
	attempts [][]any
	undo     [][]any
	points   [][]any
}

// Places of seq in the arguments.
const (
	stepSeq  = 2
	pointSeq = 3
)

func newCommit(l datapoints.Lease, records []datapoints.Record) (*commit, error) {
	c := &commit{lease: l, records: make([]entry, len(records))}
	for i := range records {
		if err := c.records[i].fill(l.Run, &records[i]); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (e *entry) fill(run string, r *datapoints.Record) error {
	if end := r.End; end != nil {
		e.end = []any{string(end.State), end.Kind, end.At, end.Done, nanos(end.Started), nanos(end.Ended), nanos(end.Wake),
			encodeValue(end.Outputs), encodeValue(end.Failure), run}
		e.ends = end.State != datapoints.Running
	}
	if r.Bare {
		return nil
	}
	control, err := encodeRow(&r.Row)
	if err != nil {
		return err
	}
	at := nanos(r.At)
	e.step = []any{run, r.Path, int64(0), at, control, encodeValue(r.Row.Hidden)}
	for _, a := range r.Attempts {
		e.attempts = append(e.attempts, []any{run, r.Path, a.N, nanos(a.Started), int64(a.Took / time.Nanosecond), flag(a.Sent), a.Status, a.Kind, encodeValue(a.Message)})
	}
	n := utf8.RuneCountInString(r.Undo)
	for _, s := range r.Slots {
		e.undo = append(e.undo, []any{run, s.Scope, s.Name, n, n, r.Undo, n, n + 1})
	}
	for _, p := range r.Points {
		e.points = append(e.points, []any{run, p.Scope, p.Name, int64(0), p.Type, p.Step, p.Attempt, p.Source, nanos(p.At), encodeValue(p.Value)})
	}
	return nil
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (c *commit) do(t *session) error {
	run := c.lease.Run
	h, err := t.lease(run)
	if err != nil {
		return err
	}
	if !(datapoints.Lease{Owner: h.owner, Epoch: h.epoch}).Holds(c.lease) {
		return refusal{datapoints.ErrLeaseLost}
	}
	n, err := t.counter(run, h.epoch)
	if err != nil {
		return err
	}
	for i := range c.records {
		if err := c.records[i].write(t, &n.last); err != nil {
			return err
		}
		if c.records[i].ends {
			t.leases[run] = held{epoch: h.epoch}
		}
	}
	t.seqs[run] = n
	return nil
}

const (
	updateRun = "UPDATE stepwell_runs SET state = ?, kind = ?, at_path = ?, done = ?, started = ?, ended = ?, wake = ?, outputs = ?, failure = ?"
	upsertRow = `INSERT INTO stepwell_steps (run, path, seq, at, control, hidden) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (run, path) DO UPDATE SET at = excluded.at, control = excluded.control, hidden = excluded.hidden`
	upsertAttempt = `INSERT INTO stepwell_attempts (run, path, n, started, took, sent, status, kind, message) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (run, path, n) DO UPDATE SET started = excluded.started, took = excluded.took, sent = excluded.sent,
		status = excluded.status, kind = excluded.kind, message = excluded.message`
	// A step is below a path if the path is all of it or ends before one of . [ #
	undoPoints = `UPDATE stepwell_points SET undone = 1 WHERE run = ? AND scope = ? AND name = ? AND
		(? = 0 OR substr(step, 1, ?) = ? AND (length(step) = ? OR substr(step, ?, 1) IN ('.', '[', '#')))`
	insertPoint = `INSERT INTO stepwell_points (run, scope, name, seq, type, step, attempt, source, at, value, undone)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)`
)

func (e *entry) write(t *session, seq *int64) error {
	if e.end != nil {
		text := updateRun
		if e.ends {
			text += ", owner = '', lease_until = 0"
		}
		if err := t.exec(text+" WHERE id = ?", e.end...); err != nil {
			return err
		}
	}
	if e.step == nil {
		return nil
	}
	*seq++
	e.step[stepSeq] = *seq
	if err := t.exec(upsertRow, e.step...); err != nil {
		return err
	}
	for _, a := range e.attempts {
		if err := t.exec(upsertAttempt, a...); err != nil {
			return err
		}
	}
	for _, u := range e.undo {
		if err := t.exec(undoPoints, u...); err != nil {
			return err
		}
	}
	for _, p := range e.points {
		*seq++
		p[pointSeq] = *seq
		if err := t.exec(insertPoint, p...); err != nil {
			return err
		}
	}
	return nil
}

// leave keeps the first message of a name, while the run is not over.
func (t *session) leave(run string, m datapoints.Message) error {
	var state string
	there, err := t.row("SELECT state FROM stepwell_runs WHERE id = ?"+t.d.lock, []any{run}, &state)
	switch {
	case err != nil:
		return err
	case !there:
		return refusal{datapoints.ErrNotFound}
	case datapoints.IsOver(datapoints.State(state)) && !m.IsNote():
		return refusal{datapoints.ErrOver}
	}
	var one int
	if there, err = t.row("SELECT 1 FROM stepwell_messages WHERE run = ? AND name = ?", []any{run, m.Name}, &one); err != nil {
		return err
	}
	if there {
		return refusal{datapoints.ErrDelivered}
	}
	var last int64
	if _, err := t.row("SELECT COALESCE(MAX(seq), 0) FROM stepwell_messages WHERE run = ?", []any{run}, &last); err != nil {
		return err
	}
	return t.exec("INSERT INTO stepwell_messages (run, name, seq, at, body) VALUES (?, ?, ?, ?, ?)", run, m.Name, last+1, nanos(m.At), encodeValue(m.Body))
}

// remove deletes a run, and the contents of files that no other run has.
func (t *session) remove(run string) error {
	err := t.exec(`DELETE FROM stepwell_contents WHERE digest IN (SELECT digest FROM stepwell_files WHERE run = ?) AND
		NOT EXISTS (SELECT 1 FROM stepwell_files f WHERE f.digest = stepwell_contents.digest AND f.run <> ?)`, run, run)
	if err != nil {
		return err
	}
	for _, text := range []string{
		"DELETE FROM stepwell_files WHERE run = ?", "DELETE FROM stepwell_points WHERE run = ?", "DELETE FROM stepwell_attempts WHERE run = ?",
		"DELETE FROM stepwell_messages WHERE run = ?", "DELETE FROM stepwell_steps WHERE run = ?", "DELETE FROM stepwell_runs WHERE id = ?",
	} {
		if err := t.exec(text, run); err != nil {
			return err
		}
	}
	delete(t.leases, run)
	delete(t.seqs, run)
	return nil
}
