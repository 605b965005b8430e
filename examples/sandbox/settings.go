package sandbox

// Setting is one value that a flow needs to talk to the sandbox.
type Setting struct {
	Name        string // of a flow's input or secret, such as "client_id"
	Env         string // the environment variable from which the examples take it; empty if none does
	Value       string
	Secret      bool
	Description string
}

// Settings lists what a flow may need, in the order in which a person wants to read it.
func (s *Server) Settings() []Setting {
	o := s.options
	return []Setting{
		{"base_url", "EHR_BASE_URL", s.url, false, "where the clinic's API is"},
		{"api_url", "", s.url, false, "another name for base_url"},
		{"token_url", "EHR_TOKEN_URL", s.url + "/oauth/token", false, "the token endpoint"},
		{"graphql_url", "EHR_GRAPHQL_URL", s.url + "/graphql", false, "the GraphQL endpoint"},
		{"client_id", "EHR_CLIENT_ID", o.ClientID, false, "the client that may ask for tokens"},
		{"client_secret", "EHR_CLIENT_SECRET", o.ClientSecret, true, "the client's secret"},
		{"username", "EHR_USERNAME", o.Username, false, "for the password grant"},
		{"password", "EHR_PASSWORD", o.Password, true, "for the password grant"},
		{"scope", "", knownScopes, false, "everything that a token may be asked for"},
		{"patient_id", "", "9434765919", false, "a patient with three open orders, one of them urgent"},
		{"practice_id", "", "gp-417", false, "that patient's practice"},
		{"order_id", "", "ord-1002", false, "that patient's urgent order"},
	}
}

// Inputs returns each setting's value by its name, for the inputs of a flow that nobody has given. It holds the secret
// ones too, for an input that is declared sensitive. The map is the caller's.
func (s *Server) Inputs() map[string]string { return s.byName() }

// Secrets returns each setting's value by its name, for the secrets of a flow. It holds those that are no secret here
// too: an author may keep a client id secret. The map is the caller's.
func (s *Server) Secrets() map[string]string { return s.byName() }

func (s *Server) byName() map[string]string {
	values := make(map[string]string)
	for _, setting := range s.Settings() {
		values[setting.Name] = setting.Value
	}
	return values
}
