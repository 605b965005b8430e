// Package credentials has the kinds of credentials that a flow finds without
// anybody adding them: oauth2, basic, bearer, api_key and steps.
//
// Nothing in it is global: tokens belong to an oauth2.Client, connections to an
// actions.Client. A program that has no flows with credentials does without this
// package, and without what signs and reads tokens.
package credentials

import (
	"context"
	"encoding/base64"
	"strings"

	"github.com/stepwell/stepwell/actions"
	"github.com/stepwell/stepwell/actions/internal/ordered"
	"github.com/stepwell/stepwell/actions/oauth2"
	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
	"github.com/stepwell/stepwell/flow/diag"
)

// Builtin gives the kinds over connections of their own, with tokens that are
// kept in memory. Each call gives new ones: a program makes them once, or each
// plan fetches tokens of its own.
func Builtin() flow.Credentials { return Of(new(actions.Client), new(oauth2.Client)) }

// Of gives the kinds: calls carries the token requests of tokens, which keeps what
// they obtain. tokens.Carrier is not used.
func Of(calls *actions.Client, tokens *oauth2.Client) flow.Credentials {
	return flow.Credentials{
		"oauth2":  oauthKind{calls, tokens},
		"steps":   stepsKind{tokens},
		"basic":   fixedKind{basicSpec, basic},
		"bearer":  fixedKind{bearerSpec, bearer},
		"api_key": fixedKind{keySpec, key},
	}
}

// A fixedKind is a kind whose credentials need nobody to be asked for.
type fixedKind struct {
	spec func() flow.CredentialSpec
	make func(f fields) (flow.Token, error)
}

// Spec implements flow.CredentialKind.
func (k fixedKind) Spec() flow.CredentialSpec { return k.spec() }

// Open implements flow.CredentialKind.
func (k fixedKind) Open(_ context.Context, in flow.CredentialInput) (flow.TokenProvider, error) {
	t, err := k.make(fieldsOf(in.Args))
	if err != nil {
		e := *err.(*flow.Error)
		e.Message = "credential " + in.Name + ": " + e.Message
		return nil, &e
	}
	return fixed{t}, nil
}

// fixed gives one token for ever.
type fixed struct{ token flow.Token }

// Token implements flow.TokenProvider.
func (f fixed) Token(context.Context) (flow.Token, error) { return f.token, nil }

// Reject implements flow.TokenProvider: there is no other one.
func (f fixed) Reject(context.Context, flow.Token, string) bool { return false }

func basicSpec() flow.CredentialSpec {
	return flow.CredentialSpec{
		Doc: "User name and password in the header Authorization (RFC 7617), as they are.",
		Fields: []flow.Field{
			{Name: "username", Type: flow.TextField, Required: true, Doc: "The user name."},
			{Name: "password", Type: flow.TextField, Required: true, Doc: "The password."},
		},
		Send: flow.SendNever,
		Check: func(with flow.Static) []flow.Complaint {
			if text, constant, there := with.Text("username"); there && constant && strings.Contains(text, ":") {
				return []flow.Complaint{{Path: []string{"username"}, Code: diag.WrongValue, Message: "a user name cannot hold a colon (RFC 7617 §2)"}}
			}
			return nil
		},
	}
}

func basic(f fields) (flow.Token, error) {
	user, password := f.text("username"), f.text("password")
	switch {
	case strings.Contains(user, ":"):
		return flow.Token{}, authError("`username` holds a colon, which ends the user name (RFC 7617 §2)")
	case user == "" && password == "":
		return flow.Token{}, authError("`username` and `password` are both empty")
	}
	return token("Basic", base64.StdEncoding.EncodeToString([]byte(user+":"+password))), nil
}

func bearerSpec() flow.CredentialSpec {
	return flow.CredentialSpec{
		Doc:    "A token that does not change, in the header Authorization (RFC 6750).",
		Fields: []flow.Field{{Name: "token", Type: flow.TextField, Required: true, Doc: "The token, without the word Bearer."}},
		Check: func(with flow.Static) []flow.Complaint {
			if text, _, _ := with.Text("token"); hasBearer(text) {
				return []flow.Complaint{{Path: []string{"token"}, Code: diag.BadBearer, Message: "`token` begins with the word Bearer, which is added", Hint: "leave it away"}}
			}
			return nil
		},
	}
}

func bearer(f fields) (flow.Token, error) {
	text := f.text("token")
	switch {
	case strings.TrimSpace(text) == "":
		return flow.Token{}, authError("`token` is empty")
	case hasBearer(text):
		return flow.Token{}, authError("`token` begins with the word Bearer, which is added")
	}
	return token("Bearer", text), nil
}

// hasBearer says whether a token has the scheme before it.
func hasBearer(text string) bool { return len(text) > 7 && strings.EqualFold(text[:7], "bearer ") }

func keySpec() flow.CredentialSpec {
	return flow.CredentialSpec{
		Doc:    "A key that does not change, where `send` says.",
		Fields: []flow.Field{{Name: "value", Type: flow.TextField, Required: true, Doc: "The key."}},
		Send:   flow.SendMust,
	}
}

func key(f fields) (flow.Token, error) {
	text := f.text("value")
	if strings.TrimSpace(text) == "" {
		return flow.Token{}, authError("`value` is empty")
	}
	return token("", text), nil
}

func token(kind, text string) flow.Token {
	return flow.Token{Type: kind, Access: datapoints.Text(text).Mark(datapoints.Sensitive, "token")}
}

func authError(message string) error { return &flow.Error{Kind: flow.KindAuth, Message: message} }

// fields are rendered fields by name, as JSON.
type fields map[string]string

func fieldsOf(args []flow.Arg) fields {
	f := make(fields, len(args))
	for _, a := range args {
		if text := a.Value.Reveal(); text != "null" {
			f[a.Name] = text
		}
	}
	return f
}

// text is a scalar's text; "" if it is not given.
func (f fields) text(name string) string {
	text, _ := ordered.Scalar(f[name])
	return text
}

// list are the texts of a list.
func (f fields) list(name string) []string {
	var list []string
	r := ordered.Read(f[name])
	for _, value, ok := r.Next(); ok; _, value, ok = r.Next() {
		list = append(list, ordered.Text(value))
	}
	return list
}

// members are those of an object, as fields.
func (f fields) members(name string) fields {
	inner := fields{}
	if !strings.HasPrefix(f[name], "{") {
		return inner
	}
	r := ordered.Read(f[name])
	for key, value, ok := r.Next(); ok; key, value, ok = r.Next() {
		if value != "null" {
			inner[key] = value
		}
	}
	return inner
}

// texts are the members of an object as texts.
func (f fields) texts(name string) map[string]string {
	inner := f.members(name)
	texts := make(map[string]string, len(inner))
	for key := range inner {
		texts[key] = inner.text(key)
	}
	return texts
}
