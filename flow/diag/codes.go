package diag

// The codes of the flow language's checker. A code never changes its meaning.
const (
	// The file as text and as YAML.
	UnreadableFile  Code = "unreadable-file"
	NotUTF8         Code = "not-utf8"
	EmptyFile       Code = "empty-file"
	YAMLSyntax      Code = "yaml-syntax"
	SecondDocument  Code = "second-document"
	DuplicateKey    Code = "duplicate-key"
	AliasCycle      Code = "alias-cycle"
	CustomTag       Code = "custom-tag"
	ExpressionInKey Code = "expression-in-key"
	OverLimit       Code = "over-limit"
	SwallowedByYAML Code = "swallowed-by-yaml" // a comment, tag or bracket that cuts an expression

	// Keys and shapes.
	UnknownKey      Code = "unknown-key"
	MissingKey      Code = "missing-key"
	WrongShape      Code = "wrong-shape" // a list where a mapping belongs, …
	WrongValue      Code = "wrong-value" // a value that the key does not allow
	KeyNotAllowed   Code = "key-not-allowed"
	KeysExclude     Code = "keys-exclude" // two keys of which only one may stand
	BadName         Code = "bad-name"
	DuplicateName   Code = "duplicate-name"
	OneVerb         Code = "one-verb"
	LanguageVersion Code = "language-version"
	BadDuration     Code = "bad-duration"
	BadSize         Code = "bad-size"
	BadPattern      Code = "bad-pattern"
	OutsideProject  Code = "outside-project"
	BadSchema       Code = "bad-schema"
	FlowCycle       Code = "flow-cycle" // a flow that leads back to itself

	// Expressions and paths.
	BadExpression    Code = "bad-expression" // syntax
	UnclosedBraces   Code = "unclosed-expression"
	ForeignSpelling  Code = "foreign-spelling" // another tool's way to write it
	UnknownName      Code = "unknown-name"
	UnknownFunction  Code = "unknown-function"
	NotHere          Code = "not-here" // a root or function that has no meaning at this place
	WholeRoot        Code = "whole-root"
	UsedBeforeSaved  Code = "used-before-saved"
	MayBeUnset       Code = "may-be-unset"
	TypeMismatch     Code = "type-mismatch"
	NotACondition    Code = "not-a-condition"
	ConstantRequired Code = "constant-required"
	TextOfObject     Code = "text-of-object" // an object, list or null in mixed text
	AlwaysFails      Code = "always-fails"   // an expression that is constant and has no value
	BadPath          Code = "bad-path"       // a gjson path

	// What is sent where.
	BadURL          Code = "bad-url"
	BadHeader       Code = "bad-header"
	BadBearer       Code = "bad-bearer"
	UntrustedOrigin Code = "untrusted-origin"
	RetryNotSafe    Code = "retry-not-safe"

	// Actions.
	UnknownAction Code = "unknown-action"

	UnknownCredentialType Code = "unknown-credential-type"

	BadGraphQL Code = "bad-graphql"

	// Warnings and notes.
	ShortSecret Code = "short-secret"
	Unreachable Code = "unreachable"

	PollRepeatsKey Code = "poll-repeats-key"
)

// Codes lists all codes, in the order in which they are written above.
func Codes() []Code {
	return []Code{
		UnreadableFile, NotUTF8, EmptyFile, YAMLSyntax, SecondDocument, DuplicateKey,
		AliasCycle, CustomTag, ExpressionInKey, OverLimit, SwallowedByYAML, UnknownKey,
		MissingKey, WrongShape, WrongValue, KeyNotAllowed, KeysExclude, BadName,
		DuplicateName, OneVerb, LanguageVersion, BadDuration, BadSize,
		BadPattern, OutsideProject, BadSchema, FlowCycle, BadExpression, UnclosedBraces, ForeignSpelling,
		UnknownName, UnknownFunction, NotHere, WholeRoot, UsedBeforeSaved, MayBeUnset,
		TypeMismatch, NotACondition, ConstantRequired, TextOfObject, AlwaysFails, BadPath, BadURL,
		BadHeader, BadBearer, UntrustedOrigin, RetryNotSafe, UnknownAction, UnknownCredentialType, BadGraphQL,
		ShortSecret, Unreachable, PollRepeatsKey,
	}
}
