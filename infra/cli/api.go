package cli

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/problem"
)

// Connection is where huitou answers, who calls, and how the answer is shown.
type Connection struct {
	URL   string `name:"url" env:"HUITOU_URL" default:"http://127.0.0.1:8080" help:"Where huitou answers."`
	Token string `env:"HUITOU_OPERATOR_TOKEN" placeholder:"TOKEN" help:"An operator's token; better given in the environment, where other users of the machine cannot see it."`
	JSON  bool   `name:"json" help:"Print the API's JSON."`
}

// Repeat is the flag of every POST.
type Repeat struct {
	Key string `name:"idempotency-key" placeholder:"KEY" help:"Repeat the request that was sent under this key, or choose the key of a new one; drawn at random when absent."`
}

// key is the user's key, or a new one.
func (r Repeat) key() (string, error) {
	switch {
	case r.Key == "":
		return rand.Text(), nil
	case len(r.Key) > 200, strings.ContainsFunc(r.Key, func(c rune) bool { return c <= ' ' || c > '~' }):
		return "", &UsageError{"--idempotency-key has 1 to 200 printable ASCII characters without spaces"}
	}
	return r.Key, nil
}

// Instant is a time with its zone, as the API writes it.
type Instant struct{ time.Time }

// UnmarshalText reads RFC 3339.
func (i *Instant) UnmarshalText(text []byte) error {
	at, err := loyalty.ParseTime(string(text))
	if err != nil {
		return fmt.Errorf("%s is not a time with its zone, such as 2026-12-01T00:00:00+08:00", printable(string(text)))
	}
	i.Time = at
	return nil
}

// parseAddress refuses what is not the address of an HTTP server.
func parseAddress(text string) (*url.URL, error) {
	address, err := url.Parse(text)
	if err != nil || address.Scheme != "http" && address.Scheme != "https" || address.Host == "" || address.RawQuery != "" || address.Fragment != "" || address.User != nil {
		// A password in an address is not printed again.
		if err == nil && address.User != nil {
			return nil, &UsageError{"--url has a name or a password in it; huitou takes a token only"}
		}
		return nil, &UsageError{fmt.Sprintf("--url %s is not an address like http://127.0.0.1:8080", printable(text))}
	}
	return address, nil
}

// The bounds of one call. API Gateway gives no answer after 30 s.
const (
	callDeadline  = 35 * time.Second
	callAttempts  = 4
	largestAnswer = 32 << 20
)

// api is huitou as its operators reach it.
type api struct {
	address string // without a slash at its end
	token   string
	client  *http.Client
	pause   func(context.Context, time.Duration)
}

// open checks how huitou is called before anything is read or sent.
func (c Connection) open() (*api, error) {
	if c.Token == "" {
		return nil, &UsageError{"the operator token is missing: set HUITOU_OPERATOR_TOKEN or give --token (a local huitou prints it at its start)"}
	}
	if strings.ContainsFunc(c.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, &UsageError{"the operator token has characters that no token has; is there a space or a line break in HUITOU_OPERATOR_TOKEN?"}
	}
	return c.dial()
}

// openFor asks for a token only where the call needs one.
func (c Connection) openFor(request call) (*api, error) {
	if request.public {
		return c.dial()
	}
	return c.open()
}

func (c Connection) dial() (*api, error) {
	address, err := parseAddress(c.URL)
	if err != nil {
		return nil, err
	}
	return &api{
		address: strings.TrimRight(address.String(), "/"),
		token:   c.Token,
		client: &http.Client{
			// A token goes where the user said and nowhere else.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		pause: sleep,
	}, nil
}

// sleep waits, but not after Ctrl-C.
func sleep(ctx context.Context, length time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(length):
	}
}

// call is one request. All calls may be repeated: what is no POST by its
// nature, a POST under its key.
type call struct {
	method string
	path   []string // segments as they are meant, not escaped
	query  url.Values
	body   []byte // JSON
	key    string // of a POST
	public bool   // the token stays here

	patience time.Duration // how long an answer may take; callDeadline when 0
}

func get(path ...string) call { return call{method: http.MethodGet, path: path} }

// reply is an answer that says yes.
type reply struct {
	status   int
	replayed bool // it is the answer to an earlier request of the same key
	body     []byte
}

// problemError is an answer that says no.
type problemError struct {
	status   int
	replayed bool
	document problem.Document
	key      string
	target   string
}

func (e *problemError) code() string {
	return e.document.Type[strings.LastIndexByte(e.document.Type, '/')+1:]
}

