package syntax

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/stepwell/stepwell/flow/diag"
	"gopkg.in/yaml.v3"
)

// decode turns the text into a tree of Nodes. A nil tree means that there is
// nothing to go on with.
func decode(src *source) (*Node, diag.List) {
	document, problem := readYAML(src)
	if problem != nil {
		return nil, src.discreet(*problem)
	}
	src.hideSecrets(document.Content[0])
	c := converter{src: src, at: cursor{src: src}, done: map[*yaml.Node]*Node{}}
	root := c.node(document.Content[0], 1)
	if c.stop {
		return nil, c.problems
	}
	return root, c.problems
}

// readYAML reads the one document of the text. Decoding into yaml.Node is in
// proportion to the text, whatever is in it; into anything else it is not.
func readYAML(src *source) (document *yaml.Node, problem *diag.Diagnostic) {
	feed := &reading{text: src.text}
	decoder := yaml.NewDecoder(feed)
	document = new(yaml.Node)
	err := decodeNode(decoder, document)
	if errors.Is(err, io.EOF) || err == nil && empty(document) {
		return nil, &diag.Diagnostic{
			Span: diag.Span{File: src.file}, Code: diag.EmptyFile,
			Message: "the file is empty",
			Hint:    "a flow begins with `stepwell: 1`",
		}
	}
	if err != nil {
		return nil, src.syntaxProblem(err)
	}
	var second yaml.Node
	switch err := decodeNode(decoder, &second); {
	case errors.Is(err, io.EOF):
		return document, nil
	case err == nil || src.hasSeparator():
		d := src.secondDocument(&second)
		return nil, &d
	default:
		return nil, src.syntaxProblem(err)
	}
}

// empty says whether a document holds nothing.
func empty(document *yaml.Node) bool {
	return len(document.Content) == 0 ||
		document.Content[0].Kind == yaml.ScalarNode && document.Content[0].Tag == "!!null"
}

// decodeNode is Decode with a panic of the library turned into an error: a
// file must never take the process down.
func decodeNode(d *yaml.Decoder, n *yaml.Node) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("yaml: %v", r)
		}
	}()
	return d.Decode(n)
}

// reading gives the text to the decoder and knows how far it came. With slow
// it gives a byte at a time, so that the place of an error is known.
type reading struct {
	text string
	at   int
	slow bool
}

func (r *reading) Read(p []byte) (int, error) {
	if r.at >= len(r.text) {
		return 0, io.EOF
	}
	if r.slow && len(p) > 1 {
		p = p[:1]
	}
	n := copy(p, r.text[r.at:])
	r.at += n
	return n, nil
}

// hasSeparator says whether a line of the text begins a further document.
func (s *source) hasSeparator() bool {
	return strings.Contains(s.text, "\n---") || strings.Contains(s.text, "\n...")
}

func (s *source) secondDocument(second *yaml.Node) diag.Diagnostic {
	n := max(second.Line-1, 0)
	for i := 1; second.Line == 0 && i < len(s.lines); i++ {
		if line := s.lineText(i); strings.HasPrefix(line, "---") || strings.HasPrefix(line, "...") {
			n = i
			break
		}
	}
	return diag.Diagnostic{
		Span: s.wholeLine(min(n, len(s.lines)-1)), Code: diag.SecondDocument,
		Message: "a second document begins here",
		Hint:    "a flow is one document: put the other into a file of its own",
	}
}

// A refusal is why YAML cannot read a text, and where.
type refusal struct {
	problem string // the library's words
	context int    // the line, from 0, of what was begun and not ended; -1: unknown
	line    int    // the first line, from 0, with which the text cannot be read
	at      int    // where the line's first word or sign begins with which it cannot
}

// parseBudget bounds how many bytes are read again to find a refusal's place.
const parseBudget = 2 << 20

