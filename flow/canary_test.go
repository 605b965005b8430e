package flow_test

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

// What an engine keeps is names of the file, numbers and times. A canary is a
// text that would be seen if anything else were in it.
const canaryFlow = `{"stepwell": 1, "name": "test",
"inputs": {"x": {"type": "any"}}, "secrets": {"hush": {"env": "HUSH"}}, "callbacks": {"m1": {"description": "news"}},
"steps": [
 {"id": "call", "action": "tell", "with": {"say": "${{ [inputs.x, secrets.hush] }}"}, "save": {"kept": "say"}},
 {"id": "put", "set": {"more": "canary-constant ${{ inputs.x }}"}},
 {"id": "each", "for_each": {"in": "[inputs.x, \"canary-item\"]", "concurrency": 2, "on_error": "continue"}, "steps": [
   {"id": "said", "action": "tell", "with": {"say": "${{ item }}", "answers": ["429", "404"]}, "save": {"one": "say"}}]},
 {"id": "sub", "flow": "sub.yaml", "with": {"x": "${{ data.kept }}"}, "save": {"back": "last"}},
 {"id": "poll", "action": "tell", "with": {"say": "canary-poll", "safe": true}, "poll": {"until": "response.body.nth > 1 && response.body.say != \"canary-answer\""}, "save": {"polled": "say"}},
 {"id": "pages", "action": "tell", "with": {"say": "canary-page", "pages": 2}, "pages": {"next": "response.body.next", "with": {"page": "canary-next ${{ next }}"}}, "save": {"paged": "say"}},
 {"id": "news", "callback": "m1", "save": {"told": "say"}},
 {"id": "late", "parallel": {"one": [{"id": "bad", "fail": "canary-fail ${{ data.kept }}"}]}, "catch": [{"when": "error.message != \"canary-message\"", "steps": [
   {"id": "see", "set": {"why": "canary-why ${{ error.message }}"}}]}]},
 {"id": "again", "retry": {"attempts": 2, "on": ["http"], "backoff": {"initial": "1s", "max": "1s"}}, "steps": [{"id": "never", "action": "tell", "with": {"say": "canary-round", "answers": ["404"]}}]}],
"finally": [{"id": "last", "set": {"end": "canary-end ${{ run.error?.message ?? 0 }}"}}],
"outputs": {"all": "canary-output"}}`

const canarySub = `{"stepwell": 1, "name": "sub", "inputs": {"x": {"type": "any"}},
"steps": [{"id": "in", "action": "tell", "with": {"say": ["canary-sub", "${{ inputs.x }}"]}, "save": {"deep": "say"}}],
"outputs": {"last": "${{ data.deep }}"}}`

func TestWhatAnEngineKeepsHoldsNoDataNoSecretAndNoErrorText(t *testing.T) {
	t.Parallel()
	if wrong := inBubble(t, func(t *testing.T) string {
		tr := newTrial(t, map[string]string{"test.yaml": canaryFlow, "sub.yaml": canarySub})
		tr.in = flow.Inputs{"x": "canary-input"}
		tr.secrets = func(context.Context, flow.SecretSource) (string, error) { return "canary-secret", nil }
		got, d, err := tr.walk()
		if err != nil {
			return err.Error()
		}
		if got.End != "failed http at again#1.never" || len(d.history) < 40 || !strings.Contains(fmt.Sprint(got), "canary") {
			return fmt.Sprintf("the flow does not do what it should: %s, %d events", got.End, len(d.history))
		}
		for _, line := range d.history {
			if text := string(line); strings.Contains(text, "canary") || strings.Contains(text, "server answered") {
				return text
			}
		}
		for _, task := range d.asked {
			if text := fmt.Sprintf("%+v", task); strings.Contains(text, "canary") {
				return text
			}
		}
		return ""
	}); wrong != "" {
		t.Error(wrong)
	}
}

// What another engine is given of a run's records, to begin with, is a row
// without Hidden. What else is in it must be control information.
func TestARowHoldsControlInformationAndWhatIsSealed(t *testing.T) {
	t.Parallel()
	texts := map[string]bool{"Origin": true, "Assumed": true, "Kind": true} // a path, a word, a kind
	var look func(typ reflect.Type)
	look = func(typ reflect.Type) {
		for i := range typ.NumField() {
			f := typ.Field(i)
			switch k := f.Type.Kind(); {
			case f.Type == reflect.TypeFor[datapoints.Value]() && f.Name == "Hidden":
			case f.Type == reflect.TypeFor[time.Time](), k == reflect.Int, k == reflect.Uint8, k == reflect.Bool:
			case f.Type == reflect.TypeFor[datapoints.Outcome]():
				look(f.Type)
			case k == reflect.String && texts[f.Name]:
			default:
				t.Errorf("%s.%s is a %s: seal it, or say why not", typ.Name(), f.Name, f.Type)
			}
		}
	}
	look(reflect.TypeFor[datapoints.Row]())
}
