package sandbox

import (
	"fmt"
	"strings"
)

// field is a field of a type: the type of what it gives, "" for a scalar, and its arguments with their types.
type field struct {
	gives     string
	list      bool
	arguments map[string]string
}

// fieldsOf is the schema: the fields of a type, or nil if there is no such type.
//
//	type Query       { patient(id: ID!): Patient   orders(patient: ID!, urgent: Boolean): [Order!] }
//	type Mutation    { login(clientId: String!, clientSecret: String!): Login }
//	type Patient     { id: ID!  active: Boolean!  name: String!  birthDate: String!  practice: Practice  orders: [Order!]! }
//	type Practice    { id: ID!  name: String! }
//	type Order       { id: ID!  code: String!  urgent: Boolean!  owner: Owner  patient: Patient! }
//	type Owner       { name: String!  email: String! }
//	type Login       { token: String!  tokenType: String!  expiresIn: Int! }
func fieldsOf(kind string) map[string]field {
	switch kind {
	case "Query":
		return map[string]field{
			"patient": {gives: "Patient", arguments: map[string]string{"id": "ID!"}},
			"orders":  {gives: "Order", list: true, arguments: map[string]string{"patient": "ID!", "urgent": "Boolean"}},
		}
	case "Mutation":
		return map[string]field{"login": {gives: "Login",
			arguments: map[string]string{"clientId": "String!", "clientSecret": "String!"}}}
	case "Patient":
		return map[string]field{"id": {}, "active": {}, "name": {}, "birthDate": {},
			"practice": {gives: "Practice"}, "orders": {gives: "Order", list: true}}
	case "Practice":
		return map[string]field{"id": {}, "name": {}}
	case "Order":
		return map[string]field{"id": {}, "code": {}, "urgent": {}, "owner": {gives: "Owner"}, "patient": {gives: "Patient"}}
	case "Owner":
		return map[string]field{"name": {}, "email": {}}
	case "Login":
		return map[string]field{"token": {}, "tokenType": {}, "expiresIn": {}}
	}
	return nil
}

func rootOf(kind string) string {
	if kind == "mutation" {
		return "Mutation"
	}
	return "Query"
}

// execution answers one operation.
type execution struct {
	server        *Server
	authorization []string
	variables     map[string]any
	errors        []*graphqlError
}

// check finds what the schema does not have, before anything is done.
func (e *execution) check(chosen []selection, kind string, path []any) *graphqlError {
	const code = "GRAPHQL_VALIDATION_FAILED"
	for _, s := range chosen {
		here := append(path[:len(path):len(path)], s.key())
		f, known := fieldsOf(kind)[s.name]
		if s.name == "__typename" {
			f, known = field{}, true
		}
		var failure *graphqlError
		switch {
		case !known:
			failure = graphqlFailure(code, s.at, "%s has no field %q", kind, s.name)
		case f.gives != "" && len(s.selection) == 0:
			failure = graphqlFailure(code, s.at, "%q gives %s: say which of its fields you want", s.name, f.gives)
		case f.gives == "" && len(s.selection) > 0:
			failure = graphqlFailure(code, s.at, "%q gives a scalar, which has no fields", s.name)
		default:
			failure = e.checkArguments(s, f)
		}
		if failure != nil {
			failure.Path = here
			return failure
		}
		if failure := e.check(s.selection, f.gives, here); failure != nil {
			return failure
		}
	}
	return nil
}

// checkArguments also puts the variables' values in.
func (e *execution) checkArguments(s selection, f field) *graphqlError {
	const code = "GRAPHQL_VALIDATION_FAILED"
	for name, value := range s.arguments {
		kind, known := f.arguments[name]
		if !known {
			return graphqlFailure(code, s.at, "%q has no argument %q", s.name, name)
		}
		if v, ok := value.(variable); ok {
			switch {
			case v.kind == "":
				return graphqlFailure(code, s.at, "the operation declares no variable $%s", v.name)
			case v.kind != kind && v.kind != kind+"!":
				return graphqlFailure(code, s.at, "variable $%s is %s, argument %q wants %s", v.name, v.kind, name, kind)
			}
			value = e.variables[v.name]
			s.arguments[name] = value
		}
		coerced, ok := coerce(kind, value)
		if !ok {
			return graphqlFailure("BAD_USER_INPUT", s.at, "argument %q must be %s, this is %s", name, kind, kindOf(value))
		}
		s.arguments[name] = coerced
	}
	for name, kind := range f.arguments {
		if strings.HasSuffix(kind, "!") && s.arguments[name] == nil {
			return graphqlFailure(code, s.at, "%q needs the argument %q of type %s", s.name, name, kind)
		}
	}
	return nil
}

