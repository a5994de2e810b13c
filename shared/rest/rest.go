// Package rest is how operate and members speak HTTP: huma with the refusals,
// the strictness about JSON and the roles that CONTRACT.md promises.
package rest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/problem"
	"github.com/huitou/huitou/shared/strictjson"
	"github.com/huitou/huitou/shared/token"
)

// Version of the outside, in the OpenAPI document.
const Version = "1.0.0"

func init() {
	huma.ValidateStrictCasing = true
	huma.DefaultArrayNullable = false // strictjson takes no null
	huma.NewErrorWithContext = newError
	huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
		return newError(nil, status, message, errs...)
	}
}

// API is where calls are registered, to be served or to be documented.
type API struct {
	mux      *http.ServeMux  // nil for a document
	document huma.API        // nil for a mux
	public   map[string]bool // patterns of calls that take no token
	keyless  map[string]bool // likewise, no Idempotency-Key
}

// Public tells whether the mux serves the request by a call that takes no token.
func (a API) Public(r *http.Request) bool {
	_, pattern := a.mux.Handler(r)
	return a.public[pattern]
}

// Serve makes an API on a mux. Its refusals are problem documents that never
// repeat a value, and it serves no pages of its own. Everything that huma
// derives from a call's types is derived when the call first comes: an instance
// answers a few of a hundred, and all of them were most of its cold start.
func Serve(mux *http.ServeMux) API {
	return API{mux: mux, public: map[string]bool{}, keyless: map[string]bool{}}
}

// Keyless tells whether a request is a POST that only reads, and so takes no
// Idempotency-Key.
func (a API) Keyless(r *http.Request) bool {
	_, pattern := a.mux.Handler(r)
	return a.keyless[pattern]
}

// Document makes an API that says what its calls are and serves none.
func Document() API { return API{document: describe(http.NewServeMux())} }

// OpenAPI is the document of an API made by Document.
func (a API) OpenAPI() *huma.OpenAPI { return a.document.OpenAPI() }

// describe is a huma API without its pages.
func describe(mux humago.Mux) huma.API {
	config := huma.DefaultConfig("huitou", Version)
	config.CreateHooks = nil // no $schema in every body
	config.DocsPath, config.OpenAPIPath, config.SchemasPath = "", "", ""
	config.Info.Description = "回头: points, package cards, coupons and reminders of one brand. Money is in fen, times are RFC 3339 with zone."
	config.Formats = formats
	config.Components.Schemas = huma.NewMapRegistry("#/components/schemas/", schemaName)
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"operator": {Type: "http", Scheme: "bearer", Description: "an operator's token; x-roles lists who may call"},
		"member":   {Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "a member's short-lived token"},
	}
	return humago.New(mux, config)
}

// formats write JSON as huma does, and read it strictly: huma's own check looks
// at keys, its decoder would fold their case.
var formats = func() map[string]huma.Format {
	format := huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: strictjson.Exact}
	return map[string]huma.Format{"application/json": format, "json": format}
}()

// call is a mux of the one call that huma registers on it.
type call struct{ http.HandlerFunc }

// HandleFunc is what huma registers a call with.
func (c *call) HandleFunc(_ string, handler func(http.ResponseWriter, *http.Request)) {
	c.HandlerFunc = handler
}

// add registers a call, at once or when it first comes.
func (a API) add(method, path string, register func(huma.API)) {
	if a.mux == nil {
		register(a.document)
		return
	}
	described := sync.OnceValue(func() http.Handler {
		c := &call{}
		register(describe(c))
		return c
	})
	a.mux.HandleFunc(method+" "+path, func(w http.ResponseWriter, r *http.Request) { described().ServeHTTP(w, r) })
}

// schemaName puts the package before the type's name: points and repurchase
// both have Rules.
func schemaName(t reflect.Type, hint string) string {
	name := strings.NewReplacer(" ", "", "{", "", "}", "").Replace(huma.DefaultSchemaNamer(t, hint)) // of struct{}, which is no name to OpenAPI
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	noun := path.Base(t.PkgPath())
	if noun == "." || noun == "operate" || noun == "members" || noun == "rest" || noun == "openapi" {
		return name
	}
	return strings.ToUpper(noun[:1]) + noun[1:] + name
}

