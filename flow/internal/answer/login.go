package answer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Headers are headers with each value redacted.
func Headers(headers map[string][]string, redact func(string) string) map[string][]string {
	shown := make(map[string][]string, len(headers))
	for name, values := range headers {
		for _, v := range values {
			shown[name] = append(shown[name], redact(v))
		}
	}
	return shown
}

// Login is what people may see of a good answer to a login: of its body, masked
// already, the names, and of its headers those that hold no token. Any other text
// may be one of which nobody knows yet, since what to save is what fails.
func Login(headers map[string][]string, body []byte) (map[string][]string, []byte) {
	shown := make(map[string][]string, len(headers))
	for name, values := range headers {
		switch name {
		case "Content-Type", "Content-Length", "Date", "Retry-After", "Server":
			shown[name] = values
		default:
			shown[name] = []string{hidden}
		}
	}
	var v any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if len(body) == 0 {
		return shown, nil
	}
	if d.Decode(&v) != nil || d.More() {
		return shown, fmt.Appendf(nil, "(%d bytes)", len(body))
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(named(v)) // what was JSON a moment ago
	return shown, bytes.TrimSpace(b.Bytes())
}

// hidden stands where a text stood.
const hidden = "…"

// longNumber is how many digits a number may have that is none to be kept secret.
const longNumber = 8

// named is a value without its texts, but for those that are masked, and without
// long numbers.
func named(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			v[name] = named(inner)
		}
	case []any:
		for i, inner := range v {
			v[i] = named(inner)
		}
	case json.Number:
		if len(v) >= longNumber {
			return hidden
		}
	case string:
		if !strings.HasPrefix(v, "[secret ") || !strings.HasSuffix(v, "]") {
			return hidden
		}
	}
	return v
}
