package sandbox_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/stepwell/stepwell/examples/sandbox"
)

// A token, and a call with it.
func ExampleStart() {
	server, err := sandbox.Start(sandbox.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	settings := server.Secrets()

	answer, err := http.PostForm(settings["token_url"], url.Values{
		"grant_type": {"client_credentials"},
		"client_id":  {settings["client_id"]}, "client_secret": {settings["client_secret"]},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer answer.Body.Close()
	var token struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&token); err != nil {
		fmt.Println(err)
		return
	}

	request, _ := http.NewRequest("GET", server.URL()+"/patients/"+settings["patient_id"], nil)
	request.Header.Set("Authorization", "Bearer "+token.AccessToken)
	patient, err := http.DefaultClient.Do(request)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer patient.Body.Close()
	fmt.Println(patient.Status, server.Count("GET", "/patients/9434765919"))
	// Output: 200 OK 1
}

// The next notification is sent, but its answer is lost.
func ExampleServer_Fail() {
	server, err := sandbox.Start(sandbox.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	fmt.Println(server.Fail("POST", "/notifications", "lost?times=1"))
	fmt.Println(server.Fail("POST", "/notifications", "sometimes"))
	// Output:
	// <nil>
	// "sometimes" is no way to fail: use a status from 400 to 599, close, lost, truncate or html
}
