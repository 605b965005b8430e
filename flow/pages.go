package flow

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/answer"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/internal/record"
	"github.com/stepwell/stepwell/flow/internal/syntax"
)

// paged takes one page, and turns to the next if there is one.
func (c *calling) paged(ctx context.Context, result *Result) (Outcome, error) {
	p := c.spec.Pages
	c.env.page = c.r.Pages
	if err := c.fits(result); err != nil {
		return c.failed(ctx, err, result)
	}
	more, err := c.more()
	switch {
	case err != nil:
		return c.failed(ctx, err, result)
	case !more:
		return c.last(ctx, result)
	case c.r.Pages+1 >= p.Max:
		return c.failed(ctx, &Error{Kind: KindLimit, Message: fmt.Sprintf("there are more than %d pages", p.Max),
			Hints: []string{"raise `pages.max` (up to 10000) if there may be that many; nothing is ever cut silently"}}, result)
	}
	points, err := c.pagePoints()
	if err == nil {
		err = c.w.admit(points)
	}
	var asked datapoints.Point
	if err == nil {
		asked, err = c.turn()
	}
	if err != nil {
		return c.failed(ctx, err, result)
	}
	return c.next(time.Time{}, false, append(points, asked), result)
}

// more says whether there is a next page, and what leads to it.
func (c *calling) more() (bool, error) {
	p := c.spec.Pages
	if p.While != nil {
		if goesOn, err := c.w.holds(p.While, c.env); err != nil || !goesOn {
			return false, err
		}
	}
	if p.Next == nil {
		return true, nil
	}
	next, err := p.Next.Eval(c.env)
	if err != nil {
		return false, err
	}
	c.env.next = next
	if _, is := next.Bool(); is {
		return false, &Error{Kind: KindExpression, Message: fmt.Sprintf("`%s` is true or false, and `next` is what leads to the next page", p.Next.Source()), Hints: []string{"write it as `while`"}}
	}
	text, err := next.JSON()
	return text != "null" && text != `""` && text != "[]" && text != "{}", err
}

// turn makes the fields of the next page's request, and gives what this one was
// asked with, to be kept in its place.
func (c *calling) turn() (asked datapoints.Point, err error) {
	over := map[string]string{}
	if p := c.spec.Pages; p.With == nil {
		text, err := c.env.next.Text()
		if err != nil {
			return asked, err
		}
		if text, err = c.came.Resolve(text); err != nil {
			return asked, err
		}
		over["url"], over["query"] = answer.Quote(text), "null"
	} else {
		for i := range p.With {
			v, err := c.w.renderField(&p.With[i], c.env)
			if err != nil {
				return asked, err
			}
			over[p.With[i].Name] = v.Reveal()
		}
	}
	fields, _ := json.Marshal(over) // of texts: sorted, and without an error
	digests := short(string(fields))
	before, err := c.askedBefore()
	switch {
	case err != nil:
		return asked, err
	case before[digests]:
		return asked, same(c.r.Pages + 2)
	}
	if c.print != "" {
		digests += " " + c.print
	}
	asked = datapoints.Point{Slot: datapoints.Slot{Scope: record.Page(c.t.Path, c.r.Pages), Name: record.Asked}, Type: "string",
		Step: c.t.Path, Attempt: c.r.N, Source: "request", At: time.Now(), Value: datapoints.Text(digests).Mark(datapoints.Sensitive, "record")}
	h := unseal(c.r.Hidden)
	h.Page, h.Now, h.Seed = over, nil, "" // each page has its own time
	c.r.Hidden = h.seal()
	c.r.Pages++
	return asked, nil
}

// askedBefore are the digests of what earlier pages were asked with.
func (c *calling) askedBefore() (map[string]bool, error) {
	before, err := c.w.state.AskedBefore(c.env.ctx, c.t.Path, c.r.Pages)
	if err != nil {
		return nil, storeError("what earlier pages were asked with cannot be read", err)
	}
	return before, nil
}

// asksAnew says of a planned page that it is none of those before.
func (c *calling) asksAnew() error {
	if c.spec.Pages == nil || c.call.Fingerprint == nil {
		return nil
	}
	whole := c.call.Fingerprint()
	if whole == "" {
		return nil
	}
	if c.print = short(whole); c.r.Pages == 0 {
		return nil
	}
	before, err := c.askedBefore()
	if err != nil || !before[c.print] {
		return err
	}
	for i := range c.spec.Fields { // what each attempt renders is no part of the fingerprint
		if f := &c.spec.Fields[i]; f.PerTry && c.over[f.Name] != "" {
			return nil
		}
	}
	c.taken = true
	return same(c.r.Pages + 1)
}

