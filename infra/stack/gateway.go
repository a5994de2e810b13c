package stack

import (
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
	json "github.com/go-json-experiment/json/v1"
)

// The limits of an HTTP API, in bytes.
const (
	maxRequestBody = 10 << 20
	maxHeaders     = 10240 // all names and values together
)

// ServeHTTP answers as API Gateway does for an HTTP API with payload format
// 2.0: it makes the event, calls the route's function and turns the answer
// back. A refusal of the gateway itself has the gateway's own small body.
func (s *Stack) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	origin := r.Header.Get("Origin")
	if s.cors.preflight(w, r, origin) {
		return
	}
	if headerBytes(r.Header) > maxHeaders {
		refuse(w, http.StatusRequestHeaderFieldsTooLarge, "Request Header Fields Too Large")
		return
	}
	path := r.URL.Path
	// The gateway decodes the path first and then takes it for a target.
	path, _, _ = strings.Cut(path, "?")
	matched, variables, ok := find(s.routes, r.Method, path)
	if !ok {
		refuse(w, http.StatusNotFound, "Not Found")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBody))
	if err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			refuse(w, http.StatusRequestEntityTooLarge, "Request Entity Too Large")
			return
		}
		refuse(w, http.StatusBadRequest, "Bad Request")
		return
	}
	request := s.requestID()
	payload, err := json.Marshal(s.httpEvent(r, matched.key, path, variables, body, request))
	if err != nil {
		refuse(w, http.StatusInternalServerError, "Internal Server Error")
		return
	}
	if len(payload) > maxPayload {
		refuse(w, http.StatusRequestEntityTooLarge, "Request Entity Too Large")
		return
	}
	answer, err := s.invoke(r.Context(), s.functions[matched.function], request, payload)
	if err != nil {
		s.log.Error("a request failed", "route", matched.key, "function", matched.function, "request", request, "error", err)
		refuse(w, http.StatusInternalServerError, "Internal Server Error")
		return
	}
	w.Header().Set("Apigw-Requestid", request)
	s.cors.expose(w, origin)
	if !respond(w, answer, s.cors != nil) {
		s.log.Error("a request failed: its answer is no HTTP response", "route", matched.key, "function", matched.function, "request", request)
		refuse(w, http.StatusInternalServerError, "Internal Server Error")
	}
}

// refuse writes the gateway's own answer.
func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// A caller who went away cannot be told anything more.
	_, _ = io.WriteString(w, `{"message":`+strconv.Quote(message)+`}`)
}

func headerBytes(header http.Header) int {
	size := 0
	for name, values := range header {
		for _, value := range values {
			size += len(name) + len(value)
		}
	}
	return size
}

func (s *Stack) httpEvent(r *http.Request, key, path string, variables map[string]string, body []byte, request string) events.APIGatewayV2HTTPRequest {
	address, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		address = r.RemoteAddr
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	headers, cookies := flatten(r, address)
	text, encoded := encodeBody(r.Header.Get("Content-Type"), body)
	prefix, _, _ := strings.Cut(host, ".")
	now := s.base()
	return events.APIGatewayV2HTTPRequest{
		Version:               "2.0",
		RouteKey:              key,
		RawPath:               path,
		RawQueryString:        r.URL.RawQuery,
		Cookies:               cookies,
		Headers:               headers,
		QueryStringParameters: parameters(r.URL.RawQuery),
		PathParameters:        variables,
		Body:                  text,
		IsBase64Encoded:       encoded,
		RequestContext: events.APIGatewayV2HTTPRequestContext{
			RouteKey: key, AccountID: "anonymous", Stage: "$default", RequestID: request, APIID: "local",
			DomainName: host, DomainPrefix: prefix,
			Time: now.UTC().Format("02/Jan/2006:15:04:05 -0700"), TimeEpoch: now.UnixMilli(),
			HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{
				Method: r.Method, Path: path, Protocol: r.Proto, SourceIP: address, UserAgent: r.UserAgent(),
			},
		},
	}
}