// failure is a refusal as huma sees it.
type failure struct {
	problem.Document
	headers http.Header
}

var documentType = reflect.TypeFor[problem.Document]()

func (f *failure) Error() string                { return f.Title }
func (f *failure) GetStatus() int               { return f.Status }
func (f *failure) GetHeaders() http.Header      { return f.headers }
func (*failure) ContentType(string) string      { return problem.ContentType }
func (f *failure) MarshalJSON() ([]byte, error) { return json.Marshal(f.Document) }

// Schema is that of the document alone.
func (*failure) Schema(r huma.Registry) *huma.Schema {
	return r.Schema(documentType, true, "Problem")
}

func refuse(ctx context.Context, err error) huma.StatusError {
	f := &failure{Document: problem.Of(ctx, err), headers: http.Header{}}
	if retry := problem.RetryAfter(err); retry != "" {
		f.headers.Set("Retry-After", retry)
	}
	return f
}

// newError says what huma found wrong with a request. A request that
// did not validate is 400, whatever huma calls it.
func newError(ctx huma.Context, status int, message string, errs ...error) huma.StatusError {
	base := context.Background()
	if ctx != nil {
		base = ctx.Context()
	}
	refusal := &loyalty.Error{Kind: loyalty.KindInternal, Code: "internal", Detail: message}
	switch status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		refusal.Kind, refusal.Code = loyalty.KindInvalid, "invalid"
	case http.StatusUnsupportedMediaType, http.StatusNotAcceptable:
		refusal.Kind, refusal.Code = loyalty.KindUnsupported, "media_type"
	case http.StatusRequestEntityTooLarge:
		refusal.Kind, refusal.Code = loyalty.KindTooLarge, "body_too_large"
	}
	details := []string{}
	for _, err := range errs {
		detailer, ok := err.(huma.ErrorDetailer)
		if !ok {
			continue
		}
		detail := detailer.ErrorDetail()
		if own := decoding(ctx, detail); own != nil {
			refusal.Fields = append(refusal.Fields, own.Fields...)
			details = append(details, strings.TrimPrefix(own.Fields[0].Pointer+": ", ": ")+own.Detail)
			continue
		}
		field := loyalty.Field{Pointer: pointer(detail.Location), Code: "invalid"}
		if strings.HasPrefix(detail.Message, "expected required") {
			field.Code = "required"
		}
		refusal.Fields = append(refusal.Fields, field)
		details = append(details, strings.TrimPrefix(field.Pointer+": ", ": ")+detail.Message)
	}
	if len(details) > 0 {
		refusal.Detail = strings.Join(details, "; ")
	}
	return refuse(base, refusal)
}

// decoding is why a body could not be decoded, of which huma keeps the text alone;
// nil for what the schema says is wrong.
func decoding(ctx huma.Context, detail *huma.ErrorDetail) *loyalty.Error {
	raw, ok := detail.Value.(string)
	if ctx == nil || !ok || detail.Location != "body" {
		return nil
	}
	body, ok := ctx.Operation().Metadata[bodyType].(reflect.Type)
	if !ok {
		return nil
	}
	own, ok := errors.AsType[*loyalty.Error](strictjson.Exact([]byte(raw), reflect.New(body).Interface()))
	if !ok || len(own.Fields) == 0 {
		return nil
	}
	return own
}

// queryOf are the query parameters of an input, and which of them are instants.
func queryOf(input reflect.Type) map[string]bool {
	found := map[string]bool{}
	for _, field := range reflect.VisibleFields(input) {
		if name, ok := field.Tag.Lookup("query"); ok {
			name, _, _ = strings.Cut(name, ",")
			found[name] = field.Type == reflect.TypeFor[time.Time]()
		}
	}
	return found
}