// same is the error of a page, from 1, that was asked for before.
func same(page int) error {
	return &Error{Kind: KindLimit, Message: fmt.Sprintf("page %d would be asked for with the very request of an earlier page: it would never end", page),
		Hints: []string{"look at what `next` gives; the last page has none"}}
}

// short is enough of a digest to tell some thousand requests apart.
func short(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawStdEncoding.EncodeToString(sum[:9])
}

// turned is a field as the next page has it: over is what was rendered of it.
func (c *calling) turned(f *plan.Field, own datapoints.Value) datapoints.Value {
	page := c.over[f.Name]
	class := f.Class
	if p := c.pageField(f.Name); p != nil {
		class = max(class, p.Class)
	} else if c.spec.Pages.Next.Sensitive() {
		class = plan.Sensitive
	}
	if own.Class() == datapoints.Sensitive || answer.HasSecret(page) {
		class = plan.Sensitive
	}
	return marked(f.Over(own.Reveal(), page), class, f.Name)
}

// further adds the fields that only the next page has, and takes over what all
// that are other say of origins. It gives the name of one that is sensitive.
func (c *calling) further(in *Input) (sensitive string, err error) {
	for i := range c.spec.Pages.With {
		f := &c.spec.Pages.With[i]
		text := c.over[f.Name]
		if text == "null" {
			continue
		}
		own := slices.IndexFunc(c.spec.Fields, func(o plan.Field) bool { return o.Name == f.Name })
		v := marked(text, f.Class, f.Name)
		c.mask(f, c.env, v)
		if own < 0 {
			if v = c.turned(f, datapoints.Value{}); v.Class() == datapoints.Sensitive {
				sensitive = f.Name
			}
			in.Args = append(in.Args, Arg{Name: f.Name, Value: v})
		}
		if err := c.w.learnOrigins(&c.trust, f, v); err != nil {
			return "", err
		}
	}
	slices.SortStableFunc(in.Args, func(a, b Arg) int { return c.rank(a.Name) - c.rank(b.Name) })
	return sensitive, nil
}

// mask notes what is sensitive in a field, and says whether anything is.
func (c *calling) mask(f *plan.Field, e *env, v datapoints.Value) bool {
	if v.Class() == datapoints.Sensitive {
		c.secrets.Note(f, e, v.Reveal(), c.w.redactor.Learn)
		return true
	}
	return false
}

// rank is the place of a field in the action's Spec.
func (c *calling) rank(name string) int {
	for i := range c.spec.Fields {
		if f := &c.spec.Fields[i]; f.Name == name {
			return f.Rank
		}
	}
	if f := c.pageField(name); f != nil {
		return f.Rank
	}
	return 0
}

func (c *calling) pageField(name string) *plan.Field {
	for i := range c.spec.Pages.With {
		if f := &c.spec.Pages.With[i]; f.Name == name {
			return f
		}
	}
	return nil
}

// pagePoints is what one page has of what the step saves, in a place of its own.
func (c *calling) pagePoints() ([]datapoints.Point, error) {
	points := make([]datapoints.Point, 0, len(c.spec.Save))
	for i := range c.spec.Save {
		s := &c.spec.Save[i]
		text, there, err := c.env.find(s)
		if err == nil && len(text) > maxValue {
			err = &Error{Kind: KindLimit, Message: fmt.Sprintf("%s has %d bytes on one page; a data point may have 1 MiB", s.Point.Name, len(text)), Hints: []string{"ask for smaller pages"}}
		}
		switch {
		case err != nil:
			return nil, savedError(err, s, c.env)
		case !there && c.r.Base == 0:
			continue
		case !there: // one of an earlier series may be
			text = "null"
		}
		points = append(points, datapoints.Point{Slot: datapoints.Slot{Scope: record.Page(c.t.Path, c.r.Pages), Name: s.Point.Name}, Type: "any",
			Step: c.t.Path, Attempt: c.r.N, Source: answer.Source(s), At: time.Now(), Value: marked(text, s.Class, s.Point.Name)})
	}
	return points, nil
}

