package flow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/syntax"
)

// Func makes an action of a function. The exported fields of In, a struct, are
// the keys of `with`:
//
//	type visit struct {
//		Patient string        `flow:"patient,required" doc:"NHS number"`
//		Within  time.Duration `flow:"within" doc:"how soon"`
//		Notes   []string      `flow:"notes"`
//	}
//
// A key is the tag's name or the field's name in snake_case; "-" leaves a field
// out. Text, numbers, booleans, durations, lists, maps, structs and
// json.RawMessage may be used. What do returns in Result.Body is the answer:
// use JSON to make one. A plain error fails the step with kind `action`;
// return an *Error to say more. Calls made by Func are taken as not
// repeatable: one that fails with Sent is unknown.
//
// Func panics if In is not a struct: that is a mistake in the program.
func Func[In any](doc string, do func(context.Context, In) (Result, error)) Action {
	t := reflect.TypeFor[In]()
	if t.Kind() != reflect.Struct {
		panic("flow.Func: the input of an action must be a struct, not " + t.String())
	}
	return function[In]{spec: Spec{Doc: doc, Fields: structFields(t)}, do: do}
}

// JSON is a Result whose body is v.
func JSON(v any) (Result, error) {
	text, err := datapoints.Of(v)
	if err != nil {
		return Result{}, err
	}
	return Result{Body: []byte(text.Reveal())}, nil
}

type function[In any] struct {
	spec Spec
	do   func(context.Context, In) (Result, error)
}

// Spec implements Action.
func (f function[In]) Spec() Spec { return f.spec }

// Plan implements Action.
func (f function[In]) Plan(in Input) (Call, error) {
	var arg In
	v := reflect.ValueOf(&arg).Elem()
	for _, a := range in.Args {
		field, ok := fieldNamed(v, a.Name)
		if !ok {
			continue
		}
		if err := assignField(field, a.Value.Reveal()); err != nil {
			return Call{}, &Error{Kind: KindData, Message: a.Name + " " + err.Error()}
		}
	}
	return Call{Do: func(ctx context.Context) (Result, error) {
		began := time.Now()
		r, err := f.do(ctx, arg)
		r.Took = time.Since(began)
		return r, err
	}}, nil
}

// structFields lists the fields of `with` that a struct asks for.
func structFields(t reflect.Type) []Field {
	var fields []Field
	for i := range t.NumField() {
		sf := t.Field(i)
		name, required, ok := fieldName(sf)
		if !ok {
			continue
		}
		f := Field{Name: name, Doc: sf.Tag.Get("doc"), Required: required, Type: fieldType(sf.Type)}
		if f.Type == ObjectField {
			f.Fields = structFields(sf.Type)
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

func fieldType(t reflect.Type) FieldType {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return DurationField
	case t == reflect.TypeFor[json.RawMessage](), t == reflect.TypeFor[time.Time]():
		return JSONField
	}
	switch t.Kind() {
	case reflect.String:
		return TextField
	case reflect.Bool:
		return BooleanField
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return IntegerField
	case reflect.Float32, reflect.Float64:
		return NumberField
	case reflect.Struct:
		return ObjectField
	}
	return JSONField
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
	case field.Kind() == reflect.Struct && strings.HasPrefix(text, "{") && fieldType(field.Type()) == ObjectField:
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
	case TextField:
		return "text"
	case IntegerField:
		return "an integer that fits"
	case NumberField:
		return "a number"
	case BooleanField:
		return "true or false"
	case ObjectField:
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
