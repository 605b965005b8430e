package actions_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stepwell/stepwell/flow"
)

func patients() *httptest.Server {
	body := `{"id":"9434765919","name":[{"text":"` + strings.Repeat("a", 900) + `"}]}`
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, body)
	}))
}

// BenchmarkCall is one planned and sent call; BenchmarkBare is the same call
// as a program without Stepwell writes it.
func BenchmarkCall(b *testing.B) {
	s := patients()
	defer s.Close()
	a := client(b, nil).Actions()["http"]
	in := flow.Input{Run: "0199a1c4-7f3e", Path: "notify[3].send", Args: fields("url", text(s.URL+"/orders"), "headers", `{"Authorization":"Bearer abc","X-Correlation-Id":"0199a1c4-7f3e"}`, "json", `{"to":"a@b.test","number":3,"text":"hello"}`)}
	b.ReportAllocs()
	for b.Loop() {
		call, err := a.Plan(in)
		if err != nil {
			b.Fatal(err)
		}
		if r, err := call.Do(context.Background()); err != nil || r.Status != 200 {
			b.Fatal(r.Status, err)
		}
		call.Release()
	}
}

func BenchmarkBare(b *testing.B) {
	s := patients()
	defer s.Close()
	c := &http.Client{Transport: &http.Transport{}}
	defer c.CloseIdleConnections()
	b.ReportAllocs()
	for b.Loop() {
		req, err := http.NewRequestWithContext(context.Background(), "POST", s.URL+"/orders", strings.NewReader(`{"to":"a@b.test","number":3,"text":"hello"}`))
		if err != nil {
			b.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer abc")
		req.Header.Set("X-Correlation-Id", "0199a1c4-7f3e")
		req.Header.Set("Content-Type", "application/json")
		resp, err := c.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 200 {
			b.Fatal(resp.StatusCode, err)
		}
		_ = resp.Body.Close()
	}
}

// BenchmarkPlan is what is added before anything is sent.
func BenchmarkPlan(b *testing.B) {
	for name, in := range map[string]flow.Input{
		"http":    {Args: fields("url", `"http://127.0.0.1:1/orders"`, "headers", `{"Authorization":"Bearer abc","X-Correlation-Id":"0199a1c4-7f3e"}`, "json", `{"to":"a@b.test","number":3,"text":"hello"}`)},
		"graphql": {Args: fields("url", `"http://127.0.0.1:1/graphql"`, "query", text(openOrders2), "variables", `{"patient":"9434765919"}`)},
	} {
		b.Run(name, func(b *testing.B) {
			a := client(b, nil).Actions()[name]
			b.ReportAllocs()
			for b.Loop() {
				call, err := a.Plan(in)
				if err != nil {
					b.Fatal(err)
				}
				call.Release()
			}
		})
	}
}
