package syntax

import (
	"strings"

	"github.com/stepwell/stepwell/flow/diag"
)

func (s *source) syntaxProblem(err error) diag.Diagnostic {
	return diag.Diagnostic{Span: s.firstLine(), Code: diag.YAMLSyntax, Message: strings.TrimPrefix(err.Error(), "yaml: ")}
}
