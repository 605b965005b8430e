// Package bind makes fields of a Go struct: what an action of a program's own
// takes, and where it is put.
package bind

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/stepwell/stepwell/flow/internal/check"
	"github.com/stepwell/stepwell/flow/internal/syntax"
)

// Fields lists the fields of `with` that a struct asks for.
func Fields(t reflect.Type) []check.Field {
	var fields []check.Field
	for i := range t.NumField() {
		sf := t.Field(i)
		name, required, ok := fieldName(sf)
		if !ok {
			continue
		}
		f := check.Field{Name: name, Doc: sf.Tag.Get("doc"), Required: required, Type: fieldType(sf.Type)}
		if f.Type == check.ObjectField {
			f.Fields = Fields(sf.Type)
		}
		fields = append(fields, f)
	}
	return fields
}

// fieldName reads a field's tag.
func fieldName(sf reflect.StructField) (name string, required, ok bool) {
	tag := strings.Split(sf.Tag.Get("flow"), ",")
	if !sf.IsExported() || tag[0] == "-" {
		return "", false, false
	}
	if name = tag[0]; name == "" {
		name = snake(sf.Name)
	}
	return name, len(tag) > 1 && tag[1] == "required", true
}

func fieldNamed(v reflect.Value, want string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if name, _, ok := fieldName(v.Type().Field(i)); ok && name == want {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

func fieldType(t reflect.Type) check.FieldType {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return check.DurationField
	case t == reflect.TypeFor[json.RawMessage](), t == reflect.TypeFor[time.Time]():
		return check.JSONField
	}
	switch t.Kind() {
	case reflect.String:
		return check.TextField
	case reflect.Bool:
		return check.BooleanField
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return check.IntegerField
	case reflect.Float32, reflect.Float64:
		return check.NumberField
	case reflect.Struct:
		return check.ObjectField
	}
	return check.JSONField
}

// Assign puts a rendered value into the field of a struct that has the name; one
// that no field has is left out.
func Assign(v reflect.Value, name, text string) error {
	if field, ok := fieldNamed(v, name); ok {
		return assignField(field, text)
	}
	return nil
}

// assignField puts a rendered value into a field.
func assignField(field reflect.Value, text string) error {
	switch {
	case text == "null":
		return nil
	case field.Type() == reflect.TypeFor[time.Duration]():
		var s string
		if json.Unmarshal([]byte(text), &s) != nil {
			return errors.New("must be a duration such as 15s")
		}
		d, err := syntax.ParseDuration(s)
		field.SetInt(int64(d))
		return err
	case field.Kind() == reflect.String && !strings.HasPrefix(text, `"`):
		field.SetString(text) // numbers and booleans are written as text
		return nil
	case field.Kind() == reflect.Struct && strings.HasPrefix(text, "{") && fieldType(field.Type()) == check.ObjectField:
		var members map[string]json.RawMessage
		if err := json.Unmarshal([]byte(text), &members); err != nil {
			return err
		}
		for name, raw := range members {
			if inner, ok := fieldNamed(field, name); ok {
				if err := assignField(inner, string(raw)); err != nil {
					return fmt.Errorf("%s %w", name, err)
				}
			}
		}
		return nil
	}
	if err := json.Unmarshal([]byte(text), field.Addr().Interface()); err != nil {
		return fmt.Errorf("must be %s", kindWord(field.Type()))
	}
	return nil
}

// kindWord says what a field takes, without the language's own type names.
func kindWord(t reflect.Type) string {
	switch fieldType(t) {
	case check.TextField:
		return "text"
	case check.IntegerField:
		return "an integer that fits"
	case check.NumberField:
		return "a number"
	case check.BooleanField:
		return "true or false"
	case check.ObjectField:
		return "an object"
	}
	if t.Kind() == reflect.Slice {
		return "a list"
	}
	return "a value of another shape"
}

// snake is a Go name as the flow language writes names: ClientID is client_id.
func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		upper := r >= 'A' && r <= 'Z'
		if upper && i > 0 {
			before := name[i-1] >= 'a' && name[i-1] <= 'z' || name[i-1] >= '0' && name[i-1] <= '9'
			after := i+1 < len(name) && name[i+1] >= 'a' && name[i+1] <= 'z'
			if before || after {
				b.WriteByte('_')
			}
		}
		b.WriteRune(r)
	}
	return strings.ToLower(b.String())
}
