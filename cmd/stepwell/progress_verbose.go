package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/stepwell/stepwell/actions/oauth2"
	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

// shownBody is how much of a body -v shows.
const shownBody = 4 << 10

// Verbose implements flow.Verbose: headers and bodies are wanted.
func (p *progress) Verbose() bool { return p.verbose }

// exchange writes what was sent and what came back, secrets masked.
func (p *progress) exchange(e flow.End) {
	if !p.verbose || e.Request == nil {
		return
	}
	writeExchange(p.out, p.look, e.Request, e.Answer)
}

// tokenAsked writes what was sent to a token endpoint, for which step, and what came back.
func (p *progress) tokenAsked(ctx context.Context, x oauth2.Exchange) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over || !p.verbose || x.Request.Method == "" {
		return
	}
	step, _ := ctx.Value(insideKey{}).(string)
	writeTokenExchange(p.out, p.look, x, step)
}

// loginExchange is a call of a credential's own steps, to show as a token request.
func loginExchange(s flow.Span, e flow.End) oauth2.Exchange {
	x := oauth2.Exchange{Credential: s.Credential}
	if e.Request != nil {
		x.Request = *e.Request
	}
	if e.Answer != nil {
		x.Answer = *e.Answer
	}
	if x.Answer.Status == 0 && e.Error != nil {
		x.Failure = e.Error.Message
	}
	return x
}

// A loginWatch shows the calls of a credential's own steps outside of any run.
type loginWatch struct{ show func(oauth2.Exchange) }

// Verbose implements flow.Verbose: headers and bodies are wanted.
func (loginWatch) Verbose() bool { return true }

// Begin implements flow.Observer.
func (w loginWatch) Begin(ctx context.Context, s flow.Span) (context.Context, func(flow.End)) {
	return ctx, func(e flow.End) {
		if s.Kind == flow.LoginSpan && e.Request != nil {
			w.show(loginExchange(s, e))
		}
	}
}

// writeTokenExchange writes one request of a credential; step may be "".
func writeTokenExchange(out io.Writer, k look, x oauth2.Exchange, step string) {
	title := "token of credential " + x.Credential
	if step != "" {
		title += ", for " + step
	}
	fmt.Fprintf(out, "      %s\n", clean(title))
	writeExchange(out, k, &x.Request, &x.Answer)
	if x.Failure != "" {
		fmt.Fprintf(out, "      %s %s\n", k.paint(dim, "<"), clean("("+x.Failure+")"))
	}
}

// writeExchange writes a request and its answer, of which there may be none.
func writeExchange(out io.Writer, k look, r *flow.Request, a *flow.Result) {
	line := func(mark, text string) {
		fmt.Fprintf(out, "      %s %s\n", k.paint(dim, mark), clean(text))
	}
	line(">", r.Method+" "+r.URL)
	for _, h := range r.Headers {
		line(">", h[0]+": "+headerText(h[0], h[1]))
	}
	for _, text := range bodyLines(r.Body) {
		line(">", text)
	}
	if a != nil && a.Status != 0 {
		line("<", fmt.Sprintf("%d, %s", a.Status, short(a.Took)))
		for _, name := range slices.Sorted(maps.Keys(a.Headers)) {
			for _, v := range a.Headers[name] {
				line("<", name+": "+headerText(name, v))
			}
		}
		for _, text := range bodyLines(a.Body) {
			line("<", text)
		}
		for _, note := range a.Notes {
			line("<", "("+note+")")
		}
	}
}

// headerText masks what is a secret by its name, however short it is.
func headerText(name, value string) string {
	if at := strings.LastIndex(value, "[secret "); at >= 0 {
		if scheme, _, ok := strings.Cut(value, " "); ok && strings.EqualFold(scheme, "basic") {
			return scheme + " " + value[at:] // what is before it is the user's name in base64
		}
		return value
	}
	if datapoints.SensitiveName(name) {
		scheme, _, ok := strings.Cut(value, " ")
		if ok {
			return scheme + " [secret " + name + "]"
		}
		return "[secret " + name + "]"
	}
	return value
}

// bodyLines are the lines of a body as it may be shown.
func bodyLines(body []byte) []string {
	text := string(body)
	if len(text) == 0 {
		return nil
	}
	more := ""
	if flow.CheckJSON(body) == nil {
		text = datapoints.MaskMembers(text)
	} else {
		text = maskForm(text)
	}
	if len(text) > shownBody {
		more = fmt.Sprintf("(%d bytes more)", len(text)-shownBody)
		text = strings.ToValidUTF8(text[:shownBody], "")
	}
	lines := strings.Split(strings.TrimRight(text, "\r\n"), "\n")
	if more != "" {
		lines = append(lines, more)
	}
	return lines
}

// maskForm masks the values of a form body that are secrets by their name.
func maskForm(text string) string {
	if strings.ContainsAny(text, " \n{<") {
		return text
	}
	pairs := strings.Split(text, "&")
	for i, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		plain, err := url.QueryUnescape(name)
		if ok && err == nil && value != "" && datapoints.SensitiveName(plain) {
			pairs[i] = name + "=[secret " + plain + "]"
		}
	}
	return strings.Join(pairs, "&")
}
