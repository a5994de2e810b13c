// Package contract holds what the functions answer against the published OpenAPI
// document: tests serve their requests through it.
package contract

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/huitou/huitou/infra/openapi"
)

// document is the published document, read as a stranger reads it.
type document struct {
	paths    []path // the most literal first
	compiler *jsonschema.Compiler
	mu       sync.Mutex
	schemas  map[string]*jsonschema.Schema
}

type path struct {
	template string
	pattern  *regexp.Regexp
	methods  map[string]operation
}

type operation struct {
	Responses map[string]struct {
		Content map[string]json.RawMessage `json:"content"`
	} `json:"responses"`
}

const address = "https://huitou.dev/openapi.json"

var published = sync.OnceValues(func() (*document, error) {
	raw, err := openapi.Document()
	if err != nil {
		return nil, err
	}
	return read(raw)
})

func read(raw []byte) (*document, error) {
	var parsed struct {
		Paths map[string]map[string]operation `json:"paths"`
	}
	if err := json.Unmarshal(raw, &parsed); err != nil {
		return nil, err
	}
	whole, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	d := &document{compiler: jsonschema.NewCompiler(), schemas: map[string]*jsonschema.Schema{}}
	d.compiler.AssertFormat()
	if err := d.compiler.AddResource(address, whole); err != nil {
		return nil, err
	}
	for template, methods := range parsed.Paths {
		d.paths = append(d.paths, path{template, pattern(template), methods})
	}
	slices.SortFunc(d.paths, func(a, b path) int {
		return cmp.Or(cmp.Compare(literal(b.template), literal(a.template)), cmp.Compare(a.template, b.template))
	})
	return d, nil
}

// pattern matches the paths of a template. An order's number may have slashes, and
// so may a page of the console and what somebody takes for a card's code.
func pattern(template string) *regexp.Regexp {
	var written strings.Builder
	for i, segment := range strings.Split(template, "/") {
		if i > 0 {
			written.WriteString("/")
		}
		switch {
		case slices.Contains([]string{"{order_id}", "{page}", "{code}"}, segment):
			written.WriteString(".*")
		case strings.HasPrefix(segment, "{"):
			written.WriteString("[^/]*")
		default:
			written.WriteString(regexp.QuoteMeta(segment))
		}
	}
	return regexp.MustCompile("^(?s:" + written.String() + ")$")
}

// literal is how many segments of a template stand for themselves.
func literal(template string) int {
	return strings.Count(template, "/") - strings.Count(template, "{")
}

// answer is what was answered, to what.
type answer struct {
	method, path string
	status       int
	contentType  string
	body         []byte
}

// Serve serves the request, and fails the test where the document does not say
// that the answer may come: its status, its media type, its body.
func Serve(t testing.TB, handler http.Handler, w http.ResponseWriter, r *http.Request) {
	t.Helper()
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, r)
	check(t, answer{r.Method, r.URL.EscapedPath(), recorder.Code, recorder.Header().Get("Content-Type"), recorder.Body.Bytes()})
	for name, values := range recorder.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(recorder.Code)
	_, _ = w.Write(recorder.Body.Bytes())
}

// Check fails the test where the document does not say that the response may come.
func Check(t testing.TB, event events.APIGatewayV2HTTPRequest, response events.APIGatewayV2HTTPResponse) {
	t.Helper()
	contentType := ""
	for name, value := range response.Headers {
		if strings.EqualFold(name, "Content-Type") {
			contentType = value
		}
	}
	check(t, answer{event.RequestContext.HTTP.Method, event.RawPath, response.StatusCode, contentType, []byte(response.Body)})
}

func check(t testing.TB, a answer) {
	t.Helper()
	d, err := published()
	if err != nil {
		t.Errorf("the published document: %v", err)
		return
	}
	if err := d.contradiction(a); err != nil {
		t.Errorf("%s %s: %d %s contradicts the published document: %v\n%s", a.method, a.path, a.status, a.contentType, err, a.body)
	}
}

// contradiction is why the answer may not come; nil where the document says that it may.
func (d *document) contradiction(a answer) error {
	found := d.find(a.path)
	method := strings.ToLower(a.method)
	if method == "head" {
		method = "get"
	}
	operation, declared := found.methods[method]
	if !declared {
		return d.unserved(a)
	}
	response, declared := operation.Responses[fmt.Sprint(a.status)]
	if !declared {
		return fmt.Errorf("the status is not declared of %s %s", method, found.template)
	}
	if len(response.Content) == 0 || a.method == http.MethodHead || len(a.body) == 0 && (a.status < 400 && a.status >= 300) {
		if len(a.body) > 0 {
			return fmt.Errorf("there is a body where none is declared")
		}
		return nil
	}
	media, _, err := mime.ParseMediaType(a.contentType)
	if err != nil {
		return fmt.Errorf("media type: %w", err)
	}
	for named := range response.Content {
		if declared, _, _ := mime.ParseMediaType(named); declared != media {
			continue
		}
		if !strings.HasSuffix(media, "json") {
			return nil
		}
		return d.validate("/paths/"+escaped(found.template)+"/"+method+"/responses/"+fmt.Sprint(a.status)+"/content/"+escaped(named)+"/schema", a.body)
	}
	return fmt.Errorf("the media type is not declared of %s %s", method, found.template)
}

// unserved is of a path or a method that the document does not have.
func (d *document) unserved(a answer) error {
	if !slices.Contains([]int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusServiceUnavailable, http.StatusRequestEntityTooLarge}, a.status) {
		return fmt.Errorf("the document has no such path, or not with this method")
	}
	if len(a.body) == 0 && a.method == http.MethodHead {
		return nil
	}
	return d.validate("/components/schemas/ProblemDocument", a.body)
}

func (d *document) find(target string) path {
	if strings.HasPrefix(target, "/C/") {
		target = "/c/" + target[len("/C/"):]
	}
	for _, p := range d.paths {
		if p.pattern.MatchString(target) {
			return p
		}
	}
	return path{}
}

func escaped(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D", " ", "%20", "+", "%2B", ";", "%3B", "=", "%3D").Replace(name)
}

func (d *document) validate(pointer string, body []byte) error {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	d.mu.Lock()
	schema, ok := d.schemas[pointer]
	if !ok {
		schema, err = d.compiler.Compile(address + "#" + pointer)
		d.schemas[pointer] = schema
	}
	d.mu.Unlock()
	if err != nil {
		return err
	}
	return schema.Validate(value)
}