// Error is one line: what is wrong, where, and what to do about it.
func (e *problemError) Error() string {
	// A parser's message has lines; this is one.
	text := printable(strings.TrimPrefix(strings.Join(strings.Fields(e.document.Detail), " "), ": "))
	if text == "" {
		text = printable(e.document.Title)
	}
	for _, field := range e.document.Errors {
		if !strings.Contains(e.document.Detail, field.Pointer) {
			text += fmt.Sprintf(" [%s %s]", printable(field.Pointer), printable(field.Code))
		}
	}
	if text == "" {
		text = e.target + " gave no reason"
	}
	text += " (" + strings.TrimSpace(fmt.Sprintf("%d %s", e.status, printable(e.code()))) + ")"
	if remedy := e.remedy(); remedy != "" {
		text += "; " + remedy
	}
	return text
}

func (e *problemError) remedy() string {
	again := "run the command again"
	if e.key != "" {
		again += " with --idempotency-key " + e.key
	}
	switch {
	case e.document.Type == "", e.code() == "path_unknown":
		return "is --url the address of huitou, and of this version?"
	case e.status == http.StatusUnauthorized:
		return "set HUITOU_OPERATOR_TOKEN or --token to a token of this huitou"
	case e.status == http.StatusForbidden:
		return "use the token of an operator who may"
	case e.status == http.StatusUnprocessableEntity:
		return "choose another --idempotency-key, or leave it out"
	case e.code() == "in_progress", e.status == http.StatusTooManyRequests, e.status == http.StatusServiceUnavailable:
		return again
	case e.status >= 500 && e.document.Instance != "":
		return fmt.Sprintf("the log has more under %s; %s", printable(e.document.Instance), again)
	case e.status >= 500:
		return again
	}
	return ""
}

var errNotHuitou = &incompleteError{"the answer is not one that huitou gives; is --url its address, and is this command of the same version?"}

// do makes a call and reads the whole answer.
func (a *api) do(ctx context.Context, c call) (reply, error) {
	response, err := a.ask(ctx, c)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, largestAnswer+1))
	switch {
	case err != nil:
		return reply{}, a.lost(ctx, c, err)
	case len(body) > largestAnswer:
		return reply{}, errNotHuitou
	}
	return reply{response.StatusCode, isReplay(response), body}, nil
}

func isReplay(response *http.Response) bool {
	return response.Header.Get("Idempotency-Replayed") == "true"
}

// ask makes a call, again where that may help, and leaves the body of a good
// answer to be read. It fails with a *problemError where huitou refused.
func (a *api) ask(ctx context.Context, c call) (*http.Response, error) {
	target, err := a.target(c)
	if err != nil {
		return nil, err
	}
	pause := firstPause
	for attempt := 1; ; attempt++ {
		response, err := a.attempt(ctx, c, target)
		var wait time.Duration
		switch {
		case err != nil:
			if attempt == callAttempts || ctx.Err() != nil || !isPassing(err) {
				return nil, a.lost(ctx, c, err)
			}
		case response.StatusCode < 300:
			return response, nil
		default:
			refused := a.refusal(c, response)
			if attempt == callAttempts || !refused.passing() {
				return nil, refused
			}
			if seconds, err := strconv.ParseUint(response.Header.Get("Retry-After"), 10, 16); err == nil {
				wait = min(time.Duration(seconds)*time.Second, longestPause)
			}
		}
		a.pause(ctx, max(pause, wait))
		pause = min(2*pause, longestPause)
	}
}

func (e *problemError) passing() bool {
	return answer{status: e.status}.passing() && e.status != http.StatusInternalServerError || e.code() == "in_progress"
}

// isPassing is true for a connection that broke, not for one that could not be
// made.
func isPassing(err error) bool {
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return true
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
}

// target is the call's address. An id stands in one segment, whatever is in
// it; one that a server would take for a folder is no id.
func (a *api) target(c call) (string, error) {
	var target strings.Builder
	target.WriteString(a.address)
	for _, segment := range c.path {
		if segment == "" || segment == "." || segment == ".." {
			return "", &UsageError{fmt.Sprintf("%q is not an id", segment)}
		}
		target.WriteString("/" + url.PathEscape(segment))
	}
	if len(c.query) > 0 {
		target.WriteString("?" + c.query.Encode())
	}
	return target.String(), nil
}

