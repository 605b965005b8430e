package actions

import "github.com/stepwell/stepwell/flow"

func httpSpec() flow.Spec {
	fields := []flow.Field{
		{Name: "method", Type: flow.TextField, Own: true, Default: "GET, or POST with a body",
			Doc: "The method of the request. Any token is allowed; the usual ones may be written in lower case."},
		{Name: "url", Type: flow.URLField, Required: true, Own: true, Destination: true,
			Doc: "Where the request goes. One that begins with \"/\" is appended to base_url. An expression at the very beginning is the base as it is; later ones are escaped: in the path each is one segment, in the query one value. raw(x) leaves a value as it is."},
		{Name: "query", Type: flow.PairsField,
			Doc: "Pairs to add to the URL's own query. A list repeats its key, null leaves it out; everything is escaped, a blank as %20."},
		headersField(),
		{Name: "json", Type: flow.JSONField, Own: true, Group: "body",
			Doc: "The body as JSON, keys in the order written, with Content-Type application/json."},
		{Name: "form", Type: flow.PairsField, Own: true, Group: "body",
			Doc: "The body as application/x-www-form-urlencoded, in the order written. A list repeats its key, null leaves it out; everything is escaped, a blank as +."},
		{Name: "multipart", Type: flow.MapField, Own: true, Group: "body", Fields: []flow.Field{partField()},
			Doc: "The body as multipart/form-data, in the order written. A part is text, or a mapping with one of text, json, base64 and file, and filename and content_type if they matter; a list of those repeats the name."},
		{Name: "text", Type: flow.TextField, Own: true, Group: "body",
			Doc: "The body as it is, with Content-Type text/plain; charset=utf-8."},
		{Name: "file", Type: flow.TextField, Own: true, Group: "body",
			Doc: "A file whose bytes are the body, with Content-Type application/octet-stream."},
		{Name: "content_type", Type: flow.TextField,
			Doc: "The Content-Type of the body. A header Content-Type wins over it."},
	}
	return flow.Spec{
		Doc:    "Sends one HTTP request and takes its answer.",
		Fields: append(fields, travelFields()...),
		Web:    true,
		Check:  checkHTTP,
		Body:   "The bytes that the server answered, gzip undone. With save_to there is none.",
	}
}

func graphqlSpec() flow.Spec {
	fields := []flow.Field{
		{Name: "url", Type: flow.URLField, Required: true, Own: true, Destination: true,
			Doc: "Where the GraphQL endpoint is. One that begins with \"/\" is appended to base_url."},
		{Name: "query", Type: flow.TextField, Own: true, Constant: true, Group: "document",
			Doc: "The GraphQL document: queries, mutations and fragments. It is constant; what changes goes into variables."},
		{Name: "query_file", Type: flow.TextField, Own: true, Constant: true, Group: "document",
			Doc: "A file that holds the GraphQL document."},
		{Name: "variables", Type: flow.JSONField, Own: true,
			Doc: "The values of the document's variables. They are sent as JSON and never become a part of the document's text."},
		{Name: "operation_name", Type: flow.TextField, Own: true,
			Doc: "Which operation to carry out, where the document has several."},
		headersField(),
	}
	return flow.Spec{
		Doc:     "Sends a GraphQL document and its variables as a POST and takes the answer.",
		Fields:  append(fields, travelFields()...),
		Web:     true,
		GraphQL: true,
		Check:   checkGraphQL,
		Body:    "The whole response as JSON: data, and with `expect: {errors: allow}` perhaps errors. Paths begin with data: `data.orders.0.id`.",
	}
}

func headersField() flow.Field {
	return flow.Field{Name: "headers", Type: flow.PairsField, PerTry: true,
		Doc: "Headers, whose names are compared without regard to case. A list sends several lines, null leaves a header out. `request` holds the method, URL, body and time of the attempt, for signatures."}
}

func partField() flow.Field {
	shapes := []flow.Field{
		{Type: flow.TextField},
		{Type: flow.ObjectField, Fields: []flow.Field{
			{Name: "text", Type: flow.TextField, Group: "content", Doc: "The part's content."},
			{Name: "json", Type: flow.JSONField, Group: "content", Doc: "The part's content as JSON."},
			{Name: "base64", Type: flow.TextField, Group: "content", Doc: "The part's bytes in base64."},
			{Name: "file", Type: flow.TextField, Group: "content", Doc: "A file that holds the part's bytes."},
			{Name: "filename", Type: flow.TextField, Doc: "The file's name that the server is told.", Default: "the name of file"},
			{Name: "content_type", Type: flow.TextField, Doc: "The part's Content-Type.", Default: "application/json for json, application/octet-stream for base64 and file"},
		}},
	}
	list := flow.Field{Type: flow.ListField, Fields: []flow.Field{{Type: flow.ChoiceField, Fields: shapes}}}
	return flow.Field{Type: flow.ChoiceField, Fields: append(shapes[:len(shapes):len(shapes)], list)}
}

