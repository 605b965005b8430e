// Package value holds what expressions compute with: values that keep the digits
// and the order of keys they came with, their types, exact JSON, and the
// functions of the language. Everything that could take long or grow counts
// against a Budget. It knows no names and no syntax.
package value

// A Kind is what sort of value something is.
type Kind uint8

// The kinds. Any, the zero value, is what is not known. Date, DateTime and
// Telephone are text with a checked form; Time, Duration, Bytes and Zone exist
// only while computing.
const (
	Any Kind = iota
	String
	Integer
	Number
	Boolean
	Date
	DateTime
	Telephone
	Object
	List
	Null
	Time
	Duration
	Bytes
	Zone // what timezone() gives
)

// A Type is a kind, and for lists the type of the items where it is known. Items
// are of that type or null.
type Type struct {
	Kind  Kind
	Items *Type
}

// ParseType reads a type as a flow declares it, with the type of a list's
// items or "". It says false for names that are no types, and for items of
// anything but a list.
func ParseType(name, items string) (Type, bool) {
	kind, ok := declared(name)
	if !ok || items != "" && kind != List {
		return Type{}, false
	}
	t := Type{Kind: kind}
	if items != "" {
		of, ok := declared(items)
		if !ok {
			return Type{}, false
		}
		t.Items = &Type{Kind: of}
	}
	return t, true
}

func declared(name string) (Kind, bool) {
	for _, k := range []Kind{Any, String, Integer, Number, Boolean, Date, DateTime, Telephone, Object, List} {
		if k.String() == name {
			return k, true
		}
	}
	return Any, false
}

// String is the kind's name in the flow language.
func (k Kind) String() string {
	return [...]string{"any", "string", "integer", "number", "boolean", "date", "datetime", "telephone",
		"object", "list", "null", "time", "duration", "bytes", "time zone"}[k]
}

// String is the type's name in the flow language, "list of string" for lists
// whose items are known.
func (t Type) String() string {
	if t.Kind == List && t.Items != nil && t.Items.Kind != Any {
		return "list of " + t.Items.String()
	}
	return t.Kind.String()
}

// Accepts says whether a value of type u may stand where t is wanted. It says
// yes where that cannot be known before running: Any on either side, text for a
// date. An Integer is a Number; a Time leaves expressions as text.
func (t Type) Accepts(u Type) bool {
	switch {
	case t.Kind == Any || u.Kind == Any:
		return true
	case t.Kind == List && u.Kind == List:
		return t.Items == nil || u.Items == nil || t.Items.Accepts(*u.Items)
	case t.Kind == u.Kind:
		return true
	case t.Kind == Number:
		return u.Kind == Integer
	case t.Kind == Time:
		return u.Kind == String || u.Kind == DateTime
	case t.IsText():
		return u.IsText() && t.textFrom(u)
	}
	return false
}

// textFrom says whether one of the kinds of text can be another.
func (t Type) textFrom(u Type) bool {
	return t.Kind == String || u.Kind == String || t.Kind == DateTime && u.Kind == Time
}

// IsText says whether values leave expressions as text.
func (t Type) IsText() bool {
	switch t.Kind {
	case String, Date, DateTime, Telephone, Time:
		return true
	}
	return false
}

// IsString says whether values are text while computing.
func (t Type) IsString() bool { return t.IsText() && t.Kind != Time }

// IsNumber says whether values are numbers.
func (t Type) IsNumber() bool { return t.Kind == Integer || t.Kind == Number }

// Join is the type of a value that is of one type or the other. Null says
// nothing about the other.
func (t Type) Join(u Type) Type {
	switch {
	case t.Kind == Null:
		return u
	case u.Kind == Null:
		return t
	case t.Kind == List && u.Kind == List:
		if t.Items != nil && u.Items != nil {
			items := t.Items.Join(*u.Items)
			return Type{Kind: List, Items: &items}
		}
		return Type{Kind: List}
	case t.Kind == u.Kind:
		return t
	case t.IsNumber() && u.IsNumber():
		return Type{Kind: Number}
	case t.IsString() && u.IsString():
		return Type{Kind: String}
	}
	return Type{}
}

// Item is the type of a list's items.
func (t Type) Item() Type {
	if t.Kind == List && t.Items != nil {
		return *t.Items
	}
	return Type{}
}

// ListOf is a list of items of a type.
func ListOf(t Type) Type {
	if t.Kind == Any || t.Kind == Null {
		return Type{Kind: List}
	}
	return Type{Kind: List, Items: &t}
}

// Phrase is the kind with its article, for messages.
func (k Kind) Phrase() string {
	switch k {
	case Any:
		return "a value"
	case String:
		return "text"
	case Null:
		return "null"
	case Bytes:
		return "bytes"
	case Integer, Object:
		return "an " + k.String()
	}
	return "a " + k.String()
}
