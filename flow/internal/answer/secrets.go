package answer

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/plan"
)

// A secret is a sensitive text in a rendered field.
type secret struct {
	Name string // of the header, the parameter or the member whose value it is in; "": of none
	Text string
}

// secretsOf gives the sensitive texts in a rendered field: those of the
// expressions and members that are, or all of them if it is not known which.
// e is where it was rendered.
func secretsOf(v *plan.Value, e expression.Env, rendered string) []secret {
	if some := within(nil, v, e, "", rendered); len(some) > 0 {
		return some
	}
	return scalars(nil, "", rendered)
}

func within(found []secret, v *plan.Value, e expression.Env, name, rendered string) []secret {
	switch {
	case v.Template != nil && v.Template.Sensitive():
		texts := v.Template.Secrets(e)
		if len(texts) == 0 {
			return scalars(found, name, rendered)
		}
		for _, text := range texts {
			found = append(found, secret{name, text})
		}
	case v.Template != nil:
		for member, text := range datapoints.SensitiveMembers(rendered) {
			found = append(found, secret{member, text})
		}
	case v.Const != "":
		if datapoints.SensitiveName(name) {
			found = scalars(found, name, rendered)
		}
	case v.IsList:
		for i, item := range itemsOf(rendered) {
			if i < len(v.Items) {
				found = within(found, &v.Items[i], e, name, item)
			}
		}
	default:
		for key, text := range expression.Members(rendered) {
			if i := slices.IndexFunc(v.Pairs, func(p plan.Pair) bool { return p.Key == key }); i >= 0 {
				found = within(found, &v.Pairs[i].Value, e, key, text)
			}
		}
	}
	return found
}

// scalars adds the texts of all scalars in a JSON text but true, false and null.
func scalars(found []secret, name, text string) []secret {
	v := expression.FromJSON(text)
	switch v.Kind() {
	case expression.List:
		for _, item := range itemsOf(text) {
			found = scalars(found, name, item)
		}
	case expression.Object:
		for key, member := range expression.Members(text) {
			found = scalars(found, key, member)
		}
	case expression.Boolean, expression.Null:
	default:
		t, _ := v.Text() // scalars have one
		found = append(found, secret{name, t})
	}
	return found
}

func itemsOf(text string) []string {
	items, _ := expression.FromJSON(text).Items()
	texts := make([]string, len(items))
	for i, item := range items {
		texts[i], _ = item.JSON() // what came from JSON goes there
	}
	return texts
}

// Secrets are what is sensitive in a request, for who shows it. Its zero value
// knows of nothing.
type Secrets struct {
	url    []string // in parts of the URL
	others []secret // in headers and the body: short ones, which nobody looks for in texts
	header bool     // Authorization was made of a short one
}

// least is how long a secret is that is looked for in texts.
const least = 8

// Note adds what is sensitive in a field and tells learn.
func (s *Secrets) Note(f *plan.Field, e expression.Env, rendered string, learn func(label, secret string)) {
	for _, found := range secretsOf(&f.Value, e, rendered) {
		learn(cmp.Or(found.Name, f.Name), found.Text)
		short := utf8.RuneCountInString(found.Text) < least && found.Text != ""
		switch {
		case f.Options.Destination || f.Name == "query":
			s.url = append(s.url, found.Text)
		case short && (f.Name == "basic" || f.Name == "bearer"):
			s.header = true
		case short:
			s.others = append(s.others, found)
		}
	}
}

// URL is a URL with what it was made of masked.
func (s *Secrets) URL(text string) string { return datapoints.MaskURL(text, s.url) }

// Headers are headers of which those are masked that hold a secret of their name.
func (s *Secrets) Headers(list [][2]string) [][2]string {
	masked := slices.Clone(list)
	for i, h := range masked {
		scheme, _, _ := strings.Cut(h[1], " ")
		switch {
		case s.header && strings.EqualFold(h[0], "Authorization"):
			masked[i][1] = scheme + " [secret " + h[0] + "]"
		case slices.ContainsFunc(s.others, func(o secret) bool {
			return strings.EqualFold(o.Name, h[0]) && strings.Contains(h[1], o.Text) || o.Name == "" && o.Text == h[1]
		}):
			masked[i][1] = "[secret " + h[0] + "]"
		}
	}
	return masked
}

// Body is a body in which the values of members and of parameters are masked by
// their names; if it is neither JSON nor a form the whole is.
func (s *Secrets) Body(body []byte, headers [][2]string) []byte {
	if len(body) == 0 || len(s.others) == 0 {
		return body
	}
	text := string(body)
	if expression.CheckJSON(body) == nil {
		return []byte(s.json("", text))
	}
	form := slices.ContainsFunc(headers, func(h [2]string) bool {
		return strings.EqualFold(h[0], "Content-Type") && strings.HasPrefix(h[1], "application/x-www-form-urlencoded")
	})
	for _, o := range s.others {
		if form {
			text = datapoints.MaskForm(text, o.Name, o.Text)
		} else if strings.Contains(text, o.Text) {
			return []byte("[secret body]")
		}
	}
	return []byte(text)
}

func (s *Secrets) json(name, text string) string {
	v := expression.FromJSON(text)
	var parts []string
	switch v.Kind() {
	case expression.List:
		for _, item := range itemsOf(text) {
			parts = append(parts, s.json(name, item))
		}
		return "[" + strings.Join(parts, ",") + "]"
	case expression.Object:
		for key, member := range expression.Members(text) {
			parts = append(parts, Quote(key)+":"+s.json(key, member))
		}
		return "{" + strings.Join(parts, ",") + "}"
	case expression.Boolean, expression.Null:
		return text
	}
	plain, _ := v.Text() // scalars have one
	for _, o := range s.others {
		if o.Name == name && strings.Contains(plain, o.Text) || o.Name == "" && plain == o.Text {
			return Quote("[secret " + cmp.Or(name, "body") + "]")
		}
	}
	return text
}

// HasSecret says whether a value has a sensitive member inside, also as JSON in
// text. What it was saved from does not tell: an object is not sensitive itself.
func HasSecret(json string) bool {
	if strings.HasPrefix(json, `"`) {
		if !strings.Contains(json, `\":`) {
			return false
		}
		json, _ = expression.FromJSON(json).Text()
	}
	return datapoints.HasSensitiveMember(json)
}
