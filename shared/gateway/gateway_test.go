package gateway_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/gateway"
	"github.com/huitou/huitou/shared/problem"
)

func sample(t testing.TB) events.APIGatewayV2HTTPRequest {
	t.Helper()
	text, err := os.ReadFile("testdata/post.json")
	if err != nil {
		t.Fatal(err)
	}
	var event events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal(text, &event); err != nil {
		t.Fatal(err)
	}
	return event
}

func call(t testing.TB, handler http.HandlerFunc, event events.APIGatewayV2HTTPRequest) events.APIGatewayV2HTTPResponse {
	t.Helper()
	response, err := gateway.Handle(handler)(context.Background(), event)
	if err != nil {
		t.Fatalf("the adapter failed: %v", err)
	}
	return response
}

func TestRequestIsWhatTheCallerSent(t *testing.T) {
	type seen struct {
		Method, Path, RawPath, Query, Body, Host, Session, Theme, Agent, Remote, ID, IP string
		Tags                                                                            []string
		Length                                                                          int64
	}
	var got seen
	call(t, func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		session, _ := r.Cookie("session")
		theme, _ := r.Cookie("theme")
		got = seen{
			r.Method, r.URL.Path, r.URL.EscapedPath(), r.URL.RawQuery, string(body), r.Host, session.Value, theme.Value, r.UserAgent(), r.RemoteAddr,
			gateway.RequestID(r.Context()), gateway.SourceIP(r.Context()), r.URL.Query()["tag"], r.ContentLength,
		}
	}, sample(t))
	want := seen{
		"POST", "/hooks/orders/a%2Fb", "/hooks/orders/a%252Fb", "tag=one&tag=two%20words&empty=", `{"text":"回头"}`,
		"abcde12345.execute-api.cn-north-1.amazonaws.com.cn", "abc", "dark", "curl/8.5.0", "203.0.113.7",
		"JKJaXmPLvHcESHA=", "203.0.113.7",
		[]string{"one", "two words"},
		17,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestServeMuxFindsPathValues(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /hooks/orders/{channel}", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.PathValue("channel"))
	})
	response, err := gateway.Handle(mux)(context.Background(), sample(t))
	if err != nil || response.Body != "a%2Fb" {
		t.Errorf("%q, %v; want a%%2Fb: the gateway has decoded once", response.Body, err)
	}
}

func TestAnswerIsFormat2(t *testing.T) {
	response := call(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Add("Vary", "Accept")
		w.Header().Add("Vary", "Cookie")
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "1"})
		http.SetCookie(w, &http.Cookie{Name: "b", Value: "2", HttpOnly: true})
		w.WriteHeader(http.StatusEarlyHints) // cannot be said
		w.WriteHeader(http.StatusCreated)
		w.WriteHeader(http.StatusTeapot)   // too late
		w.Header().Set("X-Late", "unsaid") // too late as well
		_, _ = io.WriteString(w, "<p>回头</p>")
	}, sample(t))
	want := events.APIGatewayV2HTTPResponse{
		StatusCode: 201,
		Headers:    map[string]string{"Content-Type": "text/html; charset=utf-8", "Vary": "Accept,Cookie"},
		Body:       "<p>回头</p>",
		Cookies:    []string{"a=1", "b=2; HttpOnly"},
	}
	if diff := cmp.Diff(want, response); diff != "" {
		t.Error(diff)
	}
}

func TestHandlerThatSaysNothingAnswers200(t *testing.T) {
	if response := call(t, func(http.ResponseWriter, *http.Request) {}, sample(t)); response.StatusCode != 200 || response.Body != "" {
		t.Errorf("%+v", response)
	}
}

func TestBodiesSurviveBothWays(t *testing.T) {
	echo := func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }
	rapid.Check(t, func(rt *rapid.T) {
		body := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(rt, "body")
		event := sample(t)
		event.Body, event.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
		response := call(t, echo, event)
		got := []byte(response.Body)
		if response.IsBase64Encoded {
			var err error
			if got, err = base64.StdEncoding.DecodeString(response.Body); err != nil {
				rt.Fatal(err)
			}
		}
		if !bytes.Equal(got, body) {
			rt.Fatalf("sent %x, got %x", body, got)
		}
	})
}

