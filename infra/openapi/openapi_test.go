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
func stale(t *testing.T, file string, committed []byte) string {
	t.Helper()
	fresh, err := openapi.Files[file]()
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

const openAPI = "functions/operate/openapi.json"

func committed(t *testing.T, file string) []byte {
	t.Helper()
	document, err := os.ReadFile("../../" + file)
	if err != nil {
		t.Fatal(err)
	}
	return document
}

func TestTheCommittedDocumentsAreFresh(t *testing.T) {
	for file := range openapi.Files {
		if difference := stale(t, file, committed(t, file)); difference != "" {
			t.Errorf("%s does not say what the code says; run make generate.\n%s", file, difference)
		}
	}
}

func TestAStaleDocumentIsNoticed(t *testing.T) {
	for file, change := range map[string][2]string{
		openAPI:                                 {`"/v1/members"`, `"/v1/membres"`},
		"functions/operate/program.schema.json": {`"maximum": 365`, `"maximum": 366`},
	} {
		planted := bytes.Replace(committed(t, file), []byte(change[0]), []byte(change[1]), 1)
		if bytes.Equal(planted, committed(t, file)) || stale(t, file, planted) == "" {
			t.Errorf("a change of %s went unnoticed", file)
		}
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
	if err := json.Unmarshal(committed(t, openAPI), &document); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(document.OpenAPI, "3.1") {
		t.Errorf("OpenAPI %s", document.OpenAPI)
	}
	public := map[string]bool{"/healthz": true, "/v1/card-batches/{id}/rules": true, "/v1/card-batches/{id}/winners": true}
	onlyReads := map[string]bool{"/v1/members/lookup": true, "/v1/audiences/{id}/preview": true, "/v1/program/simulation": true}
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
			if strings.HasPrefix(path, "/v1") && method == "post" && asks == onlyReads[path] {
				t.Errorf("%s %s: asks for an Idempotency-Key: %t; a POST does unless it only reads", method, path, asks)
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
