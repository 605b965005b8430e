package flow_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing/fstest"
	"time"

	"pgregory.net/rapid"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

// An author makes up flows of everything that the language has, over the
// action of a stage. JSON is YAML, so that is what it writes.
type author struct {
	t *rapid.T
	n int

	// What siblings still do when one fails is a matter of time. Where times
	// differ, what runs beside something else does not fail: it is calm.
	calm  bool
	alone bool // nothing runs beside anything
	once  bool // calls that may not be repeated
	slow  bool // calls that take long, and steps that have not so long
	brisk bool // nothing waits for long, or for messages
	files map[string]object

	messages []string // that come; those that are named late do not
}

type object = map[string]any

// known is what the author knows at a place.
type known struct {
	read  []string // data points that may be read
	write []string // that may be saved once more
	item  bool     // there is an item
	input bool     // there is an input, x
	loops int      // around it
	once  bool     // it is done once: not in a loop, a round, a sub-flow
	sure  bool     // nothing may fail here
	last  bool     // nothing may fail in the finally of the step here: that comes after its catch
	sound bool     // no call may become unknown, which nothing catches
	deep  int
	brief bool // in a finally, which has five minutes: of a resume, five more
}

func (k known) copy() known {
	k.read, k.write = slices.Clone(k.read), slices.Clone(k.write)
	return k
}

// flow makes up a flow and gives the files of it.
func (a *author) flow() map[string]string {
	a.files = map[string]object{}
	k := known{once: true}
	root := object{"stepwell": 1, "name": "test", "steps": a.steps(&k)}
	if a.odds(3) {
		root["finally"] = a.finally(k)
	}
	if len(k.read) > 0 {
		root["outputs"] = object{"last": a.reads(k)}
	}
	if len(a.messages) > 0 {
		declared := object{}
		for _, name := range a.messages {
			declared[name] = object{"description": "comes from elsewhere"}
		}
		root["callbacks"] = declared
	}
	a.files["test.yaml"] = root
	for _, file := range a.files {
		file["credentials"] = object{"who": object{"type": "pass", "origins": []any{stageOrigin}, "reject_on": object{"when": "response.body?.expired == true"}}}
	}
	texts := map[string]string{}
	for name, file := range a.files {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		e.SetIndent("", " ")
		if err := e.Encode(file); err != nil {
			a.t.Fatal(err)
		}
		texts[name] = b.String()
	}
	return texts
}

// odds is true once in n.
func (a *author) odds(n int) bool { return rapid.IntRange(1, n).Draw(a.t, "odds") == n }

func (a *author) upTo(n int) int { return rapid.IntRange(1, n).Draw(a.t, "many") }

func (a *author) id() string {
	a.n++
	return fmt.Sprintf("s%d", a.n)
}

func (a *author) steps(k *known) []any {
	var steps []any
	for range a.upTo(3) {
		steps = append(steps, a.step(k))
	}
	return steps
}

// few makes a part of its own, whose names stay there.
func (a *author) few(k known, deep int) []any {
	k = k.copy()
	k.deep = max(k.deep+1, deep)
	return a.steps(&k)
}

func (a *author) finally(k known) []any {
	k.brief = true
	k.sure = k.sure || k.last
	return a.few(k, 2)
}

// reads gives an expression over what may be read.
func (a *author) reads(k known) string {
	if k.item && a.odds(2) {
		return "${{ item }}"
	}
	if k.input && a.odds(2) {
		return "${{ inputs.x }}"
	}
	if len(k.read) == 0 {
		return "nothing"
	}
	return "${{ data." + rapid.SampledFrom(k.read).Draw(a.t, "name") + ` ?? "unset" }}`
}

// name gives a name to save, a new one or, sometimes, one that was saved.
func (a *author) name(k *known) string {
	if len(k.write) > 0 && a.odds(4) {
		return rapid.SampledFrom(k.write).Draw(a.t, "again")
	}
	name := strings.Replace(a.id(), "s", "d", 1)
	k.read, k.write = append(k.read, name), append(k.write, name)
	return name
}

func (a *author) condition(k known) string {
	switch rapid.IntRange(0, 3).Draw(a.t, "condition") {
	case 0:
		return "1 == 2"
	case 1:
		if len(k.read) > 0 {
			return "(data." + rapid.SampledFrom(k.read).Draw(a.t, "name") + " ?? 1) == 1"
		}
	}
	return `run.id != ""`
}