func TestAdapterRefuses(t *testing.T) {
	atLimit := strings.Repeat("a", gateway.MaxBody)
	for name, test := range map[string]struct {
		change func(*events.APIGatewayV2HTTPRequest)
		status int
		code   string
	}{
		"plain body over the limit":  {func(e *events.APIGatewayV2HTTPRequest) { e.Body = atLimit + "a" }, 413, "body_too_large"},
		"base64 body over the limit": {func(e *events.APIGatewayV2HTTPRequest) { setBase64(e, atLimit+"a") }, 413, "body_too_large"},
		"6 MB":                       {func(e *events.APIGatewayV2HTTPRequest) { setBase64(e, strings.Repeat("a", 6<<20)) }, 413, "body_too_large"},
		"bad base64":                 {func(e *events.APIGatewayV2HTTPRequest) { e.Body, e.IsBase64Encoded = "{}", true }, 400, "bad_base64"},
		"cut base64":                 {func(e *events.APIGatewayV2HTTPRequest) { e.Body, e.IsBase64Encoded = "e30", true }, 400, "bad_base64"},
		"path without a slash":       {func(e *events.APIGatewayV2HTTPRequest) { e.RawPath = "c/x" }, 400, "bad_request_target"},
		"no path":                    {func(e *events.APIGatewayV2HTTPRequest) { e.RawPath = "" }, 400, "bad_request_target"},
		"method with a blank":        {func(e *events.APIGatewayV2HTTPRequest) { e.RequestContext.HTTP.Method = "GET /" }, 400, "bad_method"},
	} {
		t.Run(name, func(t *testing.T) {
			event := sample(t)
			test.change(&event)
			response := call(t, func(http.ResponseWriter, *http.Request) { t.Error("the handler was called") }, event)
			checkProblem(t, response, test.status, test.code)
		})
	}
}

func TestBodyAtTheLimitPasses(t *testing.T) {
	for _, set := range []func(*events.APIGatewayV2HTTPRequest, string){setBase64, func(e *events.APIGatewayV2HTTPRequest, body string) { e.Body = body }} {
		event := sample(t)
		set(&event, strings.Repeat("a", gateway.MaxBody))
		got := 0
		call(t, func(_ http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			got = len(body)
		}, event)
		if got != gateway.MaxBody {
			t.Errorf("the handler got %d bytes, want %d", got, gateway.MaxBody)
		}
	}
}

func TestPanicIsAProblemWithoutItsText(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewJSONHandler(&log, nil)))
	defer slog.SetDefault(before)
	for _, reason := range []any{errors.New("phone 13800000000"), "phone 13800000000"} {
		response := call(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Half", "yes")
			w.WriteHeader(http.StatusOK)
			_, _ = io.WriteString(w, "half an answer")
			panic(reason)
		}, sample(t))
		checkProblem(t, response, 500, "internal")
		if response.Headers["X-Half"] != "" || strings.Contains(response.Body, "half") {
			t.Errorf("half an answer got out: %+v", response)
		}
	}
	if !strings.Contains(log.String(), "handler panicked") || !strings.Contains(log.String(), "JKJaXmPLvHcESHA=") {
		t.Errorf("the log does not tell of the panic: %s", log.String())
	}
	if strings.Contains(log.String(), "13800000000") {
		t.Error("the log holds the panic's text")
	}
}

func TestForwardedHeaderDoesNotChangeTheSource(t *testing.T) {
	event := sample(t)
	event.Headers["x-real-ip"] = "6.6.6.6"
	call(t, func(_ http.ResponseWriter, r *http.Request) {
		if got := gateway.SourceIP(r.Context()); got != "203.0.113.7" {
			t.Errorf("source %s, want 203.0.113.7", got)
		}
	}, event)
	if gateway.SourceIP(context.Background()) != "" || gateway.RequestID(context.Background()) != "" {
		t.Error("there is a source outside of a request")
	}
}

func setBase64(event *events.APIGatewayV2HTTPRequest, body string) {
	event.Body, event.IsBase64Encoded = base64.StdEncoding.EncodeToString([]byte(body)), true
}

func checkProblem(t *testing.T, response events.APIGatewayV2HTTPResponse, status int, code string) {
	t.Helper()
	var document problem.Document
	if err := json.Unmarshal([]byte(response.Body), &document); err != nil {
		t.Fatalf("the body is not JSON: %v", err)
	}
	if response.StatusCode != status || document.Type != "https://huitou.dev/problems/"+code || document.Instance != "JKJaXmPLvHcESHA=" {
		t.Errorf("status %d, %+v; want %d, %s", response.StatusCode, document, status, code)
	}
	if got := response.Headers["Content-Type"]; got != problem.ContentType {
		t.Errorf("content type %q", got)
	}
	if strings.Contains(response.Body, "13800000000") {
		t.Error("the body shows the panic's text")
	}
}

func FuzzHandle(f *testing.F) {
	f.Add("POST", "/c/%20", "a=b", "body", false, "host")
	f.Add("", "//", "%zz", "====", true, "\r\n")
	f.Add("OPTIONS", "*", "?", "e30=", true, "a,b")
	f.Fuzz(func(t *testing.T, method, path, query, body string, encoded bool, header string) {
		event := events.APIGatewayV2HTTPRequest{RawPath: path, RawQueryString: query, Body: body, IsBase64Encoded: encoded, Headers: map[string]string{"host": header, header: query}, Cookies: []string{header}}
		event.RequestContext.HTTP.Method = method
		response := call(t, func(w http.ResponseWriter, r *http.Request) {
			if _, err := url.ParseRequestURI(r.RequestURI); err != nil {
				t.Errorf("the handler got a target that does not parse: %v", err)
			}
			_, _ = io.Copy(w, r.Body)
		}, event)
		if response.StatusCode != 200 && response.StatusCode != 400 {
			t.Errorf("status %d", response.StatusCode)
		}
	})
}
