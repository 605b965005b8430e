package datapoints_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/stepwell/stepwell/datapoints"
)

func ExampleValue() {
	token := datapoints.Text("eyJhbGciOi").Mark(datapoints.Sensitive, "access_token")
	name := datapoints.Text("Alex Doe").Mark(datapoints.PII, "patient_name")
	answer := datapoints.JSON(`{"scope":"read","refresh_token":"r-8127","expires_in":300.0}`)
	fmt.Printf("%v, %q, %+v\n", token, name, answer)
	b, _ := json.Marshal([]datapoints.Value{token, name})
	fmt.Println(string(b))
	fmt.Println(token.RevealText(), name.Shown())
	// Output:
	// [secret access_token], "[pii patient_name]", {"scope":"read","refresh_token":"[secret refresh_token]","expires_in":300.0}
	// ["[secret access_token]","[pii patient_name]"]
	// eyJhbGciOi "Alex Doe"
}

func ExampleRedactor() {
	var r datapoints.Redactor
	r.AddPair("client_secret", "clinic", "s3cr3t/with slash")
	fmt.Println(r.Text("POST https://example.test/?key=s3cr3t%2Fwith+slash"))
	fmt.Println(r.Text("Authorization: Basic Y2xpbmljOnMzY3IzdC93aXRoIHNsYXNo"))
	// Output:
	// POST https://example.test/?key=[secret client_secret]
	// Authorization: Basic [secret client_secret]
}

func ExampleRedactor_Writer() {
	var r datapoints.Redactor
	r.Add("token", "0123456789abcdef")
	w := r.Writer(os.Stdout)
	fmt.Fprint(w, "Bearer 01234567")
	fmt.Fprintln(w, "89abcdef")
	_ = w.Flush()
	// Output:
	// Bearer [secret token]
}

func ExampleSeal() {
	ctx := context.Background()
	var memory datapoints.Memory
	key := datapoints.NewMasterKey()
	store := datapoints.Seal(&memory, key)

	lease := datapoints.Lease{Run: "r1", Owner: "me", Epoch: 1}
	token := datapoints.Text("eyJhbGciOi").Mark(datapoints.Sensitive, "access_token")
	slot := datapoints.Slot{Name: "access_token"}
	_ = store.Create(ctx, datapoints.Run{ID: "r1", Lease: lease})
	_ = store.Commit(ctx, lease, datapoints.Record{Path: "token", Points: []datapoints.Point{{Slot: slot, Step: "token", Value: token}}})

	contents, err := store.Read(ctx, "r1", datapoints.Query{Slots: []datapoints.Slot{slot}})
	fmt.Println(contents.Points[0].Value, err)
	_, err = datapoints.Seal(&memory, datapoints.NewMasterKey()).Load(ctx, "r1")
	fmt.Println(err != nil)
	// Output:
	// [secret access_token] <nil>
	// true
}

func ExampleMaskMembers() {
	fmt.Println(datapoints.MaskMembers(`{"id": 7.0, "apiKey": "k-123", "next_token": "page2"}`))
	// Output:
	// {"id": 7.0, "apiKey": "[secret apiKey]", "next_token": "page2"}
}