// step makes up a step with what stands around it.
func (a *author) step(k *known) object {
	before := k.copy()
	in := k.copy()
	s := object{"id": a.id()}
	in.deep++
	in.last = k.sure
	caught := in.sure && a.odds(4)
	if caught {
		in.sure, in.sound = false, true
	}
	if k.deep < 3 && a.n < 60 && a.odds(2) {
		a.compound(&in, s)
	} else {
		a.leaf(&in, s)
	}
	_, fails := s["fail"]
	if a.odds(4) {
		s["if"] = a.condition(before)
		if k.deep < 4 && a.odds(2) {
			s["else"] = a.few(before, 2)
		}
	}
	switch {
	case caught && (k.deep >= 4 || a.odds(2)), a.odds(6):
		s["on_error"] = "continue"
	case caught, k.deep < 4 && a.odds(5):
		a.clauses(before, s, caught)
	}
	if a.slow && !in.sure && s["callback"] == nil && a.odds(5) {
		s["timeout"] = fmt.Sprintf("%ds", 10*a.upTo(9))
	}
	k.read, k.write = in.read, in.write
	if fails && s["on_error"] == nil && s["catch"] == nil && s["if"] == nil {
		s["if"] = a.condition(before)
	}
	return s
}

func (a *author) leaf(k *known, s object) {
	switch n := rapid.IntRange(0, 9).Draw(a.t, "leaf"); {
	case n == 0 && !k.sure:
		s["fail"] = "no"
	case n == 3 && !a.brisk && !k.brief && a.odds(2):
		s["wait"] = rapid.SampledFrom([]string{"10s", "45s", "20m", "30d"}).Draw(a.t, "wait")
		if a.odds(3) {
			s["wait"] = object{"until": `${{ now().Add(duration("3h")) }}`}
		}
	case n == 4 && !a.brisk && !k.brief && k.once && len(a.messages) < 3:
		a.callback(k, s)
	case n <= 2:
		from := a.reads(*k)
		s["set"] = object{a.name(k): from}
	default:
		a.call(k, s)
	}
}

// callback makes up a message that is waited for.
func (a *author) callback(k *known, s object) {
	name := strings.Replace(a.id(), "s", "m", 1)
	if !k.sure && a.odds(3) {
		name = "late_" + name
		s["timeout"] = "2h"
	}
	a.messages = append(a.messages, name)
	s["callback"] = name
	s["save"] = object{a.name(k): "say"}
}

// call makes up a call and what it is answered.
func (a *author) call(k *known, s object) {
	safe := !a.once || a.odds(2)
	var answers []any
	for range rapid.IntRange(0, 2).Draw(a.t, "answers") {
		answers = append(answers, a.answer(k, safe, false))
	}
	answers = append(answers, a.answer(k, safe, true))
	s["action"] = "tell"
	with := object{"say": []any{s["id"], a.reads(*k)}, "safe": safe}
	s["with"] = with
	if a.odds(3) {
		with["auth"] = "who"
		answers = a.refusals(k, safe, answers)
	}
	with["answers"] = answers
	s["retry"] = object{"attempts": a.upTo(4), "backoff": object{"initial": "1ms"}}
	if k.sure {
		s["retry"].(object)["attempts"] = 4
	}
	switch a.upTo(8) {
	case 1:
		a.poll(k, s)
	case 2:
		a.pages(s)
	}
	s["save"] = object{a.name(k): "say"}
}

// answer makes up an answer; after a failed one that is not the last comes another.
func (a *author) answer(k *known, safe, last bool) string {
	n := rapid.IntRange(0, 19).Draw(a.t, "answer")
	switch {
	case !last && n < 8 && safe:
		return rapid.SampledFrom([]string{"429", "503", "lost", "refused"}).Draw(a.t, "kind")
	case !last && n < 8:
		return rapid.SampledFrom([]string{"429", "refused"}).Draw(a.t, "kind")
	case k.sure:
	case a.slow && n > 15:
		return "slow"
	case n == 8:
		return "404"
	case n == 9 && a.once && !k.sound:
		return "lost"
	}
	return "ok"
}

// refusals puts answers among others that refuse the token (401), the proof that
// goes with it, or, in the body of an answer, the token once more (expired). One of
// a kind is mended by another try, if the call may be done again then.
func (a *author) refusals(k *known, safe bool, answers []any) []any {
	kinds := []string{"401", "proof"}
	if safe || !k.sure {
		kinds = append(kinds, "expired")
	}
	had := map[bool]bool{}
	for range a.upTo(3) {
		kind := rapid.SampledFrom(kinds).Draw(a.t, "refusal")
		if k.sure && had[kind == "proof"] {
			continue
		}
		had[kind == "proof"] = true
		answers = slices.Insert(answers, rapid.IntRange(0, len(answers)-1).Draw(a.t, "place"), any(kind))
	}
	return answers
}