func (a *api) attempt(ctx context.Context, c call, target string) (*http.Response, error) {
	var body io.Reader
	if c.body != nil {
		body = bytes.NewReader(c.body)
	}
	patience := callDeadline
	if c.patience > 0 {
		patience = c.patience
	}
	client := *a.client
	client.Timeout = patience
	request, err := http.NewRequestWithContext(ctx, c.method, target, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", "huitou-cli")
	if c.body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.key != "" {
		request.Header.Set("Idempotency-Key", c.key)
	}
	if !c.public {
		request.Header.Set("Authorization", "Bearer "+a.token)
	}
	return client.Do(request)
}

// refusal reads why huitou said no. Whatever answers without a problem
// document is told by its status alone.
func (a *api) refusal(c call, response *http.Response) *problemError {
	defer func() { _ = response.Body.Close() }()
	refused := &problemError{status: response.StatusCode, replayed: isReplay(response), key: c.key, target: a.address}
	if text, err := io.ReadAll(io.LimitReader(response.Body, 64<<10)); err == nil {
		_ = json.Unmarshal(text, &refused.document)
	}
	return refused
}

// lost says that no answer came, and what that means for the request.
func (a *api) lost(ctx context.Context, c call, err error) error {
	text := a.address + " does not answer"
	switch {
	case ctx.Err() != nil:
		text = "interrupted"
	case errors.Is(err, syscall.ECONNREFUSED):
		return &incompleteError{text + ": nobody listens there; is huitou running, and is --url (or HUITOU_URL) its address?"}
	default:
		if inner, ok := errors.AsType[*url.Error](err); ok {
			err = inner.Err // without the address of the call, which may name a person
		}
		text += ": " + printable(err.Error())
	}
	if c.key != "" {
		text += "; whether it was done is not known, --idempotency-key " + c.key + " repeats the same request safely"
	}
	return &incompleteError{text}
}

// decode reads an answer.
func decode[T any](answer reply) (T, error) {
	var document T
	if err := json.Unmarshal(answer.body, &document); err != nil {
		return document, errNotHuitou
	}
	return document, nil
}

// show makes a call and prints its answer: as the API gave it, or as text.
func show[T any](ctx context.Context, console Console, connection Connection, c call, text func(T) string) error {
	huitou, err := connection.openFor(c)
	if err != nil {
		return err
	}
	answer, err := huitou.do(ctx, c)
	if err != nil {
		return err
	}
	return render(console, connection, answer, text)
}

// render prints an answer that a command has already got.
func render[T any](console Console, connection Connection, answer reply, text func(T) string) error {
	if connection.JSON {
		return console.json(answer.body)
	}
	document, err := decode[T](answer)
	if err != nil {
		return err
	}
	return console.text(text(document))
}

// Paging is how much of a list is shown.
type Paging struct {
	Limit  int    `default:"50" placeholder:"N" help:"Stop after about so many."`
	All    bool   `help:"Show everything."`
	Cursor string `placeholder:"CURSOR" help:"Go on where an earlier list stopped."`
}

// pageSize is the longest page that the API gives.
const pageSize = 100

type page struct {
	Items      []json.RawMessage `json:"items"`
	NextCursor string            `json:"next_cursor,omitempty"`
}

// list reads as many pages as it takes and prints them as one list.
func list[T any](ctx context.Context, console Console, connection Connection, paging Paging, c call, titles []string, row func(T) []string) error {
	if paging.Limit < 1 {
		return &UsageError{"--limit is at least 1"}
	}
	huitou, err := connection.openFor(c)
	if err != nil {
		return err
	}
	found, err := collect(ctx, console, huitou, paging, c)
	if err != nil {
		return err
	}
	if connection.JSON {
		return console.value(found)
	}
	table := grid{titles: titles}
	for _, item := range found.Items {
		one, err := decode[T](reply{body: item})
		if err != nil {
			return err
		}
		table.add(row(one)...)
	}
	if err := console.text(table.String()); err != nil {
		return err
	}
	if found.NextCursor != "" {
		console.note("there are more: --all, --limit N, or --cursor %s", printable(found.NextCursor))
	}
	return nil
}

func collect(ctx context.Context, console Console, huitou *api, paging Paging, c call) (page, error) {
	found := page{Items: []json.RawMessage{}, NextCursor: paging.Cursor}
	if c.query == nil {
		c.query = url.Values{}
	}
	bar := console.progress(-1, "reading")
	defer func() { _ = bar.Finish() }()
	for {
		wanted := pageSize
		if !paging.All {
			wanted = min(pageSize, paging.Limit-len(found.Items))
		}
		c.query.Set("limit", strconv.Itoa(wanted))
		if found.NextCursor != "" {
			c.query.Set("cursor", found.NextCursor)
		}
		answer, err := huitou.do(ctx, c)
		if err != nil {
			return page{}, err
		}
		next, err := decode[page](answer)
		if err != nil {
			return page{}, err
		}
		_ = bar.Add(len(next.Items))
		found.Items = append(found.Items, next.Items...)
		if next.NextCursor != "" && next.NextCursor == found.NextCursor {
			return page{}, errNotHuitou // it would go on for ever
		}
		found.NextCursor = next.NextCursor
		if next.NextCursor == "" || !paging.All && len(found.Items) >= paging.Limit {
			return found, nil
		}
	}
}