// syntaxProblem turns the library's error into one for the author. Its lines
// are often those of something larger, and it has no columns: so the text is
// read again, shorter and shorter.
func (s *source) syntaxProblem(err error) *diag.Diagnostic {
	s.hideByLooks()
	if strings.Contains(err.Error(), "exceeded max depth") {
		d := diag.Diagnostic{Span: s.firstLine(), Code: diag.OverLimit}
		d.Message = fmt.Sprintf("lists and mappings lie more than %d deep in each other", maxDepth)
		return &d
	}
	x := s.refusal(err)
	for n := x.line; n >= max(0, min(x.context, x.line), x.line-100); n-- {
		if d, ok := s.swallowedOn(n, x); ok {
			return &d
		}
	}
	d := s.explain(x)
	d.Code = diag.YAMLSyntax
	return &d
}

// refusal finds the place of an error.
func (s *source) refusal(err error) refusal {
	x := refusal{problem: strings.TrimPrefix(err.Error(), "yaml: "), context: -1}
	var line int
	if n, _ := fmt.Sscanf(x.problem, "line %d:", &line); n == 1 {
		_, x.problem, _ = strings.Cut(x.problem, ": ")
		x.context = min(line-1, len(s.lines)-1)
		if strings.HasPrefix(x.problem, "did not find expected") && x.context+1 < len(s.lines) {
			x.context++ // the parser counts these from 0
		}
	} else if strings.HasPrefix(x.problem, "did not find expected") {
		x.context = 0
	}
	brackets := strings.HasPrefix(x.problem, "did not find expected ','")
	for brackets && x.context > 0 && !strings.ContainsAny(s.lineText(x.context), "[{") {
		x.context--
	}
	feed := &reading{text: s.text, slow: true}
	decoder := yaml.NewDecoder(feed)
	for decodeNode(decoder, new(yaml.Node)) == nil {
	}
	end := len(strings.TrimRight(s.text[:feed.at], " \t\r\n"))
	x.line = s.line(end)
	spent := 0
	refused := func(end int) bool {
		spent += end + 1 + nestingCost*s.openBrackets(end)
		return s.tryPrefix(end) == x.problem
	}
	// Of brackets the end of any shorter text has the same problem.
	for !brackets && x.line > 0 && spent < parseBudget/2 && refused(s.lines[x.line]) {
		x.line--
	}
	x.at = s.lines[x.line]
	text, word := s.lineText(x.line), 0
	for i := range text {
		end := i + 1
		for end < len(text) && !utf8.RuneStart(text[end]) {
			end++
		}
		if end < len(text) && isWord(text[i]) && isWord(text[end]) {
			continue
		}
		if spent > parseBudget {
			break
		}
		if refused(s.lines[x.line] + end) {
			x.at = s.lines[x.line] + word
			break
		}
		word = end
	}
	return x
}

// tryPrefix reads the beginning of the text and gives how the library refuses
// it, or "".
func (s *source) tryPrefix(end int) string {
	decoder := yaml.NewDecoder(strings.NewReader(s.text[:end]))
	for {
		err := decodeNode(decoder, new(yaml.Node))
		if errors.Is(err, io.EOF) {
			return ""
		}
		if err == nil {
			continue
		}
		problem := strings.TrimPrefix(err.Error(), "yaml: ")
		if strings.HasPrefix(problem, "line ") {
			_, problem, _ = strings.Cut(problem, ": ")
		}
		return problem
	}
}

