package stack

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/shared/table/embedded"
)

// serve answers one request with handler as Greet and returns what it was
// called with, nil when it was not.
func serve(t *testing.T, text string, request *http.Request, handler Handler) (*httptest.ResponseRecorder, *events.APIGatewayV2HTTPRequest) {
	t.Helper()
	var got *events.APIGatewayV2HTTPRequest
	s := open(t, text, embedded.Memory(), map[string]Handler{"Greet": func(ctx context.Context, payload []byte) ([]byte, error) {
		got = &events.APIGatewayV2HTTPRequest{}
		if err := json.Unmarshal(payload, got); err != nil {
			t.Error(err)
		}
		return handler(ctx, payload)
	}})
	recorder := httptest.NewRecorder()
	s.ServeHTTP(recorder, request)
	return recorder, got
}

func ok(context.Context, []byte) ([]byte, error) { return []byte(`{"statusCode":204}`), nil }

func TestHTTPEvent(t *testing.T) {
	request := httptest.NewRequest(http.MethodGet, "http://brand.example:8080/c/A%20B%2FC?q=1&q=%E5%9B%9E&r=", nil)
	request.RemoteAddr = "203.0.113.9:4711"
	request.Header = http.Header{
		"Accept": {"a", "b"}, "X-Forwarded-For": {"10.0.0.1"}, "User-Agent": {"test"},
		"Cookie": {"one=1; two=2", "three=3"},
	}
	_, got := serve(t, toy, request, ok)
	if got == nil {
		t.Fatal("the function was not called")
	}
	// The gateway decodes the path before it looks for a route, so %2F makes
	// two segments and only $default takes them.
	got.RequestContext.RequestID, got.RequestContext.Time, got.RequestContext.TimeEpoch = "", "", 0
	want := &events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: "$default", RawPath: "/c/A B/C", RawQueryString: "q=1&q=%E5%9B%9E&r=",
		Cookies: []string{"one=1", "two=2", "three=3"},
		Headers: map[string]string{
			"accept": "a,b", "user-agent": "test", "host": "brand.example:8080", "content-length": "0",
			"x-forwarded-for": "10.0.0.1, 203.0.113.9", "x-forwarded-proto": "http", "x-forwarded-port": "8080",
		},
		QueryStringParameters: map[string]string{"q": "1,回", "r": ""},
		RequestContext: events.APIGatewayV2HTTPRequestContext{
			RouteKey: "$default", AccountID: "anonymous", Stage: "$default", APIID: "local", DomainName: "brand.example", DomainPrefix: "brand",
			HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{
				Method: "GET", Path: "/c/A B/C", Protocol: "HTTP/1.1", SourceIP: "203.0.113.9", UserAgent: "test",
			},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	_, got = serve(t, toy, httptest.NewRequest(http.MethodGet, "/c/%E5%9B%9E", nil), ok)
	if got.RouteKey != "GET /c/{code}" || got.PathParameters["code"] != "回" || got.RequestContext.RouteKey != got.RouteKey {
		t.Errorf("route %s, parameters %v", got.RouteKey, got.PathParameters)
	}
}

func TestBodyEncoding(t *testing.T) {
	for contentType, text := range map[string]bool{
		"application/json":                  true,
		"application/json; charset=utf-8":   true,
		"Application/JSON":                  true,
		"text/csv":                          true,
		"application/xml":                   true,
		"application/json; charset=gbk":     false,
		"application/problem+json":          false,
		"application/x-www-form-urlencoded": false,
		"application/octet-stream":          false,
		"":                                  false,
		"nonsense;;":                        false,
	} {
		request := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"回":1}`))
		request.Header.Set("Content-Type", contentType)
		_, got := serve(t, toy, request, ok)
		body := got.Body
		if got.IsBase64Encoded {
			decoded, err := base64.StdEncoding.DecodeString(body)
			if err != nil {
				t.Fatal(err)
			}
			body = string(decoded)
		}
		if got.IsBase64Encoded == text || body != `{"回":1}` {
			t.Errorf("%q: base64 %t, body %q", contentType, got.IsBase64Encoded, body)
		}
	}
	request := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("\xff"))
	request.Header.Set("Content-Type", "application/json")
	if _, got := serve(t, toy, request, ok); !got.IsBase64Encoded || got.Body != "/w==" {
		t.Errorf("bytes that are no UTF-8 went as %q", got.Body)
	}
}

func TestGatewayRefuses(t *testing.T) {
	noDefault := strings.Replace(toy, "        Otherwise: {Type: HttpApi, Properties: {ApiId: !Ref Api}}\n", "", 1)
	long := httptest.NewRequest(http.MethodGet, "/", nil)
	long.Header.Set("X-Long", strings.Repeat("x", maxHeaders))
	for name, c := range map[string]struct {
		text    string
		request *http.Request
		status  int
		body    string
	}{
		"no route":  {noDefault, httptest.NewRequest(http.MethodGet, "/nowhere", nil), 404, `{"message":"Not Found"}`},
		"no method": {noDefault, httptest.NewRequest(http.MethodPost, "/c/1", nil), 404, `{"message":"Not Found"}`},
		"headers":   {toy, long, 431, `{"message":"Request Header Fields Too Large"}`},
		"body":      {toy, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(strings.Repeat("x", maxRequestBody+1))), 413, `{"message":"Request Entity Too Large"}`},
		"event":     {toy, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(strings.Repeat("x", maxPayload))), 413, `{"message":"Request Entity Too Large"}`},
	} {
		recorder, called := serve(t, c.text, c.request, ok)
		if recorder.Code != c.status || recorder.Body.String() != c.body || called != nil {
			t.Errorf("%s: %d %s, called %t", name, recorder.Code, recorder.Body, called != nil)
		}
	}
}

func TestHTTPAnswer(t *testing.T) {
	broken := `{"message":"Internal Server Error"}`
	for name, c := range map[string]struct {
		answer string
		status int
		body   string
		header http.Header
	}{
		"plain":         {`{"statusCode":201,"headers":{"location":"/x"},"cookies":["a=1","b=2"],"body":"made"}`, 201, "made", http.Header{"Location": {"/x"}, "Set-Cookie": {"a=1", "b=2"}}},
		"base64":        {`{"statusCode":200,"isBase64Encoded":true,"body":"/w=="}`, 200, "\xff", nil},
		"no status":     {`{"hello":"回"}`, 200, `{"hello":"回"}`, http.Header{"Content-Type": {"application/json"}}},
		"bad base64":    {`{"statusCode":200,"isBase64Encoded":true,"body":"*"}`, 500, broken, nil},
		"bad status":    {`{"statusCode":99}`, 500, broken, nil},
		"no JSON":       {`hello`, 500, broken, nil},
		"status a text": {`{"statusCode":"ok"}`, 200, `{"statusCode":"ok"}`, nil},
	} {
		recorder, _ := serve(t, toy, httptest.NewRequest(http.MethodGet, "/", nil), func(context.Context, []byte) ([]byte, error) { return []byte(c.answer), nil })
		if recorder.Code != c.status || recorder.Body.String() != c.body {
			t.Errorf("%s: %d %q", name, recorder.Code, recorder.Body)
		}
		for header, values := range c.header {
			if diff := cmp.Diff(values, recorder.Header()[header]); diff != "" {
				t.Errorf("%s: %s: %s", name, header, diff)
			}
		}
	}
	for name, handler := range map[string]Handler{
		"error": func(context.Context, []byte) ([]byte, error) { return nil, errPlanned },
		"panic": func(context.Context, []byte) ([]byte, error) { panic("13800000000") },
	} {
		recorder, _ := serve(t, toy, httptest.NewRequest(http.MethodGet, "/", nil), handler)
		if recorder.Code != 500 || recorder.Body.String() != broken {
			t.Errorf("%s: %d %s", name, recorder.Code, recorder.Body)
		}
	}
}

func TestCORS(t *testing.T) {
	text := strings.Replace(toy, "    Type: AWS::Serverless::HttpApi\n", `    Type: AWS::Serverless::HttpApi
    Properties:
      CorsConfiguration: {AllowOrigins: !Split [",", "https://a.example,https://b.example"], AllowMethods: [GET], AllowHeaders: [authorization], ExposeHeaders: [etag], MaxAge: 600}
`, 1)
	ask := func(method, origin string) *http.Request {
		request := httptest.NewRequest(method, "/", nil)
		request.Header.Set("Origin", origin)
		request.Header.Set("Access-Control-Request-Method", "GET")
		return request
	}
	wild := func(context.Context, []byte) ([]byte, error) {
		return []byte(`{"statusCode":200,"headers":{"access-control-allow-origin":"*"}}`), nil
	}
	for name, c := range map[string]struct {
		text, method, origin string
		status               int
		allowed              string
		called               bool
	}{
		"preflight":            {text, "OPTIONS", "https://b.example", 204, "https://b.example", false},
		"preflight of another": {text, "OPTIONS", "https://evil.example", 204, "", false},
		"call":                 {text, "GET", "https://a.example", 200, "https://a.example", true},
		"call of another":      {text, "GET", "https://evil.example", 200, "", true},
		"not configured":       {toy, "OPTIONS", "https://a.example", 200, "*", true},
	} {
		recorder, called := serve(t, c.text, ask(c.method, c.origin), wild)
		if got := recorder.Header().Get("Access-Control-Allow-Origin"); recorder.Code != c.status || got != c.allowed || (called != nil) != c.called {
			t.Errorf("%s: %d, origin %q, called %t", name, recorder.Code, got, called != nil)
		}
	}
}

// The routes of the developer guide's example, and its answers.
func TestRoutePriority(t *testing.T) {
	var routes []route
	for _, key := range []string{"ANY /{proxy+}", "GET /pets/{proxy+}", "GET /pets/dog/{id}", "GET /pets/dog/1", "ANY /pets/dog/1", "GET /{kind}/dog/1"} {
		method, path, _ := strings.Cut(key, " ")
		r, err := newRoute(method, path)
		if err != nil {
			t.Fatal(err)
		}
		routes = append(routes, r)
	}
	routes = append(routes, route{key: "$default"})
	for request, want := range map[string]string{
		"GET /pets/dog/1":  "GET /pets/dog/1",
		"POST /pets/dog/1": "ANY /pets/dog/1",
		"GET /pets/dog/2":  "GET /pets/dog/{id}",
		"GET /pets/cat/1":  "GET /pets/{proxy+}",
		"GET /cows/dog/1":  "GET /{kind}/dog/1",
		"POST /test/5":     "ANY /{proxy+}",
		"GET /":            "$default",
		"GET /pets/dog/":   "GET /pets/{proxy+}",
	} {
		method, path, _ := strings.Cut(request, " ")
		if got, _, _ := find(routes, method, path); got.key != want {
			t.Errorf("%s: %s, want %s", request, got.key, want)
		}
	}
}

// Requests at the same time do not see each other's answers.
func TestConcurrentRequests(t *testing.T) {
	s := open(t, toy, embedded.Memory(), map[string]Handler{"Greet": Call(func(_ context.Context, event events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
		return events.APIGatewayV2HTTPResponse{StatusCode: 200, Body: event.PathParameters["code"]}, nil
	})})
	var group sync.WaitGroup
	for i := range 64 {
		group.Go(func() {
			code := strings.Repeat(string(rune('A'+i%26)), 1+i)
			for range 20 {
				recorder := httptest.NewRecorder()
				s.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/c/"+code, nil))
				if recorder.Body.String() != code {
					t.Errorf("asked for %s, got %s", code, recorder.Body)
				}
			}
		})
	}
	group.Wait()
}

// FuzzServeHTTP: whatever comes, the function gets an event that decodes or
// the gateway answers by itself.
func FuzzServeHTTP(f *testing.F) {
	f.Add("/c/1", "a=1", "application/json", "{}", "a=b")
	f.Add("/c/%2e%2e%2f", "%", "", "\xff", ";;")
	f.Add("/c/%3F", "a=%zz", "text/html; charset=\"", "\x00", "\x00")
	s, err := tryOpen(toy, embedded.Memory(), map[string]Handler{"Greet": Call(func(_ context.Context, event events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
		return events.APIGatewayV2HTTPResponse{StatusCode: 200, Body: event.Body, IsBase64Encoded: event.IsBase64Encoded}, nil
	})})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, path, query, contentType, body, cookie string) {
		request, err := http.NewRequest(http.MethodPost, "http://local/", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.URL.Path, request.URL.RawQuery = path, query
		request.Header = http.Header{"Content-Type": {contentType}, "Cookie": {cookie}}
		recorder := httptest.NewRecorder()
		s.ServeHTTP(recorder, request)
		// The body goes through unchanged, however it is encoded on the way.
		if recorder.Code == 200 && recorder.Body.String() != body {
			t.Errorf("sent %q, got %q", body, recorder.Body)
		}
		if recorder.Code != 200 && recorder.Code != 431 {
			t.Errorf("answer %d", recorder.Code)
		}
	})
}
