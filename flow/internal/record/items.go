package record

import (
	"encoding/json"
	"strings"

	"github.com/stepwell/stepwell/flow/internal/expression"
)

// SetItems keeps what a loop goes over while it is open; nil forgets it.
func (s *State) SetItems(path string, items []expression.Value) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if items == nil {
		delete(s.items, path)
		return
	}
	set(&s.items, path, items)
}

// OpenItems are what a loop goes over, if that is known in this process.
func (s *State) OpenItems(path string) ([]expression.Value, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	items, ok := s.items[path]
	return items, ok
}

// JoinItems is a list of items as it is recorded.
func JoinItems(items []expression.Value) (json.RawMessage, error) {
	var b strings.Builder
	b.WriteByte('[')
	for i, item := range items {
		text, err := item.JSON()
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(text)
	}
	b.WriteByte(']')
	return json.RawMessage(b.String()), nil
}

// Len is how many items a list has, and -1 of anything else.
func Len(text string) int {
	var items []json.RawMessage
	if !strings.HasPrefix(text, "[") || json.Unmarshal([]byte(text), &items) != nil {
		return -1
	}
	return len(items)
}
