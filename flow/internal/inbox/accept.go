package inbox

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/answer"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/internal/syntax"
)

// MaxMessage is how many bytes a message may have.
const MaxMessage = 1 << 20

// Accept gives the message that a text is for the callback of a name; "" is
// null. The error is an *answer.Problem of the kind input or limit.
func Accept(callbacks []*plan.Message, name, body string) (datapoints.Message, error) {
	i := slices.IndexFunc(callbacks, func(m *plan.Message) bool { return m.Name == name })
	if i < 0 {
		return datapoints.Message{}, unknown(callbacks, name)
	}
	given := body
	if body == "" {
		body = "null"
	}
	if len(body) > MaxMessage {
		return datapoints.Message{}, &answer.Problem{Kind: "limit", Message: fmt.Sprintf("the message has %d bytes; a callback takes at most 1 MiB", len(body))}
	}
	if err := expression.CheckJSON([]byte(body)); err != nil {
		return datapoints.Message{}, &answer.Problem{Kind: "input", Message: "the message is not JSON: " + err.Error(), Err: err}
	}
	if s := callbacks[i].Schema; s != nil {
		if err := s.Validate(body); err != nil {
			if given == "" {
				return datapoints.Message{}, &answer.Problem{Kind: "input", Message: "no message was given, and null does not fit the schema of callback " + name + ": " + err.Error(), Err: err}
			}
			return datapoints.Message{}, &answer.Problem{Kind: "input", Message: "the message does not fit the schema of callback " + name + ": " + err.Error(), Err: err}
		}
	}
	return datapoints.Message{Name: name, At: time.Now(), Body: datapoints.JSON(body).Mark(datapoints.Sensitive, name)}, nil
}

func unknown(callbacks []*plan.Message, name string) error {
	names := make([]string, len(callbacks))
	for i, m := range callbacks {
		names[i] = m.Name
	}
	p := &answer.Problem{Kind: "input", Message: fmt.Sprintf("the flow has no callback %q", name)}
	if len(names) == 0 {
		return p
	}
	p.Facts = []answer.Fact{{Name: "it has", Text: strings.Join(names, ", ")}}
	if near := expression.Suggest(name, names); near != "" {
		p.Hints = []string{fmt.Sprintf("did you mean %q?", near)}
	}
	return p
}

// Goal is the time to which a step waits, from now on. The error is an
// expression's, or an *answer.Problem of the kind data.
func Goal(s *plan.WaitSpec, e expression.Env, now time.Time) (time.Time, error) {
	from, what := s.Text, "a duration such as 30m"
	switch {
	case s.For > 0:
		return now.Add(s.For), nil
	case s.Until != nil:
		from, what = s.Until, "a date and time with an offset, such as 2026-11-30T09:00:00Z"
	}
	v, err := from.Render(e)
	if err != nil {
		return now, err
	}
	text, err := v.Text()
	if err != nil {
		return now, err
	}
	if s.Until != nil {
		if until, err := time.Parse(time.RFC3339, text); err == nil {
			return until, nil
		}
	} else if d, err := syntax.ParseDuration(text); err == nil {
		return now.Add(d), nil
	}
	class := plan.Plain
	switch {
	case from.Sensitive():
		class = plan.Sensitive
	case from.PII():
		class = plan.PII
	}
	return now, &answer.Problem{Kind: "data", Message: fmt.Sprintf("`wait` takes %s; it is %s", what, answer.Shown(datapoints.Text(text).Reveal(), class, "wait"))}
}

// An Address is under what others reach a run. It is made once, and sealed.
type Address struct {
	Base   string `json:"base,omitempty"`
	Secret string `json:"secret"` // of which the token of each callback is made
}

// NewAddress makes an address that nobody can guess.
func NewAddress(base string) Address { return Address{base, rand.Text()} }

// URL is that of a callback: it tells the run and the name, and the token.
func (a Address) URL(run, name string) string {
	return strings.TrimSuffix(a.Base, "/") + "/callbacks/" + run + "/" + name + "/" + a.Token(name)
}

// Token is what nobody can guess, also not who knows another callback's.
func (a Address) Token(name string) string {
	sum := hmac.New(sha256.New, []byte(a.Secret))
	sum.Write([]byte(name))
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

// IsBase says whether a text can be the base of an address.
func IsBase(text string) bool {
	if text == "" {
		return false
	}
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == ""
}
