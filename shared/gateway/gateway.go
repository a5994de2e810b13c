// Package gateway lets an http.Handler answer the events of an API Gateway
// HTTP API (payload format 2.0). Why it is written here and not taken from a
// library stands in infra/docs/adr/0003-gateway-adapter.md.
package gateway

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime"
	"runtime/debug"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/problem"
)

// MaxBody is the largest request body in bytes that is handed on (200 KB): what
// comes in must fit one queue message everywhere, whose old limit is 256 KB.
const MaxBody = 200 << 10

// Handle makes a Lambda handler of h. It answers by itself, as RFC 9457:
// 413 body_too_large for a body over MaxBody, 400 bad_base64 for one that is
// not the base64 it is said to be, 400 bad_request_target for a target that
// is no URL, and 500 without a text when h panics. The returned error is
// always nil, because API Gateway turns one into an answer of its own.
//
// Headers keep what the gateway sent; the caller's address is SourceIP and
// never a header, which anybody can write.
func Handle(h http.Handler) func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	return func(ctx context.Context, event events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
		ctx = context.WithValue(ctx, requestContextKey{}, event.RequestContext)
		ctx = problem.WithInstance(ctx, event.RequestContext.RequestID)
		response := &recorder{header: http.Header{}}
		request, err := newRequest(ctx, event)
		if err != nil {
			refused := (&http.Request{Method: event.RequestContext.HTTP.Method}).WithContext(ctx)
			problem.Write(response, refused, err)
			return response.event(), nil
		}
		response = serve(h, request)
		return response.event(), nil
	}
}

// serve runs h. After a panic whatever h had written is thrown away: half an
// answer with status 200 would be believed. The log gets the stack and, unless
// it is the runtime's own, not the panic's text, which could hold anything.
func serve(h http.Handler, request *http.Request) (response *recorder) {
	response = &recorder{header: http.Header{}}
	defer func() {
		if reason := recover(); reason != nil {
			told := fmt.Sprintf("%T", reason)
			if fault, ok := reason.(runtime.Error); ok {
				told = fault.Error()
			}
			slog.ErrorContext(request.Context(), "handler panicked", "reason", told, "request", RequestID(request.Context()), "stack", string(debug.Stack()))
			response = &recorder{header: http.Header{}}
			problem.Write(response, request, errors.New("the handler panicked"))
		}
	}()
	h.ServeHTTP(response, request)
	return response
}

func newRequest(ctx context.Context, event events.APIGatewayV2HTTPRequest) (*http.Request, error) {
	body, err := decodeBody(event)
	if err != nil {
		return nil, err
	}
	// The gateway decodes the path before it hands it over.
	address := &url.URL{Path: event.RawPath, RawQuery: event.RawQueryString}
	if _, err := url.ParseRequestURI(address.RequestURI()); err != nil || !strings.HasPrefix(address.Path, "/") {
		return nil, &loyalty.Error{Kind: loyalty.KindInvalid, Code: "bad_request_target", Detail: "the path or the query is not a valid URL", Cause: err}
	}
	request, err := http.NewRequestWithContext(ctx, event.RequestContext.HTTP.Method, "/", bytes.NewReader(body))
	if err != nil {
		return nil, &loyalty.Error{Kind: loyalty.KindInvalid, Code: "bad_method", Detail: "the request's method is not a token", Cause: err}
	}
	request.URL = address
	request.RequestURI = address.RequestURI()
	for name, value := range event.Headers {
		request.Header.Set(name, value)
	}
	// In format 2.0 cookies stand beside the headers, one an entry.
	if len(event.Cookies) > 0 {
		request.Header.Set("Cookie", strings.Join(event.Cookies, "; "))
	}
	request.Host = request.Header.Get("Host")
	if request.Host == "" {
		request.Host = event.RequestContext.DomainName
	}
	request.RemoteAddr = event.RequestContext.HTTP.SourceIP
	return request, nil
}

func decodeBody(event events.APIGatewayV2HTTPRequest) ([]byte, error) {
	tooLarge := loyalty.Refuse(loyalty.KindTooLarge, "body_too_large", fmt.Sprintf("the body may hold %d bytes at most", MaxBody))
	if !event.IsBase64Encoded {
		if len(event.Body) > MaxBody {
			return nil, tooLarge
		}
		return []byte(event.Body), nil
	}
	if base64.StdEncoding.DecodedLen(len(event.Body)) > MaxBody+2 {
		return nil, tooLarge
	}
	body, err := base64.StdEncoding.DecodeString(event.Body)
	if err != nil {
		return nil, loyalty.Refuse(loyalty.KindInvalid, "bad_base64", "the body is not the base64 that it is declared to be")
	}
	if len(body) > MaxBody {
		return nil, tooLarge
	}
	return body, nil
}

type requestContextKey struct{}

func requestContext(ctx context.Context) events.APIGatewayV2HTTPRequestContext {
	known, _ := ctx.Value(requestContextKey{}).(events.APIGatewayV2HTTPRequestContext)
	return known
}

// RequestID is the gateway's id of the request; "" outside of Handle.
func RequestID(ctx context.Context) string { return requestContext(ctx).RequestID }

// SourceIP is the address of the peer as the gateway saw it, which no header
// of the caller's changes; "" outside of Handle.
func SourceIP(ctx context.Context) string { return requestContext(ctx).HTTP.SourceIP }

// recorder keeps an answer until it is whole.
type recorder struct {
	header http.Header // what the handler may still change
	sent   http.Header // as it was when the status was written; nil before
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	// Informational answers (100 to 199) have no way through the gateway.
	if r.sent != nil || status < 200 {
		return
	}
	r.status = status
	r.sent = r.header.Clone()
}

func (r *recorder) Write(part []byte) (int, error) {
	if r.sent == nil {
		if r.header.Get("Content-Type") == "" {
			r.header.Set("Content-Type", http.DetectContentType(part))
		}
		r.WriteHeader(http.StatusOK)
	}
	return r.body.Write(part)
}

// event renders the answer in format 2.0: repeated headers joined by a comma,
// cookies apart, and base64 for what is not text.
func (r *recorder) event() events.APIGatewayV2HTTPResponse {
	r.WriteHeader(http.StatusOK)
	response := events.APIGatewayV2HTTPResponse{
		StatusCode: r.status,
		Headers:    make(map[string]string, len(r.sent)),
		Cookies:    r.sent.Values("Set-Cookie"),
	}
	for name, values := range r.sent {
		if name != "Set-Cookie" {
			response.Headers[name] = strings.Join(values, ",")
		}
	}
	if utf8.Valid(r.body.Bytes()) {
		response.Body = r.body.String()
	} else {
		response.Body = base64.StdEncoding.EncodeToString(r.body.Bytes())
		response.IsBase64Encoded = true
	}
	return response
}