// travelFields are the settings that http and graphql share: who asks, how the
// request travels, and how the answer is taken.
func travelFields() []flow.Field {
	return []flow.Field{
		{Name: "auth", Type: flow.CredentialField, Group: "auth",
			Doc: "The credential that is put on the request right before it is sent, or none. Which one may depend on a condition: ${{ c ? \"NAME\" : \"none\" }}."},
		{Name: "basic", Type: flow.ObjectField, Group: "auth", Fields: []flow.Field{
			{Name: "username", Type: flow.TextField, Required: true, Doc: "The user name or client id, as it is."},
			{Name: "password", Type: flow.TextField, Required: true, Doc: "The password or client secret, as it is."},
		}, Doc: "User name and password in the header Authorization (RFC 7617). Servers that follow RFC 6749 §2.3.1 to the letter want both form-encoded first: urlEncode(x)."},
		{Name: "bearer", Type: flow.TextField, Group: "auth",
			Doc: "A token in the header Authorization (RFC 6750), without the word Bearer."},
		{Name: "idempotency_key", Type: flow.ChoiceField, Fields: []flow.Field{
			{Type: flow.BooleanField},
			{Type: flow.ObjectField, Fields: []flow.Field{
				{Name: "header", Type: flow.TextField, Default: "Idempotency-Key", Doc: "The header that carries the key."},
				{Name: "value", Type: flow.ChoiceField, Fields: []flow.Field{{Type: flow.BooleanField}, {Type: flow.TextField}}, Default: "true", Doc: "true, or the key."},
			}},
			{Type: flow.TextField},
		}, Doc: "A key by which the server knows a repeated request, so that the call may be repeated. true derives it from the run and the step's full path: each iteration, round and page has its own, and all attempts have the same. Text is the key itself; {header, value} names another header."},
		{Name: "repeatable", Type: flow.BooleanField, Constant: true,
			Default: "true for GET, HEAD, OPTIONS, PUT, DELETE, a GraphQL query, anything with idempotency_key, and a POST with grant_type client_credentials",
			Doc:     "Whether doing the call twice is harmless. What is not is sent again only when it is certain that it was not processed."},
		{Name: "follow_redirects", Type: flow.ChoiceField, Default: "false", Fields: []flow.Field{
			{Type: flow.BooleanField}, {Type: flow.IntegerField}, {Type: flow.TextField, OneOf: []string{"same_origin"}},
		}, Doc: "false, same_origin, or how many redirects to follow at most. Credentials and what is sensitive never go on to another origin."},
		{Name: "max_response", Type: flow.SizeField, Default: "10MiB",
			Doc: "How long the answer's body may be, decompressed; at most 256MiB."},
		{Name: "base_url", Type: flow.URLField, Destination: true,
			Doc: "What a url that begins with \"/\" is appended to. It keeps its own path."},
		{Name: "timeout", Type: flow.DurationField, Default: "60s",
			Doc: "How long one attempt may take, from connecting to the last byte of the answer."},
		{Name: "allow_secrets_to", Type: flow.ListField, Allows: true, Fields: []flow.Field{{Type: flow.TextField}},
			Doc: "Further origins that sensitive values may go to, also over plain http. A URL stands for its origin."},
		tlsField(), proxyField(),
		{Name: "save_to", Type: flow.PathField, Own: true,
			Doc: "A file that takes the body of a good answer while it comes in; it appears under its name when it is complete. `save` has the headers only then. Each expression is one segment of the path."},
	}
}

// SecurityFields are the fields of which ReadSecurity makes a Security: tls and proxy.
func SecurityFields() []flow.Field { return []flow.Field{tlsField(), proxyField()} }

func tlsField() flow.Field {
	return flow.Field{Name: "tls", Type: flow.ObjectField, Fields: []flow.Field{
		pemField("ca", "The certificates of the authorities to trust, in place of the system's."),
		pemField("cert", "The client's certificate."),
		pemField("key", "The key of the client's certificate."),
		{Name: "server_name", Type: flow.TextField, Doc: "The name that the server's certificate must be for.", Default: "the URL's host"},
	}, Doc: "How the server is known and how the client shows who it is. Each of ca, cert and key is text in PEM form or {file: PATH}."}
}

func proxyField() flow.Field {
	return flow.Field{Name: "proxy", Type: flow.TextField, Doc: "The proxy to use, a URL with http, https or socks5."}
}

func pemField(name, doc string) flow.Field {
	return flow.Field{Name: name, Doc: doc, Type: flow.ChoiceField, Fields: []flow.Field{
		{Type: flow.ObjectField, Fields: []flow.Field{{Name: "file", Type: flow.TextField, Required: true, Doc: "The file that holds it."}}},
		{Type: flow.TextField},
	}}
}
