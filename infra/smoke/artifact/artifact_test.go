package artifact

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func open(t *testing.T, parameters map[string]string) *Cloud {
	t.Helper()
	cloud, err := OpenCloud("", parameters)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cloud.Close(); err != nil {
			t.Error(err)
		}
	})
	return cloud
}

func TestFunctions(t *testing.T) {
	functions, err := Functions()
	if err != nil || len(functions) == 0 {
		t.Fatal(functions, err)
	}
	root, err := Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	secrets, err := DrawSecrets("http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	cloud := open(t, nil)
	for _, function := range functions {
		if _, err := os.Stat(filepath.Join(root, "functions", function.Folder, "lambda", "main.go")); err != nil {
			t.Errorf("%s: %v", function.Name, err)
		}
		for variable, value := range function.Variables {
			if !slices.Contains(function.Environment(cloud, ""), variable+"="+value) {
				t.Errorf("%s is not given %s", function.Name, variable)
			}
			if slices.ContainsFunc(function.Environment(cloud, variable), func(set string) bool { return strings.HasPrefix(set, variable+"=") }) {
				t.Errorf("%s is given %s, which was left out", function.Name, variable)
			}
			if _, drawn := secrets.Parameters()[value]; strings.HasSuffix(variable, "_PARAMETER") && !drawn {
				t.Errorf("%s reads the parameter %s, for which no secret is drawn", function.Name, value)
			}
		}
	}
}

func TestCloud(t *testing.T) {
	cloud := open(t, map[string]string{"/local/key": "hush"})
	call := func(target, body string) (int, string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, cloud.URL, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Amz-Target", target)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		raw, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		var answer struct {
			Type              string `json:"__type"`
			Parameters        []struct{ Value string }
			InvalidParameters []string
		}
		if err := json.Unmarshal(raw, &answer); err != nil {
			t.Fatal(err)
		}
		for _, parameter := range answer.Parameters {
			answer.Type += parameter.Value
		}
		return response.StatusCode, strings.Join(append(answer.InvalidParameters, answer.Type), " without ")
	}
	for _, test := range []struct {
		target, body string
		status       int
		want         string
	}{
		{"AmazonSSM.GetParameters", `{"Names":["/local/key"]}`, 200, "hush"},
		{"AmazonSSM.GetParameters", `{"Names":["/other","/local/key"]}`, 200, "/other without hush"},
		{"AmazonSSM.GetParameters", `{"Names":[]}`, 400, "ValidationException"},
		{"AmazonSSM.GetParameters", `Names`, 400, "ValidationException"},
		{"AmazonSSM.PutParameter", `{}`, 400, "UnknownOperationException"},
		{"DynamoDB_20120810.GetItem", `{}`, 400, "UnknownOperationException"}, // it has no table
		{"AmazonSQS.SendMessageBatch", `{"QueueUrl":"q","Entries":[]}`, 400, "AWS.SimpleQueueService.TooManyEntriesInBatchRequest"},
		{"AmazonSQS.SendMessageBatch", `{"QueueUrl":"q","Entries":[{"Id":"0","MessageBody":"a"},{"Id":"1","MessageBody":"b"}]}`, 200, ""},
	} {
		if status, got := call(test.target, test.body); status != test.status || got != test.want {
			t.Errorf("%s %s: %d %s, want %d %s", test.target, test.body, status, got, test.status, test.want)
		}
	}
	if diff := cmp.Diff([][]byte{[]byte("a"), []byte("b")}, cloud.Take("q")); diff != "" {
		t.Error(diff)
	}
	if left := cloud.Take("q"); left != nil {
		t.Errorf("%q is taken twice", left)
	}
}