// explain puts a refusal into the words of the author's file.
func (s *source) explain(x refusal) diag.Diagnostic {
	word := s.rest(x.at)
	start := len(word) - len(strings.TrimLeft(word, " \t"))
	d := diag.Diagnostic{Span: s.span(x.at+start, x.at+max(start+1, len(strings.TrimRight(word, " \t"))))}
	has := func(text string) bool { return strings.Contains(x.problem, text) }
	switch {
	case has("mapping values are not allowed"):
		return s.twoColons(x, d)
	case has("could not find expected ':'"):
		d.Span = s.wholeLine(x.line)
		d.Message, d.Hint = fmt.Sprintf("%q is neither a key nor a part of the value above", short(strings.TrimSpace(d.Span.Text))), "a key ends with a colon and a blank"
	case has("',' or ']'"), has("',' or '}'"):
		return s.openBracket(x, d)
	case has("found unexpected end of stream"):
		return s.openQuote(x, d)
	case has("unknown escape"), has("hexdec"), has("invalid Unicode character escape"):
		line := s.lines[x.line]
		if i := strings.LastIndexByte(s.text[line:x.at+1], '\\'); i >= 0 {
			d.Span = s.span(line+i, min(line+i+2, len(s.text)))
			d.Message = fmt.Sprintf("%s is no escape in double quotes", s.text[line+i:min(line+i+2, len(s.text))])
		} else {
			d.Message = "a \\ here is no escape in double quotes"
		}
		d.Hint = `write \\ for a backslash, or use single quotes`
	case has("expected whitespace or line break"), has("found undefined tag handle"), has("while parsing a tag"), has("did not find expected tag"), has("did not find URI"):
		d.Message, d.Hint = "a ! begins a tag in YAML, and a flow has none", "quote the text"
	default:
		return s.explainToken(x, d)
	}
	return d
}

// explainToken explains what stands where it cannot.
func (s *source) explainToken(x refusal, d diag.Diagnostic) diag.Diagnostic {
	has := func(text string) bool { return strings.Contains(x.problem, text) }
	at := rune(0)
	if x.at < len(s.text) {
		at = rune(s.text[x.at])
	}
	switch {
	case has("tab character"), has("cannot start any token") && at == '\t':
		at := s.indentingTab(x.line, x.at)
		d.Span = s.span(at, at+1)
		d.Message, d.Hint = "a tab indents this line", "indent with blanks"
	case has("cannot start any token"):
		d.Message = fmt.Sprintf("a value cannot begin with %c in YAML", at)
		end := s.valueEnd(x.at)
		d.Span, d.Hint = s.span(x.at, end), "write "+quoted(strings.TrimSpace(s.text[x.at:end]))
	case has("unknown anchor"):
		_, name, _ := strings.Cut(x.problem, "'")
		name, _, _ = strings.Cut(name, "'")
		if i := strings.Index(s.text, "*"+name); i >= 0 {
			d.Span = s.span(i, i+1+len(name))
		}
		d.Message = fmt.Sprintf("*%s is an alias, and no &%s stands before it", name, name)
		d.Hint = "quote the text if the * belongs to it"
	case has("alphabetic or numeric"):
		d.Message, d.Hint = "& and * begin anchors and aliases in YAML", "quote the text"
	case has("block sequence entries"):
		d.Message, d.Hint = "a list cannot begin on the line of its key", "begin it on the next line, or quote the text"
	case has("mapping keys are not allowed"):
		d.Message, d.Hint = "a ? begins a key in YAML", "quote the text"
	case has("directive"), has("incompatible YAML"), has("<document start>"):
		d.Span = s.wholeLine(x.line)
		d.Message, d.Hint = "a flow is one YAML document without directives", "remove lines that begin with % or ..."
	case has("expected key"), has("expected '-'"), has("expected node content"):
		d.Span = s.wholeLine(x.line)
		d.Message, d.Hint = "this does not belong to what stands above", "keys of one mapping, and dashes of one list, begin in the same column"
		if at := s.nothingBefore(x.line); at > 0 {
			d.Span = s.span(at, at+1)
			d.Message, d.Hint = "nothing stands before this comma", "remove it, or write what is missing"
		} else if s.quotedBefore(x) {
			d.Span = s.span(x.at, x.at+len(strings.TrimRight(s.rest(x.at), " \t")))
			d.Message, d.Hint = "text after a quoted value", "put the whole value into quotes"
		}
	default:
		d.Message = "this is not YAML: " + x.problem
	}
	return d
}

