package datapoints

import (
	"io"
	"strings"
	"sync"
)

// A Writer writes what it is given with every secret replaced, also one that
// comes in several pieces. So it keeps what follows the last line end until
// the line is complete, it grows long, or Flush is called. It may be used
// concurrently; each Write is kept in one piece.
type Writer struct {
	mu   sync.Mutex
	r    *Redactor
	w    io.Writer
	kept []byte
	wait int // how much has to be kept before it is looked at again
}

// Without a line end so much is kept at most, or a few times the longest form.
const longLine = 64 << 10

// Writer gives a Writer to w. It sees secrets that are added later, too.
func (r *Redactor) Writer(w io.Writer) *Writer { return &Writer{r: r, w: w} }

// Write takes p. The error is the one of the writer below; what it failed to
// take is not kept.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.kept) == 0 && w.r.empty() {
		return w.w.Write(p)
	}
	w.kept = append(w.kept, p...)
	if len(w.kept) < w.wait {
		return len(p), nil
	}
	s := string(w.kept)
	cut := strings.LastIndexByte(s, '\n') + 1
	long := max(longLine, 4*w.r.longestForm())
	if cut == 0 && len(s) < long {
		return len(p), nil
	}
	cut = w.r.safeCut(s, cut, len(s) >= long)
	if err := w.write(s[:cut]); err != nil {
		return 0, err
	}
	w.kept = append(w.kept[:0], s[cut:]...)
	w.wait = 0
	if len(w.kept) >= long {
		w.wait = 2 * len(w.kept)
	}
	return len(p), nil
}

// Flush writes what is kept. A secret that continues after it is not recognized.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := string(w.kept)
	w.kept, w.wait = w.kept[:0], 0
	return w.write(s)
}

func (w *Writer) write(s string) error {
	if s == "" {
		return nil
	}
	_, err := io.WriteString(w.w, w.r.Text(s))
	return err
}

func (r *Redactor) longestForm() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.longest
}

// safeCut gives a place in s, at most the one after the last line end (or near
// the end of s, when it is long), before which no secret begins that goes on
// after it, whatever follows s.
func (r *Redactor) safeCut(s string, line int, long bool) int {
	r.mu.RLock()
	cut := line
	for _, f := range r.lines {
		cut = min(cut, lineOverlap(s, line, f))
	}
	if long { // whatever begins earlier than this ends in s
		cut = max(cut, len(s)-r.longest+1)
	}
	r.mu.RUnlock()
	for _, f := range r.find(s) {
		if f.start < cut && cut < f.end {
			return f.start
		}
	}
	return cut
}

// lineOverlap gives where in s[:line], which ends in a line end, an occurrence
// of form may begin that is not over there.
func lineOverlap(s string, line int, form string) int {
	at := line
	for n := 1; n < len(form) && n <= line; n++ {
		if form[n-1] == '\n' && s[line-n:line] == form[:n] {
			at = line - n
		}
	}
	return at
}
