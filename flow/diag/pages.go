package diag

import (
	"embed"
	"strings"
)

//go:embed pages/*.md
var pages embed.FS

// Page is what `stepwell explain` says of a diagnostic's code or of the kind
// of a failure, in Markdown: what it means, an example, how to mend it. It says
// whether there is one.
func Page(name string) (string, bool) {
	if strings.ContainsAny(name, "/.") {
		return "", false
	}
	text, err := pages.ReadFile("pages/" + name + ".md")
	return string(text), err == nil
}

// Pages lists the names that have a page, sorted.
func Pages() []string {
	entries, err := pages.ReadDir("pages")
	if err != nil { // it is part of the program
		return nil
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = strings.TrimSuffix(e.Name(), ".md")
	}
	return names
}
