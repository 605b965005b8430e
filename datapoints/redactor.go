package datapoints

import (
	"hash/maphash"
	"sort"
	"strings"
	"sync"
	"unicode/utf8"
)

// A Redactor replaces secrets in text that leaves by "[secret LABEL]", in
// whatever form they commonly appear: as they are; as base64 (both alphabets,
// at each of the three offsets, so inside a longer text too), hexadecimal,
// percent-encoded as paths, queries, forms and user information are, as the
// content of JSON strings, Go strings and HTML; of a key in PEM each line, of a
// JWT each segment after the first. What overlaps is masked as one.
//
// The zero Redactor is ready and knows no secret. All methods may be called
// concurrently. Redact before cutting a text: half a secret is not recognized.
type Redactor struct {
	mu      sync.RWMutex
	secrets []known
	forms   int
	windows map[uint64][]form // by eight bytes in the middle of a form
	filter  []uint64          // which windows there may be: a bit for each hash
	shift   uint              // 64 - log2 of the filter's bits
	longest int               // the length of the longest form
	lines   []string          // forms with a line end inside
	short   []string
	seed    maphash.Seed
}

// Secrets of fewer characters are not looked for: a text is full of them.
const leastSecret = 8

// Of longer secrets the rarer forms are not looked for.
const longSecret = 16 << 10

const window = 8

type known struct{ label, text string }

// A form is one encoding of a secret. Its text is made when it is needed: a
// run may know thousands of tokens, each with a dozen forms.
type form struct {
	secret int32
	at     int32 // where its window is
	size   int32
	enc    encoding
	sum    uint64 // of its text
}

// Add makes the redactor look for a secret. An empty one is ignored; one of
// fewer than 8 characters too, and Short tells its label. Adding one again
// changes nothing.
func (r *Redactor) Add(label, secret string) {
	if secret == "" || r.knows(secret) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if utf8.RuneCountInString(secret) < leastSecret {
		r.addShort(label)
		return
	}
	r.add(label, secret, encodingsFor(secret))
	for _, part := range parts(secret) {
		r.add(label, part, encodingsFor(part))
	}
}

// AddPair is Add(label, secret), and also looks for the credentials of HTTP's
// Basic scheme (RFC 7617): base64 of id:secret, with both as they are and
// form-encoded before (RFC 6749 section 2.3.1). So a short secret is found there.
func (r *Redactor) AddPair(label, id, secret string) {
	if secret == "" {
		return
	}
	r.Add(label, secret)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, pair := range pairs(id, secret) {
		if len(pair) >= leastSecret {
			r.add(label, pair, basicEncodings[:])
		}
	}
}

// AddValue adds what is secret in a value: of a sensitive one the content of
// each string and the digits of each number in it, under its label; of others
// those of the members whose name is sensitive, under their names.
func (r *Redactor) AddValue(v Value) {
	if v.Class() == Sensitive {
		for s := range leaves(v.Reveal()) {
			r.Add(v.Label(), s)
		}
		return
	}
	for name, s := range SensitiveMembers(v.Reveal()) {
		r.Add(name, s)
	}
}

// Short gives the labels of secrets that are too short to be looked for, sorted.
func (r *Redactor) Short() []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return append([]string(nil), r.short...)
}

// Text gives s with every secret replaced. Without one it is s itself.
func (r *Redactor) Text(s string) string {
	found := r.find(s)
	if len(found) == 0 {
		return s
	}
	var b strings.Builder
	last := 0
	for _, f := range found {
		b.WriteString(s[last:f.start])
		b.WriteString(masked("secret", f.label))
		last = f.end
	}
	b.WriteString(s[last:])
	return b.String()
}

// Excerpt is Text for a text that was cut at "…": the beginning of a secret
// that ends there is masked, too. So is a word with percent signs that gives a
// secret away when it is decoded, up to three times, such as a URL in the query
// of another: it is shown decoded then.
func (r *Redactor) Excerpt(s string) string {
	s = r.Text(s)
	if strings.Contains(s, "%") {
		words := strings.SplitAfter(s, " ")
		for i, word := range words {
			for range 3 {
				plain := unescape(word)
				if shown := r.Text(plain); shown != plain {
					words[i], plain = shown, shown
				}
				word = plain
			}
		}
		s = strings.Join(words, "")
	}
	const mark = "…"
	for at := strings.Index(s, mark); at >= 0; {
		if n, label := r.beginning(s[:at]); n > 0 {
			shown := masked("secret", label)
			s = s[:at-n] + shown + s[at:]
			at += len(shown) - n
		}
		next := strings.Index(s[at+len(mark):], mark)
		if next < 0 {
			break
		}
		at += len(mark) + next
	}
	return s
}

// beginning says how much of the end of s is the beginning of a secret.
func (r *Redactor) beginning(s string) (longest int, label string) {
	const least = 4 // of what is shorter a text is full
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, forms := range r.windows {
		for _, f := range forms {
			text := f.enc.apply(r.secrets[f.secret].text)
			for n := min(len(s), len(text)-1); n >= max(least, longest+1); n-- {
				if strings.HasSuffix(s, text[:n]) {
					longest, label = n, r.secrets[f.secret].label
				}
			}
		}
	}
	return longest, label
}

// Bytes gives b with every secret replaced. Without one it is b itself.
func (r *Redactor) Bytes(b []byte) []byte {
	if s := string(b); len(r.find(s)) > 0 {
		return []byte(r.Text(s))
	}
	return b
}

