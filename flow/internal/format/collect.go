package format

import "gopkg.in/yaml.v3"

// mapping reads the pairs of a mapping in lines.
func (r *reader) mapping(y *yaml.Node, n *node) {
	n.kind = mapping
	at := n.at
	for i := 0; i+1 < len(y.Content) && r.problem == nil; i += 2 {
		p := part{from: r.next(at), name: y.Content[i].Value}
		if i == 0 {
			n.column = r.columnOf(p.from)
		}
		p.key = r.node(y.Content[i], n.column)
		if y.Content[i].Kind == yaml.AliasNode {
			p.name = y.Content[i].Alias.Value
		}
		r.expect(p.key.from == p.from && p.key.kind == word, p.from) // a key with ? before it
		p.colon = p.key.to
		for p.colon < len(r.text) && (r.text[p.colon] == ' ' || r.text[p.colon] == '\t') {
			p.colon++
		}
		r.expect(p.colon < len(r.text) && r.text[p.colon] == ':', p.from)
		p.colon++
		r.value(&p, y.Content[i+1], n.column)
		at = p.value.to
		n.holds(p)
	}
	n.to = at
}

// value reads what stands behind a colon or dash.
func (r *reader) value(p *part, y *yaml.Node, indent int) {
	if r.problem != nil {
		p.value = &node{}
		return
	}
	p.value = r.node(y, indent)
	v := p.value
	if v.kind == nothing && v.at == v.from {
		v.from, v.at, v.to = p.colon, p.colon, p.colon
		return
	}
	r.expect(v.from == r.next(p.colon), p.from)
	if v.kind == nothing {
		v.to = v.at
	}
}

// holds adds a part.
func (n *node) holds(p part) {
	n.parts = append(n.parts, p)
	for _, m := range []*node{p.key, p.value} {
		if m != nil {
			add(&n.anchors, m.anchors)
			add(&n.aliases, m.aliases)
		}
	}
}

// list reads the elements of a list in lines.
func (r *reader) list(y *yaml.Node, n *node) {
	n.kind = list
	at := n.at
	for i, item := range y.Content {
		p := part{from: r.next(at)}
		if i == 0 {
			n.column = r.columnOf(p.from)
		}
		r.expect(p.from < len(r.text) && r.text[p.from] == '-', min(p.from, len(r.text)))
		p.colon = p.from + 1
		r.value(&p, item, n.column)
		if r.problem != nil {
			return
		}
		at = p.value.to
		n.holds(p)
	}
	n.to = at
}

// brackets reads a mapping or list in brackets. A pair alone in a list has none.
func (r *reader) brackets(y *yaml.Node, n *node) {
	n.kind = inline
	at := n.at
	open := at < len(r.text) && (r.text[at] == '{' || r.text[at] == '[')
	if open {
		at++
	}
	for i := 0; i < len(y.Content) && r.problem == nil; i++ {
		var p part
		if y.Kind == yaml.MappingNode {
			p.key, p.name = r.node(y.Content[i], 0), y.Content[i].Value
			p.from, p.colon = p.key.from, p.key.to
			if next := r.next(p.key.to); next < len(r.text) && r.text[next] == ':' {
				p.colon = next + 1
			}
			i++
		}
		p.value = r.node(y.Content[i], 0)
		switch v := p.value; {
		case v.kind == nothing && v.at == v.from && p.key != nil:
			v.from, v.at, v.to = p.colon, p.colon, p.colon
		case p.key == nil:
			p.from, p.colon = v.from, v.from
		}
		r.expect(p.value.to >= at, n.from)
		at = max(at, p.value.to)
		n.holds(p)
	}
	if open {
		at = r.next(at)
		for at < len(r.text) && r.text[at] == ',' {
			at = r.next(at + 1)
		}
		r.expect(at < len(r.text) && (r.text[at] == '}' || r.text[at] == ']'), n.from)
		at = min(at+1, len(r.text))
	}
	n.to = at
}