// quotedBefore says whether a quoted value stands before the place, on its line.
func (s *source) quotedBefore(x refusal) bool {
	before := strings.TrimRight(s.text[s.lines[x.line]:x.at], " \t")
	return strings.HasSuffix(before, `"`) || strings.HasSuffix(before, "'")
}

// wholeLine is the place of a line, counted from 0, without the blanks around it.
func (s *source) wholeLine(n int) diag.Span {
	line := s.lineText(n)
	text := strings.TrimSpace(line)
	from := s.lines[n] + strings.Index(line, text)
	return s.span(from, from+len(text))
}

// twoColons explains a `: ` where a value has begun already.
func (s *source) twoColons(x refusal, d diag.Diagnostic) diag.Diagnostic {
	line := s.lineText(x.line)
	value := valueStart(line)
	if from := s.lines[x.line] + value; value > 0 && from < x.at {
		d.Span = s.span(x.at, x.at+1)
		d.Message = "the value has a colon and a blank, which begin a value of their own"
		d.Hint = "write " + quoted(strings.TrimSpace(line[value:]))
		return d
	}
	for n := x.line - 1; n >= 0; n-- {
		before := strings.TrimSpace(s.lineText(n))
		if before == "" || before[0] == '#' {
			continue
		}
		if key, rest, found := strings.Cut(strings.TrimPrefix(before, "- "), ":"); found && rest != "" && rest[0] != ' ' && validName(key, true) {
			d.Span = s.wholeLine(n)
			d.Message, d.Hint = "there is no blank after the colon", fmt.Sprintf("write %s: %s", key, rest)
			return d
		}
		break
	}
	d.Span = s.wholeLine(x.line)
	d.Message, d.Hint = "the line above has a value already", "keys of one mapping begin in the same column"
	return d
}

// openBracket explains a list or mapping in brackets that goes on where it cannot.
func (s *source) openBracket(x refusal, d diag.Diagnostic) diag.Diagnostic {
	context := max(x.context, 0)
	line := s.lineText(context)
	open := strings.IndexAny(line, "[{")
	if x.line > context {
		open = lastOpen(line)
	}
	if open < 0 {
		d.Message, d.Hint = "a comma or a closing bracket is missing before this", "quote the text if it belongs to the value"
		return d
	}
	if from, to := s.questionMark(context, open, x.line); from < to {
		return s.endedByQuestionMark(from, to)
	}
	at := s.lines[context] + open
	end := map[byte]string{'[': "]", '{': "}"}[line[open]]
	if x.line > context {
		d.Span = s.span(at, at+1)
		d.Message = fmt.Sprintf("the %c here is not closed", line[open])
		d.Hint = fmt.Sprintf("the %s is missing, or a comma before what follows", end)
		return d
	}
	d.Span = s.span(at, at+len(strings.TrimRight(line[open:], " \t")))
	d.Message = fmt.Sprintf("a comma or the %s is missing in here", end)
	d.Hint = "quote a text that has brackets, commas or quotes of its own"
	return d
}

// openQuote explains quotes without an end.
func (s *source) openQuote(x refusal, d diag.Diagnostic) diag.Diagnostic {
	for _, n := range []int{x.context, 0, x.line} {
		line := s.lineText(n)
		at := -1
		for i := valueStart(line); i < len(line); i++ {
			if line[i] != '"' && line[i] != '\'' {
				continue
			}
			length := stringLength(line[i:])
			if length < 0 {
				at = i
				break
			}
			i += length - 1
		}
		if at >= 0 {
			d.Span = s.span(s.lines[n]+at, s.lines[n]+len(line))
			d.Message, d.Hint = fmt.Sprintf("the text that begins with %c here has no end", line[at]), "close it with the same sign"
			return d
		}
	}
	d.Message, d.Hint = "a quoted text has no end", "close it with the same sign"
	return d
}