// checkQuery refuses a query that says what nobody reads: a parameter that the
// call does not have, or one that stands twice, of which the first would count.
func checkQuery(known map[string]bool) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(ctx)
		query, err := url.ParseQuery(r.URL.RawQuery)
		refusal := &loyalty.Error{Kind: loyalty.KindInvalid, Code: "invalid", Detail: "the query has a parameter that this call does not take, or one twice, empty or in another form; see errors"}
		if err != nil {
			refusal.Fields = append(refusal.Fields, loyalty.Field{Pointer: "query", Code: "malformed"})
		}
		for _, name := range slices.Sorted(maps.Keys(query)) {
			isInstant, ok := known[name]
			code := ""
			switch values := query[name]; {
			case !ok:
				code, name = "unknown_parameter", short(name)
			case len(values) > 1:
				code = "repeated"
			case values[0] == "" && name != "cursor": // an empty cursor is the list's start
				code = "empty"
			case isInstant:
				if _, err := loyalty.ParseTime(values[0]); err != nil {
					code = "not_rfc3339"
					refusal.Detail = "a time is written as RFC 3339 says, with its zone, in which a plus is %2B: 2027-05-01T09:30:00%2B08:00"
				}
			}
			if code != "" {
				refusal.Fields = append(refusal.Fields, loyalty.Field{Pointer: name, Code: code})
			}
		}
		if len(refusal.Fields) > 0 {
			problem.Write(w, r, refusal)
			return
		}
		next(ctx)
	}
}

// short bounds a name that a stranger made up.
func short(name string) string {
	if runes := []rune(name); len(runes) > 64 {
		return string(runes[:64]) + "…"
	}
	return name
}

// bodyType is where a call's metadata has the type of its body.
const bodyType = "body"

// pointer turns huma's "body.lines[0].paid" into "/lines/0/paid", and leaves
// the name of a header or a parameter as it is.
func pointer(location string) string {
	part, rest, found := strings.Cut(location, ".")
	if part != "body" {
		if found {
			return rest
		}
		return location
	}
	if !found {
		return ""
	}
	return "/" + strings.NewReplacer(".", "/", "[", "/", "]", "").Replace(rest)
}

// Body is an answer that is JSON.
type Body[T any] struct{ Body T }

// List is one page of a list.
type List[T any] struct {
	Items      []T    `json:"items"`
	NextCursor string `json:"next_cursor,omitempty" doc:"send it as cursor for the page that follows; absent at the end"`
}

// Text is what an operation's Content says of a body that is no JSON.
var Text = reflect.TypeFor[string]()

// Answer makes a Body.
func Answer[T any](body T) *Body[T] { return &Body[T]{Body: body} }

// Page makes a List, whose items are never null.
func Page[T any](items []T, next string) List[T] {
	if items == nil {
		items = []T{}
	}
	return List[T]{Items: items, NextCursor: next}
}