// JSON replaces secrets in the strings, the names and the numbers of a JSON
// text, which stays JSON: a number with a secret becomes a string. Order,
// digits and white space of the rest stay.
func (r *Redactor) JSON(text string) string {
	if r.empty() {
		return text
	}
	var b strings.Builder
	last := 0
	for i := 0; i < len(text); {
		c := text[i]
		if c != '"' && c != '-' && (c < '0' || c > '9') {
			i++
			continue
		}
		start := i
		i = valueEnd(text, start)
		content, isText := unquote(text[start:i])
		if !isText {
			content = text[start:i]
		}
		masked := r.Text(content)
		if masked != content {
			b.WriteString(text[last:start])
			b.WriteString(quote(masked))
			last = i
		}
	}
	if last == 0 {
		return text
	}
	b.WriteString(text[last:])
	return b.String()
}

func (r *Redactor) empty() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.forms == 0
}

func (r *Redactor) addShort(label string) {
	i := sort.SearchStrings(r.short, label)
	if i < len(r.short) && r.short[i] == label {
		return
	}
	r.short = append(r.short, "")
	copy(r.short[i+1:], r.short[i:])
	r.short[i] = label
}

// add indexes the forms of a secret that are not there yet.
func (r *Redactor) add(label, secret string, encodings []encoding) {
	n := int32(len(r.secrets))
	r.secrets = append(r.secrets, known{label, strings.Clone(secret)})
	before := r.forms
	for _, e := range encodings {
		text := e.apply(secret)
		if len(text) < window {
			continue
		}
		if r.windows == nil {
			r.windows = map[uint64][]form{}
			r.seed = maphash.MakeSeed()
		}
		f := form{n, 0, int32(len(text)), e, maphash.String(r.seed, text)}
		w, there := r.place(&f, text)
		if there {
			continue
		}
		r.windows[w] = append(r.windows[w], f)
		r.forms++
		r.note(w)
		r.longest = max(r.longest, len(text))
		if strings.IndexByte(text, '\n') >= 0 {
			r.lines = append(r.lines, text)
		}
	}
	if r.forms == before {
		r.secrets = r.secrets[:n]
	}
}

// place chooses the window of a form: near the middle, the end or the beginning,
// whichever is the rarest. Tokens begin alike, keys in PEM begin and end
// alike, numbered names have the same middle. It says if the form is known.
func (r *Redactor) place(f *form, text string) (w uint64, there bool) {
	fewest := -1
	for _, at := range windowsOf(len(text)) {
		v := windowAt(text, at)
		same := r.windows[v]
		for _, o := range same {
			if o.size == f.size && o.sum == f.sum && o.enc.apply(r.secrets[o.secret].text) == text {
				return 0, true
			}
		}
		if fewest < 0 || len(same) < fewest {
			fewest, w, f.at = len(same), v, int32(at)
		}
	}
	return w, false
}

// note enters a window into the filter, which has at least 64 bits for each.
func (r *Redactor) note(w uint64) {
	if len(r.filter) < r.forms {
		size := max(64, 2*len(r.filter))
		r.filter = make([]uint64, size)
		r.shift = 64 - 6
		for n := size; n > 1; n >>= 1 {
			r.shift--
		}
		for k := range r.windows {
			r.set(k)
		}
	}
	r.set(w)
}

func (r *Redactor) set(w uint64) {
	h := hash(w) >> r.shift
	r.filter[h>>6] |= 1 << (h & 63)
}

// hash spreads a window over 64 bits: Fibonacci hashing.
func hash(w uint64) uint64 { return (w ^ w>>29) * 0x9E3779B97F4A7C15 }

func windowAt(s string, i int) uint64 {
	var w uint64
	for _, c := range []byte(s[i : i+window]) {
		w = w<<8 | uint64(c)
	}
	return w
}

type found struct {
	start, end int
	label      string
}

// find gives the parts of s that are to be masked, from left to right. Matches
// that overlap are one part, with the label of the one that begins first (of
// those the longest).
func (r *Redactor) find(s string) []found {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.forms == 0 || len(s) < window {
		return nil
	}
	var all []found
	var made encoded
	w := windowAt(s, 0) >> 8
	filter, shift := r.filter, r.shift
	for i := window - 1; i < len(s); i++ {
		w = w<<8 | uint64(s[i])
		h := hash(w) >> shift
		if filter[h>>6]&(1<<(h&63)) != 0 {
			all = r.verify(s, i-window+1, w, all, &made)
		}
	}
	return union(all)
}

// encoded is the form that was made last: a text often holds one many times.
type encoded struct {
	of   form
	text string
}

func (r *Redactor) verify(s string, at int, w uint64, all []found, made *encoded) []found {
	for _, f := range r.windows[w] {
		start := at - int(f.at)
		end := start + int(f.size)
		if start < 0 || end > len(s) {
			continue
		}
		if made.of != f || made.text == "" {
			if maphash.String(r.seed, s[start:end]) != f.sum { // making its text takes longer
				continue
			}
			*made = encoded{f, f.enc.apply(r.secrets[f.secret].text)}
		}
		if s[start:end] == made.text {
			all = append(all, found{start, end, r.secrets[f.secret].label})
		}
	}
	return all
}

func union(all []found) []found {
	if len(all) < 2 {
		return all
	}
	sort.SliceStable(all, func(i, j int) bool {
		if all[i].start != all[j].start {
			return all[i].start < all[j].start
		}
		return all[i].end > all[j].end
	})
	n := 0
	for _, f := range all[1:] {
		if f.start < all[n].end {
			all[n].end = max(all[n].end, f.end)
			continue
		}
		n++
		all[n] = f
	}
	return all[:n+1]
}