// run answers the root's fields, each on its own: one that fails is null.
func (e *execution) run(o *operation) *object {
	data := &object{}
	root := rootOf(o.kind)
	for _, s := range o.selection {
		var value any
		switch {
		case s.name == "__typename":
			value = root
		case root == "Mutation":
			value = e.login(s)
		default:
			value = e.look(s)
		}
		data.set(s.key(), e.shape(value, s, fieldsOf(root)[s.name], []any{s.key()}))
	}
	return data
}

// login is the one field that needs no token.
func (e *execution) login(s selection) any {
	id, _ := s.arguments["clientId"].(string)
	secret, _ := s.arguments["clientSecret"].(string)
	if refused := e.server.checkSecret([2]string{id, secret}); refused != nil {
		return graphqlFailure("UNAUTHENTICATED", s.at, "%s", refused.Description)
	}
	token, _ := e.server.issuer.newToken(knownScopes, "")
	return map[string]any{"token": token, "tokenType": "Bearer", "expiresIn": seconds(e.server.options.TokenLifetime)}
}

// look answers a field of Query.
func (e *execution) look(s selection) any {
	scope := map[string]string{"patient": "patient.read", "orders": "orders.read"}[s.name]
	if code, words := e.server.issuer.check(e.authorization, scope); words != "" {
		if code == "insufficient_scope" {
			return graphqlFailure("FORBIDDEN", s.at, "%s", words)
		}
		return graphqlFailure("UNAUTHENTICATED", s.at, "%s", words)
	}
	c := e.server.clinic
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.name == "patient" {
		id, _ := s.arguments["id"].(string)
		if p, ok := c.patient(id); ok {
			return p
		}
		return nil
	}
	id, _ := s.arguments["patient"].(string)
	if _, ok := c.patient(id); !ok {
		return graphqlFailure("NOT_FOUND", s.at, "there is no patient %q", id)
	}
	found := c.ordersOf(id)
	urgent, given := s.arguments["urgent"].(bool)
	chosen := []any{}
	for _, o := range found {
		if !given || o.(order).Urgent == urgent {
			chosen = append(chosen, o)
		}
	}
	return chosen
}

func (c *clinic) ordersOf(patient string) []any {
	found := []any{}
	for _, o := range c.orders {
		if o.Patient == patient {
			found = append(found, o)
		}
	}
	return found
}

// shape takes of a value what was asked for.
func (e *execution) shape(value any, s selection, f field, path []any) any {
	switch value := value.(type) {
	case *graphqlError:
		value.Path = path
		e.errors = append(e.errors, value)
		return nil
	case nil:
		return nil
	case []any:
		items := make([]any, len(value))
		for i, item := range value {
			items[i] = e.shape(item, s, f, append(path[:len(path):len(path)], i))
		}
		return items
	}
	if f.gives == "" {
		return value
	}
	members := e.members(value, s)
	shaped := &object{}
	for _, inner := range s.selection {
		if inner.name == "__typename" {
			shaped.set(inner.key(), f.gives)
			continue
		}
		here := append(path[:len(path):len(path)], inner.key())
		shaped.set(inner.key(), e.shape(members[inner.name], inner, fieldsOf(f.gives)[inner.name], here))
	}
	return shaped
}

// members are the fields of a value, by their names in the schema.
func (e *execution) members(value any, s selection) map[string]any {
	c := e.server.clinic
	switch v := value.(type) {
	case map[string]any:
		return v
	case practice:
		return map[string]any{"id": v.ID, "name": v.Name}
	case owner:
		return map[string]any{"name": v.Name, "email": v.Email}
	case patient:
		members := map[string]any{"id": v.ID, "active": v.Active, "name": v.Name[0].Text, "birthDate": v.BirthDate}
		for _, p := range v.GeneralPractitioner {
			if p.Active {
				members["practice"] = p
			}
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		members["orders"] = c.ordersOf(v.ID)
		return members
	case order:
		members := map[string]any{"id": v.ID, "code": v.Code, "urgent": v.Urgent}
		members["owner"] = graphqlFailure("FORBIDDEN", s.at, "the owner of %s is withheld", v.ID)
		if v.Owner != nil {
			members["owner"] = *v.Owner
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		members["patient"], _ = c.patient(v.Patient)
		return members
	}
	panic(fmt.Sprintf("sandbox: the schema has no %T", value))
}
