package rest_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/huitou/huitou/shared/rest"
)

var described atomic.Int64

// greeting counts how often its schema is made.
type greeting struct {
	Name string `json:"name"`
}

func (greeting) Schema(huma.Registry) *huma.Schema {
	described.Add(1)
	return &huma.Schema{Type: huma.TypeObject, Properties: map[string]*huma.Schema{"name": {Type: huma.TypeString}}, Required: []string{"name"}}
}

func register(api rest.API) {
	rest.Register(api, slog.New(slog.DiscardHandler), rest.Operation{Method: http.MethodPut, Path: "/greetings/{language}", ID: "greet", Security: "none"},
		func(_ context.Context, in *struct {
			Language string `path:"language" enum:"zh,en"`
			Body     greeting
		},
		) (*rest.Body[string], error) {
			return rest.Answer(in.Language + " " + in.Body.Name), nil
		})
}

func TestACallIsDescribedWhenItFirstComes(t *testing.T) {
	described.Store(0)
	mux := http.NewServeMux()
	register(rest.Serve(mux))
	if n := described.Load(); n != 0 {
		t.Fatalf("%d schemas are made before anybody calls", n)
	}
	calls := map[string]struct {
		body   string
		status int
		says   string
	}{
		"/greetings/zh": {`{"name":"Liu"}`, http.StatusOK, `"zh Liu"`},
		"/greetings/en": {`{}`, http.StatusBadRequest, `required property name`},
		"/greetings/fr": {`{"name":"Liu"}`, http.StatusBadRequest, `"pointer":"language"`},
	}
	var first sync.WaitGroup
	for range 8 { // all at once, and again
		for path, call := range calls {
			first.Go(func() {
				request := httptest.NewRequest(http.MethodPut, path, strings.NewReader(call.body))
				request.Header.Set("Content-Type", "application/json")
				answer := httptest.NewRecorder()
				mux.ServeHTTP(answer, request)
				if answer.Code != call.status || !strings.Contains(answer.Body.String(), call.says) {
					t.Errorf("%s: %d %s", path, answer.Code, answer.Body)
				}
			})
		}
	}
	first.Wait()
	once := described.Load()
	register(rest.Document())
	if all := described.Load(); once == 0 || all != 2*once {
		t.Errorf("%d schemas are made for the calls, %d for the document of one", once, all-once)
	}
}

func TestADocumentSaysEveryCall(t *testing.T) {
	api := rest.Document()
	register(api)
	if item := api.OpenAPI().Paths["/greetings/{language}"]; item == nil || item.Put == nil || item.Put.Responses["200"] == nil {
		t.Errorf("%+v", item)
	}
}