// findJoined looks up what all pages have for a name: lists one after the
// other, of anything else what the last page has that has it.
func (c *calling) findJoined(s *plan.Save) (string, bool, error) {
	texts := make([]string, 0, c.r.Pages+1)
	for page := range c.r.Pages {
		cell, err := c.w.state.Get(c.env.ctx, datapoints.Slot{Scope: record.Page(c.t.Path, page), Name: s.Point.Name})
		if err != nil {
			return "", false, storeError("what a page had cannot be read", err)
		}
		if cell == nil || cell.Value.IsNull() {
			continue
		}
		text, err := cell.Value.JSON()
		if err != nil {
			return "", false, err
		}
		texts = append(texts, text)
	}
	text, there, err := c.env.find(s)
	if err != nil {
		return "", false, err
	}
	if there && text != "null" {
		texts = append(texts, text)
	}
	if len(texts) == 0 {
		return "", false, nil
	}
	text, err = answer.Join(s.Point.Name, texts, maxList)
	return text, true, err
}

// pollEnds is when a poll gives up: a point in time, recorded with what it
// waits for. Zero: the call is no poll.
func pollEnds(spec *plan.CallSpec, r *datapoints.Row, now time.Time) time.Time {
	switch {
	case spec == nil || spec.Poll == nil:
		return time.Time{}
	case r.Last.Status == datapoints.Again && !r.Last.Deadline.IsZero():
		return r.Last.Deadline
	}
	return now.Add(spec.Poll.Timeout)
}

// polled looks at an answer of a poll: the last one, or one after which it is
// asked again.
func (c *calling) polled(ctx context.Context, result *Result) (Outcome, error) {
	p, now := c.spec.Poll, time.Now()
	over, err := c.w.holds(p.Until, c.env)
	switch {
	case err != nil:
		return c.failed(ctx, err, result)
	case over:
		return c.last(ctx, result)
	}
	wait, asked := c.came.RetryAfter()
	if !asked {
		wait = p.Wait(c.r.Polls)
	}
	c.r.Polls++
	h := unseal(c.r.Hidden)
	h.Seen = c.seen()
	if late(c.limit(), now.Add(wait)) {
		e := c.gaveUp(now, h.Seen)
		if asked {
			e.Hints = append([]string{fmt.Sprintf("the server asked to come back in %s", brief(wait))}, e.Hints...)
		}
		return c.failed(ctx, e, result)
	}
	c.r.Hidden = h.seal()
	return c.next(now.Add(wait), asked, nil, result)
}

// limit is until when a poll may be asked again: the time of one call does not
// count, each has its own.
func (c *calling) limit() time.Time {
	limit := earlier(c.ends, c.t.Deadline)
	if c.n.Work.Timeout > 0 {
		limit = earlier(limit, c.own)
	}
	return limit
}

// seen is what the last answer was, for who reads that a poll gave up.
func (c *calling) seen() []Fact {
	facts := []Fact{{"last answer", c.w.redact(c.came.Describe())}}
	for _, part := range c.spec.Poll.Until.Parts(c.env) {
		facts = append(facts, Fact{part.Source, c.w.redact(part.Value)})
	}
	return facts
}

// gaveUp is the error of a poll whose time is over, or would be before it is
// asked again.
func (c *calling) gaveUp(now time.Time, seen []Fact) *Error {
	p := c.spec.Poll
	e := &Error{Kind: KindTimeout, Message: fmt.Sprintf("`%s` did not become true in %s: there was no answer", p.Until.Source(), brief(p.Timeout-c.ends.Sub(now)))}
	if len(seen) > 0 {
		which := "the only answer was "
		if c.r.Polls > 1 {
			which = fmt.Sprintf("the last of %d answers was ", c.r.Polls)
		}
		e.Message = strings.Replace(e.Message, "there was no answer", which+seen[0].Text, 1)
		e.Facts = seen[1:]
	}
	e.Hints = timeUp(p, c.limit().Before(c.ends), "poll")
	return e
}

// cutWithPoll makes e, of a call that was under way when the time of its poll
// was over, say so, and what the poll last saw.
func (c *calling) cutWithPoll(e *Error) {
	now := time.Now()
	if !late(c.limit(), now) {
		return
	}
	c.taken = true // there is no time for another attempt
	gave := c.gaveUp(now, unseal(c.r.Hidden).Seen)
	facts := append(gave.Facts, Fact{"under way", "one more call: " + e.Message})
	e.Message = gave.Message + "; one more call was under way"
	e.Facts, e.Hints = append(facts, e.Facts...), append(gave.Hints, e.Hints...)
}

// brief is a duration without fractions that nobody wants to read.
func brief(d time.Duration) time.Duration {
	if d >= time.Second {
		return d.Round(time.Second)
	}
	return d.Round(time.Millisecond)
}

// ParseDuration reads a duration as flow files have it: numbers with ms s m h d,
// also joined (1h30m, 30d). The error says what is wrong with it.
func ParseDuration(text string) (time.Duration, error) { return syntax.ParseDuration(text) }