// poll makes a call go on until it was answered a few times.
func (a *author) poll(k *known, s object) {
	times := a.upTo(3)
	if a.slow && !k.sure && a.odds(3) {
		times = 100
	}
	s["with"].(object)["polls"] = true
	s["poll"] = object{"until": fmt.Sprintf("response.body.nth >= %d", times), "every": "7s", "timeout": "2m"}
}

// pages makes a call fetch some pages.
func (a *author) pages(s object) {
	with := s["with"].(object)
	with["pages"], with["polls"] = a.upTo(4), true
	s["pages"] = object{"next": "response.body.next", "with": object{"page": "${{ next }}"}}
}

func (a *author) compound(k *known, s object) {
	switch rapid.IntRange(0, 8).Draw(a.t, "compound") {
	case 0, 1, 2:
		s["steps"] = a.steps(k)
		if a.odds(3) {
			s["finally"] = a.finally(*k)
		}
	case 3:
		a.rounds(k, s)
	case 4:
		a.subflow(k, s)
		if a.odds(3) {
			s["retry"] = object{"attempts": 3, "on": []any{"http"}, "backoff": object{"initial": "1ms", "max": "1ms"}}
		}
	case 5, 6:
		a.branches(k, s)
	default:
		a.loop(k, s)
	}
}

// rounds makes a block that is done more than once.
func (a *author) rounds(k *known, s object) {
	inner := k.copy()
	inner.once = false
	if a.odds(2) {
		inner.write = append(inner.write, k.write...)
		count := strings.Replace(a.id(), "s", "n", 1)
		call := object{"id": a.id(), "action": "tell", "with": object{"say": []any{a.reads(*k)}, "safe": !a.once}, "save": object{count: "nth"}}
		s["steps"] = append([]any{call}, a.steps(&inner)...)
		s["poll"] = object{"until": fmt.Sprintf("(data.%s ?? 0) >= %d", count, a.upTo(3)), "every": "7s", "timeout": "2h"}
	} else {
		s["steps"] = a.steps(&inner)
		s["retry"] = object{"attempts": 3, "on": []any{"http", "network", "failed"}, "backoff": object{"initial": "1ms", "max": "1ms"}}
	}
	k.read, k.write = inner.read, inner.write
}

// branches makes blocks that run at the same time.
func (a *author) branches(k *known, s object) {
	branches := object{}
	var saved []string
	for i := range a.upTo(3) {
		inner := k.copy()
		inner.write = nil
		inner.sure = inner.sure || a.calm
		had := len(inner.read)
		branches[fmt.Sprintf("b%d", i)] = a.steps(&inner)
		saved = append(saved, inner.read[had:]...)
	}
	s["parallel"] = branches
	switch {
	case a.alone:
		s["concurrency"] = 1
	case a.odds(2):
		s["concurrency"] = a.upTo(3)
	}
	k.read = append(k.read, saved...)
}

// clauses makes up what happens after a failure.
func (a *author) clauses(before known, s object, all bool) {
	var clauses []any
	for range rapid.IntRange(0, 2).Draw(a.t, "clauses") {
		when := rapid.SampledFrom([]string{`error.kind == "http"`, `error.status == 404`, `error.kind == "unknown"`, `error.kind in ["network", "failed", "auth"]`}).Draw(a.t, "when")
		clauses = append(clauses, object{"when": when, "steps": a.few(before, 2)})
	}
	if all || len(clauses) == 0 {
		clauses = append(clauses, object{"steps": a.few(before, 2)})
	}
	s["catch"] = clauses
}

func (a *author) loop(k *known, s object) {
	inner := k.copy()
	inner.write, inner.item, inner.once = nil, true, false
	inner.loops++
	loop := object{"in": fmt.Sprintf("1..%d", rapid.IntRange(0, 4).Draw(a.t, "items"))}
	if a.odds(3) {
		loop["on_error"] = "continue"
		inner.sure, inner.sound = false, inner.sound || inner.sure
	}
	if !a.alone && a.odds(2) {
		loop["concurrency"] = a.upTo(3)
		inner.sure = inner.sure || a.calm
	}
	s["for_each"] = loop
	had := len(inner.read)
	switch a.upTo(4) {
	case 1:
		a.call(&inner, s)
	case 2:
		a.subflow(&inner, s)
	default:
		s["steps"] = a.steps(&inner)
	}
	k.read = append(k.read, inner.read[had:]...)
}