// Paging is how a caller asks for a page.
type Paging struct {
	Cursor string `query:"cursor" maxLength:"4096" doc:"next_cursor of the page before"`
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"50"`
}

// PageOf is the page of a list that is short and known as a whole. It fails with
// KindInvalid where the cursor is none of its own.
func PageOf[T any](all []T, asked Paging) (List[T], error) {
	from := 0
	if asked.Cursor != "" {
		at, err := strconv.Atoi(asked.Cursor)
		if err != nil || at < 1 || strconv.Itoa(at) != asked.Cursor {
			return List[T]{}, loyalty.Invalid("cursor", "invalid", "the cursor is not from this list; leave it out to begin at its start")
		}
		from = min(at, len(all))
	}
	until, next := len(all), ""
	if until-from > asked.Limit {
		until = from + asked.Limit
		next = strconv.Itoa(until)
	}
	return Page(all[from:until], next), nil
}

type operatorKey struct{}

// WithOperator says who calls.
func WithOperator(ctx context.Context, operator token.Operator) context.Context {
	return context.WithValue(ctx, operatorKey{}, operator)
}

// Operator is who calls; false for nobody.
func Operator(ctx context.Context) (token.Operator, bool) {
	operator, ok := ctx.Value(operatorKey{}).(token.Operator)
	return operator, ok
}

// Operation describes one call of an API.
type Operation struct {
	Method, Path, ID string
	Summary          string
	Tag              string
	Status           int                     // of success; 0 for 200
	Also             map[int]string          // further statuses of success, with what they mean
	Content          map[string]reflect.Type // of success, by media type, where it is not the JSON of the output's Body
	Roles            []token.Role            // of operators who may call; an admin always may. None means that the caller proves who they are in another way
	Security         string                  // "operator" unless set; "none", "member"
	NoIdempotencyKey bool                    // of a POST that only reads
	Refuses          []int                   // further statuses of refusal, beside those that every call of its kind has
	Throttled        bool                    // it may be refused with 429 and Retry-After
	Act              string                  // an operator's act, as the audit log names it for ever: "noun.verb"; "" for what changes nothing
}

// Act is what an operator is about to do (操作). Nothing in it is checked for
// secrets: parameters are what they wrote into the path.
type Act struct {
	Name       string // Operation.Act
	Path       string // Operation.Path
	Parameters map[string]string
	On         string // what it is done on where the path does not say, "" elsewhere
	Reason     string // as they gave it, "" where none is asked for
}

// Recorder keeps the audit log. It is told of an act before it is done; where
// it fails the act is not done. The function that it returns is told how the
// act ended, and says what the caller is told.
type Recorder func(context.Context, Act) (ended func(error) error, err error)

// Reasoned is an input that gives a reason for its act.
type Reasoned interface{ ActReason() string }

// Naming is an input that names what its act is done on.
type Naming interface{ ActOn() string }

type recorderKey struct{}

// WithRecorder says who keeps the audit log.
func WithRecorder(ctx context.Context, recorder Recorder) context.Context {
	return context.WithValue(ctx, recorderKey{}, recorder)
}

type parametersKey struct{}

// keepParameters hands an act's parameters on to its handler.
func keepParameters(o Operation) func(huma.Context, func(huma.Context)) {
	var names []string
	for part := range strings.SplitSeq(o.Path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			names = append(names, strings.TrimSuffix(name, "}"))
		}
	}
	return func(ctx huma.Context, next func(huma.Context)) {
		parameters := make(map[string]string, len(names))
		for _, name := range names {
			parameters[name] = ctx.Param(name)
		}
		next(huma.WithValue(ctx, parametersKey{}, parameters))
	}
}

// recorded has an act recorded before the handler does it.
func recorded[I, O any](o Operation, handler func(context.Context, *I) (*O, error)) func(context.Context, *I) (*O, error) {
	return func(ctx context.Context, input *I) (*O, error) {
		record, ok := ctx.Value(recorderKey{}).(Recorder)
		if !ok {
			return nil, &loyalty.Error{Kind: loyalty.KindInternal, Code: "no_audit_log", Detail: "nobody keeps the audit log"}
		}
		act := Act{Name: o.Act, Path: o.Path}
		act.Parameters, _ = ctx.Value(parametersKey{}).(map[string]string)
		if reasoned, ok := any(input).(Reasoned); ok {
			act.Reason = reasoned.ActReason()
		}
		if naming, ok := any(input).(Naming); ok {
			act.On = naming.ActOn()
		}
		ended, err := record(ctx, act)
		if err != nil {
			return nil, err
		}
		output, err := handler(ctx, input)
		if err := ended(err); err != nil {
			return nil, err
		}
		return output, nil
	}
}

// Register adds a call. The handler's error decides the answer by its Kind;
// an internal one is logged and shows nothing.
func Register[I, O any](api API, log *slog.Logger, o Operation, handler func(context.Context, *I) (*O, error)) {
	if o.NoIdempotencyKey && api.mux != nil {
		api.keyless[o.Method+" "+o.Path] = true
	}
	if o.Security == "none" && api.mux != nil {
		api.public[o.Method+" "+o.Path] = true
	}
	api.add(o.Method, o.Path, func(api huma.API) { register(api, log, o, handler) })
}

func register[I, O any](api huma.API, log *slog.Logger, o Operation, handler func(context.Context, *I) (*O, error)) {
	if o.Act != "" {
		handler = recorded(o, handler)
	}
	described := o.described()
	// A link to a public page gets parameters of those who pass it on, such as
	// utm_source, which must not break it.
	if o.Security != "none" {
		described.Middlewares = append(described.Middlewares, checkQuery(queryOf(reflect.TypeFor[I]())))
	}
	if body, ok := reflect.TypeFor[I]().FieldByName("Body"); ok {
		described.Metadata = map[string]any{bodyType: body.Type}
	}
	huma.Register(api, described, func(ctx context.Context, input *I) (*O, error) {
		output, err := handler(ctx, input)
		if err != nil {
			return nil, o.refused(ctx, log, err)
		}
		return output, nil
	})
	o.answers(api.OpenAPI())
}

// described is the operation in huma's terms.
func (o Operation) described() huma.Operation {
	operation := huma.Operation{
		Method: o.Method, Path: o.Path, OperationID: o.ID, Summary: o.Summary, Tags: []string{o.Tag},
		DefaultStatus: o.Status, MaxBodyBytes: strictjson.MaxBytes,
		Errors: []int{400, 401, 403, 404, 405, 503},
	}
	if o.Method != http.MethodGet {
		operation.Errors = append(operation.Errors, 409, 413, 415)
	}
	if o.Method == http.MethodPost && !o.NoIdempotencyKey {
		operation.Errors = append(operation.Errors, 422)
	}
	switch o.Security {
	case "none":
		operation.Errors = []int{400, 404, 405, 503}
		if o.Method == http.MethodPost {
			operation.Errors = append(operation.Errors, 401, 409, 413, 415)
		}
	case "member":
		operation.Security = []map[string][]string{{"member": {}}}
	default:
		operation.Security = []map[string][]string{{"operator": {}}}
		operation.Extensions = map[string]any{"x-roles": append(slices.Clone(o.Roles), token.RoleAdmin)}
		operation.Middlewares = huma.Middlewares{authorize(o.Roles)}
	}
	if o.Throttled {
		operation.Errors = append(operation.Errors, 429)
	}
	operation.Errors = append(operation.Errors, o.Refuses...)
	if o.Act != "" {
		operation.Extensions["x-audit-action"] = o.Act
		operation.Middlewares = append(operation.Middlewares, keepParameters(o))
	}
	if o.Method == http.MethodPost && !o.NoIdempotencyKey {
		operation.Parameters = append(operation.Parameters, &huma.Param{
			Name: "Idempotency-Key", In: "header", Required: true,
			Description: "1 to 200 printable ASCII characters of the caller's choice; the same key and body give the first answer again, the same key with another body 422",
			Schema:      &huma.Schema{Type: "string", Pattern: "^[!-~]{1,200}$"},
		})
	}
	return operation
}

// refused is the answer that an error decides.
func (o Operation) refused(ctx context.Context, log *slog.Logger, err error) error {
	if loyalty.KindOf(err) == loyalty.KindInternal {
		log.ErrorContext(ctx, "request failed", "operation", o.ID, "error", err.Error())
	}
	return refuse(ctx, err)
}

// answers says in the document what success is beyond the handler's output.
func (o Operation) answers(document *huma.OpenAPI) {
	item := document.Paths[o.Path]
	responses := map[string]*huma.Operation{http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPut: item.Put, http.MethodDelete: item.Delete}[o.Method].Responses
	success := responses[statusText(cmp.Or(o.Status, http.StatusOK))]
	if o.Content != nil {
		success.Content = map[string]*huma.MediaType{}
	}
	// huma says 422 of every call that has parameters; what it finds is 400 here.
	if o.Security != "none" && (o.Method != http.MethodPost || o.NoIdempotencyKey) {
		delete(responses, statusText(http.StatusUnprocessableEntity))
	}
	for media, body := range o.Content {
		success.Content[media] = &huma.MediaType{Schema: document.Components.Schemas.Schema(body, true, "")}
	}
	// An operation that people read refuses them with a page, and with a
	// problem document what never came as far as that.
	if _, isPage := o.Content["text/html"]; isPage && o.Security == "none" {
		for status, response := range responses {
			if status >= "400" {
				response.Content["text/html"] = &huma.MediaType{Schema: document.Components.Schemas.Schema(Text, true, "")}
			}
		}
	}
	for status, meaning := range o.Also {
		other := *success
		other.Description = meaning
		responses[statusText(status)] = &other
	}
}

func statusText(status int) string {
	return string([]byte{byte('0' + status/100), byte('0' + status/10%10), byte('0' + status%10)})
}

func authorize(roles []token.Role) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		operator, ok := Operator(ctx.Context())
		var err error
		switch {
		case !ok:
			err = loyalty.Refuse(loyalty.KindUnauthenticated, "token_missing", `send "Authorization: Bearer <token>" with an operator's token`)
		case !operator.May(roles...):
			err = loyalty.Refuse(loyalty.KindForbidden, "role_missing", "your role does not allow this call")
		default:
			next(ctx)
			return
		}
		r, w := humago.Unwrap(ctx)
		problem.Write(w, r, err)
	}
}

