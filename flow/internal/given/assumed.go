package given

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/stepwell/stepwell/flow/internal/plan"
)

// Unset are the values, each with its type, that a step saves and nobody gives
// who takes it as done; those that it may lack are not among them.
func Unset(saves []plan.Save, values map[string]any) []Wrong {
	var unset []Wrong
	for i := range saves {
		s := &saves[i]
		if _, there := values[s.Point.Name]; !there && !s.Optional && s.Default == nil {
			unset = append(unset, Wrong{s.Point.Name, s.Gives().String()})
		}
	}
	return unset
}

// Unsaved is the first given name that the step does not save, "" if there is
// none, and the names that it does.
func Unsaved(saves []plan.Save, values map[string]any) (name string, names []string) {
	for i := range saves {
		names = append(names, saves[i].Point.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !slices.Contains(names, name) {
			return name, names
		}
	}
	return "", names
}

// Saved is the JSON of what is given for one value that a step saves, or its
// default: text as its type says, everything else as its JSON.
func Saved(s *plan.Save, values map[string]any) (text string, there bool, err error) {
	v, there := values[s.Point.Name]
	if !there {
		if s.Default == nil {
			return "", false, nil
		}
		text, err = s.Default.JSON()
		return text, true, err
	}
	if given, isText := v.(string); isText {
		text, err = plan.FromText(given, s.Gives())
		return text, true, err
	}
	raw, err := json.Marshal(v)
	return string(raw), true, err
}
