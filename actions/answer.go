package actions

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/stepwell/stepwell/actions/internal/challenge"
	"github.com/stepwell/stepwell/flow"
)

// receive reads an answer to its end, into memory or into the file of save_to.
func (t *try) receive(resp *http.Response) (flow.Result, *flow.Error) {
	result := flow.Result{Status: resp.StatusCode, Headers: resp.Header}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		_ = resp.Body.Close()
		return result, nil
	}
	body, err := unzipped(resp)
	if err != nil {
		_ = resp.Body.Close()
		return result, t.failed(err, resp.Status)
	}
	if t.sink != nil && (t.listed(resp.StatusCode) || resp.StatusCode/100 == 2) {
		_, err = io.Copy(sinkWriter{t.sink}, &limitedReader{from: body, left: t.limit})
	} else {
		result.Body, err = readAll(&limitedReader{from: body, left: t.limit}, resp.ContentLength)
	}
	// What is over the limit is not wanted: closing early gives the connection up.
	if shut := resp.Body.Close(); err == nil && shut != nil {
		err = shut
	}
	if err != nil {
		return t.broken(result, resp, err)
	}
	failed := t.keep(&result)
	return result, failed
}

// broken is the failure of an answer that did not come to its end.
func (t *try) broken(result flow.Result, resp *http.Response, err error) (flow.Result, *flow.Error) {
	var sink *sinkError
	switch {
	case errors.Is(err, errTooLong):
		return result, t.tooMuch(resp)
	case errors.As(err, &sink):
		return result, saveError(sink.Err, resp.StatusCode)
	}
	result.Body = nil
	return result, t.failed(err, resp.Status)
}

// keep completes the file of save_to, if the answer went there.
func (t *try) keep(result *flow.Result) *flow.Error {
	if t.sink == nil || result.Body != nil || !t.listed(result.Status) && result.Status/100 != 2 {
		return nil
	}
	sink := t.sink
	t.sink = nil
	if err := sink.Keep(); err != nil {
		return saveError(err, result.Status)
	}
	result.File = t.saveTo
	return nil
}

// saveError is the failure of the file, which the program that made it explains.
func saveError(err error, status int) *flow.Error {
	e := dataError("`save_to`: %s", strings.TrimPrefix(err.Error(), "save_to: "))
	e.Err, e.Status = err, status
	return e
}

// tooMuch is the failure of an answer over max_response.
func (t *try) tooMuch(resp *http.Response) *flow.Error {
	err := &flow.Error{Kind: flow.KindLimit, Status: resp.StatusCode,
		Message: fmt.Sprintf("the answer is longer than %s", size(t.limit))}
	if t.limit < maxResponseMost {
		err.Hints = []string{"`max_response` allows up to 256MiB"}
	}
	return err
}

func size(n int64) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return strconv.FormatInt(n>>20, 10) + "MiB"
	case n >= 1<<10 && n%(1<<10) == 0:
		return strconv.FormatInt(n>>10, 10) + "KiB"
	}
	return strconv.FormatInt(n, 10) + " bytes"
}

// unzipped gives the body with gzip undone, which a lane asks for, or the author.
func unzipped(resp *http.Response) (io.Reader, error) {
	coding := resp.Header.Get("Content-Encoding")
	if resp.Uncompressed || !strings.EqualFold(coding, "gzip") && !strings.EqualFold(coding, "x-gzip") || resp.ContentLength == 0 || resp.Body == http.NoBody {
		return resp.Body, nil
	}
	z, err := gzip.NewReader(resp.Body)
	switch err {
	case nil:
	case io.EOF: // nothing came, as after a HEAD: what the headers say is of something else
		return http.NoBody, nil
	default:
		return nil, err
	}
	resp.Header.Del("Content-Encoding")
	resp.Header.Del("Content-Length")
	resp.ContentLength = -1
	return z, nil
}

var errTooLong = errors.New("the answer is too long")

// A limitedReader fails with errTooLong instead of giving more than left bytes.
type limitedReader struct {
	from io.Reader
	left int64
}

func (l *limitedReader) Read(p []byte) (int, error) {
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.from.Read(p)
	l.left -= int64(n)
	if l.left < 0 {
		return n, errTooLong
	}
	return n, err
}

// readAll reads to the end. A length that the server tells only says how much
// room to make at first.
func readAll(from *limitedReader, length int64) ([]byte, error) {
	const first, most = 512, 16 << 20
	room := int64(first)
	if length >= 0 {
		room = min(length+1, most, from.left+1)
	}
	b := make([]byte, 0, room)
	for {
		n, err := from.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return nil, err
		}
		if len(b) == cap(b) {
			bigger := make([]byte, len(b), 2*cap(b)+first)
			copy(bigger, b)
			b = bigger
		}
	}
}

// A sinkWriter tells failures of the file from those of the network.
type sinkWriter struct{ flow.Sink }

func (s sinkWriter) Write(p []byte) (int, error) {
	n, err := s.Sink.Write(p)
	if err != nil {
		return n, &sinkError{err}
	}
	return n, nil
}

type sinkError struct{ Err error }

func (e *sinkError) Error() string { return e.Err.Error() }
func (e *sinkError) Unwrap() error { return e.Err }

// asSent is the request with the headers that went on the wire.
func (r *request) asSent() *request {
	if r.wired == nil {
		return r
	}
	sent := *r
	sent.headers = r.wired
	return &sent
}

// challenge says what an answer has against the token that the request carried
// (RFC 6750 §3), also in a GraphQL response.
func (r *request) challenge(answer flow.Result) (code string, inBody bool) {
	for _, c := range challenge.Parse(answer.Headers["Www-Authenticate"]) {
		switch code := c.Param("error"); {
		case code == "insufficient_scope", code == "invalid_dpop_proof", code == "use_dpop_nonce", code == "invalid_token" && answer.Status/100 == 4:
			return code, false
		}
	}
	if !r.graphql || r.allowErrors || !bytes.Contains(answer.Body, []byte(`"errors"`)) {
		return "", false
	}
	for _, e := range readErrors(string(answer.Body)) {
		if unauthenticated(e.code) {
			return e.code, true
		}
	}
	return "", false
}
