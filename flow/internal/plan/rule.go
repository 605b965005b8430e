package plan

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/stepwell/stepwell/flow/internal/expression"
)

// Fits says whether a JSON text is a value that the rule allows. The error
// says what it must be, in words that follow a name: "must be an integer". It
// never holds the value, which may be a secret.
func (r *Rule) Fits(text string) error {
	if err := fitsType(text, r.Type); err != nil {
		return err
	}
	if len(r.OneOf) > 0 && !oneOf(text, r.OneOf) {
		return fmt.Errorf("must be one of %s", strings.Join(r.OneOf, ", "))
	}
	if strings.HasPrefix(text, `"`) {
		return r.fitsText(decode(text))
	}
	if strings.HasPrefix(text, "[") {
		return r.fitsCount(text)
	}
	if r.Min == nil && r.Max == nil {
		return nil
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil // not a number: min and max say nothing
	}
	if r.Min != nil && n < *r.Min {
		return fmt.Errorf("must be at least %s", r.MinText)
	}
	if r.Max != nil && n > *r.Max {
		return fmt.Errorf("must be at most %s", r.MaxText)
	}
	return nil
}

func (r *Rule) fitsText(s string) error {
	n := utf8.RuneCountInString(s)
	switch {
	case r.MinLength != nil && n < *r.MinLength:
		return fmt.Errorf("must have at least %d characters, not %d", *r.MinLength, n)
	case r.MaxLength != nil && n > *r.MaxLength:
		return fmt.Errorf("must have at most %d characters, not %d", *r.MaxLength, n)
	case r.Pattern != nil && !r.Pattern.MatchString(s):
		return fmt.Errorf("must match the pattern %s", r.PatternText)
	}
	return r.fitsTime(s)
}

// fitsTime compares a date, or a date and time, with min and max, which are
// dates then. What is no date has been refused.
func (r *Rule) fitsTime(s string) error {
	layout := time.DateOnly
	switch r.Type.Kind {
	case expression.Date:
	case expression.DateTime:
		layout = time.RFC3339
	default:
		return nil
	}
	t, err := time.Parse(layout, s)
	if err != nil {
		return nil
	}
	if low, err := time.Parse(layout, r.MinText); err == nil && t.Before(low) {
		return fmt.Errorf("must not be before %s", r.MinText)
	}
	if high, err := time.Parse(layout, r.MaxText); err == nil && t.After(high) {
		return fmt.Errorf("must not be after %s", r.MaxText)
	}
	return nil
}

// fitsCount compares how many elements a list has with min_length and max_length.
func (r *Rule) fitsCount(text string) error {
	if r.MinLength == nil && r.MaxLength == nil {
		return nil
	}
	items, _ := expression.FromJSON(text).Items()
	switch n := len(items); {
	case r.MinLength != nil && n < *r.MinLength:
		return fmt.Errorf("must have at least %d elements, not %d", *r.MinLength, n)
	case r.MaxLength != nil && n > *r.MaxLength:
		return fmt.Errorf("must have at most %d elements, not %d", *r.MaxLength, n)
	}
	return nil
}

// fitsType says whether a JSON text is of a type.
func fitsType(text string, t expression.Type) error {
	switch t.Kind {
	case expression.Any:
		return nil
	case expression.Integer:
		if !isInteger(text) {
			return errors.New("must be an integer")
		}
	case expression.Number:
		if text == "" || text[0] != '-' && (text[0] < '0' || text[0] > '9') {
			return errors.New("must be a number")
		}
	case expression.Boolean:
		if text != "true" && text != "false" {
			return errors.New("must be true or false")
		}
	case expression.Object:
		if !strings.HasPrefix(text, "{") {
			return errors.New("must be an object")
		}
	case expression.List:
		return fitsList(text, t)
	default:
		return fitsTextType(text, t)
	}
	return nil
}

func fitsTextType(text string, t expression.Type) error {
	if !strings.HasPrefix(text, `"`) {
		return fmt.Errorf("must be %s", article(t))
	}
	s := decode(text)
	switch t.Kind {
	case expression.Date:
		if _, err := time.Parse(time.DateOnly, s); err != nil {
			return errors.New("must be a date such as 2026-11-21")
		}
	case expression.DateTime:
		if _, err := time.Parse(time.RFC3339, s); err != nil {
			return errors.New("must be a date and time such as 2026-11-21T09:00:00Z (RFC 3339)")
		}
	case expression.Telephone:
		if !isTelephone(s) {
			return errors.New("must be a telephone number such as +49 30 901820 (E.164)")
		}
	}
	return nil
}

func fitsList(text string, t expression.Type) error {
	if !strings.HasPrefix(text, "[") {
		return errors.New("must be a list")
	}
	if t.Items == nil || t.Items.Kind == expression.Any {
		return nil
	}
	items, _ := expression.FromJSON(text).Items()
	for i, item := range items {
		raw, err := item.JSON()
		if err != nil {
			return err
		}
		if err := fitsType(raw, *t.Items); err != nil {
			return fmt.Errorf("element %d %w", i+1, err)
		}
	}
	return nil
}

// FromText converts text from outside (an option, a variable, a cell) to the
// JSON of a type. The error is as that of Fits.
func FromText(s string, t expression.Type) (string, error) {
	switch t.Kind {
	case expression.String, expression.Any, expression.Date, expression.DateTime, expression.Telephone:
		return quote(s), nil
	case expression.Integer:
		if !isInteger(s) {
			return "", fitsType("", t)
		}
		return withoutZeros(s), nil
	case expression.Number, expression.Boolean:
		if !json.Valid([]byte(s)) || strings.TrimSpace(s) != s {
			return "", fitsType("", t)
		}
	default:
		if err := expression.CheckJSON([]byte(s)); err != nil {
			return "", fmt.Errorf("must be %s as JSON: %w", article(t), err)
		}
		s = strings.TrimSpace(s)
	}
	return s, fitsType(s, t)
}

func isInteger(text string) bool {
	digits := strings.TrimPrefix(text, "-")
	return digits != "" && strings.Trim(digits, "0123456789") == ""
}

// withoutZeros takes the zeros away that JSON does not allow before a number.
func withoutZeros(integer string) string {
	digits := strings.TrimPrefix(integer, "-")
	sign := integer[:len(integer)-len(digits)]
	if digits = strings.TrimLeft(digits, "0"); digits == "" {
		return "0"
	}
	return sign + digits
}

// isTelephone checks E.164 after blanks are removed: +, then 2 to 15 digits
// that do not begin with 0.
func isTelephone(s string) bool {
	s = strings.Join(strings.Fields(s), "")
	digits, ok := strings.CutPrefix(s, "+")
	return ok && len(digits) >= 2 && len(digits) <= 15 && digits[0] != '0' && strings.Trim(digits, "0123456789") == ""
}

func oneOf(text string, allowed []string) bool {
	for _, a := range allowed {
		if a == text || strings.HasPrefix(a, `"`) && strings.HasPrefix(text, `"`) && decode(a) == decode(text) {
			return true
		}
	}
	return false
}

func article(t expression.Type) string {
	name := t.String()
	if strings.ContainsRune("aeiou", rune(name[0])) {
		return "an " + name
	}
	return "a " + name
}

func decode(text string) string {
	if len(text) >= 2 && strings.IndexByte(text, '\\') < 0 {
		return text[1 : len(text)-1]
	}
	var s string
	_ = json.Unmarshal([]byte(text), &s)
	return s
}

// quote is the JSON string of s, without escapes for HTML.
func quote(s string) string {
	text, _ := expression.FromText(s).JSON()
	return text
}