// flatten makes lower-case names, joins repeated headers with commas and takes
// the cookies out. X-Forwarded-For ends with the address that called, whatever
// the caller wrote before it.
func flatten(r *http.Request, address string) (headers map[string]string, cookies []string) {
	headers = map[string]string{}
	for name, values := range r.Header {
		if name == "Cookie" {
			for _, line := range values {
				for cookie := range strings.SplitSeq(line, ";") {
					if cookie = strings.TrimSpace(cookie); cookie != "" {
						cookies = append(cookies, cookie)
					}
				}
			}
			continue
		}
		headers[strings.ToLower(name)] = strings.Join(values, ",")
	}
	headers["host"] = r.Host
	if r.ContentLength >= 0 {
		headers["content-length"] = strconv.FormatInt(r.ContentLength, 10)
	}
	if before := headers["x-forwarded-for"]; before != "" {
		address = before + ", " + address
	}
	headers["x-forwarded-for"] = address
	headers["x-forwarded-proto"] = "http"
	if _, port, err := net.SplitHostPort(r.Host); err == nil {
		headers["x-forwarded-port"] = port
	}
	return headers, cookies
}

// parameters decodes a query; a repeated name has its values joined by commas.
func parameters(query string) map[string]string {
	// A pair that does not decode is left out; the raw query is in the event.
	values, _ := url.ParseQuery(query)
	if len(values) == 0 {
		return nil
	}
	joined := make(map[string]string, len(values))
	for name, list := range values {
		joined[name] = strings.Join(list, ",")
	}
	return joined
}

// textTypes go through as text beside text/*; everything else, also a form
// and a body without a type, is base64. Observed on AWS and reported in
// github.com/ministackorg/ministack, pull request 766.
var textTypes = []string{"application/json", "application/javascript", "application/xml"}

func encodeBody(contentType string, body []byte) (text string, encoded bool) {
	if len(body) == 0 {
		return "", false
	}
	kind, options, err := mime.ParseMediaType(contentType)
	charset := strings.ToLower(options["charset"])
	isText := err == nil && (strings.HasPrefix(kind, "text/") || slices.Contains(textTypes, kind))
	if isText && (charset == "" || charset == "utf-8") && utf8.Valid(body) {
		return string(body), false
	}
	return base64.StdEncoding.EncodeToString(body), true
}

// respond writes a function's answer. An answer without a statusCode is, as in
// payload format 2.0, the JSON body of a 200. Where the API has a CORS
// configuration the function's own CORS headers are dropped. It is false, with
// nothing written, for an answer that cannot be sent.
func respond(w http.ResponseWriter, answer []byte, ownCORS bool) bool {
	var shape struct {
		StatusCode *int `json:"statusCode"`
	}
	if err := json.Unmarshal(answer, &shape); err != nil || shape.StatusCode == nil {
		if !json.Valid(answer) {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(answer)
		return true
	}
	var response events.APIGatewayV2HTTPResponse
	if err := json.Unmarshal(answer, &response); err != nil || response.StatusCode < 200 || response.StatusCode > 599 {
		return false
	}
	body := []byte(response.Body)
	if response.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(response.Body); err != nil {
			return false
		}
	}
	header := w.Header()
	for name, value := range response.Headers {
		if !ownCORS || !strings.HasPrefix(strings.ToLower(name), "access-control-") {
			header.Set(name, value)
		}
	}
	for name, values := range response.MultiValueHeaders {
		header.Set(name, strings.Join(values, ","))
	}
	for _, cookie := range response.Cookies {
		header.Add("Set-Cookie", cookie)
	}
	if header.Get("Content-Type") == "" {
		header.Set("Content-Type", "text/plain; charset=utf-8")
	}
	w.WriteHeader(response.StatusCode)
	_, _ = w.Write(body)
	return true
}

func (c *cors) allows(origin string) bool {
	return c != nil && origin != "" && slices.Contains(c.AllowOrigins, origin)
}

// preflight answers a browser's question before a call from another origin,
// without any function, when the API has a CORS configuration.
func (c *cors) preflight(w http.ResponseWriter, r *http.Request, origin string) bool {
	if c == nil || r.Method != http.MethodOptions || origin == "" || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	if c.allows(origin) {
		header := w.Header()
		header.Set("Access-Control-Allow-Origin", origin)
		header.Set("Access-Control-Allow-Methods", strings.Join(c.AllowMethods, ","))
		header.Set("Access-Control-Allow-Headers", strings.Join(c.AllowHeaders, ","))
		header.Set("Access-Control-Max-Age", strconv.Itoa(int(c.MaxAge)))
	}
	w.WriteHeader(http.StatusNoContent)
	return true
}

// expose lets a page of an allowed origin read the answer.
func (c *cors) expose(w http.ResponseWriter, origin string) {
	if c.allows(origin) {
		w.Header().Set("Access-Control-Allow-Origin", origin)
		w.Header().Set("Access-Control-Expose-Headers", strings.Join(c.ExposeHeaders, ","))
	}
}
