package openapi_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/huitou/huitou/infra/openapi"
)

// stale tells what differs between the committed document and the code; "" for
// nothing.
func stale(t *testing.T, committed []byte) string {
	t.Helper()
	fresh, err := openapi.Document()
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(fresh, committed) {
		return ""
	}
	was, is := strings.Split(string(committed), "\n"), strings.Split(string(fresh), "\n")
	for i := range min(len(was), len(is)) {
		if was[i] != is[i] {
			return "committed: " + was[i] + "\nthe code:  " + is[i]
		}
	}
	return "one of them ends early"
}

func committed(t *testing.T) []byte {
	t.Helper()
	document, err := os.ReadFile("../../" + openapi.File)
	if err != nil {
		t.Fatal(err)
	}
	return document
}

func TestTheCommittedDocumentIsFresh(t *testing.T) {
	if difference := stale(t, committed(t)); difference != "" {
		t.Errorf("%s does not say what the code says; run make generate.\n%s", openapi.File, difference)
	}
}

func TestAStaleDocumentIsNoticed(t *testing.T) {
	planted := bytes.Replace(committed(t), []byte(`"/v1/members"`), []byte(`"/v1/membres"`), 1)
	if stale(t, planted) == "" {
		t.Error("a changed path went unnoticed")
	}
}

// Every call says who may make it, every refusal is a problem document, and
// every POST under /v1 asks for an Idempotency-Key.
func TestEveryCallKeepsTheContract(t *testing.T) {
	var document struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			Security   []map[string][]string
			Parameters []struct{ Name string }
			Responses  map[string]struct{ Content map[string]any }
			Summary    string
		}
	}
	if err := json.Unmarshal(committed(t), &document); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(document.OpenAPI, "3.1") {
		t.Errorf("OpenAPI %s", document.OpenAPI)
	}
	public := map[string]bool{"/healthz": true, "/v1/card-batches/{id}/rules": true}
	calls := 0
	for path, methods := range document.Paths {
		for method, call := range methods {
			calls++
			if call.Summary == "" {
				t.Errorf("%s %s says nothing of itself", method, path)
			}
			if strings.HasPrefix(path, "/v1") && !public[path] && len(call.Security) == 0 {
				t.Errorf("%s %s asks for no token", method, path)
			}
			asks := false
			for _, parameter := range call.Parameters {
				asks = asks || parameter.Name == "Idempotency-Key"
			}
			if strings.HasPrefix(path, "/v1") && method == "post" && !asks {
				t.Errorf("%s %s asks for no Idempotency-Key", method, path)
			}
			for status, response := range call.Responses {
				if status < "400" {
					continue
				}
				if _, ok := response.Content["application/problem+json; charset=utf-8"]; !ok {
					t.Errorf("%s %s: %s is no problem document: %v", method, path, status, response.Content)
				}
			}
		}
	}
	t.Logf("%d calls on %d paths", calls, len(document.Paths))
}