// subflow makes up another file, which gets something and gives something back.
func (a *author) subflow(k *known, s object) {
	a.n++
	file := fmt.Sprintf("sub%d.yaml", a.n)
	in := known{input: true, brief: k.brief, sure: k.sure, sound: k.sound, deep: k.deep, loops: k.loops}
	root := object{"stepwell": 1, "name": "sub", "inputs": object{"x": object{"type": "any"}}, "steps": a.steps(&in)}
	if a.odds(3) {
		root["finally"] = a.finally(in)
	}
	root["outputs"] = object{"last": a.reads(in), "given": "${{ inputs.x }}"}
	a.files[file] = root
	s["flow"] = file
	s["with"] = object{"x": []any{a.reads(*k), s["id"]}}
	s["save"] = object{a.name(k): "last"}
}

// A stage is where the calls of made-up flows are made. It answers each place
// in the flow as the call itself says, and keeps what was asked.
type stage struct {
	mu    sync.Mutex
	asked []asked
	times map[string]int // by path, rounds left out; of each attempt which it was there
	well  bool           // everything is answered ok

	token int             // how many there were; the last one is good
	wrong map[string]bool // what should not have been
	stale map[string]int  // by path: the token that was refused there last
}

// asked is one request as it arrived.
type asked struct {
	Path    string
	Attempt int
	Page    int
	Say     string
	Safe    bool
	Polls   bool // another may follow one that was answered
	Answer  string
}

func (s *stage) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked, s.times, s.well = nil, map[string]int{}, false
	s.token, s.stale, s.wrong = 1, map[string]int{}, map[string]bool{}
}

// kit has one action, tell: what it says, whether it may be said twice, and
// what each telling is answered: ok, a status, lost (sent, and no answer),
// refused (nothing was sent), proof (another one is wanted), expired (the body
// refuses the token). It has one type of credential, pass.
func (s *stage) kit() flow.Kit {
	return flow.Kit{Actions: flow.Actions{"tell": stageAction{s}}, Credentials: flow.Credentials{"pass": pass{s}}}
}

const stageOrigin = "https://stage.example.test"

// pass gives tokens that all processes share, as if a store kept them.
type pass struct{ s *stage }

func (pass) Spec() flow.CredentialSpec {
	return flow.CredentialSpec{Doc: "Lets one onto the stage.", Send: flow.SendNever}
}

func (k pass) Open(context.Context, flow.CredentialInput) (flow.TokenProvider, error) { return k, nil }

func (k pass) Token(context.Context) (flow.Token, error) {
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	return flow.Token{Access: datapoints.Text(strconv.Itoa(k.s.token)), Type: "Bearer"}, nil
}

func (k pass) Reject(_ context.Context, t flow.Token, _ string) bool {
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	if t.Access.RevealText() == strconv.Itoa(k.s.token) {
		k.s.token++
	}
	return true
}

func (k pass) Prove(flow.Token, *flow.Outgoing) error { return nil }

func (k pass) Challenged(_ flow.Token, r flow.Result) bool { return r.Headers["Proof"] != nil }

type stageAction struct{ s *stage }

func (stageAction) Spec() flow.Spec {
	return flow.Spec{Doc: "Tells the stage.", Web: true, Fields: []flow.Field{
		{Name: "say", Type: flow.JSONField, Own: true}, {Name: "safe", Type: flow.BooleanField, Own: true},
		{Name: "answers", Type: flow.JSONField, Own: true}, {Name: "polls", Type: flow.BooleanField, Own: true},
		{Name: "pages", Type: flow.IntegerField, Own: true}, {Name: "page", Type: flow.JSONField, Own: true},
		{Name: "auth", Type: flow.CredentialField},
	}, Check: func(with flow.Static) flow.Verdict {
		safe, _, _ := with.Text("safe")
		return flow.Verdict{Repeatable: safe == "true"}
	}}
}

func (a stageAction) Plan(in flow.Input) (flow.Call, error) {
	var answers []string
	pages, r := 0, asked{Path: in.Path, Attempt: in.Attempt, Page: in.Page}
	for _, arg := range in.Args {
		switch arg.Name {
		case "say":
			r.Say = strings.ReplaceAll(arg.Value.Reveal(), in.Run, "RUN")
		case "safe":
			r.Safe = arg.Value.Reveal() == "true"
		case "pages":
			pages, _ = strconv.Atoi(arg.Value.Reveal())
		case "page":
			r.Say += arg.Value.Reveal()
		case "polls":
			r.Polls = arg.Value.Reveal() == "true"
		case "answers":
			if err := json.Unmarshal([]byte(arg.Value.Reveal()), &answers); err != nil {
				return flow.Call{}, err
			}
		}
	}
	next := "null"
	if in.Page+1 < pages {
		next = strconv.Itoa(in.Page + 1)
	}
	c := flow.Call{Repeatable: r.Safe, Fingerprint: func() string { return r.Say }}
	if in.Sign != nil {
		c.Origin = stageOrigin
	}
	c.Do = func(ctx context.Context) (flow.Result, error) {
		out := flow.Outgoing{Method: "POST", URL: stageOrigin + "/"}
		if in.Sign != nil {
			if err := in.Sign(ctx, &out); err != nil {
				return flow.Result{}, err
			}
		}
		with, _ := out.Header("Authorization")
		return a.s.tell(ctx, r, answers, next, with)
	}
	return c, nil
}