// Strict refuses bodies that are no plain JSON before anything reads them, and
// answers for paths and methods that nobody serves. The handler that wrap makes
// of the mux sees sound requests alone.
func Strict(mux *http.ServeMux, wrap func(http.Handler) http.Handler) http.Handler {
	inner := wrap(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		dropMalformedAccept(r.Header)
		if _, pattern := mux.Handler(r); pattern == "" || !isClean(r.URL.EscapedPath()) {
			problemForUnknown(mux, w, r)
			return
		}
		if err := checkBody(r); err != nil {
			problem.Write(w, r, err)
			return
		}
		inner.ServeHTTP(w, r)
	})
}

// isClean is false of a path with empty or dotted segments, which the mux would
// send on to another path: nothing is at such an address.
func isClean(address string) bool {
	return path.Clean(address) == strings.TrimSuffix(address, "/") || address == "/"
}

// dropMalformedAccept takes away a preference that cannot be read, so that the
// caller gets JSON: huma's reader of the header panics on some of them
// (danielgtaylor/huma#639).
func dropMalformedAccept(header http.Header) {
	for _, line := range header.Values("Accept") {
		for preference := range strings.SplitSeq(line, ",") {
			if _, _, err := mime.ParseMediaType(preference); err != nil || strings.HasSuffix(strings.TrimSpace(preference), ";") {
				header.Del("Accept")
				return
			}
		}
	}
}

