// Package servers_test builds the servers and speaks to them as the root's tests do.
package servers_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const (
	clientID     = "clinic"
	clientSecret = `p@ss:w/rd&=+% ~*'()`
)

// builds makes each server of this module once for all tests.
var builds sync.Map // name to func() (path string, err error)

// run builds a server of this module and runs it.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	build, _ := builds.LoadOrStore(name, sync.OnceValues(func() (string, error) {
		path := filepath.Join(scratch, name)
		if out, err := exec.Command("go", "build", "-o", path, "./"+name).CombinedOutput(); err != nil {
			return "", fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
		return path, nil
	}))
	path, err := build.(func() (string, error))()
	if err != nil {
		t.Fatal(err)
	}
	return start(t, exec.Command(path, args...))
}

// start runs a server and gives its URL, the first line that it writes. The test's end closes its stdin and waits for it to
// end well; what it wrote to stderr is shown if the test has failed.
func start(t *testing.T, command *exec.Cmd) string {
	t.Helper()
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	command.Stderr = &said
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	name := strings.Join(command.Args[:min(2, len(command.Args))], " ")
	line, err := bufio.NewReader(stdout).ReadString('\n')
	t.Cleanup(func() {
		_ = stdin.Close()
		if err := command.Wait(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if t.Failed() && said.Len() > 0 {
			t.Logf("%s says:\n%s", name, said.String())
		}
	})
	base := strings.TrimSpace(line)
	if err != nil || !strings.HasPrefix(base, "http://127.0.0.1:") && !strings.HasPrefix(base, "http://localhost:") {
		t.Fatalf("%s: its URL is %q: %v", name, base, err)
	}
	return base
}

// send returns the status and the body, as an object where it is one.
func send(t *testing.T, request *http.Request) (int, map[string]any) {
	t.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var body map[string]any
	_ = json.Unmarshal(raw, &body) // not every answer is an object
	return response.StatusCode, body
}

func post(t *testing.T, address string, form url.Values) *http.Request {
	t.Helper()
	request, err := http.NewRequest("POST", address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return request
}

func get(t *testing.T, address, authorization string) (int, map[string]any) {
	t.Helper()
	request, err := http.NewRequest("GET", address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	return send(t, request)
}

func TestTheAuthorizationServerGivesTokensThatItKnowsAgain(t *testing.T) {
	t.Parallel()
	base := run(t, "oauth")
	request := post(t, base+"/oauth/token", url.Values{"grant_type": {"client_credentials"}, "scope": {"patient.read"}})
	request.SetBasicAuth(clientID, clientSecret)
	status, body := send(t, request)
	token, _ := body["access_token"].(string)
	if status != 200 || token == "" || body["token_type"] != "Bearer" || body["expires_in"] != 3600.0 {
		t.Fatalf("%d %v", status, body)
	}
	status, body = get(t, base+"/check", "Bearer "+token)
	if status != 200 || body["client_id"] != clientID || body["scope"] != "patient.read" {
		t.Errorf("%d %v", status, body)
	}
	for _, authorization := range []string{"", "Bearer " + token + "x", "bearer " + token, "Bearer  " + token} {
		if status, body := get(t, base+"/check", authorization); status != 401 {
			t.Errorf("%.10q: %d %v", authorization, status, body)
		}
	}

	status, body = send(t, post(t, base+"/oauth/token", url.Values{"grant_type": {"client_credentials"},
		"client_id": {clientID}, "client_secret": {clientSecret}}))
	if status != 200 {
		t.Errorf("the client in the body: %d %v", status, body)
	}
	request = post(t, base+"/oauth/token", url.Values{"grant_type": {"client_credentials"}})
	request.SetBasicAuth(clientID, "no")
	if status, body = send(t, request); status != 401 || body["error"] != "invalid_client" {
		t.Errorf("a wrong secret: %d %v", status, body)
	}
}

func TestTheAuthorizationServerTakesAPasswordAndRefreshes(t *testing.T) {
	t.Parallel()
	base := run(t, "oauth", "-username", "ward", "-password", "p w")
	request := post(t, base+"/oauth/token", url.Values{"grant_type": {"password"}, "username": {"ward"}, "password": {"p w"}})
	request.SetBasicAuth(clientID, clientSecret)
	status, body := send(t, request)
	refresh, _ := body["refresh_token"].(string)
	if status != 200 || refresh == "" {
		t.Fatalf("%d %v", status, body)
	}
	request = post(t, base+"/oauth/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}})
	request.SetBasicAuth(clientID, clientSecret)
	status, body = send(t, request)
	token, _ := body["access_token"].(string)
	if status != 200 || token == "" {
		t.Fatalf("%d %v", status, body)
	}
	if status, body = get(t, base+"/check", "Bearer "+token); status != 200 || body["user_id"] != "ward" {
		t.Errorf("%d %v", status, body)
	}
}

func TestTheAuthorizationServerReadsBasicAsItIsTold(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"raw", "form"} {
		base := run(t, "oauth", "-basic", mode)
		for sent, secret := range map[string]string{"raw": clientSecret, "form": url.QueryEscape(clientSecret)} {
			request := post(t, base+"/oauth/token", url.Values{"grant_type": {"client_credentials"}})
			request.SetBasicAuth(clientID, secret)
			if status, body := send(t, request); (status == 200) != (sent == mode) {
				t.Errorf("read as %s, sent as %s: %d %v", mode, sent, status, body)
			}
		}
	}
}

func TestHttpbinShowsWhatItWasSent(t *testing.T) {
	t.Parallel()
	base := run(t, "httpbin")
	form := url.Values{"client_secret": {clientSecret}}
	status, body := send(t, post(t, base+"/post", form))
	sent, _ := body["form"].(map[string]any)
	if status != 200 || body["data"] != form.Encode() || sent["client_secret"].([]any)[0] != clientSecret {
		t.Errorf("%d %v", status, body)
	}
	if status, body = get(t, base+"/bearer", "Bearer abc"); status != 200 || body["token"] != "abc" {
		t.Errorf("%d %v", status, body)
	}
	if status, body = get(t, base+"/status/418", ""); status != 418 {
		t.Errorf("%d %v", status, body)
	}
}
