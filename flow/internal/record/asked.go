package record

import (
	"context"
	"strconv"
	"strings"

	"github.com/stepwell/stepwell/datapoints"
)

// Asked is the name under which a page keeps, in its own place, the digests of
// what it was asked with. No author can write such a name.
const Asked = "#asked"

// Page is where one page, from 0, of the call at a path keeps what is its own.
func Page(path string, page int) string { return path + "#" + strconv.Itoa(page) }

// AskedBefore gives the digests of what the first pages of the call at a path
// were asked with: from the store if this process did not ask for them. Each
// page is written once and read at most once, however many there are.
func (s *State) AskedBefore(ctx context.Context, path string, pages int) (map[string]bool, error) {
	s.mu.Lock()
	known, ok := s.asked[path]
	s.mu.Unlock()
	if ok || pages == 0 {
		return known, nil
	}
	slots := make([]datapoints.Slot, pages)
	for i := range slots {
		slots[i] = datapoints.Slot{Scope: Page(path, i), Name: Asked}
	}
	got, err := s.store.Read(ctx, s.run, datapoints.Query{Slots: slots})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range got.Points {
		s.ask(path, &got.Points[i])
	}
	return s.asked[path], nil
}

// ask notes what a page of the call at a path was asked with.
func (s *State) ask(path string, p *datapoints.Point) {
	known := s.asked[path]
	if known == nil {
		known = map[string]bool{}
		set(&s.asked, path, known)
	}
	for _, digest := range strings.Fields(p.Value.RevealText()) {
		known[digest] = true
	}
}