func checkBody(r *http.Request) error {
	if r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodDelete {
		return nil
	}
	raw, err := io.ReadAll(io.LimitReader(r.Body, strictjson.MaxBytes+1))
	if err != nil {
		return &loyalty.Error{Kind: loyalty.KindInvalid, Code: "body_unreadable", Detail: "the body could not be read", Cause: err}
	}
	r.Body = io.NopCloser(strings.NewReader(string(raw)))
	if len(raw) == 0 {
		return nil // an operation that needs a body says so itself
	}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return loyalty.Refuse(loyalty.KindUnsupported, "content_encoding", "send the body uncompressed")
	}
	media, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" || parameters["charset"] != "" && !strings.EqualFold(parameters["charset"], "utf-8") {
		return loyalty.Refuse(loyalty.KindUnsupported, "content_type", "send JSON in UTF-8 as application/json")
	}
	return strictjson.Check(raw)
}

// problemForUnknown asks the mux what it would answer, 404 or 405 with Allow,
// and says it as a problem document.
func problemForUnknown(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) {
	answer := &plainAnswer{header: http.Header{}}
	mux.ServeHTTP(answer, r)
	if answer.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", answer.header.Get("Allow"))
		problem.Write(w, r, loyalty.Refuse(loyalty.KindNotAllowed, "method_not_allowed", "this path does not take the method; the Allow header lists those it takes"))
		return
	}
	problem.Write(w, r, loyalty.Refuse(loyalty.KindNotFound, "path_unknown", "there is nothing at this path; GET /openapi.json lists every path"))
}

type plainAnswer struct {
	header http.Header
	status int
}

func (a *plainAnswer) Header() http.Header         { return a.header }
func (a *plainAnswer) Write(p []byte) (int, error) { return len(p), nil }
func (a *plainAnswer) WriteHeader(status int)      { a.status = status }