var rounds = regexp.MustCompile(`#\d+`)

func (s *stage) tell(ctx context.Context, r asked, answers []string, next, authorization string) (flow.Result, error) {
	s.mu.Lock()
	place, this := rounds.ReplaceAllString(r.Path, ""), fmt.Sprint(r.Path, r.Page, r.Attempt)
	nth := s.times[this]
	if nth == 0 { // what a crash makes come once more is answered as before
		s.times[place]++
		nth = s.times[place]
		s.times[this] = nth
	}
	if r.Answer = "ok"; len(answers) > 0 && !s.well {
		r.Answer = answers[min(nth, len(answers))-1]
	}
	s.asked = append(s.asked, r)
	token, _ := strconv.Atoi(strings.TrimPrefix(authorization, "Bearer "))
	if token > 0 && token == s.stale[r.Path] {
		s.wrong[fmt.Sprintf("%s came with token %d again, which was refused", r.Path, token)] = true
	}
	if r.Answer == "401" || r.Answer == "expired" {
		s.stale[r.Path] = token
	}
	s.mu.Unlock()
	body := fmt.Sprintf(`{"say":%q,"nth":%d,"next":%s}`, r.Say, nth, next)
	switch r.Answer {
	case "ok":
		return ok(body), nil
	case "slow":
		select {
		case <-time.After(40 * time.Second):
			return ok(body), nil
		case <-ctx.Done():
			return flow.Result{}, &flow.Error{Kind: flow.KindTimeout, Message: "it took too long", Sent: true}
		}
	case "lost": // with a time to wait, since that between two attempts is a matter of luck else
		return flow.Result{}, &flow.Error{Kind: flow.KindNetwork, Message: "the connection broke", Sent: true, After: time.Second}
	case "proof":
		return status(401, body, "Proof", "another"), nil
	case "expired":
		return ok(`{"expired":true}`), nil
	case "refused":
		return flow.Result{}, &flow.Error{Kind: flow.KindNetwork, Message: "nobody is there", After: time.Second}
	}
	var code int
	if _, err := fmt.Sscan(r.Answer, &code); err != nil {
		return flow.Result{}, err
	}
	return status(code, body, "Retry-After", "2"), nil
}

// twice finds a call that may not be repeated and was made again although it
// was not refused before, one that was made again with the token that was
// refused, and one that was made again after a second refusal of a kind; "" if
// there is none.
func (s *stage) twice() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for wrong := range s.wrong {
		return wrong
	}
	over := map[string]bool{}
	refusals := map[string][]int{} // by call and kind: in which attempts
	for _, r := range s.asked {
		call := fmt.Sprintf("%s page %d", r.Path, r.Page)
		at := call
		if r.Polls {
			at += fmt.Sprintf(" attempt %d", r.Attempt)
		}
		if over[at] && !r.Safe {
			return at
		}
		over[at] = !slices.Contains([]string{"429", "refused", "401", "proof"}, r.Answer)
		for kind, made := range map[string]bool{"token": r.Answer == "401" || r.Answer == "expired", "proof": r.Answer == "proof"} {
			of := call + " " + kind
			switch {
			case len(refusals[of]) == 2 && r.Attempt > slices.Max(refusals[of]): // else a crash has it come once more
				return of + " was refused twice"
			case made && !slices.Contains(refusals[of], r.Attempt):
				refusals[of] = append(refusals[of], r.Attempt)
			case r.Answer == "ok" || r.Answer == "slow":
				delete(refusals, of)
			}
		}
	}
	return ""
}

// stagePlan makes a plan of made-up files.
func stagePlan(s *stage, files map[string]string) (*flow.Plan, error) {
	tree := fstest.MapFS{}
	for name, text := range files {
		tree[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return flow.Compile(tree, "test.yaml", s.kit())
}

// shown prints made-up files.
func shown(files map[string]string) string {
	var b strings.Builder
	for name, text := range files {
		fmt.Fprintf(&b, "--- %s\n%s", name, text)
	}
	return b.String()
}
